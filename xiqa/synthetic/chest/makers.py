"""Objects that people wear: buttons, buckles, zips, necklaces and the like, each of random make.

A maker takes a stream of random numbers and the attenuation of the material and gives strokes in mm.
"""

import numpy as np

from xiqa.synthetic.chest.strokes import Stroke, disc, wire


def button(rng: np.random.Generator, tau: float, holes: int) -> list[Stroke]:
    """A disc with a thicker rim and sewing holes."""
    radius = rng.uniform(7, 12)
    strokes = [disc(0, 0, radius, tau * rng.uniform(1.1, 1.7)), disc(0, 0, radius * rng.uniform(0.7, 0.85), tau)]
    turn, reach = rng.uniform(0, np.pi), radius * 0.28
    for number in range(holes):
        angle = turn + number * 2 * np.pi / holes
        strokes.append(disc(reach * np.cos(angle), reach * np.sin(angle), radius * 0.13 + 0.3, 0.0, 12))
    return strokes


def snap(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A press stud: ring, groove and socket."""
    radius = rng.uniform(6, 10)
    shares = ((1.0, 1.0), (0.78, 0.45), (0.5, 1.2), (0.28, 0.5))
    return [disc(0, 0, radius * share, tau * weight) for share, weight in shares]


def buckle(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A slider of straps: two to four bars in a rounded frame."""
    wide, high, gauge = rng.uniform(16, 32), rng.uniform(10, 18), rng.uniform(1.8, 3.0)
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
    radius, gauge = rng.uniform(7, 13), rng.uniform(1.8, 3.2)
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
    """A stretch of chain or beads with a pendant."""
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
    radius = rng.uniform(8.5, 13)
    return [disc(0, 0, radius, 1.25 * tau), disc(0, 0, radius - 1.2, tau)]


def hairpin(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """A bobby pin: a straight leg, a wavy one, joined by a bow."""
    length, gap, gauge = rng.uniform(40, 58), rng.uniform(2.2, 3.5), rng.uniform(1.4, 2.2)
    x = np.linspace(0, length, 60)
    wave = gap + 1.2 * np.sin(x * 0.9) * ((x > length * 0.25) & (x < length * 0.75))
    a = np.linspace(np.pi / 2, 3 * np.pi / 2, 12)
    bow = np.stack([gap / 2 * np.cos(a), gap / 2 + gap / 2 * np.sin(a)], 1)
    points = np.r_[np.stack([x, wave], 1)[::-1], bow, [[length * 0.93, 0.0]]]
    return [wire(points, tau, gauge)]


def safety_pin(rng: np.random.Generator, tau: float) -> list[Stroke]:
    """Coil, two legs and the cap."""
    length, gauge = rng.uniform(26, 45), rng.uniform(1.2, 2.0)
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
SHARES = {
    "button2": 0.14,
    "button4": 0.14,
    "snap": 0.1,
    "buckle": 0.12,
    "ring_buckle": 0.1,
    "zip": 0.05,
    "necklace": 0.07,
    "bra_hook": 0.06,
    "underwire": 0.03,
    "coin": 0.11,
    "hairpin": 0.04,
    "safety_pin": 0.04,
}
