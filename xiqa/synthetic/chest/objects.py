"""What people wear: buttons, buckles, zips, necklaces and the like, and the support devices of a ward.

A thing is a list of strokes in millimetres, painted one over the other as attenuation on the ray. The list of a
subject's things is drawn from one distribution, whatever the label: only where they are put depends on it.
"""

from dataclasses import dataclass, field

import numpy as np

OBJECTS_STREAM = 4
KINDS = ("button2", "button4", "snap", "buckle", "ring_buckle", "zip", "necklace", "bra_hook", "underwire", "coin",
         "hairpin", "safety_pin")  # fmt: skip
SMALL = ("button2", "button4", "snap", "ring_buckle", "coin")
SHARES = (0.14, 0.14, 0.1, 0.12, 0.1, 0.06, 0.07, 0.08, 0.04, 0.06, 0.05, 0.04)
PLASTIC_SHARE = {"button2": 0.65, "button4": 0.65, "buckle": 0.3, "ring_buckle": 0.3, "zip": 0.3, "necklace": 0.3}


@dataclass
class Stroke:
    """A filled polygon (``width`` 0) or a line of the given width in mm; ``tau`` is its attenuation, painted over."""

    points: np.ndarray
    tau: float
    width: float = 0.0


@dataclass
class Thing:
    """An object: what it is, its strokes about the origin in mm, the angle it lies at (radians)."""

    kind: str
    material: str
    strokes: list[Stroke] = field(repr=False)
    angle: float = 0.0

    def size(self) -> tuple[float, float]:
        """Width and height in mm before it is turned."""
        points = np.concatenate([stroke.points for stroke in self.strokes])
        wide, high = points.max(0) - points.min(0)
        return float(wide), float(high)


def things(seed: int, subject: int) -> list[Thing]:
    """The foreign objects of a subject; no label enters here."""
    rng = np.random.default_rng([seed, subject, OBJECTS_STREAM])
    count = 3 + min(int(rng.geometric(0.3)) - 1, 8)
    # People wear several of a kind: a row of buttons, a pair of buckles.
    # The first is small, so that something fits wherever it is to go.
    kinds, found = [str(rng.choice(SMALL))], []
    while len(kinds) < count:
        kind = str(rng.choice(KINDS, p=np.array(SHARES) / sum(SHARES)))
        kinds += [kind] * (1 if rng.random() < 0.6 else 2)
    for kind in kinds[:count]:
        material = "plastic" if rng.random() < PLASTIC_SHARE.get(kind, 0) else "metal"
        found.append(make(kind, material, rng))
    return found


def make(kind: str, material: str, rng: np.random.Generator) -> Thing:
    """One object of a kind, of random make, tilted out of the plane of the film."""
    tau = (
        np.exp(rng.uniform(np.log(0.2), np.log(0.5)))
        if material == "plastic"
        else np.exp(rng.uniform(np.log(0.6), np.log(2.0)))
    )
    strokes = MAKERS[kind](rng, float(tau))
    squeeze = 1 - 0.45 * rng.random() ** 2
    for stroke in strokes:
        stroke.points = stroke.points * [1.0, squeeze]
    middle = np.concatenate([stroke.points for stroke in strokes])
    middle = (middle.max(0) + middle.min(0)) / 2
    for stroke in strokes:
        stroke.points = stroke.points - middle
    loose = kind in ("coin", "hairpin", "safety_pin", "snap")
    angle = rng.uniform(-np.pi, np.pi) if loose else rng.normal(0, 0.5)
    return Thing(kind, material, strokes, float(angle))


def disc(x: float, y: float, radius: float, tau: float, sides: int = 40) -> Stroke:
    """A filled circle."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    return Stroke(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1), tau)


def wire(points, tau: float, width: float) -> Stroke:
    """A line through points."""
    return Stroke(np.array(points, float), tau, width)


def button(rng: np.random.Generator, tau: float, holes: int) -> list[Stroke]:
    """A disc with a thicker rim and sewing holes."""
    radius = rng.uniform(5.5, 11.5)
    strokes = [disc(0, 0, radius, tau * rng.uniform(1.1, 1.7)), disc(0, 0, radius * rng.uniform(0.7, 0.85), tau)]
    turn, reach = rng.uniform(0, np.pi), radius * 0.28
    for number in range(holes):
        angle = turn + number * 2 * np.pi / holes
        strokes.append(disc(reach * np.cos(angle), reach * np.sin(angle), radius * 0.13 + 0.3, 0.0, 12))
    return strokes


def snap(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A press stud: ring, groove and socket."""
    radius = rng.uniform(4.5, 8)
    shares = ((1.0, 1.0), (0.78, 0.45), (0.5, 1.2), (0.28, 0.5))
    return [disc(0, 0, radius * share, tau * weight) for share, weight in shares]


