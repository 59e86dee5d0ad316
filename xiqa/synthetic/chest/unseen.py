"""Kinds of things that the usual films never show, for the shifted set: keys, earrings, paper clips, staples and so on.

Makers as in :mod:`xiqa.synthetic.chest.makers`: a stream and the attenuation of the material give strokes in mm.
"""

import numpy as np

from xiqa.synthetic.chest.strokes import Stroke, disc, wire


def key(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A flat key: a bow with its hole, a shaft, teeth on one side."""
    radius, length, gauge = rng.uniform(8, 12), rng.uniform(24, 36), rng.uniform(3.5, 5.5)
    strokes = [wire([(0, 0), (0, radius + length)], tau, gauge), disc(0, 0, radius, tau)]
    strokes.append(disc(0, -radius * 0.35, radius * rng.uniform(0.3, 0.5), 0.0, 20))
    for y in np.arange(radius + 8, radius + length, 3.2):
        strokes.append(wire([(gauge / 2, y), (gauge / 2 + rng.uniform(1, 4), y)], tau, 2.2))
    return strokes


def earring(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A hoop that is open at the top, often with a ball or a drop below it."""
    radius, gauge = rng.uniform(8, 18), rng.uniform(1.8, 3.6)
    angle = np.linspace(-np.pi / 2 + 0.2, 3 * np.pi / 2 - 0.25, 50)
    strokes = [wire(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), tau, gauge)]
    if rng.random() < 0.6:
        size = rng.uniform(2.5, 5)
        strokes.append(disc(0, radius + size, size, 1.3 * tau, 24))
    return strokes


def paperclip(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A wire bent three times, one loop in the other."""
    length, wide = rng.uniform(28, 48), rng.uniform(7, 10)
    turn = np.linspace(np.pi, 0, 10)
    points = [np.array([[0, length * 0.7]])]
    # Middle, half width and height of each bend; the second one points the other way and is run through backwards.
    for middle, half, height, way in ((0.5, 0.5, 0.0, -1), (0.6, 0.4, length, 1), (0.5, 0.3, 6.0, -1)):
        bend = np.stack([wide * (middle + half * np.cos(turn)), height + way * half * wide * np.sin(turn)], 1)
        points.append(bend if way < 0 else bend[::-1])
    points.append(np.array([[wide * 0.8, length * 0.75]]))
    return [wire(np.concatenate(points), tau, rng.uniform(1.3, 2.2))]


def staples(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A row of surgical clips across an old cut."""
    pitch, wide, bend = rng.uniform(6, 10), rng.uniform(7, 11), rng.normal(0, 0.0015)
    strokes = []
    for number in range(rng.integers(5, 10)):
        y = number * pitch
        x, lean = bend * y**2 + rng.normal(0, 0.5), rng.normal(0, 0.8)
        legs = [
            (x - wide / 2 + 1.5, y + 2.2),
            (x - wide / 2, y - lean),
            (x + wide / 2, y + lean),
            (x + wide / 2 - 1.5, y + 2.2),
        ]
        strokes.append(wire(legs, tau, 1.6))
    return strokes


def bracelet(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A closed chain of oval links with a clasp."""
    half, flat = rng.uniform(22, 32), rng.uniform(0.45, 0.8)
    links, strokes = int(half * 0.95), []
    angle = np.linspace(0, 2 * np.pi, links, endpoint=False)
    for number, a in enumerate(angle):
        x, y = half * np.cos(a), half * flat * np.sin(a)
        if number % 2:
            strokes.append(disc(x, y, 2.3, tau, 12))
            strokes.append(disc(x, y, 1.0, 0.2 * tau, 8))
        else:
            along = np.array([-np.sin(a), flat * np.cos(a)]) * 2.4
            strokes.append(wire([(x - along[0], y - along[1]), (x + along[0], y + along[1])], 0.8 * tau, 1.6))
    strokes.append(wire([(-4, half * flat), (4, half * flat)], 1.3 * tau, 4.5))
    return strokes


def medal(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """An identity plate: a rounded plate with a hole and a few balls of its chain."""
    wide, high = rng.uniform(11, 15), rng.uniform(18, 26)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    corner = np.abs(np.stack([np.cos(angle), np.sin(angle)], 1)) ** 0.5 * np.sign(
        np.stack([np.cos(angle), np.sin(angle)], 1)
    )
    strokes = [Stroke(corner * [wide / 2, high / 2], tau), disc(0, -high / 2 + 3, 1.6, 0.0, 12)]
    for number in range(rng.integers(0, 6)):
        strokes.append(disc(rng.normal(0, 0.7) + 0.5 * number, -high / 2 - 1.5 - 2.8 * number, 1.2, tau, 10))
    return strokes


def bead_string(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """Beads of falling size on an arc."""
    count, reach = int(rng.integers(5, 10)), rng.uniform(22, 40)
    angle = np.linspace(-1, 1, count) * rng.uniform(0.6, 1.1)
    size = rng.uniform(3, 5.5) * (1 - 0.45 * np.abs(np.linspace(-1, 1, count)))
    return [disc(reach * np.sin(a), reach * np.cos(a), s, tau, 20) for a, s in zip(angle, size, strict=True)]


MAKERS = {
    "key": key,
    "earring": earring,
    "paperclip": paperclip,
    "staples": staples,
    "bracelet": bracelet,
    "medal": medal,
    "bead_string": bead_string,
}
SHARES = {
    "key": 0.18,
    "earring": 0.22,
    "paperclip": 0.12,
    "staples": 0.1,
    "bracelet": 0.06,
    "medal": 0.18,
    "bead_string": 0.14,
}
