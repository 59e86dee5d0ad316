"""A cine of one patient: the slab through the beating heart as a scanner would show it, with label and mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xiqa.synthetic.heart import anatomy, chambers, torso
from xiqa.synthetic.heart.acquisition import Scan, acquire, scan, show, white
from xiqa.synthetic.heart.cycle import State, state
from xiqa.synthetic.heart.geometry import Points, waves
from xiqa.synthetic.heart.looks import look
from xiqa.synthetic.heart.planning import VISIBLE, Planning, View, stratified, true_plane
from xiqa.synthetic.heart.signal import sequence, signals

VERSION = 2
ANATOMY, CHEST, PLAN, POSE, SCANNER, NOISE, ROUGH = range(7)  # independent random streams
PLANES = 5  # of the slab
REACH = 104.0  # mm around the heart's middle that are painted anew in every frame
CACHE = 30_000  # points painted at a time: their arrays stay in the processor's cache
SUB = 4  # points along a pixel's side for label and mask


@dataclass(frozen=True)
class Cine:
    """Frames of one patient.

    frames : (F, S, S) uint8. masks : (F, S, S) bool, outflow tract and root in the slab's middle plane, empty where
    the label is 0. labels : (F,) int. white : the magnitude shown as 255. about : plain values, see ``draw``.
    """

    frames: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    white: float
    about: dict


@dataclass(frozen=True)
class Sitting:
    """Everything about a cine but the plan."""

    seed: int
    patient: int
    size: int
    scanner: str
    heart: anatomy.Heart
    nuisance: dict
    settings: Scan
    moments: tuple[State, ...]

    @property
    def pixel(self) -> float:
        """Side of a pixel in mm."""
        return self.nuisance["field_of_view_mm"] / self.size

    def view(self, planning: Planning) -> View:
        """A plan with the pose of this picture."""
        return View(self.heart, planning, tuple(self.nuisance["shift_mm"]), self.nuisance["turn_degrees"])

    def stream(self, purpose: int, *more: int) -> np.random.Generator:
        """The random numbers of one purpose."""
        return stream(self.seed, self.patient, purpose, *more)


def stream(seed: int, patient: int, purpose: int, *more: int) -> np.random.Generator:
    """The random numbers of one purpose."""
    return np.random.default_rng([seed, patient, purpose, *more])


def planned(seed: int, patient: int, shows: bool | None = None) -> Planning:
    """The plan of a patient's view, one that shows the outflow tract or not; by default a coin decides which."""
    rng = stream(seed, patient, PLAN)
    coin = bool(rng.integers(2))
    return stratified(rng, anatomy.heart(stream(seed, patient, ANATOMY)), coin if shows is None else shows)


def sit(seed: int, patient: int, frames: int, size: int, scanner: str = "usual") -> Sitting:
    """A patient in the scanner; arguments as for ``draw``."""
    heart = anatomy.heart(stream(seed, patient, ANATOMY))
    nuisance = pose(stream(seed, patient, POSE))
    settings = scan(stream(seed, patient, SCANNER), look(scanner))
    moments = tuple(state(heart, (nuisance["start"] + k / frames) % 1) for k in range(frames))
    return Sitting(seed, patient, size, scanner, heart, nuisance, settings, moments)


