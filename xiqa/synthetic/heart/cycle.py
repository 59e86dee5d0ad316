"""The heart at a phase of its cycle: contraction, descent of the base, filling of the atria.

Phase 0 is end diastole, 1 the next one; heart rate plays no part.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from xiqa.synthetic.heart.anatomy import BASE, Heart

# Share of the stroke that is reached, by phase: ejection, rapid filling, diastasis, atrial kick.
KNOTS = (
    (0, 0.0),
    (0.08, 0.15),
    (0.22, 0.75),
    (0.35, 1.0),
    (0.42, 0.95),
    (0.54, 0.42),
    (0.64, 0.24),
    (0.86, 0.2),
    (1, 0),
)
_CONTRACTION = PchipInterpolator(*zip(*KNOTS, strict=True))
BASE_GAIN = 0.08  # the base narrows less than the middle of the ventricle
CRANIAL = 60.0  # mm of ascending aorta that are drawn


def contraction(phase: float) -> float:
    """0 at end diastole, 1 at end systole."""
    return float(_CONTRACTION(phase % 1))


def bump(phase: float, middle: float, width: float) -> float:
    """A smooth periodic bump of height 1."""
    away = (phase - middle + 0.5) % 1 - 0.5
    return float(np.exp(-((away / width) ** 2)))


def ejection(phase: float) -> float:
    """Speed of the blood in the outflow tract, from 0 to 1."""
    return bump(phase, 0.16, 0.1)


def filling(phase: float) -> float:
    """Opening of the atrioventricular valves and speed through them, from 0 to 1: early and atrial filling."""
    return min(1.0, bump(phase, 0.52, 0.08) + 0.35 * bump(phase, 0.7, 0.12) + 0.7 * bump(phase, 0.93, 0.06))


@dataclass(frozen=True)
class State:
    """Places (across, along, up) and radii in mm at one phase."""

    phase: float
    stroke: float
    base: float  # mitral plane, along
    gate: float  # tricuspid plane, along
    cavity: tuple
    cavity_radii: tuple
    wall_radii: tuple
    right: tuple
    right_radii: tuple
    left_atrium: tuple
    left_atrium_radii: tuple
    right_atrium: tuple
    right_atrium_radii: tuple
    path: np.ndarray  # (5, 3): outflow tract, annulus, sinus, its junction, ascending aorta
    path_radii: np.ndarray


def state(heart: Heart, phase: float) -> State:
    """Shapes of the chambers and of the outflow tract at a phase."""
    stroke = contraction(phase)
    base, gate = heart.descent * stroke, heart.tricuspid_step + heart.right_descent * stroke
    cavity, cavity_radii, wall_radii = left_ventricle(heart, stroke, base)
    right, right_radii = right_ventricle(heart, stroke)
    left_atrium, left_radii = atrium(heart.left_atrium, heart.left, 2.0, base, stroke)
    right_atrium, right_atrium_radii = atrium(heart.right_atrium, heart.tricuspid[0] - 2, -3.0, gate, stroke)
    path, radii = outflow(heart, base, phase)
    return State(phase, stroke, base, gate, cavity, cavity_radii, wall_radii, right, right_radii,
                 left_atrium, left_radii, right_atrium, right_atrium_radii, path, radii)  # fmt: skip


def left_ventricle(heart: Heart, stroke: float, base: float) -> tuple[tuple, tuple, tuple]:
    """Cavity and wall as ellipsoids cut at the base; the wall thickens so that the muscle keeps its volume."""
    radius = heart.cavity * (1 - heart.shortening * stroke)
    muscle = (heart.cavity + heart.wall) ** 2 - heart.cavity**2
    thickness = np.sqrt(radius**2 + muscle * heart.length / (heart.length - base)) - radius
    top = heart.length - 0.75 * thickness
    share = BASE + BASE_GAIN * stroke
    half = (top - base) / (1 + np.sqrt(1 - share**2))
    wide = radius + thickness
    return (0.0, top - half, 0.0), (radius, half, radius), (wide, half + 0.75 * thickness, wide)


def right_ventricle(heart: Heart, stroke: float) -> tuple[tuple, tuple]:
    """An ellipsoid; its part outside the left ventricle is the crescent. The free wall moves towards the septum."""
    shrink = 1 - heart.right_shortening * stroke
    across, along, up = heart.right
    middle = heart.lateral - across * (1 + 0.5 * (1 - shrink))
    return (middle, 0.86 * heart.length - along, -2.0), (across * shrink, along, up * (1 - 0.12 * stroke))


def atrium(radii: tuple, across: float, up: float, floor: float, stroke: float) -> tuple[tuple, tuple]:
    """The roof stays where it is while the valve plane descends: the atrium fills in systole."""
    wide = 1 + 0.08 * stroke
    roof = -2 * radii[1]
    half = (floor + 5 - roof) / 2
    return (across, roof + half, up), (radii[0] * wide, half, radii[2] * wide)


def outflow(heart: Heart, base: float, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Centre line and radii of the outflow tract and the aortic root; the annulus follows most of the base."""
    wide = 1 + 0.04 * ejection(phase)
    radii = np.array([0.85 * heart.annulus, heart.annulus, heart.sinus, 0.88 * heart.sinus, 0.95 * heart.sinus]) * wide
    # In systole the septum moves towards the free wall.
    near = contraction(phase) * np.array([4.0, 3.0, 2.0, 1.0, 0.0])
    shift = np.array([1.0, 0.9, 0.7, 0.5, 0.2]) * base
    along = np.array([9.0, -3.0, -16.0, -28.0, 0.0])
    # The lower edge decides whether a plane meets the tract, so heights refer to it.
    edge = heart.clearance + heart.rise * np.array([-6.0, 0.0, 13.0, 27.0, 0.0])
    across = heart.tract + np.array([-4.0, 0.0, 2.0, 1.0, 0.0]) - near
    path = np.stack([across, along, edge + radii], axis=1)
    path[4] = path[3] + CRANIAL * heart.axes[:, 2]
    path[:, 1] += shift
    return path, radii
