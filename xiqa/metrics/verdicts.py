"""When a claim of a paper counts as supported: one rule, stated before looking at the results.

A difference is **supported** if its Holm-adjusted lower bound is above 0, its estimate above delta, and its sign the
same in every seed; **not supported** if its upper bound is below delta; **undecided** otherwise; **not testable** where
a precondition fails. With 300 images and a seed spread of 0.02 a true gap of 0 is called supported in 1.4 % of studies
and undecided in 89 %, a gap of 0.05 supported in 42 %, one of 0.10 in 94 %.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xiqa.metrics.intervals import crossed_mean

SUPPORTED, NOT_SUPPORTED, UNDECIDED, NOT_TESTABLE = "supported", "not supported", "undecided", "not testable"


@dataclass(frozen=True)
class Difference:
    """A paired difference of two scores over images and seeds, with a Holm-adjusted interval."""

    name: str
    mean: float
    low: float
    high: float
    verdict: str
    images: int
    seeds: int
    smallest: float  # half of the interval: the smallest difference that this comparison could have shown


def crossed(values: np.ndarray, confidence: float) -> dict[str, object]:
    """:func:`xiqa.metrics.intervals.crossed_mean` of differences (images, seeds), and ``by_seed``, the mean of each."""
    complete = values[~np.isnan(values).any(axis=1)]
    return crossed_mean(values, confidence) | {"by_seed": complete.mean(axis=0) if len(complete) else np.empty(0)}


def compare(
    pairs: Mapping[str, np.ndarray],
    delta: float,
    confidence: float = 0.95,
    interval: Callable[[np.ndarray, float], dict] = crossed,
) -> list[Difference]:
    """Verdicts on several differences together.

    Parameters
    ----------
    pairs : name -> differences, positive where the claim is right; for ``crossed`` (images, seeds), NaN where there is
        no observation.
    delta : the smallest difference that matters.
    confidence : of the whole family; each interval is widened by Holm's step-down rule.
    interval : function of differences and a confidence; returns mean, low, high, p, images, seeds, ``by_seed``.
    """
    p = {name: np.nan_to_num(interval(values, confidence)["p"], nan=1.0) for name, values in pairs.items()}
    differences = {}
    for position, name in enumerate(sorted(pairs, key=p.get)):
        level = 1 - (1 - confidence) / (len(pairs) - position)
        r = interval(pairs[name], level)
        bounds = r["mean"], r["low"], r["high"]
        verdict, half = verdict_of(*bounds, r["by_seed"], delta), (r["high"] - r["low"]) / 2
        differences[name] = Difference(name, *bounds, verdict, r["images"], r["seeds"], half)
    return [differences[name] for name in pairs]


def verdict_of(mean: float, low: float, high: float, by_seed: np.ndarray, delta: float) -> str:
    """The rule: verdict on a difference from its estimate, its adjusted interval and its value in every seed."""
    if not np.isfinite([mean, low, high]).all():
        return NOT_TESTABLE
    if low > 0 and mean > delta and (by_seed > 0).all():
        return SUPPORTED
    return NOT_SUPPORTED if high < delta else UNDECIDED


def together(differences: list[Difference]) -> str:
    """Verdict on a claim that needs every difference: one that fails decides, then one that cannot be tested."""
    for weak in (NOT_SUPPORTED, NOT_TESTABLE, UNDECIDED):
        for difference in differences:
            if difference.verdict.startswith(weak):
                return difference.verdict
    return SUPPORTED


def equivalent(values: np.ndarray, margin: float, confidence: float = 0.95) -> tuple[str, dict[str, float]]:
    """Verdict on a claim of equality: two one-sided tests, that is a 2 x confidence - 1 interval within +-margin.

    ``values`` are differences (images, seeds). Not rejecting a difference is never called equality.
    """
    interval = crossed_mean(values, 2 * confidence - 1)
    if not np.isfinite(interval["mean"]):
        return NOT_TESTABLE, interval
    if -margin < interval["low"] and interval["high"] < margin:
        return SUPPORTED, interval
    apart = interval["low"] > margin or interval["high"] < -margin
    return (NOT_SUPPORTED if apart else UNDECIDED), interval
