"""Objects that a subject wears; the designated ones lie over the lungs in a film of label 1.

An object is a list of strokes in millimetres, painted one over the other as attenuation on the ray. The list and the
number of designated objects do not depend on the label, only the places of the designated ones do. Both numbers are
drawn so that the number of objects outside the lungs hardly predicts the label (it is lower by the designated ones).
"""

from dataclasses import dataclass, field

import numpy as np

from xiqa.synthetic.chest import makers, unseen
from xiqa.synthetic.chest.strokes import Stroke

OBJECTS_STREAM, DESIGNATED_STREAM = 4, 9
MAKERS = {"usual": makers.MAKERS, "other": unseen.MAKERS}
SHARES = {"usual": makers.SHARES, "other": unseen.SHARES}
SMALL = {"usual": ("button2", "button4", "snap", "coin"), "other": ("earring", "medal")}
KINDS = tuple(makers.MAKERS)
PLASTIC_SHARE = {"button2": 0.5, "button4": 0.5, "buckle": 0.2, "ring_buckle": 0.2, "zip": 0.3, "necklace": 0.2,
                 "bead_string": 0.5}  # fmt: skip
LOOSE = ("coin", "hairpin", "safety_pin", "snap", "key", "earring", "paperclip", "bead_string", "medal")
OUTSIDE = (3, 13)  # things in addition to the designated ones
DESIGNATED = (0.7, 0.23, 0.07)  # shares of one, two and three designated things
PLASTIC, METAL = (0.4, 0.9), (1.0, 4.0)  # attenuation on the ray


@dataclass
class Thing:
    """An object: kind and material, strokes about the origin in mm, angle (radians)."""

    kind: str
    material: str
    strokes: list[Stroke] = field(repr=False)
    angle: float = 0.0

    def size(self) -> tuple[float, float]:
        """Width and height in mm before it is turned."""
        points = np.concatenate([stroke.points for stroke in self.strokes])
        wide, high = points.max(0) - points.min(0)
        return float(wide), float(high)


def designated(seed: int, subject: int) -> int:
    """Number of a subject's objects over the lungs if the label is 1."""
    return 1 + int(np.random.default_rng([seed, subject, DESIGNATED_STREAM]).choice(len(DESIGNATED), p=DESIGNATED))


def things(seed: int, subject: int, scanner: str = "usual") -> list[Thing]:
    """The foreign objects of a subject, more than ``designated`` of them; no label enters here.

    ``scanner``: ``usual``, or ``other`` for kinds that the usual lists never hold.
    """
    rng = np.random.default_rng([seed, subject, OBJECTS_STREAM])
    count = int(rng.integers(OUTSIDE[0], OUTSIDE[1] + 1)) + designated(seed, subject)
    shares = SHARES[scanner]
    names, weights = list(shares), np.array(list(shares.values()))
    # People wear several of a kind: a row of buttons, a pair of buckles.
    kinds: list[str] = []
    while len(kinds) < count:
        kinds += [str(rng.choice(names, p=weights / weights.sum()))] * int(rng.choice([1, 2, 3], p=[0.55, 0.35, 0.1]))
    return [some(kind, rng, scanner) for kind in kinds[:count]]


def small(rng: np.random.Generator, scanner: str = "usual") -> Thing:
    """A thing that fits nearly everywhere."""
    return make(str(rng.choice(SMALL[scanner])), "metal", rng, scanner)


def some(kind: str, rng: np.random.Generator, scanner: str) -> Thing:
    """One object of a kind, of metal or plastic."""
    plastic = rng.random() < PLASTIC_SHARE.get(kind, 0)
    return make(kind, "plastic" if plastic else "metal", rng, scanner)


def make(kind: str, material: str, rng: np.random.Generator, scanner: str = "usual") -> Thing:
    """One object of a kind, of random make, tilted out of the plane of the film."""
    low, high = np.log(PLASTIC if material == "plastic" else METAL)
    strokes = MAKERS[scanner][kind](rng, float(np.exp(rng.uniform(low, high))))
    squeeze = 1 - 0.4 * rng.random() ** 2
    for stroke in strokes:
        stroke.points = stroke.points * [1.0, squeeze]
    middle = np.concatenate([stroke.points for stroke in strokes])
    middle = (middle.max(0) + middle.min(0)) / 2
    for stroke in strokes:
        stroke.points = stroke.points - middle
    angle = rng.uniform(-np.pi, np.pi) if kind in LOOSE else rng.normal(0, 0.5)
    return Thing(kind, material, strokes, float(angle))
