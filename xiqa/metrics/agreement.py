"""Agreement of two raters, networks or methods on the same images, and intervals by a bootstrap over units.

Hits are 0, 1 or NaN (no verdict). A unit is what is independent: a radiograph or a patient, never one of its frames.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of hits (N,) beyond chance (Cohen 1960), in [-1, 1]; NaN where neither rater varies.

    kappa = (o - e) / (1 - e): o is the share of images on which both agree, e the share expected of two independent
    raters with these shares of hits. Where nearly all are hits e is near 1 and kappa is low even if o is high.
    Pairs without two verdicts are left out. Values other than 0, 1 and NaN, or unequal lengths, raise ValueError.
    """
    return float(_kappa(_cells(first, second)[0].sum(0)))


def kappa_interval(
    first: ArrayLike, second: ArrayLike, units: ArrayLike | None = None, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of :func:`cohen_kappa` by a bootstrap over ``units`` (N,), by default the images.

    Replicates without a kappa are left out. Both bounds are NaN if there is no kappa, a single unit, or all are equal.
    """
    cells, complete = _cells(first, second)
    units = np.arange(len(complete)) if units is None else np.asarray(units)
    if units.shape != complete.shape:
        raise ValueError(f"every image needs its unit: {complete.shape} images have units of shape {units.shape}")
    unit = np.unique(units[complete], return_inverse=True)[1]
    tables = np.zeros((unit.max(initial=-1) + 1, 4))
    np.add.at(tables, unit, cells)
    count = len(tables)
    if count < 2 or np.isnan(_kappa(tables.sum(0))):
        return np.nan, np.nan
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    kappas = _kappa(times @ tables)
    if not np.nanmax(kappas) > np.nanmin(kappas):
        return np.nan, np.nan
    low, high = np.nanquantile(kappas, [(1 - 0.95) / 2, (1 + 0.95) / 2])
    return float(low), float(high)


def bca(values: ArrayLike, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a mean by a bootstrap over units, bias-corrected and accelerated (Efron 1987).

    A check of :func:`xiqa.metrics.crossed_mean` without a normal distribution, and without the spread between seeds.
    Values are (units, seeds); rows with a NaN are left out. Both bounds are the value where all units are equal, NaN
    for fewer than two units.
    """
    values = np.asarray(values, dtype=float)
    means = values[~np.isnan(values).any(axis=1)].mean(axis=1)
    if len(means) < 2:
        return np.nan, np.nan
    if np.ptp(means) <= 1e-12 * np.abs(means).max():
        return float(means[0]), float(means[0])
    rng = np.random.default_rng(seed)
    interval = stats.bootstrap((means,), np.mean, method="BCa", n_resamples=draws, random_state=rng).confidence_interval
    return float(interval.low), float(interval.high)


def _cells(first: ArrayLike, second: ArrayLike) -> tuple[NDArray, NDArray]:
    """Pairs with two verdicts as cells (..., 4): both hit, first only, second only, neither; and which pairs, (N,)."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"hits must be given image by image, not as {first.shape} and {second.shape}")
    complete = ~(np.isnan(first) | np.isnan(second))
    first, second = first[complete], second[complete]
    if not np.isin([first, second], (0, 1)).all():
        raise ValueError("hits must be 0, 1 or NaN: set ties to 'first', and do not average over seeds")
    cells = [first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)]
    return np.stack(cells, axis=-1), complete


def _kappa(tables: NDArray) -> NDArray:
    """Kappa of tables (..., 4)."""
    both, first, second, neither = np.moveaxis(np.asarray(tables, dtype=float), -1, 0)
    count = both + first + second + neither
    hits, others = both + first, both + second
    # (o - e) / (1 - e), both times count squared: in counts no rounded difference occurs.
    chance = hits * others + (count - hits) * (count - others)
    varies = (hits * (count - hits) > 0) | (others * (count - others) > 0)
    excess, most = count * (both + neither) - chance, count**2 - chance
    return np.divide(excess, most, out=np.full_like(most, np.nan), where=varies)
