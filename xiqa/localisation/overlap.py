"""Agreement of a whole map with a mask: energy, intersection over union, average precision.

Maps (B, H, W) and bool masks (B, H, W). The value is NaN for an empty mask or a degenerate map (constant, not finite).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from xiqa.localisation.maxima import scale
from xiqa.saliency.methods import degenerate

THRESHOLDS = tuple(step / 20 for step in range(1, 20))  # of maps scaled to [0, 1]


def energy_pointing_game(maps: Tensor | NDArray, masks: ArrayLike) -> NDArray[np.float64]:
    """Energy-based pointing game (Wang et al. 2020, Score-CAM): share of a map's sum inside the mask, (B,) in [0, 1].

    Negative values count as zero. Chance is the mask's share of the image.
    """
    energies = np.full(len(maps), np.nan)
    for i, values, mask in _valid(maps, masks):
        positive = np.clip(values.astype(np.float64), 0, None)
        # Scaled first, so that maps as small as 1e-300 keep their digits.
        if positive.max() > 0:
            positive = positive / positive.max()
            energies[i] = positive[mask].sum() / positive.sum()
    return energies


def iou_curve(maps: Tensor | NDArray, masks: ArrayLike, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Intersection over union of mask and thresholded map, a row (image, threshold, iou) each.

    Maps are scaled to [0, 1] by their extremes; pixels of at least the threshold belong to the map.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    table = np.full((len(maps), len(thresholds)), np.nan)
    for i, values, mask in _valid(maps, masks):
        scaled = scale(values)
        both, marked = _at_least(scaled[mask], thresholds), _at_least(scaled.ravel(), thresholds)
        table[i] = both / (marked + mask.sum() - both)
    image, threshold = np.repeat(np.arange(len(table)), len(thresholds)), np.tile(thresholds, len(table))
    return pd.DataFrame({"image": image, "threshold": threshold, "iou": table.ravel()})


def best_threshold(curve: pd.DataFrame) -> float:
    """Threshold of the highest mean IoU over images, the lowest of several; NaN where no image has an IoU."""
    means = curve.groupby("threshold")["iou"].mean()
    return float(means.idxmax()) if means.notna().any() else np.nan


def average_precision(maps: Tensor | NDArray, masks: ArrayLike) -> NDArray[np.float64]:
    """Average precision of a map's pixels as a ranking of the mask's, image by image, (B,) in [0, 1].

    The sum of (R_n - R_{n-1}) P_n over the distinct values of the map from the highest on, so that tied pixels enter
    together, as in scikit-learn's ``average_precision_score``; one sort serves, since recall grows at values of true
    pixels only. Chance is about the mask's share of the image.
    """
    precision = np.full(len(maps), np.nan)
    for i, values, mask in _valid(maps, masks):
        taken, times = np.unique(values[mask], return_counts=True)
        true = np.cumsum(times[::-1])[::-1]
        precision[i] = (times * (true / _at_least(values.ravel(), taken))).sum() / mask.sum()
    return precision


def _at_least(values: NDArray, thresholds: NDArray) -> NDArray[np.intp]:
    """Number of values of at least each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")


def _valid(maps: Tensor | NDArray, masks: ArrayLike) -> Iterator[tuple[int, NDArray, NDArray[np.bool_]]]:
    """Number, map and mask of the images with a mask that is not empty and a map that is not degenerate."""
    maps = torch.from_numpy(np.ascontiguousarray(maps)) if isinstance(maps, np.ndarray) else maps.detach().cpu()
    masks = masks.detach().cpu().numpy() if isinstance(masks, Tensor) else np.asarray(masks)
    if masks.ndim != 3 or masks.dtype != bool:
        raise ValueError(f"masks must be bool (B, H, W), not {masks.dtype} of shape {masks.shape}")
    if tuple(maps.shape) != masks.shape:
        raise ValueError(f"maps of shape {tuple(maps.shape)} and masks of shape {masks.shape} differ: pass one of each")
    if not len(maps):
        return
    # Degenerate in half precision is degenerate in single: widening changes no value.
    flat, values = degenerate(maps).numpy(), (maps if maps.dtype == torch.float64 else maps.float()).numpy()
    for i in np.flatnonzero(~flat & masks.any((1, 2))):
        yield int(i), values[i], masks[i]
