"""Free-response ROC of the Object-CXR challenge: how many objects do a network's points find, at what false alarms?

The challenge's rule in one paragraph. The points of all images are gone through by falling probability. A point inside
an object of its image is no false alarm, and every object that contains it and was not hit before is hit now; a point
outside every object is a false alarm. As soon as there are 1/8 false alarms an image, the sensitivity (hit objects of
all objects) is noted, then at 1/4, 1/2, 1, 2, 4 and 8, at most one a point; the score is the mean of the seven.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.shapes import Shape

OPERATING_POINTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives an image
Point = tuple[float, float, float]


class Walk(NamedTuple):
    """All points in the order in which they are gone through, and what each of them did.

    Attributes
    ----------
    image : (P,) number of the image that each point lies in.
    hits : (P,) objects that the point is the first to hit.
    false : (P,) bool, outside every object of its image.
    objects : (N,) objects of each image.

    """

    image: NDArray[np.intp]
    hits: NDArray[np.intp]
    false: NDArray[np.bool_]
    objects: NDArray[np.intp]


def froc(points: Sequence[Sequence[Point]], shapes: Sequence[Sequence[Shape]]) -> tuple[float, pd.DataFrame]:
    """FROC score of points against annotated shapes, by the rule of the Object-CXR challenge.

    Parameters
    ----------
    points : for each image a list of (probability, x, y), x and y in the pixels of the shapes. Of equal probabilities
        the earlier image comes first, then the earlier point of the list.
    shapes : for each image the annotated objects, none or several. Images without objects count in the number of
        images that false positives are divided by.

    Returns
    -------
    score : mean sensitivity at the seven operating points, in [0, 1]; NaN without a single object.
    curve : DataFrame with the columns false_positives (an image) and sensitivity, seven rows. A list of points that
        ends early is padded with the last sensitivity noted, or, with none noted, with that after all points.

    Raises
    ------
    ValueError : lists of different lengths, a point that is not three finite numbers.

    """
    steps = walk(points, shapes)
    noted = sensitivities(steps.hits, steps.false, len(steps.objects), int(steps.objects.sum()))
    return float(noted.mean()), pd.DataFrame({"false_positives": OPERATING_POINTS, "sensitivity": noted})


def walk(points: Sequence[Sequence[Point]], shapes: Sequence[Sequence[Shape]]) -> Walk:
    """Pool the points, sort them, and say what each one does; parameters and errors as for `froc`."""
    if len(points) != len(shapes):
        raise ValueError(
            f"points of {len(points)} images and shapes of {len(shapes)} images differ: give one list each"
        )
    arrays = [_array(some, number) for number, some in enumerate(points)]
    parts = [_one(array, objects) for array, objects in zip(arrays, shapes, strict=True)]
    image = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
    probability, hits, false = (
        np.concatenate(columns) if len(arrays) else np.zeros(0)
        for columns in ([a[:, 0] for a in arrays], [h for h, _ in parts], [f for _, f in parts])
    )
    order = np.argsort(-probability, kind="stable")
    objects = np.array([len(some) for some in shapes], dtype=np.intp)
    return Walk(image[order], hits[order].astype(np.intp), false[order].astype(bool), objects)


def sensitivities(hits: NDArray, false: NDArray[np.bool_], images: int, objects: int) -> NDArray[np.float64]:
    """Sensitivity at the seven operating points, (7,), from what each point did in turn; NaN without an object."""
    if not objects:
        return np.full(len(OPERATING_POINTS), np.nan)
    found, alarms = np.cumsum(hits), np.cumsum(false) / images
    noted, after = [], -1
    for first in np.searchsorted(alarms, OPERATING_POINTS, side="left"):
        # One point uses up one operating point at most, so the next is noted at a later point.
        after = max(int(first), after + 1)
        if after >= len(found):
            break
        noted.append(found[after])
    last = noted[-1] if noted else found[-1] if len(found) else 0
    return np.array(noted + [last] * (len(OPERATING_POINTS) - len(noted)), dtype=np.float64) / objects


def interval(
    steps: Walk, units: Sequence | None = None, draws: int = 500, seed: int = 0, confidence: float = 0.95
) -> tuple[float, float]:
    """Bootstrap percentile interval of the score over independent units.

    Parameters
    ----------
    units : unit of each image (patients of frames); by default each image is one of its own. Units are drawn with all
        their images.
    draws, seed : how many times, and of which generator. Draws without an object are left out.

    Returns
    -------
    low, high : NaN where no draw has an object.

    """
    groups = np.arange(len(steps.objects)) if units is None else pd.factorize(np.asarray(units))[0]
    count, generator = int(groups.max(initial=-1)) + 1, np.random.default_rng(seed)
    scores = []
    for _ in range(draws if count else 0):
        times = np.bincount(generator.integers(count, size=count), minlength=count)[groups]
        objects = int((times * steps.objects).sum())
        if objects:
            # An image drawn twice is two images: each of its points comes twice and hits objects of its own.
            again = times[steps.image]
            hits, false = np.repeat(steps.hits, again), np.repeat(steps.false, again)
            scores.append(sensitivities(hits, false, int(times.sum()), objects).mean())
    if not scores:
        return np.nan, np.nan
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _array(points: Sequence[Point], number: int) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64) if len(points) else np.zeros((0, 3))
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise ValueError(f"the points of image {number} must each be three finite numbers (probability, x, y)")
    return array


def _one(points: NDArray[np.float64], objects: Sequence[Shape]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Objects that each point of one image is the first to hit, and whether it lies outside all of them."""
    hits, inside = np.zeros(len(points), np.intp), np.zeros(len(points), bool)
    order = np.argsort(-points[:, 0], kind="stable")
    for shape in objects:
        contained = np.asarray(shape.contains(points[:, 1], points[:, 2]), dtype=bool)
        inside |= contained
        if contained.any():
            hits[order[np.argmax(contained[order])]] += 1
    return hits, ~inside
