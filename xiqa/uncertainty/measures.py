"""What several answers for one scan say: how sure the network is, and whether a person should look.

Probabilities are indexed [sample, scan, class]; class 1 is the artifact. Entropies are in nats, 0 log 0 = 0. Dropout
stands in the head of these networks only, so the mutual information over its samples is "Monte Carlo dropout (head)
disagreement, called epistemic in the paper"; the same over flips is "flip disagreement, called aleatoric in the paper".
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import xlogy


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
