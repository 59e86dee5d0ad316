"""Uncertainty measures from several predictions of one scan, and their convergence with the number of samples.

Probabilities are indexed [sample, scan, class]; class 1 is the artifact. Entropies are in nats, 0 log 0 = 0. Dropout
stands in the head of these networks only, so the mutual information over its samples is "Monte Carlo dropout (head)
disagreement, called epistemic in the paper"; the same over flips is "flip disagreement, called aleatoric in the paper".
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import xlogy
from sklearn.metrics import roc_auc_score


def decompose(probabilities: ArrayLike) -> pd.DataFrame:
    """Predictive entropy and its parts, and the variance, over S samples (S, B, C): a row a scan.

    Columns: ``probability`` (mean of class 1), ``predictive_entropy`` H(mean p) = ``expected_entropy`` mean H(p) +
    ``mutual_information`` (BALD, Houlsby et al. 2011; nats, in [0, ln C]), ``variance`` (ddof 0, mean over classes).
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


def convergence(
    mc: ArrayLike, labels: ArrayLike, sizes: Sequence[int], repeats: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Convergence of the ROC curve of mc (T, N, 2) with the number of Monte Carlo samples; labels (N,) are 0 or 1.

    In each repeat the samples are cut into halves at random; the mean of one half gives the reference curve, the mean
    of the first n of the other one the curve for n samples. Over 101 thresholds 0, 0.01, ..., 1,
    SSE = sum (dFPR^2 + dTPR^2) and NMSE = 100 SSE / sum ((FPR - TPR) / sqrt 2)^2 of the reference.

    A row a repeat and size: ``samples``, ``repeat``, ``auc``, ``sse``, ``nmse`` (%); ``sizes`` above T/2 are left out.
    Between repeats the samples vary, not the scans.
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


def roc_at(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at the thresholds 0, 0.01, ..., 1; a score at the threshold counts as positive."""
    rates = []
    for label in (0, 1):
        own = np.sort(scores[labels == label])
        rates.append(1 - np.searchsorted(own, np.linspace(0, 1, 101), side="left") / len(own))
    return rates[0], rates[1]


def _samples(probabilities: ArrayLike, dimensions: int) -> np.ndarray:
    p = np.asarray(probabilities, dtype=float)
    if p.ndim != dimensions or p.shape[-1] < 2:
        raise ValueError(f"probabilities need {dimensions} axes, the last of them classes, not shape {p.shape}")
    return p


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis, exact where all are equal: rounding would look like disagreement."""
    return values[0] + (values - values[0]).mean(axis=0)


def _entropy(p: np.ndarray) -> np.ndarray:
    return -xlogy(p, p).sum(axis=-1)
