"""What several answers for one scan say: how sure the network is, and whether a person should look.

Probabilities are indexed [sample, scan, class]; class 1 is the artifact. Entropies are in nats, 0 log 0 = 0. Dropout
stands in the head of these networks only, so the mutual information over its samples is "Monte Carlo dropout (head)
disagreement, called epistemic in the paper"; the same over flips is "flip disagreement, called aleatoric in the paper".
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import xlogy
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from xiqa.sampling import FLIP_NAMES, FLIPS, flips, mc_dropout, mc_dropout_flips

__all__ = [
    "ANSWERS",
    "ETAS",
    "FLIPS",
    "FLIP_NAMES",
    "METRICS",
    "best_f1",
    "convergence",
    "decompose",
    "eta_for_review",
    "flips",
    "mc_dropout",
    "mc_dropout_flips",
    "refer",
    "rescale",
    "roc_at",
    "split_variance",
    "youden",
]

ANSWERS = ("clean", "artifact", "review")
METRICS = ("mutual_information", "predictive_entropy", "variance")  # the paper's three summaries
ETAS = (1.0, 0.5, 0.1, 0.01, 0.001)  # the paper's grid, on the rescaled metric (C)
THRESHOLDS = np.linspace(0, 1, 101)  # of the convergence study (ours; theirs are not known)


def decompose(probabilities: ArrayLike) -> pd.DataFrame:
    """Predictive entropy and its parts, and the variance, over samples.

    Predictive entropy H(mean p) = expected entropy mean H(p) + mutual information (BALD, Houlsby et al. 2011).

    Parameters
    ----------
    probabilities : (S, B, C), softmax of S samples.

    Returns
    -------
    DataFrame, one row a scan: ``probability`` (mean of class 1), ``predictive_entropy``, ``expected_entropy``,
    ``mutual_information`` (nats, in [0, ln C]), ``variance`` (ddof 0, averaged over classes).

    """
    p = _samples(probabilities, 3)
    mean, entropies = _mean(p), _entropy(p)
    predictive, expected = _entropy(mean), _mean(entropies)
    return pd.DataFrame(
        {
            "probability": mean[:, 1],
            "predictive_entropy": predictive,
            "expected_entropy": expected,
            "mutual_information": np.maximum(predictive - expected, 0),  # rounding may leave -1e-17
            "variance": ((p - mean) ** 2).mean(axis=(0, 2)),
        }
    )


def split_variance(probabilities: ArrayLike) -> pd.DataFrame:
    """Variance over T samples in each of A flips, split: total = E_a[Var_t] + Var_a[E_t], exact for ddof 0.

    Parameters
    ----------
    probabilities : (A, T, B, C).

    Returns
    -------
    DataFrame, one row a scan, averaged over classes: ``total``, ``within`` (mean over flips of the variance over
    samples), ``between`` (variance over flips of the mean over samples).

    """
    p = _samples(probabilities, 4)
    parts = {"total": p.var(axis=(0, 1)), "within": p.var(axis=1).mean(axis=0), "between": p.mean(axis=1).var(axis=0)}
    return pd.DataFrame({name: values.mean(axis=-1) for name, values in parts.items()})


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


def convergence(
    mc: ArrayLike, labels: ArrayLike, sizes: Sequence[int] = (1, 10, 20, 50, 100), repeats: int = 100, seed: int = 0
) -> pd.DataFrame:
    """How fast the ROC curve settles with the number of Monte Carlo samples.

    In each repeat the samples are cut into halves at random; the mean of one half gives the reference curve, the mean
    of the first n of the other one the curve for n samples. Over 101 thresholds 0, 0.01, ..., 1,
    SSE = sum (dFPR^2 + dTPR^2) and NMSE = 100 SSE / sum ((FPR - TPR) / sqrt 2)^2 of the reference.

    Parameters
    ----------
    mc : (T, N, 2).
    labels : (N,), 0 or 1.
    sizes : numbers of samples; those above T/2 are left out.
    repeats : random halvings.

    Returns
    -------
    DataFrame, a row a repeat and size: ``samples``, ``repeat``, ``auc``, ``sse``, ``nmse`` (%). What varies between
    repeats is Monte Carlo error only, not which scans were tested.

    """
    p, labels = np.asarray(mc, dtype=float)[..., 1], np.asarray(labels)
    half, rng, rows = len(p) // 2, np.random.default_rng(seed), []
    for repeat in range(repeats):
        order = rng.permutation(len(p))
        fpr, tpr = roc_at(labels, p[order[half:]].mean(axis=0))
        scale = (((fpr - tpr) ** 2) / 2).sum()
        for size in sizes:
            if size <= half:
                mean = p[order[:size]].mean(axis=0)
                own_fpr, own_tpr = roc_at(labels, mean)
                sse = ((own_fpr - fpr) ** 2 + (own_tpr - tpr) ** 2).sum()
                nmse = 100 * sse / scale if scale else np.nan
                rows.append((size, repeat, roc_auc_score(labels, mean), sse, nmse))
    return pd.DataFrame(rows, columns=["samples", "repeat", "auc", "sse", "nmse"])


def roc_at(labels: ArrayLike, scores: ArrayLike, thresholds: ArrayLike = THRESHOLDS) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at fixed thresholds; a score at the threshold counts as positive."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    rates = []
    for label in (0, 1):
        own = np.sort(scores[labels == label])
        rates.append(1 - np.searchsorted(own, thresholds, side="left") / len(own))
    return rates[0], rates[1]


def _samples(probabilities: ArrayLike, dimensions: int) -> np.ndarray:
    p = np.asarray(probabilities, dtype=float)
    if p.ndim != dimensions or p.shape[-1] < 2:
        raise ValueError(f"probabilities need {dimensions} axes, the last of them classes, not shape {p.shape}")
    return p


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis, exact where all are equal: then no rounding passes for disagreement."""
    return values[0] + (values - values[0]).mean(axis=0)


def _entropy(p: np.ndarray) -> np.ndarray:
    return -xlogy(p, p).sum(axis=-1)
