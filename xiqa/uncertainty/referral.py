"""Referral of uncertain predictions and the thresholds it needs."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve, roc_curve

ANSWERS = ("clean", "artifact", "review")
METRICS = ("mutual_information", "predictive_entropy", "variance")  # the paper's three summaries
ETAS = (1.0, 0.5, 0.1, 0.01, 0.001)  # the paper's grid, on the rescaled metric (C)


def refer(probability: ArrayLike, uncertainty: ArrayLike, theta: float, eta: float) -> np.ndarray:
    """Answer clean, artifact or review.

    A scan is kept if its uncertainty is below ``eta``; what is kept is an artifact from ``theta`` on. A scan without a
    finite probability or without an uncertainty goes to review.

    Parameters
    ----------
    probability : (N,), of an artifact.
    uncertainty : (N,), in the unit of ``eta``.
    theta, eta : thresholds, fixed on the validation split; ``eta=inf`` reviews nothing.

    Returns
    -------
    (N,) strings out of ``ANSWERS``.
    """
    probability, uncertainty = np.asarray(probability, dtype=float), np.asarray(uncertainty, dtype=float)
    known = np.isfinite(probability) & ~np.isnan(uncertainty)
    kept = known & ((uncertainty < eta) | np.isposinf(eta))
    return np.where(kept, np.where(probability >= theta, "artifact", "clean"), "review")


def youden(labels: ArrayLike, probability: ArrayLike) -> float:
    """The threshold of highest sensitivity + specificity - 1 (Youden 1950); the highest of several, inf if none helps.

    The same at any prevalence.
    """
    fpr, tpr, thresholds = roc_curve(labels, probability, drop_intermediate=False)
    return float(thresholds[np.argmax(tpr - fpr)])


def best_f1(labels: ArrayLike, probability: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The threshold of highest F1 at the prevalence that the weights (N,) give; the highest of several."""
    precision, recall, thresholds = precision_recall_curve(labels, probability, sample_weight=weights)
    precision, recall = precision[:-1][::-1], recall[:-1][::-1]
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[::-1][np.argmax(f1)])


def eta_for_review(uncertainty: ArrayLike, weights: ArrayLike | None = None, share: float = 0.10) -> float:
    """The lowest threshold of uncertainty that sends no more than a share (of the weight) to review.

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
