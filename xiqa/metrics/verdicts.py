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
CONFIDENCE = 0.95


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
    """:func:`xiqa.metrics.intervals.crossed_mean` of differences (images, seeds), and ``by_seed``, their means."""
    complete = values[~np.isnan(values).any(axis=1)]
    return crossed_mean(values, confidence) | {"by_seed": complete.mean(axis=0) if len(complete) else np.empty(0)}


def compare(
    pairs: Mapping[str, np.ndarray], delta: float, interval: Callable[[np.ndarray, float], dict] = crossed
) -> list[Difference]:
    """Verdicts on several differences together, at 95 % for the whole family (Holm's step-down rule).

    ``pairs``: name -> differences (images, seeds), positive where the claim is right, NaN without an observation.
    ``delta`` is the smallest difference that matters. ``interval`` is a function of differences and a confidence that
    returns mean, low, high, p, images, seeds and ``by_seed``.
    """
    p = {name: np.nan_to_num(interval(values, CONFIDENCE)["p"], nan=1.0) for name, values in pairs.items()}
    differences = {}
    for position, name in enumerate(sorted(pairs, key=p.get)):
        r = interval(pairs[name], 1 - (1 - CONFIDENCE) / (len(pairs) - position))
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
    """Verdict on a claim that needs every difference: one not supported decides, then one not testable."""
    order = (NOT_SUPPORTED, NOT_TESTABLE, UNDECIDED)  # a reason may follow the verdict
    return next((d.verdict for start in order for d in differences if d.verdict.startswith(start)), SUPPORTED)


def equivalent(values: np.ndarray, margin: float) -> tuple[str, dict[str, float]]:
    """Verdict on a claim of equality: two one-sided tests at 5 %, that is a 90 % interval within +-margin.

    ``values`` are differences (images, seeds). Not rejecting a difference is never called equality.
    """
    interval = crossed_mean(values, 2 * CONFIDENCE - 1)
    if not np.isfinite(interval["mean"]):
        return NOT_TESTABLE, interval
    if -margin < interval["low"] and interval["high"] < margin:
        return SUPPORTED, interval
    apart = interval["low"] > margin or interval["high"] < -margin
    return (NOT_SUPPORTED if apart else UNDECIDED), interval
