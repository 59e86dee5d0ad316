"""Intervals in closed form: a proportion, an area under the ROC curve, a mean over images and seeds."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import roc_auc_score


def wilson(successes: float, count: float) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion, in [0, 1]; NaN for an empty sample (Wilson 1927)."""
    if count == 0:
        return np.nan, np.nan
    z = stats.norm.ppf(0.975)
    share = successes / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def clustered_wilson(right: ArrayLike, groups: ArrayLike) -> tuple[float, float]:
    """Wilson interval of a share where observations (N,) of one group, such as a patient's frames, are dependent.

    The sample counts as n / deff observations, deff being the variance of the share over groups (linearised ratio)
    over the binomial one; never more than n, and not fewer than there are groups. NaN for an empty sample.
    """
    right, groups = np.asarray(right, dtype=float), np.asarray(groups)
    count = len(right)
    if count == 0:
        return np.nan, np.nan
    share, group = right.mean(), np.unique(groups, return_inverse=True)[1]
    clusters = group.max() + 1
    if clusters == 1 or share in (0.0, 1.0):
        return wilson(share * clusters, clusters)
    residuals = np.bincount(group, right - share)
    variance = clusters / (clusters - 1) * (residuals**2).sum() / count**2
    effective = np.clip(share * (1 - share) / variance if variance else count, clusters, count)
    return wilson(share * effective, effective)


def auc(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Area under the ROC curve, its lower and its upper bound; NaN unless both classes are present.

    The interval is built on the logit scale, so it stays in [0, 1]. The variance is DeLong's (1988) or, with ``groups``
    (N,) of dependent observations, that of clustered data (Obuchowski 1997). If the classes separate without error the
    variance is 0; the lower bound is then alpha^(1/n), n being the number of groups of the smaller class.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    groups = np.arange(len(labels)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if min((labels == 1).sum(), (labels == 0).sum()) == 0:
        return np.nan, np.nan, np.nan
    value = float(roc_auc_score(labels, scores))
    tail = (1 - confidence) / 2
    if value in (0.0, 1.0):
        independent = min(len(np.unique(groups[labels == label])) for label in (0, 1))
        bound = tail ** (1 / independent)
        return (1.0, float(bound), 1.0) if value else (0.0, 0.0, float(1 - bound))
    logit = np.log(value / (1 - value))
    half = stats.norm.ppf(1 - tail) * np.sqrt(_auc_variance(labels, scores, groups, value)) / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(logit - half))), 1 / (1 + np.exp(-(logit + half)))
    return value, float(low), float(high)


def _auc_variance(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, value: float) -> float:
    """Obuchowski's variance of an AUC: with a group for each observation it is DeLong's."""
    positive, negative = labels == 1, labels == 0
    m, n, clusters = positive.sum(), negative.sum(), groups.max() + 1
    # Placements: the share of the other class that an observation exceeds, from ranks (ties count one half).
    order = stats.rankdata(np.concatenate([scores[positive], scores[negative]]))
    above = (order[:m] - stats.rankdata(scores[positive])) / n
    below = 1 - (order[m:] - stats.rankdata(scores[negative])) / m
    first = np.bincount(groups[positive], above - value, minlength=clusters)
    second = np.bincount(groups[negative], below - value, minlength=clusters)
    with_positive, with_negative = len(np.unique(groups[positive])), len(np.unique(groups[negative]))
    variance = _spread(first, with_positive, m) + _spread(second, with_negative, n)
    shared = clusters / (clusters - 1) * (first * second).sum() if clusters > 1 else 0.0
    # A few mixed groups can make the estimate negative: the variance is then small.
    return max(variance + 2 * shared / (m * n), 0.0)


def _spread(sums: np.ndarray, groups: int, count: int) -> float:
    """Variance of a mean of ``count`` placements from their sums by group; one group gets the widest in [0, 1]."""
    return groups / (groups - 1) * (sums**2).sum() / count**2 if groups > 1 else 0.25


def crossed_mean(values: np.ndarray, confidence: float = 0.95) -> dict[str, float]:
    """Mean of a table (images x seeds) and its interval: mean, low, high, se, df, p (of mean 0), images, seeds.

    SE^2 = s_i^2 / n + s_seed^2 / k, where s_i^2 is the variance of the images' means over seeds and s_seed^2 that of
    the seeds' means over images; t quantile with Satterthwaite's degrees of freedom. With one seed the second term is
    left out, so the interval holds for that network only. Rows with a missing value are left out.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values).any(axis=1)]
    n, k = values.shape
    counts = {"images": n, "seeds": k}
    if n < 2:
        return dict.fromkeys(("mean", "low", "high", "se", "df", "p"), np.nan) | counts
    parts = [(values.mean(axis=1).var(ddof=1) / n, n - 1)]
    if k > 1:
        parts.append((values.mean(axis=0).var(ddof=1) / k, k - 1))
    variance, mean = sum(part for part, _ in parts), float(values.mean())
    if variance == 0:
        return {"mean": mean, "low": mean, "high": mean, "se": 0.0, "df": float(n - 1), "p": float(mean == 0)} | counts
    df, se = variance**2 / sum(part**2 / free for part, free in parts), float(np.sqrt(variance))
    half = stats.t.ppf((1 + confidence) / 2, df) * se
    p = 2 * stats.t.sf(abs(mean) / se, df)
    return {"mean": mean, "low": mean - half, "high": mean + half, "se": se, "df": float(df), "p": float(p)} | counts