def draw(
    seed: int, patient: int, frames: int, size: int, planning: Planning | None = None, scanner: str = "usual"
) -> Cine:
    """The cine of a patient.

    Parameters
    ----------
    seed, patient : key of every random draw; the plan changes the plane only.
    frames : spread evenly over the cycle from a random start.
    size : side in px.
    planning : the plan, by default ``planned(seed, patient)``.
    scanner : "usual", or "other" for one of another field strength; changes neither patient nor pose.

    Returns
    -------
    Cine, whose ``about`` holds ``planning`` (tilt in degrees, offset in mm), ``frames`` (phase, area in mm^2 and label
    of each), ``threshold_mm2``, ``anatomy`` and ``nuisance`` (pose, field of view, slab, scan; independent of the
    plan and so of the label).
    """
    sitting = sit(seed, patient, frames, size, scanner)
    planning = planned(seed, patient) if planning is None else planning
    view, pixel = sitting.view(planning), sitting.pixel
    magnitudes = expose(sitting, view, range(frames))
    shares = np.stack([coverage(view, moment, pixel, size) for moment in sitting.moments])
    areas = shares.sum((1, 2)) * pixel**2
    labels = (areas >= VISIBLE).astype(int)
    about = {
        "version": VERSION, "seed": seed, "patient": patient, "size": size, "pixel_mm": pixel, "scanner": scanner,
        "threshold_mm2": VISIBLE, "planning": planning.about(),
        "frames": [{"phase": moment.phase, "area_mm2": round(float(area), 2), "label": int(label)}
                   for moment, area, label in zip(sitting.moments, areas, labels, strict=True)],
        "anatomy": sitting.heart.about(), "nuisance": {**sitting.nuisance, **sitting.settings.about()},
    }  # fmt: skip
    # Half of a pixel, less where pixels are so large that none is half covered: a positive frame has a mask.
    masks = shares >= np.minimum(0.5, shares.max((1, 2), keepdims=True))
    top = white(magnitudes, sitting.settings)
    frames_shown = show(magnitudes, top, sitting.settings)
    return Cine(frames_shown, masks & (labels == 1)[:, None, None], labels, top, about)


def without_tract(cine: Cine) -> dict[int, tuple[np.ndarray, Planning]]:
    """Counterfactuals of a cine's positive frames: by number, the picture (S, S) uint8 and the plan that it shows.

    The same patient, pose of the picture, phase, noise, scanner and white level, but planned on the true four-chamber
    plane, or on the nearest one that hides the outflow tract.
    """
    about = cine.about
    sitting = sit(about["seed"], about["patient"], len(cine.labels), about["size"], about["scanner"])
    numbers: dict[Planning, list[int]] = {}
    for number in np.flatnonzero(cine.labels == 1).tolist():
        numbers.setdefault(true_plane(sitting.heart, sitting.moments[number]), []).append(number)
    result = {}
    for planning, some in numbers.items():
        pictures = show(expose(sitting, sitting.view(planning), some), cine.white, sitting.settings)
        result |= {number: (picture, planning) for number, picture in zip(some, pictures, strict=True)}
    return result


def pose(rng: np.random.Generator) -> dict:
    """Position of the heart in the picture, field of view, slab and start of the cycle."""
    return {
        "field_of_view_mm": float(rng.uniform(175, 215)),
        "shift_mm": [float(v) for v in rng.uniform(-32, 32, 2)],
        "turn_degrees": float(np.clip(-10 + 12 * rng.normal(), -40, 20)),
        "thickness_mm": float(rng.uniform(5, 7)),
        "start": float(rng.uniform()),
    }


def grid(size: int, pixel: float) -> np.ndarray:
    """Centres of pixels along one side, mm from the picture's middle."""
    return ((np.arange(size) + 0.5) * pixel - size * pixel / 2).astype(np.float32)


