"""Referral of uncertain predictions and the thresholds it needs."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve, roc_curve

METRICS = ("mutual_information", "predictive_entropy", "variance")  # the paper's three summaries
ETAS = (1.0, 0.5, 0.1, 0.01, 0.001)  # the paper's grid, on the rescaled metric (C)


def refer(probability: ArrayLike, uncertainty: ArrayLike, theta: float, eta: float) -> np.ndarray:
    """Answers "clean", "artifact" or "review" (N,), from p(artifact) and its uncertainty, both (N,).

    A scan is kept if its uncertainty is below ``eta`` (``inf`` reviews nothing); a kept scan is an artifact if its
    probability is at least ``theta``. A scan without a finite probability or without an uncertainty goes to review.
    """
    probability, uncertainty = np.asarray(probability, dtype=float), np.asarray(uncertainty, dtype=float)
    valid = np.isfinite(probability) & ~np.isnan(uncertainty)
    kept = valid & ((uncertainty < eta) | np.isposinf(eta))
    return np.where(kept, np.where(probability >= theta, "artifact", "clean"), "review")


def youden(labels: ArrayLike, probability: ArrayLike) -> float:
    """Threshold of highest sensitivity + specificity - 1 (Youden 1950); the highest of several, inf if none helps."""
    fpr, tpr, thresholds = roc_curve(labels, probability, drop_intermediate=False)
    return float(thresholds[np.argmax(tpr - fpr)])


def best_f1(labels: ArrayLike, probability: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Threshold of highest F1 at the prevalence that the weights (N,) give; the highest of several."""
    precision, recall, thresholds = precision_recall_curve(labels, probability, sample_weight=weights)
    precision, recall = precision[:-1][::-1], recall[:-1][::-1]
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[::-1][np.argmax(f1)])


def eta_for_review(uncertainty: ArrayLike, weights: ArrayLike | None, share: float) -> float:
    """Lowest threshold of uncertainty that sends no more than a share of the weight to review.

    Tied scans are reviewed together or not at all; inf if even the most uncertain group is too large.
    """
    values, group = np.unique(np.asarray(uncertainty, dtype=float), return_inverse=True)
    mass = np.bincount(group, weights)
    reviewed = mass[::-1].cumsum()[::-1] / mass.sum()
    allowed = reviewed <= share * (1 + 1e-9)
    return float(values[allowed][0]) if allowed.any() else np.inf


def rescale(uncertainty: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """The paper's min-max rescaling, fixed on the reference (validation) scans: other scans may leave [0, 1]."""
    uncertainty, reference = np.asarray(uncertainty, dtype=float), np.asarray(reference, dtype=float)
    low, high = reference.min(), reference.max()
    return (uncertainty - low) / (high - low if high > low else 1.0)
