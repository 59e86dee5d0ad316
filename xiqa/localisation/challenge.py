"""Free-response ROC of the Object-CXR challenge: share of objects that points hit, at fixed rates of false alarms.

The points of all images are sorted by falling probability. A point inside an object of its image hits every object that
contains it; a point outside every object is a false alarm. The sensitivity (share of all objects hit so far) is read as
soon as there are 1/8 false alarms an image, then at 1/4, 1/2, 1, 2, 4 and 8, at most one reading a point. The score is
the mean of the seven sensitivities.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.shapes import Shape

OPERATING_POINTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives an image
QUANTILES = [(1 - 0.95) / 2, (1 + 0.95) / 2]  # of the bootstrap
Point = tuple[float, float, float]


class RankedPoints(NamedTuple):
    """All P points of N images, sorted by falling probability.

    ``image`` (P,) is the number of a point's image, ``hits`` (P,) the number of objects that it is the first to hit,
    ``false`` (P,) whether it is outside every object; ``objects`` (N,) is the number of objects of each image.
    """

    image: NDArray[np.intp]
    hits: NDArray[np.intp]
    false: NDArray[np.bool_]
    objects: NDArray[np.intp]


def froc(points: Sequence[Sequence[Point]], shapes: Sequence[Sequence[Shape]]) -> tuple[float, pd.DataFrame]:
    """FROC score of points against annotated shapes, by the rule of the Object-CXR challenge.

    ``points`` : for each image a list of (probability, x, y) in the pixels of the shapes; of equal probabilities the
    earlier image comes first, then the earlier point. ``shapes`` : for each image its annotated objects, or none.

    Returns the score in [0, 1], NaN without a single object, and the curve: ``false_positives`` (an image, of all
    images) and ``sensitivity``, seven rows; where the points end early, the last value is repeated. ValueError: lists
    of different lengths, a point that is not three finite numbers.
    """
    ranked = rank(points, shapes)
    values = sensitivities(ranked.hits, ranked.false, len(ranked.objects), int(ranked.objects.sum()))
    return float(values.mean()), pd.DataFrame({"false_positives": OPERATING_POINTS, "sensitivity": values})


def rank(points: Sequence[Sequence[Point]], shapes: Sequence[Sequence[Shape]]) -> RankedPoints:
    """Points of all images sorted, with the hits of each one; arguments and errors as for `froc`."""
    if len(points) != len(shapes):
        raise ValueError(f"there are points of {len(points)} images and shapes of {len(shapes)}: they differ")
    arrays = [_array(some, number) for number, some in enumerate(points)]
    parts = [_one(array, objects) for array, objects in zip(arrays, shapes, strict=True)]
    image = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
    probability, hits, false = (
        np.concatenate(columns) if len(arrays) else np.zeros(0)
        for columns in ([a[:, 0] for a in arrays], [h for h, _ in parts], [f for _, f in parts])
    )
    order = np.argsort(-probability, kind="stable")
    objects = np.array([len(some) for some in shapes], dtype=np.intp)
    return RankedPoints(image[order], hits[order].astype(np.intp), false[order].astype(bool), objects)


def sensitivities(hits: NDArray, false: NDArray[np.bool_], images: int, objects: int) -> NDArray[np.float64]:
    """Sensitivity at the seven operating points, (7,), from hits and false alarms in order; NaN without an object."""
    if not objects:
        return np.full(len(OPERATING_POINTS), np.nan)
    hit, alarms = np.cumsum(hits), np.cumsum(false) / images
    read, after = [], -1
    for first in np.searchsorted(alarms, OPERATING_POINTS, side="left"):
        # At most one reading a point, so the next one is at a later point.
        after = max(int(first), after + 1)
        if after >= len(hit):
            break
        read.append(hit[after])
    last = read[-1] if read else hit[-1] if len(hit) else 0
    return np.array(read + [last] * (len(OPERATING_POINTS) - len(read)), dtype=np.float64) / objects


def interval(
    ranked: RankedPoints, units: Sequence | None = None, draws: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap percentile interval of the score over independent units; NaN where no draw has an object.

    ``units`` (the patient of each image) are drawn with all their images; by default each image is a unit.
    """
    groups = np.arange(len(ranked.objects)) if units is None else pd.factorize(np.asarray(units))[0]
    count, generator = int(groups.max(initial=-1)) + 1, np.random.default_rng(seed)
    scores = []
    for _ in range(draws if count else 0):
        times = np.bincount(generator.integers(count, size=count), minlength=count)[groups]
        objects = int((times * ranked.objects).sum())
        if objects:
            # An image drawn twice counts as two images: its points and its objects are repeated.
            again = times[ranked.image]
            hits, false = np.repeat(ranked.hits, again), np.repeat(ranked.false, again)
            scores.append(sensitivities(hits, false, int(times.sum()), objects).mean())
    if not scores:
        return np.nan, np.nan
    low, high = np.quantile(scores, QUANTILES)
    return float(low), float(high)


def _array(points: Sequence[Point], number: int) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64) if len(points) else np.zeros((0, 3))
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise ValueError(f"the points of image {number} must each be three finite numbers (probability, x, y)")
    return array


def _one(points: NDArray[np.float64], objects: Sequence[Shape]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Number of objects that each point of one image is the first to hit, and whether it lies outside all of them."""
    hits, inside = np.zeros(len(points), np.intp), np.zeros(len(points), bool)
    order = np.argsort(-points[:, 0], kind="stable")
    for shape in objects:
        contained = np.asarray(shape.contains(points[:, 1], points[:, 2]), dtype=bool)
        inside |= contained
        if contained.any():
            hits[order[np.argmax(contained[order])]] += 1
    return hits, ~inside