def expose(sitting: Sitting, view: View, numbers: Sequence[int]) -> np.ndarray:
    """Magnitudes (len(numbers), S, S) of some frames: the slab's planes painted, averaged and acquired."""
    pixel, size, thickness = sitting.pixel, sitting.size, sitting.nuisance["thickness_mm"]
    scanner = sequence(sitting.stream(SCANNER, 1), size, look(sitting.scanner))
    tissue = signals(scanner)
    points = slab(view, pixel, size, thickness)
    rough = sitting.stream(ROUGH)
    coarse, fine = waves(points, rough, (30, 70), 8), waves(points, rough, (7, 14), 12)
    grain = 1 + np.float32(0.7 * scanner["texture"]) * (coarse + fine)
    chest = torso.torso(sitting.stream(CHEST))
    still = np.zeros_like(points[0])
    for part in pieces(still):
        places = in_body(view.heart, tuple(values[part] for values in points))
        paint(still[part], torso.layers(chest, view.heart, places, coarse[part]), tissue, pixel)

    box = window(view.shift, REACH, pixel, size)
    boxed = (slice(None), *box)
    points, fine, coarse = tuple(values[boxed] for values in points), fine[boxed], coarse[boxed]
    tissue_here = {name: values[box] for name, values in tissue.items()}
    blood = float(np.abs(tissue["blood"]).max())
    quiet = (still * grain).mean(0)
    result = np.empty((len(numbers), size, size), np.float32)
    for row, number in enumerate(numbers):
        moment = sitting.moments[number]
        beating, picture = still[boxed].copy(), quiet.copy()
        for part in pieces(beating):
            places = tuple(values[part] for values in points)
            shapes = chambers.layers(view.heart, moment, places, fine[part], coarse[part])
            paint(beating[part], shapes, tissue_here, pixel)
            beating[part] *= grain[boxed][part] * chambers.flow(view.heart, moment, places, scanner["flow"])
        picture[box] = beating.mean(0)
        noise = sitting.stream(NOISE, number)
        result[row] = acquire(picture * scanner["coil"], sitting.settings, blood, noise)
    return result


def pieces(canvas: np.ndarray) -> list[slice]:
    """Slices of the planes of a canvas (K, H, W), few enough points each."""
    step = max(CACHE // canvas[0].size, 1)
    return [slice(first, first + step) for first in range(0, len(canvas), step)]


def slab(view: View, pixel: float, size: int, thickness: float) -> Points:
    """Heart coordinates, each (K, S, S) float32, of the pixels in K planes spread evenly through the slab."""
    depth = ((np.arange(PLANES) + 0.5) / PLANES - 0.5) * thickness
    where = grid(size, pixel)
    return view.points(where[None, None, :], where[None, :, None], depth.astype(np.float32)[:, None, None])


def in_body(heart: anatomy.Heart, points: Points) -> Points:
    """Heart coordinates to body coordinates, array by array."""
    axes = heart.axes.astype(np.float32)
    return tuple(sum(points[k] * axes[k, i] for k in range(3)) + np.float32(heart.place[i]) for i in range(3))


def paint(canvas: np.ndarray, layers, tissue: dict[str, np.ndarray], pixel: float) -> None:
    """Put layers on a canvas (K, H, W), each with an edge as soft as a pixel is wide."""
    for name, distance in layers:
        cover = np.clip(0.5 - distance / np.float32(pixel), 0, 1)
        canvas += cover * (tissue[name] - canvas)


def window(centre: tuple[float, float], reach: float, pixel: float, size: int) -> tuple[slice, slice]:
    """Rows and columns of the picture within ``reach`` mm of a place (column, row), in mm from its middle."""
    slices = []
    for middle in (centre[1], centre[0]):
        first, last = (int(np.floor((middle + side * reach) / pixel + size / 2)) for side in (-1, 1))
        slices.append(slice(min(max(first, 0), size), min(max(last + 1, 0), size)))
    return tuple(slices)


def coverage(view: View, moment: State, pixel: float, size: int) -> np.ndarray:
    """Share (S, S) of every pixel that outflow tract and root cover in the slab's middle plane."""
    share = np.zeros((size, size), np.float32)
    box = window(tuple(view.picture(moment.path[1:3]).mean(0)), 44.0, pixel, size)
    fine = grid(size * SUB, pixel / SUB)
    rows, columns = (fine[part.start * SUB : part.stop * SUB] for part in box)
    if len(rows) and len(columns):
        inside = chambers.lumen(view.heart, moment, view.points(columns[None, :], rows[:, None])) < 0
        share[box] = inside.reshape(len(rows) // SUB, SUB, len(columns) // SUB, SUB).mean((1, 3))
    return share
