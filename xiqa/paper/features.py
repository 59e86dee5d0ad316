"""Features of what networks see: the grey value histogram of an image or volume, and the strongest blob of an image."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from xiqa.data.arrays import drawn
from xiqa.data.arrays.images import Prepared
from xiqa.data.names import SPLITS

BINS = 32
SCALES = (1.0, 1.6, 2.5, 4.0)  # px at 160: standard deviation of the inner Gaussian of a difference of Gaussians
SPREAD = (-2.0, 6.0)  # z-scores that a histogram of a volume covers


def histograms(prepared: Path, volumes: bool) -> pd.DataFrame:
    """Store function: histogram, mean and spread of every image or volume, and the strongest blob of every image.

    ``prepared`` is an entry of checked images (uint8) or ``volumes`` (float16, z-scores). Columns: split, unit, label,
    ``bin_00`` ... ``bin_31`` (shares), mean, spread and, for images, blob.
    """
    data = drawn.read_volumes(prepared) if volumes else Prepared(prepared)
    parts = []
    for split in SPLITS:
        records = data.records(split).rename(columns={"subject": "unit"})
        array = data.volumes(split) if volumes else data.images(split)
        rows = [_distribution(array[row]) for row in range(len(records))]
        parts.append(pd.concat([records[["split", "unit", "label"]], pd.DataFrame(rows)], axis=1))
    return pd.concat(parts, ignore_index=True)


def _distribution(array: NDArray) -> dict[str, float]:
    low, high = (0.0, 255.0) if array.dtype == np.uint8 else SPREAD
    values = array.astype(np.float32)
    shares = np.histogram(np.clip(values, low, high), BINS, (low, high))[0] / values.size
    features = {f"bin_{i:02d}": share for i, share in enumerate(shares)}
    features |= {"mean": values.mean(), "spread": values.std()}
    return features | ({"blob": blob(values)} if values.ndim == 2 else {})


def blob(image: NDArray[np.float32]) -> float:
    """Largest absolute response (grey values) to a difference of Gaussians, over places and four scales."""
    unit = image.shape[0] / 160
    scales = [unit * scale for scale in SCALES]
    smooth = {s: ndimage.gaussian_filter(image, s) for s in {*scales, *(1.6 * s for s in scales)}}
    return float(max(np.abs(smooth[s] - smooth[1.6 * s]).max() for s in scales))
