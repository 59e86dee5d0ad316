"""Maps as detectors: points of every method, and their FROC score, on a split of a prepared data set."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from xiqa.data.arrays.grids import outlines
from xiqa.data.arrays.images import Prepared
from xiqa.data.shapes import Shape, parse_annotation
from xiqa.localisation.challenge import interval, rank, sensitivities
from xiqa.localisation.maxima import peaks, to_points
from xiqa.paper.arguments import Network
from xiqa.paper.batches import BASELINES, Explainer
from xiqa.saliency.methods import tabulated
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME


def froc_points(
    prepared: Path, network: Network, split: str, tolerance: float, batch: int, methods: list[str] | None = None
) -> pd.DataFrame:
    """Store function: points of every method for FROC, on all `valid_rows` of a split.

    The positive class is explained, whatever the network predicts; ``tolerance`` in pixels. Columns method, image, row
    (position in the records of the split), probability (that of the image times the scaled map), x, y (in original
    pixels), the highest peak of an image first. A degenerate map has no point.
    """
    explainer = Explainer(prepared, network, methods or [*tabulated(), *BASELINES], tolerance)
    data, rows = explainer.data, []
    records = data.records(split)
    for some in explainer.batches(split, valid_rows(data, split), batch, target=1):
        for method, maps in some.maps.items():
            for row, one, probability in zip(some.rows, maps, some.probability, strict=True):
                record = records.iloc[row]
                maxima = peaks(one, float(probability), tolerance)
                points = to_points(maxima, data.size, record["height"], record["width"])
                rows += [(method, record["image"], int(row), *point) for point in points]
    return pd.DataFrame(rows, columns=["method", "image", "row", "probability", "x", "y"])


def froc_scores(points: Path, prepared: Path, split: str) -> pd.DataFrame:
    """Store function: FROC score of each method that has a point, with the 95 % interval of a bootstrap over units.

    ``points`` is the entry of `froc_points` of the same split. Columns method, froc, low, high.
    """
    data, frame = Prepared(prepared), read_frame(points / FRAME)
    rows = valid_rows(data, split)
    units = data.records(split)["unit"].iloc[rows].to_numpy()
    shapes = [original_shapes(data, split, row) for row in rows]
    scores = []
    for method, own in frame.groupby("method", sort=False):
        by_row = {row: list(zip(p["probability"], p["x"], p["y"], strict=True)) for row, p in own.groupby("row")}
        if other := set(by_row) - set(rows.tolist()):
            raise ValueError(f"row {min(other)} of the {split} split of {prepared} has no ground truth for its points")
        ranked = rank([by_row.get(row, []) for row in rows], shapes)
        score = sensitivities(ranked.hits, ranked.false, len(rows), int(ranked.objects.sum())).mean()
        scores.append((method, float(score), *interval(ranked, units)))
    return pd.DataFrame(scores, columns=["method", "froc", "low", "high"])


def valid_rows(data: Prepared, split: str) -> NDArray[np.intp]:
    """Rows of the images of a split without an object, or with ground truth of where it is."""
    records = data.records(split)
    return np.flatnonzero((records["label"] == 0) | (records["located"] == 1))


def original_shapes(data: Prepared, split: str, row: int) -> list[Shape]:
    """Annotated objects of an image in its original pixels; a mask gives a polygon around each of its regions."""
    record = data.records(split).iloc[row]
    if record["annotation"] or not record["located"]:
        return parse_annotation(record["annotation"])
    # Outer borders only: a hole is not an object.
    regions = outlines(ndimage.binary_fill_holes(data.truth(split, [row])[0]))
    sx, sy = record["width"] / data.size, record["height"] / data.size
    return [shape.scaled(sx, sy).moved((sx - 1) / 2, (sy - 1) / 2) for shape in regions]
