"""The beating heart as layers, in the order in which they are painted; a later one covers an earlier one."""

from collections.abc import Iterator

import numpy as np

from xiqa.synthetic.heart.anatomy import Heart
from xiqa.synthetic.heart.cycle import State, ejection, filling
from xiqa.synthetic.heart.geometry import Points, ellipsoid, join, rod, skirt, tube

SEPTUM = 3.0  # mm between the atria
RING = 4.0  # mm of valve ring and groove between atrium and ventricle
AORTA = 3.4  # wall of the root with the dark line of the fat around it, mm


def upright(heart: Heart, moment: State, points: Points) -> Points:
    """Points with the lean of the left ventricle's axis taken out."""
    rest = (np.float32(heart.length) - points[1]) / np.float32(heart.length - moment.base)
    return points[0] - rest * np.float32(heart.lean[0]), points[1], points[2] - rest * np.float32(heart.lean[1])


def pool(heart: Heart, moment: State, points: Points) -> np.ndarray:
    """Blood pool of the left ventricle, up to the mitral plane."""
    cavity = ellipsoid(upright(heart, moment, points), moment.cavity, moment.cavity_radii)
    return np.maximum(cavity, np.float32(moment.base) - points[1])


def lumen(heart: Heart, moment: State, points: Points) -> np.ndarray:
    """Outflow tract and aortic root outside the left ventricle's blood pool, as in label and mask."""
    return np.maximum(tube(points, moment.path, moment.path_radii), -pool(heart, moment, points))


def layers(heart: Heart, moment: State, points: Points, fine: np.ndarray, coarse: np.ndarray) -> Iterator[tuple]:
    """(tissue, distance in mm) of the heart's parts; ``fine`` and ``coarse`` roughen them (standard deviation 1)."""
    along = points[1]
    left = ellipsoid(upright(heart, moment, points), moment.cavity, moment.wall_radii) + 0.5 * coarse
    right = ellipsoid(points, moment.right, moment.right_radii) + 0.7 * coarse
    left_atrium = ellipsoid(points, moment.left_atrium, moment.left_atrium_radii) + 0.9 * coarse
    right_atrium = ellipsoid(points, moment.right_atrium, moment.right_atrium_radii) - 0.9 * coarse
    root = tube(points, moment.path, moment.path_radii)
    base, gate = np.float32(moment.base), np.float32(moment.gate)
    thick = heart.right_wall * (1 + 0.3 * moment.stroke)
    ventricle = np.maximum(left, base - RING / 2 - along)
    crescent = np.maximum(right - thick, gate - RING / 2 - along)
    yield (
        "fat",
        join([ventricle + 0.6 * heart.fat, crescent, left_atrium - 1, right_atrium - 1], 16.0) - heart.fat + coarse,
    )
    yield "muscle", np.minimum(left_atrium, right_atrium) - 1.8
    yield "muscle", crescent
    yield "myocardium", ventricle
    yield from grooves(heart, moment, points)
    middle = np.float32(heart.crux) - points[0]
    yield "blood", np.maximum.reduce([left_atrium, along - (base - RING / 2), SEPTUM / 2 - middle])
    yield "venous", np.maximum.reduce([right_atrium, along - (gate - RING / 2), SEPTUM / 2 + middle])
    yield "venous", np.maximum.reduce([right + 0.9 * fine, -left, gate + RING / 2 - along])
    yield "valve", root - AORTA
    yield "blood", pool(heart, moment, points) + 0.6 * fine
    yield from valves(heart, moment, points)
    yield from muscles(heart, moment, points)
    yield "blood", root
    yield from cusps(moment, points, root)


