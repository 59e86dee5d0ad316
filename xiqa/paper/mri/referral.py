"""The test scans of the MRI study as a sample of the field, and the ways to choose which of them a person looks at.

The test set is enriched with artifacts and weighted back (``Bench``). Numbers come as arrays (draws + 1,): the value of
the sample first, then bootstrap replicates over subjects, so that any number, and any difference of two, has its
interval (:func:`xiqa.metrics.estimate`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa import uncertainty as xiqa_uncertainty
from xiqa.metrics.enriched import Bench


@dataclass(frozen=True, eq=False)  # arrays do not compare; a way is itself
class Referral:
    """One way to choose the scans that a person looks at, with its thresholds."""

    name: str
    theta: float
    eta: float  # NaN for rivals, which are given the budget
    flagged: np.ndarray
    kept: np.ndarray
    uncertainty: np.ndarray | None = None


def referral(
    bench: Bench, val: pd.DataFrame, test: pd.DataFrame, column: str, theta: float, share: float, name: str
) -> Referral:
    """Referral by one uncertainty; eta sends a share of validation, weighted to the field, to review.

    ``column`` of the two frames holds the uncertainty; the probability is that of the same samples.
    """
    prefix = next(prefix for prefix in ("flip_", "both_", "") if column.startswith(prefix))
    weights = metrics.prevalence_weights(val["label"], bench.prevalence)
    eta = xiqa_uncertainty.eta_for_review(val[column], weights, share)
    said = xiqa_uncertainty.refer(test[f"{prefix}probability"], test[column], theta, eta)
    flagged = test[f"{prefix}probability"].to_numpy() >= theta
    return Referral(name, theta, eta, flagged, said != "review", test[column].to_numpy())


def rivals(bench: Bench, test: pd.DataFrame, theta: float, budget: float) -> list[Referral]:
    """Other ways to choose scans for review at the same budget, a share of the weighted test scans.

    The highest p first; the nearest to the threshold first; at random (its expectation).
    """
    p = test["probability"].to_numpy()
    flagged, found = p >= theta, []
    for name, score in (("p alone, highest first", p), ("|p - theta|, nearest first", -np.abs(p - theta))):
        kept = score < xiqa_uncertainty.eta_for_review(score, bench.weight, budget)
        found.append(Referral(name, theta, np.nan, flagged, kept, score))
    return [*found, Referral("at random (expected)", theta, np.nan, flagged, np.full(len(p), 1 - budget))]


def no_referral(test: pd.DataFrame, theta: float) -> Referral:
    """Everything is kept."""
    return Referral("no referral", theta, np.inf, test["probability"].to_numpy() >= theta, np.ones(len(test), bool))
