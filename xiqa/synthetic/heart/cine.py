"""A cine of one patient: the slab through the beating heart as a scanner would show it, with label and mask."""

from dataclasses import dataclass

import numpy as np

from xiqa.synthetic.heart import anatomy, chambers, torso
from xiqa.synthetic.heart.acquisition import Scan, acquire, scan, show
from xiqa.synthetic.heart.cycle import State, state
from xiqa.synthetic.heart.geometry import Points, waves
from xiqa.synthetic.heart.planning import VISIBLE, Planning, View, stratified
from xiqa.synthetic.heart.signal import sequence, signals

VERSION = 1
ANATOMY, CHEST, PLAN, POSE, SCANNER, NOISE, ROUGH = range(7)  # streams: none depends on what another one draws
PLANES = 5  # of the slab
REACH = 88.0  # mm around the heart's middle that are painted anew in every frame
CACHE = 30_000  # points painted at a time: their arrays stay in the processor's cache
SUB = 4  # points along a pixel's side for label and mask


@dataclass(frozen=True)
class Cine:
    """Frames of one patient.

    frames : (F, S, S) uint8. masks : (F, S, S) bool, outflow tract and root in the slab's middle plane, empty where
    the label is 0. labels : (F,) int. about : plain values, see ``draw``.
    """

    frames: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    about: dict


def stream(seed: int, patient: int, purpose: int, *more: int) -> np.random.Generator:
    """The random numbers of one purpose."""
    return np.random.default_rng([seed, patient, purpose, *more])


def planned(seed: int, patient: int, shows: bool | None = None) -> Planning:
    """The plan of a patient's view, one that shows the outflow tract or not; by default a coin decides which."""
    rng = stream(seed, patient, PLAN)
    coin = bool(rng.integers(2))
    return stratified(rng, anatomy.heart(stream(seed, patient, ANATOMY)), coin if shows is None else shows)


def draw(seed: int, patient: int, frames: int, size: int, planning: Planning | None = None) -> Cine:
    """The cine of a patient.

    Parameters
    ----------
    seed, patient : key of every random draw; the plan alone changes nothing but the plane.
    frames : spread evenly over the cycle from a random start.
    size : side in px.
    planning : the plan, by default ``planned(seed, patient)``.

    Returns
    -------
    Cine, whose ``about`` holds ``planning`` (tilt in degrees, offset in mm), ``frames`` (phase, area in mm^2 and label
    of each), ``threshold_mm2``, ``anatomy`` and ``nuisance`` (pose, field of view, slab, scan; independent of the
    plan and so of the label).

    """
    heart = anatomy.heart(stream(seed, patient, ANATOMY))
    planning = planned(seed, patient) if planning is None else planning
    nuisance = pose(stream(seed, patient, POSE))
    settings = scan(stream(seed, patient, SCANNER))
    view = View(heart, planning, tuple(nuisance["shift_mm"]), nuisance["turn_degrees"])
    pixel = nuisance["field_of_view_mm"] / size
    phases = [(nuisance["start"] + k / frames) % 1 for k in range(frames)]
    moments = [state(heart, phase) for phase in phases]
    magnitudes = expose(seed, patient, view, moments, pixel, size, nuisance["thickness_mm"], settings)
    shares = np.stack([coverage(view, moment, pixel, size) for moment in moments])
    areas = shares.sum((1, 2)) * pixel**2
    labels = (areas >= VISIBLE).astype(int)
    about = {
        "version": VERSION, "seed": seed, "patient": patient, "size": size, "pixel_mm": pixel,
        "threshold_mm2": VISIBLE, "planning": {"tilt_degrees": planning.tilt, "offset_mm": planning.offset},
        "frames": [{"phase": phase, "area_mm2": round(float(area), 2), "label": int(label)}
                   for phase, area, label in zip(phases, areas, labels, strict=True)],
        "anatomy": heart.about(), "nuisance": {**nuisance, **settings.about()},
    }  # fmt: skip
    # Half of a pixel, less where pixels are so large that none is half covered: a positive frame has a mask.
    masks = shares >= np.minimum(0.5, shares.max((1, 2), keepdims=True))
    return Cine(show(magnitudes, settings), masks & (labels == 1)[:, None, None], labels, about)


def pose(rng: np.random.Generator) -> dict:
    """Where the heart lies in the picture, field of view, slab and start of the cycle."""
    return {
        "field_of_view_mm": float(rng.uniform(190, 240)),
        "shift_mm": [float(v) for v in rng.uniform(-36, 36, 2)],
        "turn_degrees": float(np.clip(-10 + 12 * rng.normal(), -40, 20)),
        "thickness_mm": float(rng.uniform(6, 8)),
        "start": float(rng.uniform()),
    }


def grid(size: int, pixel: float) -> np.ndarray:
    """Centres of pixels along one side, mm from the picture's middle."""
    return ((np.arange(size) + 0.5) * pixel - size * pixel / 2).astype(np.float32)


def expose(seed: int, patient: int, view: View, moments: list[State], pixel: float, size: int, thickness: float,
           settings: Scan) -> np.ndarray:  # fmt: skip
    """Magnitudes (F, S, S): the slab's planes painted, averaged and acquired."""
    scanner = sequence(stream(seed, patient, SCANNER, 1), size)
    tissue = signals(scanner)
    points = slab(view, pixel, size, thickness)
    rough = stream(seed, patient, ROUGH)
    coarse, fine = waves(points, rough, (30, 70), 8), waves(points, rough, (7, 14), 12)
    grain = 1 + np.float32(0.7 * scanner["texture"]) * (coarse + fine)
    chest = torso.torso(stream(seed, patient, CHEST))
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
    result = np.empty((len(moments), size, size), np.float32)
    for number, moment in enumerate(moments):
        beating, picture = still[boxed].copy(), quiet.copy()
        for part in pieces(beating):
            places = tuple(values[part] for values in points)
            shapes = chambers.layers(view.heart, moment, places, fine[part], coarse[part])
            paint(beating[part], shapes, tissue_here, pixel)
            beating[part] *= grain[boxed][part] * chambers.flow(view.heart, moment, places, scanner["flow"])
        picture[box] = beating.mean(0)
        result[number] = acquire(picture * scanner["coil"], settings, blood, stream(seed, patient, NOISE, number))
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