def grooves(heart: Heart, moment: State, points: Points) -> Iterator[tuple]:
    """Right coronary artery and coronary sinus in the atrioventricular grooves, inferior caval vein."""
    lateral, gate, base = heart.lateral, moment.gate, moment.base
    yield "blood", rod(points, (lateral + 5, gate - 4, -25), (lateral + 5, gate - 4, 30), 1.9, 1.9)
    path = np.array([(-heart.mitral - 12, base - 6, -6), (-2, base - 9, -25), (heart.septum - 4, base - 12, -24),
                     (heart.tricuspid[0] - 8, gate - 14, -16)])  # fmt: skip
    yield "muscle", tube(points, path, np.array([3.2, 5.2, 6.2, 6.6]))
    yield "venous", tube(points, path, np.array([2.0, 3.8, 4.8, 5.2]))
    start = np.array([heart.tricuspid[0], -heart.right_atrium[1], -12])
    yield "venous", rod(points, start, start - 70 * heart.axes[:, 2], 12.0, 13.0)


def valves(heart: Heart, moment: State, points: Points) -> Iterator[tuple]:
    """Orifices with their leaflets, from nearly flat (closed) to nearly straight (open)."""
    wide = filling(moment.phase)
    across = heart.tricuspid[0]
    for name, centre, radius in (
        ("blood", (0.0, moment.base, 0.0), heart.mitral),
        ("venous", (across, moment.gate, 0.0), 0.5 * (heart.lateral - heart.septum) - 1),
    ):
        ring = np.hypot(points[0] - np.float32(centre[0]), points[2]) - np.float32(radius)
        yield name, np.maximum(ring, np.abs(points[1] - np.float32(centre[1])) - RING)
        tip, depth = radius * (0.08 + 0.72 * wide), 5 + 9 * wide
        yield "valve", skirt(points, centre, radius + 0.5, tip, depth, 0.75)


def muscles(heart: Heart, moment: State, points: Points) -> Iterator[tuple]:
    """Two papillary muscles of the left ventricle, two of the right with the moderator band."""
    radius, top = moment.cavity_radii[0], moment.cavity[1] + moment.cavity_radii[1]
    start = moment.base + 0.36 * (top - moment.base)
    for away, angle in ((0.69, 2.28), (0.65, 4.4)):
        angle += heart.around
        foot = (away * np.cos(angle) * radius, start + 0.32 * (top - moment.base), away * np.sin(angle) * radius)
        thick = heart.papillary * (1 + 0.15 * moment.stroke)
        yield "myocardium", rod(points, (0.8 * foot[0], start, 0.8 * foot[2]), foot, 0.75 * thick, thick)
    middle, half = moment.right, moment.right_radii
    band = (middle[0] + 0.8 * half[0], middle[1] + 0.42 * half[1], heart.band)
    yield "myocardium", rod(points, band, (heart.septum - 10, middle[1] + 0.62 * half[1], heart.band + 8), 2.6, 2.0)
    yield "myocardium", rod(points, band, (band[0] - 12, band[1] - 16, heart.band + 6), 2.8, 1.8)


def cusps(moment: State, points: Points, root: np.ndarray) -> Iterator[tuple]:
    """Closed aortic cusps across the annulus; open ones lie along the wall and are not seen."""
    if ejection(moment.phase) < 0.3:
        path = moment.path
        axis = (path[2] - path[1]) / np.linalg.norm(path[2] - path[1])
        along = sum((v - np.float32(c)) * np.float32(d) for v, c, d in zip(points, path[1], axis, strict=True))
        yield "valve", np.maximum(np.abs(along - 2) - 0.55, root)


def flow(heart: Heart, moment: State, points: Points, strength: float) -> np.ndarray:
    """Factor of the signal where fast blood dephases: behind the open valves in their phases."""
    wide, fast = filling(moment.phase), ejection(moment.phase)
    path = moment.path
    loss = np.zeros_like(points[0])
    if fast > 0.02:
        away = rod(points, path[1], 0.4 * path[1] + 0.6 * path[2], 0.0, 0.0)
        loss += np.float32(fast) * np.exp(-((away / 6) ** 2))
    if wide > 0.02:
        for centre, share in (((2, moment.base + 14, 1), 0.8), ((heart.tricuspid[0], moment.gate + 12, 0), 0.6)):
            away = rod(points, centre, (centre[0], centre[1] + 12, centre[2]), 0.0, 0.0)
            loss += np.float32(share * wide) * np.exp(-((away / 7) ** 2))
    return 1 - np.float32(strength) * np.minimum(loss, 1)
