"""Scores of trained networks on items without the cause of their label, with parts hidden, or of another scanner."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa import models
from xiqa.data.arrays.images import Prepared
from xiqa.synthetic import catalogue
from xiqa.training.images import predict


def film_scores(
    prepared: Path, weights: Path, split: str = "test", hide: str = "", root: Path | None = None
) -> pd.DataFrame:
    """Store function: scores of a classifier on the films or frames of a split of an entry, or of a null world.

    ``hide`` paints the "lungs" of embedded films, or the "rest", in the mean grey of the film; it needs ``root``, the
    folder of the data set. Columns: image, unit, label, score (logit of the positive class minus that of the other).
    """
    data = Prepared(prepared)
    model = models.build(models.describe(weights)["network"], weights=weights)
    images, records = np.asarray(data.images(split)), data.records(split)
    if hide:
        images = np.stack([_hidden(i, root, split, n, hide) for i, n in zip(images, records["path"], strict=True)])
    logits = predict(model, images)
    return records[["image", "unit", "label"]].assign(score=(logits[:, 1] - logits[:, 0]).numpy())


def _hidden(image: NDArray[np.uint8], root: Path, split: str, path: str, part: str) -> NDArray[np.uint8]:
    beside = root / "derivatives" / split / f"{Path(path).stem}_masks.png"
    lungs = catalogue.generator("object_cxr").read_masks(beside)["lungs"]
    side = len(lungs) / len(image)
    at = (np.arange(len(image)) * side + side / 2).astype(int)
    mask = lungs[np.ix_(at, at)]
    return np.where(mask == (part == "lungs"), np.uint8(image.mean()), image)
