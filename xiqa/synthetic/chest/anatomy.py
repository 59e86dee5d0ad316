"""The soft parts of the thorax: the subject, torso, lungs, mediastinum, diaphragm, gas and breasts."""

from dataclasses import dataclass

import numpy as np

from xiqa.synthetic.chest.geometry import View, add_body, half_chord, overlap, profile, smooth_path, splat, tube

LUNG_DENSITY = 0.27  # of soft tissue
DEPTH = 8.0  # mm in front of the body's mid-plane: the common centre of the mediastinal organs


@dataclass
class Subject:
    """Measures of one person in millimetres, and the position before the detector."""

    width: float  # half width of the rib cage
    tall: float  # stretch along y
    deep: float  # stretch along z
    fat: float  # mm of tissue around the rib cage
    dome: float  # y of the top of the right dome of the diaphragm
    step: float  # height of the right above the left dome
    heart: float  # size of the heart
    sharp: float  # depth of the costophrenic angles
    bone: float  # density of bone
    breast: float  # half width of the breasts, 0 for none
    female: bool
    arms: float  # abduction of the arms, radians
    shoulders: float  # how far the shoulders are drawn up, mm
    scapulae: float  # how far the scapulae are turned out of the lungs, mm
    effusion: tuple[float, float]  # height of fluid on either side, mm
    field: float
    centre: tuple[float, float]
    angle: float
    turn: float

    def view(self, side: int, dense: float = 1.0) -> View:
        """The canvas this subject is drawn on."""
        return View(side, self.field, self.centre, self.angle, self.turn, dense)


def subject(rng: np.random.Generator) -> Subject:
    """Draw a subject."""
    female = rng.random() < 0.5
    width = rng.normal(125 if female else 133, 6)
    tall = rng.normal(0.98 if female else 1.04, 0.04)
    effusion = [float(rng.uniform(15, 60)) if rng.random() < 0.05 else 0.0 for _ in range(2)]
    return Subject(
        width=width,
        tall=tall,
        deep=rng.normal(1.0, 0.06),
        fat=float(np.clip(rng.gamma(6, 4), 12, 55)),
        dome=rng.normal(222, 13) * tall,
        step=rng.normal(12, 6),
        heart=float(np.clip(rng.normal(1.0, 0.09), 0.82, 1.35)),
        sharp=rng.uniform(58, 76),
        bone=rng.uniform(0.75, 1.2),
        breast=rng.uniform(48, 72) if female and rng.random() < 0.85 else 0.0,
        female=bool(female),
        arms=rng.uniform(0.02, 0.45),
        shoulders=rng.normal(0, 7),
        scapulae=rng.uniform(-14, 12),
        effusion=tuple(effusion),
        field=rng.uniform(375, 440) * (0.6 + 0.4 * width / 129),
        centre=(rng.normal(0, 7), rng.normal(133, 9) * tall),
        angle=rng.normal(0, 0.022),
        turn=rng.normal(0, 0.035),
    )


def torso(view: View, person: Subject, rng: np.random.Generator) -> np.ndarray:
    """Thickness of the body in mm. Bodies centred in one coronal plane: their union is the thickest of them."""
    x, y = np.abs(view.x), view.y / np.float32(person.tall)
    side = person.width + person.fat
    waist = rng.normal(0, 6)
    trunk = profile(
        [
            (-45, 30),
            (-10, 80),
            (40, side - 12),
            (110, side + 2),
            (200, side),
            (290, side - 4 + waist),
            (400, side + waist),
        ],
        y,
    )
    depth = profile([(-45, 45), (0, 70), (60, 90), (150, 106), (260, 106), (400, 98)], y) + np.float32(
        person.fat * 0.35 - 8
    )
    up = person.shoulders
    reach = person.width + 58 + person.fat * 0.3
    neck = 52 + person.fat * 0.35
    girdle = profile(
        [(-140, neck), (-75 - up, neck), (-48 - up, neck + 12), (-26 - up, reach * 0.56), (-8 - up, reach * 0.8),
         (12 - up, reach * 0.95), (42, reach), (80, reach - 4), (112, reach - 30), (128, 10)], y)  # fmt: skip
    thin = profile([(-140, 52), (-60, 54), (-20, 50), (40, 62), (90, 56), (128, 30)], y) + np.float32(person.fat * 0.2)
    bodies = [superellipse(x / trunk, 2.6) * depth, superellipse(x / girdle, 2.6) * thin]
    bodies += [arm(view, person, side) for side in (-1, 1)]
    return 2 * np.maximum.reduce(bodies) * np.float32(person.deep)


