"""Metrics and their intervals; nothing here knows a network or a file."""

import numpy as np
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score


def wilson(successes: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion, in [0, 1]; NaN for an empty sample (Wilson 1927)."""
    if count == 0:
        return np.nan, np.nan
    z = stats.norm.ppf((1 + confidence) / 2)
    share = successes / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def auc(labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Area under the ROC curve with its interval (DeLong et al. 1988, on the logit scale so that it stays in [0, 1]).

    Where the classes separate without error DeLong's variance is 0 and says nothing; the lower bound is then that of
    an errorless sample of the smaller class, alpha^(1/n).

    Returns
    -------
    estimate, lower bound, upper bound; NaN unless both classes are present.

    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    positive, negative = scores[labels == 1], scores[labels == 0]
    if min(len(positive), len(negative)) == 0:
        return np.nan, np.nan, np.nan
    estimate = float(roc_auc_score(labels, scores))
    tail = (1 - confidence) / 2
    if estimate in (0.0, 1.0):
        bound = tail ** (1 / min(len(positive), len(negative)))
        return (1.0, float(bound), 1.0) if estimate else (0.0, 0.0, float(1 - bound))
    # Placements: the share of the other class that an observation beats, from ranks (ties count one half).
    order = stats.rankdata(np.concatenate([positive, negative]))
    n, m = len(positive), len(negative)
    above = (order[:n] - stats.rankdata(positive)) / m
    below = 1 - (order[n:] - stats.rankdata(negative)) / n
    variance = sum(np.var(v, ddof=1) / len(v) if len(v) > 1 else 0.25 for v in (above, below))
    logit = np.log(estimate / (1 - estimate))
    half = stats.norm.ppf(1 - tail) * np.sqrt(variance) / (estimate * (1 - estimate))
    low, high = 1 / (1 + np.exp(-(logit - half))), 1 / (1 + np.exp(-(logit + half)))
    return estimate, float(low), float(high)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Mean gap between predicted and observed share of positives over equal bins of p(positive), weighted by size."""
    labels, probabilities = np.asarray(labels, dtype=float), np.asarray(probabilities, dtype=float)
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [abs((probabilities - labels)[which == b].sum()) for b in range(bins)]
    return float(np.sum(gaps) / len(labels))


def classification(labels: np.ndarray, probabilities: np.ndarray, confidence: float = 0.95) -> dict[str, float]:
    """Accuracy at 0.5 (Wilson), AUC (DeLong), Brier score, expected calibration error (15 bins on p(positive))."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=float)
    right = int(((probabilities > 0.5) == labels).sum())
    low, high = wilson(right, len(labels), confidence)
    area, area_low, area_high = auc(labels, probabilities, confidence)
    return {
        "images": len(labels),
        "accuracy": right / len(labels),
        "accuracy_low": low,
        "accuracy_high": high,
        "auc": area,
        "auc_low": area_low,
        "auc_high": area_high,
        "brier": float(brier_score_loss(labels, probabilities)),
        "ece": expected_calibration_error(labels, probabilities),
    }


def crossed_mean(values: np.ndarray, confidence: float = 0.95) -> dict[str, float]:
    """Mean of a table (images x seeds) and its interval over images and seeds together.

    SE^2 = s_i^2 / n + s_seed^2 / k, where s_i^2 is the variance of the images' means over seeds and s_seed^2 that of
    the seeds' means over images; t quantile with Satterthwaite's degrees of freedom. With one seed the second term is
    unknown and left out, so the interval speaks of that one network only. Rows with a missing value are left out.

    Returns
    -------
    dictionary of mean, low, high, se, df, p (two-sided, of mean 0), images, seeds.

    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values).any(axis=1)]
    n, k = values.shape
    nothing = dict.fromkeys(("mean", "low", "high", "se", "df", "p"), np.nan)
    if n < 2:
        return nothing | {"images": n, "seeds": k}
    parts = [(values.mean(axis=1).var(ddof=1) / n, n - 1)]
    if k > 1:
        parts.append((values.mean(axis=0).var(ddof=1) / k, k - 1))
    variance, mean = sum(part for part, _ in parts), float(values.mean())
    if variance == 0:
        same = {"mean": mean, "low": mean, "high": mean, "se": 0.0, "df": float(n - 1), "p": float(mean == 0)}
        return same | {"images": n, "seeds": k}
    df = variance**2 / sum(part**2 / free for part, free in parts)
    se = float(np.sqrt(variance))
    half = stats.t.ppf((1 + confidence) / 2, df) * se
    p = 2 * stats.t.sf(abs(mean) / se, df)
    interval = {"mean": mean, "low": mean - half, "high": mean + half, "se": se, "df": float(df), "p": float(p)}
    return interval | {"images": n, "seeds": k}
