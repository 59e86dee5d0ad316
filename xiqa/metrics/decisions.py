"""Accuracy, AUC and calibration of a classifier of images."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import brier_score_loss

from xiqa.metrics.intervals import auc, clustered_wilson


def classification(labels: ArrayLike, probabilities: ArrayLike, groups: ArrayLike) -> dict[str, float]:
    """Accuracy at 0.5 (Wilson), AUC (DeLong), Brier score and expected calibration error of p(positive), all (N,).

    Both intervals are 95 % intervals of data clustered by ``groups`` (N,), such as the patients of frames. The
    calibration error is the mean gap between predicted and observed share of positives over 15 equal bins.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=float)
    right = (probabilities > 0.5) == labels
    low, high = clustered_wilson(right, groups)
    area, area_low, area_high = auc(labels, probabilities, groups)
    gaps = np.bincount(calibration_bin(probabilities), probabilities - labels, minlength=15)
    return {
        "images": len(labels),
        "accuracy": right.mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "auc": area,
        "auc_low": area_low,
        "auc_high": area_high,
        "brier": float(brier_score_loss(labels, probabilities)),
        "ece": float(np.abs(gaps).sum() / len(labels)),
    }


def calibration_bin(probabilities: ArrayLike, bins: int = 15) -> np.ndarray:
    """Index of the equal bin of [0, 1] that each probability lies in; 1 belongs to the last."""
    return np.minimum((np.asarray(probabilities, dtype=float) * bins).astype(int), bins - 1)
