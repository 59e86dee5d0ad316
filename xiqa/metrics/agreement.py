"""Two raters, two networks or two methods on the same images: agreement, difference, and intervals by resampling.

Hits are 0, 1 or NaN (no verdict); pairs without two verdicts are left out. What is drawn again is always the
independent unit (a radiograph, a patient), never one of its frames.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of hits beyond chance (Cohen 1960), in [-1, 1].

    kappa = (o - e) / (1 - e), o being the share of images on which both agree and e what two independent raters with
    these shares of hits would reach. Where nearly all are hits e is near 1, and kappa is low however rarely they
    disagree: read it beside o.
    Hits are (N,), 0, 1 or NaN; other values and lengths raise ValueError. NaN where neither varies.
    """
    return float(_kappa(_cells(*_both(first, second)).sum(0)))


def kappa_interval(
    first: ArrayLike,
    second: ArrayLike,
    units: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of :func:`cohen_kappa` by a bootstrap over units.

    Draws without a kappa (nothing varies in them) are left out. Where all draws give the same one, there is no
    interval: a rater that never varies has a kappa of 0 by construction, and one that never disagrees one of 1 however
    few the images.
    ``units`` (N,) is what the images are of; by default each is a unit of its own. Both bounds are NaN where there is
    no kappa, a single unit or no spread.
    """
    units = np.arange(np.size(first)) if units is None else np.asarray(units)
    first, second, units = _both(first, second, units)
    cells, which = _cells(first, second), np.unique(units, return_inverse=True)[1]
    tables = np.zeros((which.max(initial=-1) + 1, 4))
    np.add.at(tables, which, cells)
    count = len(tables)
    if count < 2 or np.isnan(_kappa(tables.sum(0))):
        return np.nan, np.nan
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    found = _kappa(times @ tables)
    if not np.nanmax(found) > np.nanmin(found):
        return np.nan, np.nan
    low, high = np.nanquantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bca(values: ArrayLike, confidence: float = 0.95, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Interval of a mean by a bootstrap over units, bias-corrected and accelerated (Efron 1987).

    A check of :func:`xiqa.metrics.crossed_mean`: no normal distribution is assumed, but seeds are taken as they are, so
    the spread between seeds is not in it.
    Values are (units, seeds) or (units,); rows with a NaN are left out. Both bounds are the value where all units are
    equal, NaN for fewer than two units.
    """
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    means = values[~np.isnan(values).any(axis=1)].mean(axis=1)
    if len(means) < 2:
        return np.nan, np.nan
    if np.ptp(means) <= 1e-12 * np.abs(means).max():
        return float(means[0]), float(means[0])
    given: dict[str, Any] = {"method": "BCa", "confidence_level": confidence, "n_resamples": draws}
    found = stats.bootstrap((means,), np.mean, random_state=np.random.default_rng(seed), **given).confidence_interval
    return float(found.low), float(found.high)


def _both(first: ArrayLike, second: ArrayLike, *more: NDArray) -> tuple[NDArray, ...]:
    """Hits of the pairs that have two verdicts, and what else is known of them."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.ndim != 1 or any(first.shape != np.shape(other) for other in (second, *more)):
        raise ValueError(f"hits must be given image by image, not as {first.shape} and {second.shape}")
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    if not np.isin([first, second], (0, 1)).all():
        raise ValueError("hits must be 0, 1 or NaN: set ties to 'first', and do not average over seeds")
    return first, second, *(other[known] for other in more)


def _cells(first: NDArray, second: NDArray) -> NDArray:
    """Which cell of the two-by-two table each pair is in, (N, 4): both hit, first only, second only, neither."""
    return np.stack([first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)], axis=-1)


def _kappa(tables: NDArray) -> NDArray:
    """Kappa of tables (..., 4)."""
    both, first, second, neither = np.moveaxis(np.asarray(tables, dtype=float), -1, 0)
    count = both + first + second + neither
    hits, others = both + first, both + second
    # The form in counts: (o - e) / (1 - e), both times count squared, without a rounded difference.
    chance = hits * others + (count - hits) * (count - others)
    varies = (hits * (count - hits) > 0) | (others * (count - others) > 0)
    excess, most = count * (both + neither) - chance, count**2 - chance
    return np.divide(excess, most, out=np.full_like(most, np.nan), where=varies)