def buckle(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A slider of straps: two to four bars in a rounded frame."""
    wide, high, gauge = rng.uniform(16, 32), rng.uniform(10, 18), rng.uniform(1.4, 2.6)
    bars = rng.integers(0, 3)
    strokes = [frame(wide, high, rng.uniform(2, 4), tau, gauge)]
    for number in range(bars):
        y = high * ((number + 1) / (bars + 1) - 0.5)
        strokes.append(wire([(-wide / 2, y), (wide / 2, y)], tau, gauge))
    if rng.random() < 0.3:
        strokes.append(wire([(0, -high / 2), (0, high / 2 + 2)], tau, gauge))
    return strokes


def frame(wide: float, high: float, corner: float, tau: float, gauge: float) -> Stroke:
    """A rounded rectangle of wire."""
    angle = np.linspace(0, 2 * np.pi, 41)
    x = np.sign(np.cos(angle)) * (wide / 2 - corner) + corner * np.cos(angle)
    y = np.sign(np.sin(angle)) * (high / 2 - corner) + corner * np.sin(angle)
    return wire(np.stack([x, y], 1), tau, gauge)


def ring_buckle(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A ring, a D or a triangle of wire, as on straps."""
    radius, gauge = rng.uniform(6, 12), rng.uniform(1.4, 2.6)
    sides = int(rng.choice([3, 3, 24, 24, 4]))
    angle = np.linspace(0, 2 * np.pi, sides + 1) + np.pi / 2
    ring = np.stack([radius * np.cos(angle), 1.25 * radius * np.sin(angle)], 1)
    strokes = [wire(np.r_[ring, ring[1:2]], tau, gauge)]
    if rng.random() < 0.4:
        x, y = ring.mean(0)
        strokes.append(wire([(x - radius * 0.6, y + radius * 0.3), (x + radius * 0.6, y + radius * 0.3)], tau, gauge))
    return strokes


def zip_fastener(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """Two rows of teeth and a slider with its tag."""
    length, pitch = rng.uniform(45, 95), rng.uniform(2.0, 2.8)
    strokes = []
    for number in range(int(length / pitch)):
        side = 1 if number % 2 else -1
        y = number * pitch
        strokes.append(wire([(side * 0.3, y), (side * 2.2, y)], tau * 0.8, pitch * 0.55))
    y = rng.uniform(0, length)
    strokes.append(Stroke(np.array([(-3, y), (3, y), (2, y + 7), (-2, y + 7)]), tau * 1.3))
    strokes.append(wire([(0, y + 7), (rng.uniform(-3, 3), y + 16)], tau, 2.4))
    return strokes


def necklace(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A stretch of chain or beads and what hangs on it."""
    wide, sag = rng.uniform(40, 80), rng.uniform(25, 60)
    t = np.linspace(-1, 1, 400)
    curve = np.stack([t * wide / 2, sag * (1 - np.abs(t) ** rng.uniform(1.3, 2.2))], 1)
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))]
    pitch, beads = rng.uniform(2.0, 3.6), rng.random() < 0.4
    at = np.arange(0, length[-1], pitch)
    centres = np.stack([np.interp(at, length, curve[:, i]) for i in range(2)], 1)
    strokes = []
    for number, (x, y) in enumerate(centres):
        if beads:
            strokes.append(disc(x, y, pitch * 0.42, tau, 10))
        else:
            strokes += [
                disc(x, y, pitch * 0.5, tau, 10),
                disc(x, y, pitch * (0.2 if number % 2 else 0.05), 0.25 * tau, 8),
            ]
    bottom, size = sag + 1, rng.uniform(8, 16)
    shape = rng.integers(0, 4)
    if shape == 0:
        bar, half = bottom + size * 0.45, size * 0.45
        strokes.append(wire([(0, bottom), (0, bottom + size * 1.4)], tau * 1.2, 2.5))
        strokes.append(wire([(-half, bar), (half, bar)], tau * 1.2, 2.5))
    elif shape == 1:
        a = np.linspace(0, 2 * np.pi, 40)
        heart = np.stack([16 * np.sin(a) ** 3, -13 * np.cos(a) + 5 * np.cos(2 * a) + 2 * np.cos(3 * a)], 1) * size / 32
        heart[:, 1] += bottom + size * 0.5
        strokes.append(Stroke(heart, tau * 1.2))
    elif shape == 2:
        strokes += [disc(0, bottom + size / 2, size / 2, tau * 1.2), disc(0, bottom + size / 2, size * 0.36, tau * 0.8)]
    return strokes


def bra_hook(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """Two to four rows of small hooks, each with its eye."""
    rows, columns = rng.integers(2, 5), rng.integers(1, 4)
    strokes, gauge = [], rng.uniform(0.9, 1.4)
    for row in range(rows):
        for column in range(columns + 1):
            x, y = column * 9.0 + rng.normal(0, 0.4), row * 9.0 + rng.normal(0, 0.4)
            a = np.linspace(-2.4, 2.4, 12) + (0 if column else np.pi)
            strokes.append(wire(np.stack([x + 2.1 * np.cos(a), y + 1.9 * np.sin(a)], 1), tau, gauge))
            strokes += [disc(x - 2.2, y + sign * 1.7, 0.9, tau, 8) for sign in (-1, 1)]
    return strokes


def underwire(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """The arc of wire under a cup."""
    wide, high = rng.uniform(75, 105), rng.uniform(32, 55)
    t = np.linspace(-1, 1, 60)
    curve = np.stack([t * wide / 2, high * (1 - np.abs(t) ** 2.2) + 4 * t], 1)
    return [wire(curve, tau, rng.uniform(1.4, 2.4)), disc(*curve[0], 1.7, tau, 10), disc(*curve[-1], 1.7, tau, 10)]


def coin(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A coin with a raised edge."""
    radius = rng.uniform(8, 12.5)
    return [disc(0, 0, radius, 1.25 * tau), disc(0, 0, radius - 1.2, tau)]


def hairpin(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A bobby pin: a straight leg, a wavy one, joined by a bow."""
    length, gap, gauge = rng.uniform(40, 58), rng.uniform(2.2, 3.5), rng.uniform(1.2, 1.9)
    x = np.linspace(0, length, 60)
    wave = gap + 1.2 * np.sin(x * 0.9) * ((x > length * 0.25) & (x < length * 0.75))
    a = np.linspace(np.pi / 2, 3 * np.pi / 2, 12)
    bow = np.stack([gap / 2 * np.cos(a), gap / 2 + gap / 2 * np.sin(a)], 1)
    points = np.r_[np.stack([x, wave], 1)[::-1], bow, [[length * 0.93, 0.0]]]
    return [wire(points, tau, gauge)]


def safety_pin(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """Coil, two legs and the cap."""
    length, gauge = rng.uniform(26, 45), rng.uniform(1.0, 1.7)
    gap = length * rng.uniform(0.14, 0.22)
    a = np.linspace(0, 2 * np.pi, 20)
    coil = np.stack([2.2 * np.cos(a), gap / 2 + 2.2 * np.sin(a)], 1)
    cap = np.array(
        [(length - 6, -1.4), (length, -1.4), (length + 1.5, gap / 2), (length, gap + 1.4), (length - 6, gap + 1.4)]
    )
    legs = [
        wire([(0, gap / 2 - 2), (length - 4, 0)], tau, gauge),
        wire([(0, gap / 2 + 2), (length - 4, gap)], tau, gauge),
    ]
    return [*legs, wire(coil, tau, gauge), Stroke(cap, tau * 0.9)]


MAKERS = {
    "button2": lambda rng, tau: button(rng, tau, 2),
    "button4": lambda rng, tau: button(rng, tau, 4),
    "snap": snap,
    "buckle": buckle,
    "ring_buckle": ring_buckle,
    "zip": zip_fastener,
    "necklace": necklace,
    "bra_hook": bra_hook,
    "underwire": underwire,
    "coin": coin,
    "hairpin": hairpin,
    "safety_pin": safety_pin,
}