def superellipse(u: np.ndarray, power: float) -> np.ndarray:
    """Half height of the unit superellipse |u|^n + |v|^n = 1, 0 outside."""
    return np.maximum(1 - np.minimum(np.abs(u), 2) ** np.float32(power), 0) ** np.float32(1 / power)


def shoulder_point(person: Subject, side: int) -> np.ndarray:
    """Centre of the humeral head: x, y."""
    return np.array([side * (person.width + 34), 42 * person.tall - person.shoulders * 0.5])


def arm(view: View, person: Subject, side: int) -> np.ndarray:
    """Half thickness of an upper arm: a cylinder that hangs from the shoulder, turned outwards."""
    start = shoulder_point(person, side)
    direction = np.array([side * np.sin(person.arms), np.cos(person.arms)], np.float32)
    dx, dy = view.x - np.float32(start[0]), view.y - np.float32(start[1])
    along = dx * direction[0] + dy * direction[1]
    across = dx * direction[1] - dy * direction[0]
    radius = np.float32(36 + person.fat * 0.45)
    inside = 1 - (across / radius) ** 2 - (np.minimum(along, 0) / radius) ** 2
    return radius * np.sqrt(np.maximum(inside, 0))


def mediastinum(view: View, person: Subject, rng: np.random.Generator) -> np.ndarray:
    """Half depth of heart and great vessels about their common plane, so that their union is a maximum."""
    tall, heart = person.tall, person.heart
    base = person.dome - 30 * tall
    jitter = rng.normal(0, 2.5, 16)
    arch = rng.uniform(15, 22) * (0.9 + 0.1 * heart)
    organs = [
        ((32 * heart + jitter[0], base + 4 + jitter[1]), (68 * heart, 42 * heart, 52 * heart), rng.normal(0.62, 0.07)),
        ((-11 + jitter[2], base - 14), (31 * heart, 52 * tall, 44), 0.12),
        ((27 + jitter[3], base - 44 * tall), (74 * tall, 27 * heart, 44), 1.17),
        ((-15 + jitter[4], 112 * tall), (18, 74 * tall, 28), 0.04),
        ((20 + jitter[5], 78 * tall + jitter[6]), (arch + 4, arch, 30), 0.2),
        ((24 + jitter[7], 108 * tall), (21, 25, 28), 0.2),
        ((9 + jitter[8] * 0.5, 190 * tall), (17, 130 * tall, 26), -0.04),
        ((0, 22), (27 + 0.25 * person.fat, 72 * tall, 40), 0.0),
        ((0, 170), (21 + 0.15 * person.fat, 320, 60), 0.0),
    ]
    total = np.zeros_like(view.x)
    lean = view.turn * DEPTH * 4
    for (x, y), axes, angle in organs:
        add_body(total, view, (x + lean, y), axes, angle, np.maximum)
    return total


