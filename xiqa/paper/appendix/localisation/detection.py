"""Maps as detectors: the points of every method, and their FROC score, on a split of a prepared data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from xiqa import pointing_game
from xiqa.data.arrays.grids import outlines
from xiqa.data.arrays.images import Prepared
from xiqa.data.shapes import Shape, parse_annotation
from xiqa.localisation.challenge import interval, sensitivities, walk
from xiqa.localisation.maxima import peaks, to_points
from xiqa.paper.batches import Explainer


def froc_points(
    prepared: Path,
    weights: Path | str,
    network: str,
    seed: int,
    split: str,
    methods: list[str],
    tolerance: float,
    batch: int,
    smoothing: dict | None = None,
) -> pd.DataFrame:
    """Points of every method for froc, on all images of a split that can be judged, also those without an object.

    The positive class is explained whatever the network predicts. Positive images without ground truth are left out.
    Parameters as for `localise`; without ``smoothing`` the maps are taken as they are.

    Returns
    -------
    DataFrame with the columns method, image, row (position in the split's records), probability (the image's times the
    scaled map), x, y (in original pixels), the highest peak of an image first. Of a degenerate map there is no point.

    """
    explainer = Explainer(prepared, weights, network, methods, seed, tolerance)
    data, found = explainer.data, []
    records = data.records(split)
    for some in explainer.batches(split, judged_rows(data, split), batch, target=1):
        for method, maps in some.maps.items():
            maps = maps if smoothing is None else pointing_game.smooth(maps, **smoothing)
            for row, one, probability in zip(some.rows, maps, some.probability, strict=True):
                record = records.iloc[row]
                points = to_points(
                    peaks(one, float(probability), tolerance), data.size, record["height"], record["width"]
                )
                found += [(method, record["image"], int(row), *point) for point in points]
    return pd.DataFrame(found, columns=["method", "image", "row", "probability", "x", "y"])


def froc_scores(
    points: pd.DataFrame,
    prepared: Path,
    split: str,
    draws: int = 500,
    seed: int = 0,
    methods: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Score each method's points; the interval (95 %) is a bootstrap over units.

    Parameters
    ----------
    points : as `froc_points` returns them, of the same split.
    methods : which, in this order; by default those that have a point. One without a point finds nothing: 0.
    draws, seed : of the bootstrap.

    Returns
    -------
    DataFrame with the columns method, froc, low, high.

    """
    data = Prepared(prepared)
    rows, units = judged_rows(data, split), data.records(split)["unit"]
    shapes = [original_shapes(data, split, row) for row in rows]
    found = []
    for method in points["method"].unique() if methods is None else methods:
        own = points[points["method"] == method]
        by_row = {row: list(zip(p["probability"], p["x"], p["y"], strict=True)) for row, p in own.groupby("row")}
        if strange := set(by_row) - set(rows.tolist()):
            raise ValueError(f"the {split} split of {prepared} has no image to judge at row {min(strange)}")
        steps = walk([by_row.get(row, []) for row in rows], shapes)
        score = sensitivities(steps.hits, steps.false, len(rows), int(steps.objects.sum())).mean()
        found.append((method, float(score), *interval(steps, units.iloc[rows].to_numpy(), draws, seed)))
    return pd.DataFrame(found, columns=["method", "froc", "low", "high"])


def judged_rows(data: Prepared, split: str) -> NDArray[np.intp]:
    """Rows of a split that froc can judge: without an object, or with ground truth that says where it is."""
    records = data.records(split)
    return np.flatnonzero((records["label"] == 0) | (records["located"] == 1))


def original_shapes(data: Prepared, split: str, row: int) -> list[Shape]:
    """Annotated objects of an image in its original pixels; masks come as polygons around each of their regions."""
    record = data.records(split).iloc[row]
    if record["annotation"] or not record["located"]:
        return parse_annotation(record["annotation"])
    # Outer borders only: a hole is no object.
    regions = outlines(ndimage.binary_fill_holes(data.truth(split, [row])[0]))
    sx, sy = record["width"] / data.size, record["height"] / data.size
    return [shape.scaled(sx, sy).moved((sx - 1) / 2, (sy - 1) / 2) for shape in regions]
