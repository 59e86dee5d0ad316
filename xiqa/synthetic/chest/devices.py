"""Support devices, which are not annotated, and the side marker: strokes in body coordinates, whatever the label."""

import numpy as np
from scipy.interpolate import CubicSpline

from xiqa.synthetic.chest.anatomy import Subject
from xiqa.synthetic.chest.film import MARKERS
from xiqa.synthetic.chest.strokes import Stroke, disc, wire

DEVICES_STREAM = 5


def devices(seed: int, subject: int, person: Subject) -> list[tuple[str, list[Stroke]]]:
    """(kind, strokes) of the support devices of a subject; most have none."""
    rng = np.random.default_rng([seed, subject, DEVICES_STREAM])
    found = []
    if rng.random() < 0.14:
        found += electrodes(person, rng)
    if rng.random() < 0.08:
        found.append(("line", central_line(person, rng)))
    if rng.random() < 0.04:
        found.append(("pacemaker", pacemaker(person, rng)))
    if rng.random() < 0.05:
        found.append(("sternal_wires", sternal_wires(person, rng)))
    if rng.random() < 0.04:
        found.append(("tube", gastric_tube(person, rng)))
    found.append(("marker", marker(person, rng)))
    return found


def curve(points: list[tuple[float, float]]) -> np.ndarray:
    """A smooth curve through points, (200, 2)."""
    points = np.array(points, float)
    return CubicSpline(np.arange(len(points)), points)(np.linspace(0, len(points) - 1, 200))


def electrodes(person: Subject, rng: np.random.Generator) -> list:
    """Three to five ECG electrodes with their leads, which leave the film downwards or over a shoulder."""
    width, found = person.width, []
    spots = [(-0.72, 45), (0.72, 45), (0.75, 215), (-0.75, 215), (0.1, 120)]
    leave = (rng.normal(0, 60), 420.0) if rng.random() < 0.7 else (rng.choice([-1, 1]) * 260.0, rng.uniform(-80, 40))
    tau = rng.uniform(0.25, 0.6)
    for number in range(rng.integers(3, 6)):
        spot = np.array(spots[number]) * [width, person.tall] + rng.normal(0, 14, 2)
        radius = rng.uniform(5, 9)
        middle = (spot + leave) / 2 + rng.normal(0, 30, 2)
        strokes = [disc(*spot, radius, 0.06), disc(*spot, rng.uniform(2.2, 3.4), rng.uniform(0.5, 1.0), 16)]
        strokes.append(
            wire(
                curve([tuple(spot), tuple(spot + rng.normal(0, 14, 2)), tuple(middle), leave]),
                tau,
                rng.uniform(1.1, 1.8),
            )
        )
        found.append(("electrode", strokes))
    return found


def central_line(person: Subject, rng: np.random.Generator) -> list[Stroke]:
    """A catheter from the neck or under a clavicle into the superior vena cava."""
    side = rng.choice([-1, 1], p=[0.7, 0.3])
    start = (side * 45, -120) if rng.random() < 0.5 else (side * 120, 10 * person.tall)
    way = [
        start,
        (side * 38, 22 * person.tall),
        (-16, 55 * person.tall),
        (-17 + rng.normal(0, 3), rng.uniform(90, 135)),
    ]
    return [wire(curve(way), rng.uniform(0.12, 0.3), rng.uniform(1.6, 2.6))]


def pacemaker(person: Subject, rng: np.random.Generator) -> list[Stroke]:
    """A can under the left clavicle and its leads to the right heart."""
    x, y = 0.68 * person.width + rng.normal(0, 8), 55 * person.tall + rng.normal(0, 8)
    a = np.linspace(0, 2 * np.pi, 48)
    can = np.stack(
        [
            x + 22 * np.sign(np.cos(a)) * np.abs(np.cos(a)) ** 0.7,
            y + 20 * np.sign(np.sin(a)) * np.abs(np.sin(a)) ** 0.7,
        ],
        1,
    )
    base = person.dome - 20
    strokes = [Stroke(can, 0.8), Stroke((can - [x, y]) * 0.55 + [x, y + 4], 1.5)]
    for end in ((24, base), (-22, base - 45))[: rng.integers(1, 3)]:
        way = [(x, y - 14), (50, 26 * person.tall), (-12, 60 * person.tall), (-20, base - 60), end]
        strokes.append(wire(curve(way), 0.4, 1.6))
    return strokes


def sternal_wires(person: Subject, rng: np.random.Generator) -> list[Stroke]:
    """Wire loops that hold a sternum together."""
    strokes = []
    for number in range(rng.integers(4, 7)):
        a = np.linspace(0, 5.6, 30) + rng.normal(0, 0.4)
        y = (42 + 24 * number) * person.tall
        loop = np.stack([rng.normal(0, 1.5) + 7 * np.cos(a), y + 5 * np.sin(a)], 1)
        strokes.append(wire(loop, 0.5, 1.2))
    return strokes


def gastric_tube(person: Subject, rng: np.random.Generator) -> list[Stroke]:
    """A tube down the gullet into the stomach."""
    way = [(0, -150), (-2, 0), (6, 110 * person.tall), (10, person.dome), (40 + rng.normal(0, 8), person.dome + 60)]
    return [wire(curve(way), rng.uniform(0.1, 0.25), 4.0)]


def marker(person: Subject, rng: np.random.Generator) -> list[Stroke]:
    """The lead letter of a side, near a corner of the film on that side; some films have none."""
    letter = "R" if rng.random() < 0.6 else "L"
    if rng.random() < 0.1:
        return []
    size, half = rng.uniform(0.9, 1.7), person.field / 2
    x = (-1 if letter == "R" else 1) * (half - rng.uniform(22, 45))
    y = rng.choice([-1, 1]) * (half - rng.uniform(28, 60))
    offset = np.array([x + person.centre[0], y + person.centre[1]])
    return [wire(np.array(line) * size - [3 * size, 5 * size] + offset, 2.5, 1.7 * size) for line in MARKERS[letter]]