def lung(view: View, person: Subject, side: int, organs: np.ndarray, rng: np.random.Generator):
    """One lung: its air path in mm and its field as seen on the film (bool), both (side, side).

    The pleural cavity is an elliptic cylinder whose outline and depth follow y; mediastinum and diaphragm (half an
    ellipsoid) are taken out of it as depth intervals, so that lung shows in front of, behind and below them.
    """
    tall, right = person.tall, side < 0
    dome = person.dome + (0 if right else person.step)
    apex, bottom = 2 * tall + rng.normal(0, 3), dome + person.sharp
    reach = sorted((-25 * side, (person.width + 30) * side))
    at = view.window(*reach, apex - 5, bottom + 5)
    x, y, organs = view.x[at] * side, view.y[at], organs[at]
    t = (y - np.float32(apex)) / np.float32(bottom - apex)
    width = person.width * (1.0 if right else 0.985)
    wave = profile([(0, 0), (0.3, rng.normal(0, 0.012)), (0.7, rng.normal(0, 0.012)), (1, 0)], t)
    outer = np.float32(width) * (cage(t) + wave)
    inner = np.float32(width) * profile([(0, 0.22), (0.07, 0.18), (0.2, 0.1), (0.5, 0.06), (1, 0.03)], t)
    rounding = np.sqrt(np.maximum(1 - (1 - np.clip(t / 0.08, 0, 1)) ** 2, 0))
    middle, half = (outer + inner) / 2, (outer - inner) / 2 * rounding
    # Towards the apex the outline closes around a point at two thirds of its width.
    middle = middle - (1 - rounding) * (outer - inner) * np.float32(0.05)
    u = (x - middle) / np.maximum(half, np.float32(1e-3))
    section = np.where(u > 0, superellipse(u, 2.2), superellipse(u, 4.0))
    ends = np.sqrt(np.maximum(1 - np.clip((t - 0.86) / 0.14, 0, None) ** 2, 0))
    depth = profile([(0, 18), (0.05, 42), (0.12, 60), (0.3, 82), (0.6, 94), (1, 90)], t) * np.float32(person.deep)
    depth = depth * section * ends * ((t > 0) & (t < 1))
    height = 82.0
    flat = np.where(x > 70, np.float32((width - 64) * 1.14), np.float32(105))
    domed = 1 - ((x - 70) / flat) ** 2 - (np.minimum(y - np.float32(dome + height), 0) / np.float32(height)) ** 2
    domed = np.float32(100 * person.deep) * np.sqrt(np.maximum(domed, 0))
    low, high = -domed + 18, domed + 18
    taken = (
        overlap(-depth, depth, DEPTH - organs, DEPTH + organs)
        + overlap(-depth, depth, low, high)
        - overlap(np.maximum(low, -depth), np.minimum(high, depth), DEPTH - organs, DEPTH + organs)
    )
    air = np.maximum(2 * depth - taken, 0)
    air = drown(air, x, y, bottom, person.effusion[0 if right else 1], width)
    path, field = np.zeros_like(view.x), np.zeros(view.x.shape, bool)
    path[at], field[at] = air, (air > 22) & (organs <= 0) & (domed <= 0)
    return path, field


def cage(t: np.ndarray) -> np.ndarray:
    """Half width of the rib cage against its widest, t from apex (0) to costophrenic angle (1)."""
    return profile([(0, 0.6), (0.07, 0.73), (0.18, 0.85), (0.42, 0.95), (0.78, 1.0), (1, 1.0)], t)


def drown(air: np.ndarray, x: np.ndarray, y: np.ndarray, bottom: float, fluid: float, width: float) -> np.ndarray:
    """A pleural effusion: fluid up to a meniscus that climbs the lateral wall."""
    if fluid <= 0:
        return air
    level = np.float32(bottom - 38 - fluid) - 45 * np.clip((x - 0.5 * width) / (0.5 * width), -0.3, 1) ** 3
    return air * (1 / (1 + np.exp((y - level) / 4)))


