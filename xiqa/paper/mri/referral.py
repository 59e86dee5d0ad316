"""Referral of test scans to a human reader: by uncertainty, and by baselines that review as many scans.

The test set is enriched with artifacts and reweighted to the prevalence of the field (`EnrichedTestSet`). Values are
arrays (draws + 1,): that of the sample first, then bootstrap replicates over subjects, so that each number and each
difference has an interval (:func:`xiqa.metrics.estimate`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.answers import decomposed
from xiqa.paper.mri.results import MriResults

EPISTEMIC = "Monte Carlo dropout disagreement, called epistemic in the paper"
ALEATORIC = "flip disagreement, called aleatoric in the paper"
LABELS = {
    "mutual_information": EPISTEMIC,
    "predictive_entropy": "predictive entropy",
    "variance": "variance of samples",
}


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Referral:
    """One way to choose the scans for a human reader, with its thresholds.

    Attributes
    ----------
    theta : threshold of p(artifact); eta: threshold of the uncertainty, NaN for baselines at a fixed budget.
    flagged : (N,) bool, called an artifact.
    kept : (N,) 1 or 0, or the share of each scan that is kept in expectation.
    uncertainty : (N,) or None.
    """

    name: str
    theta: float
    eta: float
    flagged: np.ndarray
    kept: np.ndarray
    uncertainty: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Referrals:
    """Every way of referral of one network, on one test set.

    Attributes
    ----------
    test_set : the test scans, reweighted to the prevalence.
    val, test : predictions of the network with their uncertainties (:func:`xiqa.paper.mri.answers.answers`).
    theta : threshold of p(artifact), highest Youden's J on validation.
    none : the referral that keeps every scan.
    ways : referral by each uncertainty, the first by mutual information.
    baselines : referral at the budget of the first way without an uncertainty of the network, and by an ensemble.
    budget : share of the weighted test scans that the first way refers.
    flipped : split -> predictions of the network trained with random flips; empty without one.
    members : predictions of all trainings of the arm on the test split.
    """

    test_set: EnrichedTestSet
    val: pd.DataFrame
    test: pd.DataFrame
    theta: float
    none: Referral
    ways: list[Referral]
    baselines: list[Referral]
    budget: float
    flipped: dict[str, pd.DataFrame]
    members: list[pd.DataFrame]

    @property
    def about(self) -> str:
        """Size of the test set, for captions."""
        labels = self.test["label"]
        return (
            f"{int(labels.sum())} artifacts among {len(labels)} test scans of {self.test_set.subjects} subjects, "
            f"reweighted to {100 * self.test_set.prevalence:.0f} %"
        )


def read(results: MriResults, prevalence: float = recipes.PREVALENCE, share: float = recipes.REVIEW_SHARE) -> Referrals:
    """Every way of referral of the first network of the ramp.

    ``share`` : of validation, reweighted to the prevalence, that each threshold of uncertainty refers.
    """
    val, test = (results.answers[results.primary, split] for split in ("val", "test"))
    test_set = EnrichedTestSet(test, prevalence)
    theta = uncertainty.youden(val["label"], val["probability"])
    ways = [referral(test_set, val, test, c, theta, share, LABELS[c]) for c in uncertainty.METRICS]
    budget = 1 - test_set.refer(ways[0].flagged, ways[0].kept)["retained"][0]
    others, flipped = baselines(test_set, test, theta, budget), {}
    if results.flip_network:
        flipped = {split: results.answers[results.flip_network, split] for split in ("val", "test")}
        ways += [_own_threshold(test_set, flipped, column, share, name) for column, name in FLIPPED.items()]
    seeds = results.runs("ramp")
    if len(seeds) > 1:
        networks = {split: ensemble([results.plain[name, split] for name in seeds]) for split in ("val", "test")}
        name = f"disagreement of {len(seeds)} networks, dropout off"
        others.append(_own_threshold(test_set, networks, "mutual_information", share, name))
    members = [results.answers[name, "test"] for name in seeds]
    return Referrals(test_set, val, test, theta, no_referral(test, theta), ways, others, budget, flipped, members)


FLIPPED = {
    "flip_mutual_information": f"network trained with flips: {ALEATORIC} (mutual information over eight flips)",
    "both_mutual_information": "network trained with flips: Monte Carlo samples in all eight flips together",
}


def ensemble(plain: list[pd.DataFrame]) -> pd.DataFrame:
    """Predictions of several networks together, one sample each, dropout off; ``plain`` has a column of that name."""
    p = np.stack([frame["plain"].to_numpy() for frame in plain])
    return decomposed(plain[0].drop(columns="plain"), np.stack([1 - p, p], axis=-1))


def _own_threshold(
    test_set: EnrichedTestSet, predictions: dict[str, pd.DataFrame], column: str, share: float, name: str
) -> Referral:
    val, test = predictions["val"], predictions["test"]
    theta = uncertainty.youden(val["label"], val[f"{_prefix(column)}probability"])
    return referral(test_set, val, test, column, theta, share, name)


def _prefix(column: str) -> str:
    return next(prefix for prefix in ("flip_", "both_", "") if column.startswith(prefix))


def referral(
    test_set: EnrichedTestSet,
    val: pd.DataFrame,
    test: pd.DataFrame,
    column: str,
    theta: float,
    share: float,
    name: str,
) -> Referral:
    """Referral by one uncertainty; eta refers a share of validation, weighted to the field.

    ``column`` of the two frames holds the uncertainty; the probability is that of the same samples.
    """
    p = test[f"{_prefix(column)}probability"]
    weights = metrics.prevalence_weights(val["label"], test_set.prevalence)
    eta = uncertainty.eta_for_review(val[column], weights, share)
    decisions = uncertainty.refer(p, test[column], theta, eta)
    return Referral(name, theta, eta, p.to_numpy() >= theta, decisions != "review", test[column].to_numpy())


def baselines(test_set: EnrichedTestSet, test: pd.DataFrame, theta: float, budget: float) -> list[Referral]:
    """Referral of a share ``budget`` of the weighted test scans without any uncertainty.

    The scans with the highest p, the scans with p closest to the threshold, or random scans (in expectation).
    """
    p = test["probability"].to_numpy()
    flagged, ways = p >= theta, []
    for name, score in (("highest p", p), ("p closest to the threshold", -np.abs(p - theta))):
        kept = score < uncertainty.eta_for_review(score, test_set.weight, budget)
        ways.append(Referral(name, theta, np.nan, flagged, kept, score))
    return [*ways, Referral("random scans (expected)", theta, np.nan, flagged, np.full(len(p), 1 - budget))]


def no_referral(test: pd.DataFrame, theta: float) -> Referral:
    """Every scan is kept."""
    return Referral("no referral", theta, np.inf, test["probability"].to_numpy() >= theta, np.ones(len(test), bool))
