"""How well a classifier of images does: accuracy, AUC, calibration."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import brier_score_loss

from xiqa.metrics.intervals import auc, clustered_wilson, wilson


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 15, weights: ArrayLike | None = None
) -> float:
    """Mean gap between predicted and observed share of positives over equal bins of p(positive), weighted by size."""
    labels, probabilities = np.asarray(labels, dtype=float), np.asarray(probabilities, dtype=float)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    gaps = np.bincount(calibration_bin(probabilities, bins), weights * (probabilities - labels), minlength=bins)
    return float(np.abs(gaps).sum() / weights.sum())


def calibration_bin(probabilities: ArrayLike, bins: int = 15) -> np.ndarray:
    """The number of the equal bin of [0, 1] that each probability lies in; 1 belongs to the last."""
    return np.minimum((np.asarray(probabilities, dtype=float) * bins).astype(int), bins - 1)


def classification(
    labels: ArrayLike, probabilities: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95
) -> dict[str, float]:
    """Accuracy at 0.5 (Wilson), AUC (DeLong), Brier score, expected calibration error (15 bins on p(positive)).

    With ``groups`` (N,), such as the patients of frames, both intervals are those of clustered data.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=float)
    right = (probabilities > 0.5) == labels
    low, high = (
        wilson(int(right.sum()), len(labels), confidence)
        if groups is None
        else clustered_wilson(right, groups, confidence)
    )
    area, area_low, area_high = auc(labels, probabilities, groups, confidence)
    return {
        "images": len(labels),
        "accuracy": right.mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "auc": area,
        "auc_low": area_low,
        "auc_high": area_high,
        "brier": float(brier_score_loss(labels, probabilities)),
        "ece": expected_calibration_error(labels, probabilities),
    }