def airways(view: View, person: Subject, rng: np.random.Generator) -> np.ndarray:
    """Path through trachea and main bronchi in mm."""
    tall, bend = person.tall, rng.normal(-4, 3)
    carina = (bend, 88 * tall, 0.0)
    step = view.pixel / (0.5 + view.dense)
    trachea = smooth_path([(0, -160, 5), (0, -40, 8), (bend * 0.4, 30, 4), carina], step)
    parts = [tube(view, [trachea], rng.uniform(7.5, 10), 9.5)]
    for side, drop, out in ((-1, 26, 34), (1, 24, 42)):
        path = smooth_path(
            [carina, (bend + side * out * 0.5, carina[1] + drop * 0.55, -3), (side * out, carina[1] + drop, -8)], step
        )
        parts.append(tube(view, [path], 6.5, 6.5))
    return splat(view, parts)


def belly_gas(view: View, person: Subject, rng: np.random.Generator) -> np.ndarray:
    """Gas under the left dome (stomach, sometimes with a fluid level) and in the flexures of the colon, in mm."""
    top = person.dome + person.step
    total = np.zeros_like(view.x)
    if rng.random() < 0.75:
        axes = (rng.uniform(20, 40), rng.uniform(12, 24), rng.uniform(15, 30))
        centre = (rng.uniform(48, 80), top + 14 + axes[1])
        bubble = half_chord(view.x, view.y, centre, axes, rng.normal(0, 0.15)) * 2
        level = centre[1] + rng.uniform(0.1, 1.0) * axes[1]
        total += bubble * np.clip((level - view.y) / 1.5, 0, 1)
    for _ in range(rng.integers(0, 6)):
        centre = (rng.choice([-1, 1]) * rng.uniform(30, 115), top + rng.uniform(45, 110))
        axes = (rng.uniform(8, 20), rng.uniform(8, 14), rng.uniform(8, 16))
        add_body(total, view, centre, (*axes[:2], 2 * axes[2]), rng.uniform(0, 3), np.maximum)
    return total


def breasts(view: View, person: Subject, rng: np.random.Generator) -> np.ndarray:
    """Added path in mm: breasts and pectoral muscles in front of the chest wall, nipples, folds of skin."""
    total = np.zeros_like(view.x)
    size = person.breast
    low = rng.uniform(168, 205) * person.tall
    for side in (-1, 1):
        add_body(total, view, (side * 92, 62 * person.tall), (62, 46, 11), side * 0.5)
        nipple = (side * (person.width * 0.62 + rng.normal(0, 5)), low + rng.normal(0, 4) - (0 if size else 20))
        if size:
            part = half_chord(
                view.x,
                view.y,
                (side * person.width * 0.62, low - size * 0.35),
                (size, size * 0.95, size * 0.62),
                side * 0.2,
            )
            total += part * np.clip((view.y - (low - size * 1.2)) / 60, 0, 1)
        if rng.random() < 0.3:
            add_body(total, view, nipple, (4.5, 4.5, rng.uniform(3, 7)))
    for _ in range(rng.integers(0, 3)):
        at, depth = fold(view, person, rng)
        total[at] += depth
    return total


def fold(view: View, person: Subject, rng: np.random.Generator) -> tuple[tuple[slice, slice], np.ndarray]:
    """A window of the canvas and a fold of skin there: longer paths on one side of a bent line, fading away from it."""
    angle = rng.choice([-1, 1]) * rng.uniform(0.9, 1.5)
    x, y = rng.choice([-1, 1]) * rng.uniform(0.55, 1.0) * person.width, rng.uniform(60, 220)
    length = rng.uniform(35, 80)
    at = view.window(x - 1.6 * length - 40, x + 1.6 * length + 40, y - 2.3 * length, y + 2.3 * length)
    dx, dy = view.x[at] - np.float32(x), view.y[at] - np.float32(y)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across, along = dx * sine - dy * cosine, dx * cosine + dy * sine
    across += along**2 * np.float32(rng.normal(0, 0.0012))
    depth = np.exp(-((along / np.float32(length)) ** 2) - np.maximum(across, 0) / 14) * (across > 0)
    return at, np.float32(rng.uniform(2, 6)) * depth
