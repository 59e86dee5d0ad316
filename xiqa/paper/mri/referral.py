"""Referral of test scans to a human reader: by uncertainty, and by p(artifact) alone with as many scans.

The test set is enriched with artifacts and reweighted to the prevalence of the field (`EnrichedTestSet`). Every
threshold is fixed on validation. Values are arrays (draws + 1,): that of the sample, then bootstrap replicates over
subjects, so that each number and each difference has an interval (:func:`xiqa.metrics.estimate`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet, Values
from xiqa.paper.mri.results import MriResults

THRESHOLDS: dict[str, Callable] = {
    "Youden's J": lambda val, p, weights: uncertainty.youden(val["label"], p),
    "best F1": lambda val, p, weights: uncertainty.best_f1(val["label"], p, weights),
}
YOUDEN = next(iter(THRESHOLDS))  # the paper's
UNCERTAINTIES = {
    "predictive_entropy": "predictive entropy",
    "mutual_information": "mutual information",  # what the paper calls epistemic
    "variance": "variance of samples",
}
FLIPS = {"flip_mutual_information": "flip disagreement"}  # what the paper calls aleatoric
NONE, HIGHEST, CLOSEST = "no referral", "highest p", "p closest to the threshold"


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Referral:
    """One way to choose the scans for a human reader."""

    flagged: np.ndarray  # (N,) bool, called an artifact
    kept: np.ndarray  # (N,) bool, or the share of each scan that is kept in expectation
    uncertainty: np.ndarray | None = None  # (N,); None where no scan is referred


@dataclass(frozen=True, eq=False)
class Network:
    """Predictions of one training on validation and test (:func:`xiqa.paper.mri.answers.answers`)."""

    test_set: EnrichedTestSet
    val: pd.DataFrame
    test: pd.DataFrame

    @cached_property
    def weights(self) -> np.ndarray:
        """Weights of the validation scans at the prevalence of the test set."""
        return metrics.prevalence_weights(self.val["label"], self.test_set.prevalence)

    def theta(self, rule: str = YOUDEN, prefix: str = "") -> float:
        """The threshold of p(artifact), by a rule of ``THRESHOLDS`` on validation."""
        return THRESHOLDS[rule](self.val, self.val[f"{prefix}probability"], self.weights)

    def keep_all(self, rule: str = YOUDEN) -> Referral:
        """No scan is referred."""
        return Referral(self.test["probability"].to_numpy() >= self.theta(rule), np.ones(len(self.test), bool))

    def by_uncertainty(self, column: str, share: float, rule: str = YOUDEN) -> Referral:
        """The scans whose uncertainty is at least eta, which refers a share of validation weighted to the field."""
        prefix = "flip_" if column.startswith("flip_") else ""
        eta = uncertainty.eta_for_review(self.val[column], self.weights, share)
        theta, p = self.theta(rule, prefix), self.test[f"{prefix}probability"]
        kept = uncertainty.refer(p, self.test[column], theta, eta) != "review"
        return Referral(p.to_numpy() >= theta, kept, self.test[column].to_numpy())

    def by_probability(self, name: str, share: float, rule: str = YOUDEN) -> Referral:
        """A share of the weighted test scans: those of the highest p, or with p closest to the threshold."""
        p, theta = self.test["probability"].to_numpy(), self.theta(rule)
        score = p if name == HIGHEST else -np.abs(p - theta)
        kept = score < uncertainty.eta_for_review(score, self.test_set.weight, share)
        return Referral(p >= theta, kept, score)

    def referred(self, way: Referral) -> float:
        """Share of the weighted test scans that a way refers."""
        return 1 - float(self.test_set.weight @ way.kept / self.test_set.weight.sum())


@dataclass(frozen=True, eq=False)
class Referrals:
    """The networks that referral is measured with, on one test set."""

    test_set: EnrichedTestSet
    networks: list[Network]  # trainings of the ramp, one a seed; the first one is the primary network
    flipped: Network | None  # the network whose flips are compared

    @property
    def first(self) -> Network:
        """The primary network."""
        return self.networks[0]

    @property
    def counts(self) -> str:
        """Size of the test set, for captions."""
        labels = self.test_set.labels
        return (
            f"{int(labels.sum())} artifacts among {len(labels)} test scans of {self.test_set.subjects} subjects, "
            f"reweighted to {100 * self.test_set.prevalence:.0f} %"
        )

    def ways(self, rule: str, share: float) -> dict[str, list[Referral]]:
        """Name of a way -> its referral with each network.

        The baselines by p refer as many test scans as predictive entropy does. Flips are compared with one network.
        """
        ways = {
            name: [network.by_uncertainty(column, share, rule) for network in self.networks]
            for column, name in UNCERTAINTIES.items()
        }
        budgets = [n.referred(way) for n, way in zip(self.networks, ways["predictive entropy"], strict=True)]
        for name in (CLOSEST, HIGHEST):
            pairs = zip(self.networks, budgets, strict=True)
            ways[name] = [network.by_probability(name, budget, rule) for network, budget in pairs]
        if self.flipped is not None:
            ways |= {name: [self.flipped.by_uncertainty(c, share, rule)] for c, name in FLIPS.items()}
        return ways

    def outcomes(self, ways: list[Referral]) -> list[dict[str, Values]]:
        """:meth:`EnrichedTestSet.refer` of each way."""
        return [self.test_set.refer(way.flagged, way.kept) for way in ways]

    def mean(self, ways: list[Referral]) -> dict[str, Values]:
        """Means over networks of :meth:`EnrichedTestSet.refer`."""
        outcomes = self.outcomes(ways)
        return {part: np.mean([outcome[part] for outcome in outcomes], axis=0) for part in outcomes[0]}


def read(results: MriResults, prevalence: float = recipes.PREVALENCE) -> Referrals:
    """The sampled networks of the ramp, and the one with flips."""
    test_set = EnrichedTestSet(results.records["test"], prevalence)

    def network(name: str) -> Network:
        return Network(test_set, results.answers[name, "val"], results.answers[name, "test"])

    flipped = network(results.flip_network) if results.flip_network else None
    return Referrals(test_set, [network(name) for name in results.runs("ramp")], flipped)
