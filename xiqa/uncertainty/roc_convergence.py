"""Convergence of uncertainty measures with the number of Monte Carlo samples."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

THRESHOLDS = np.linspace(0, 1, 101)  # of the convergence study (ours; theirs are not known)


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
