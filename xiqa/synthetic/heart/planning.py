"""Planning of the view: the plane of a picture, its errors, and its area of the outflow tract."""

from dataclasses import dataclass

import numpy as np

from xiqa.synthetic.heart.anatomy import Heart
from xiqa.synthetic.heart.chambers import lumen
from xiqa.synthetic.heart.cycle import State, state
from xiqa.synthetic.heart.geometry import Points

VISIBLE = 150.0  # mm^2 of outflow tract or root in the plane from which a frame is labelled as showing it
EXPERT = (5.2, 3.8)  # mean and spread of the angle between planned and true four-chamber plane (Blansit 2019), degrees
CARELESS = (16.0, 5.0)  # the heavier tail (ours), so that a small network learns from a few hundred frames
TAIL = 0.6  # share of plans from it
STEEPEST = 28.0  # degrees
OFFSET = (3.5, 10.0)  # spread and largest size, mm
CLEAR, HIDDEN = 500.0, 40.0  # mm^2: a plan that shows the tract, and one that does not, as a rule leave this gap
BORDERLINE = 0.08  # share of plans that lie in the gap: the detection limit is drawn from them
ANTERIOR = 0.85  # share of anterior tilts among the plans that do not show the tract: their offset hides it
LOOKS, COARSE = 4, 1.6  # phases at which a plan is tested, and the step, mm
TRIES = 60  # offsets for one tilt
NEAREST = 0.5  # mm between the offsets tried for a plan that hides the tract
ANCHOR = (16.0, 20.0)  # middle of the heart in the true plane (across, along): where an unshifted picture is centred


@dataclass(frozen=True)
class Planning:
    """Error of a plan against the true four-chamber plane.

    tilt : degrees about the line from apex to mitral centre; positive (anterior) lifts the side of the right heart
        towards the head, which is where the outflow tract lies.
    offset : mm along the plane's normal, positive towards the head.
    """

    tilt: float
    offset: float

    def about(self) -> dict:
        """Plain values for a sidecar."""
        return {"tilt_degrees": self.tilt, "offset_mm": self.offset}


def plan(rng: np.random.Generator) -> Planning:
    """One plan: the size of the tilt from experts with a heavier tail, both directions alike."""
    return Planning(float(steepness(rng) * rng.choice([-1, 1])), displacement(rng))


def steepness(rng: np.random.Generator) -> float:
    """Size of a tilt in degrees."""
    mean, spread = CARELESS if rng.random() < TAIL else EXPERT
    return float(min(rng.gamma((mean / spread) ** 2, spread**2 / mean), STEEPEST))


def displacement(rng: np.random.Generator) -> float:
    """An offset in mm."""
    return float(np.clip(OFFSET[0] * rng.normal(), -OFFSET[1], OFFSET[1]))


def stratified(rng: np.random.Generator, heart: Heart, shows: bool) -> Planning:
    """A plan that shows the outflow tract through the whole cycle (or does not): only the plane is chosen by it.

    Sizes of tilts are alike in both. A plan that shows the tract is an anterior one. Of those that do not, some are
    tilted the other way and some are tilted as far to the same side, but lie so low that they miss the tract:
    otherwise the liver, which the tilt cuts higher or lower, would predict the label.
    """
    states = [state(heart, (k + 0.5) / LOOKS) for k in range(LOOKS)]
    allowed = within(shows, bool(rng.random() < BORDERLINE))
    while True:
        tilt = steepness(rng)
        if not shows and rng.random() >= ANTERIOR:
            tilt = -tilt
        for _ in range(TRIES):
            candidate = Planning(tilt, displacement(rng))
            areas = (View(heart, candidate).area(moment, COARSE) for moment in states)
            if all(allowed[0] <= area < allowed[1] for area in areas):
                return candidate


def within(shows: bool, borderline: bool) -> tuple[float, float]:
    """Bounds of the area in mm^2 for a plan that shows the tract or does not, clearly or not."""
    if borderline:
        return (VISIBLE, CLEAR) if shows else (HIDDEN, VISIBLE)
    return (CLEAR, np.inf) if shows else (0.0, HIDDEN)


def true_plane(heart: Heart, moment: State) -> Planning:
    """The true four-chamber plane, or the nearest one below it that hides the outflow tract at this phase."""
    offset = 0.0
    while View(heart, Planning(0.0, offset)).area(moment) >= HIDDEN:
        offset -= NEAREST
    return Planning(0.0, offset)


@dataclass(frozen=True)
class View:
    """A planned plane with the pose of the picture in it.

    shift : mm in the picture (columns, rows) from the heart's middle to the picture's; turn : degrees, clockwise.
    Unturned, columns run to the patient's left and rows to the back, as the view is displayed as a rule: right heart
    on the left of the picture, apex towards the upper right, atria below, spine at the bottom.
    """

    heart: Heart
    planning: Planning
    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0

    def axes(self) -> np.ndarray:
        """Rows: directions of the picture's columns and rows as (across, along) of the untilted plane."""
        frame = self.heart.axes
        left = frame[:2, 0] / np.linalg.norm(frame[:2, 0])
        back = np.array([-left[1], left[0]])
        turn = np.deg2rad(self.turn)
        return np.array([np.cos(turn) * left - np.sin(turn) * back, np.sin(turn) * left + np.cos(turn) * back])

    def plane_to_heart(self, across: np.ndarray, along: np.ndarray, depth: np.ndarray | float = 0.0) -> Points:
        """Points of the planned plane, or ``depth`` mm above it, in heart coordinates."""
        tilt = np.deg2rad(self.planning.tilt)
        cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        height = np.float32(self.planning.offset) + depth
        return across * cos - height * sin, along + 0 * height, across * sin + height * cos

    def points(self, columns: np.ndarray, rows: np.ndarray, depth: np.ndarray | float = 0.0) -> Points:
        """Places of the picture, in mm from its middle, in heart coordinates."""
        first, second = self.axes().astype(np.float32)
        columns, rows = columns - np.float32(self.shift[0]), rows - np.float32(self.shift[1])
        across = np.float32(ANCHOR[0]) + columns * first[0] + rows * second[0]
        along = np.float32(ANCHOR[1]) + columns * first[1] + rows * second[1]
        return self.plane_to_heart(across, along, depth)

    def picture(self, points: np.ndarray) -> np.ndarray:
        """Heart points (N, 3), dropped on the plane, as (column, row) in mm from the picture's middle."""
        tilt = np.deg2rad(self.planning.tilt)
        across = points[:, 0] * np.cos(tilt) + points[:, 2] * np.sin(tilt)
        flat = np.stack([across, points[:, 1]], axis=1) - np.array(ANCHOR)
        return flat @ self.axes().T + np.array(self.shift)

    def area(self, moment: State, step: float = 0.8) -> float:
        """Outflow tract and root in the plane, outside the left ventricle's blood pool, in mm^2."""
        middle = moment.path[1]
        across = middle[0] + np.arange(-26, 30, step, np.float32)
        along = middle[1] + np.arange(-45, 25, step, np.float32)
        inside = lumen(self.heart, moment, self.plane_to_heart(across[:, None], along[None])) < 0
        return float(inside.sum() * step**2)
