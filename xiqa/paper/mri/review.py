"""Artifacts that remain in the whole data set after a reader has reviewed a share of the scans, by order of review.

A reader reviews the highest scores first and detects every labelled artifact. Shares are weighted to the field.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.referral import CLOSEST, FLIPS, HIGHEST, UNCERTAINTIES, Referrals

RANDOM, ORACLE = "random order (expected)", "perfect order"
BUDGETS = (0.02, 0.05, 0.10, 0.20, 0.30)  # shares of all scans, of the table
FINE = np.linspace(0, 0.5, 501)  # of the area and of the figure


def remaining_values(test_set: EnrichedTestSet, score: np.ndarray, budgets: Iterable[float]) -> np.ndarray:
    """Share of the artifacts that are not reviewed, for the sample and for each replicate.

    Scans are reviewed from the highest score (N,) down, those without a score (NaN) first; ``budgets`` are B shares of
    all scans, weighted to the field, in [0, 1]. Every replicate orders its own scans, tied ones in random order (in
    expectation); a scan at the edge of the budget counts in part. The result is (draws + 1, B), NaN in a replicate that
    lacks a class. ValueError: a budget outside [0, 1], or a score for another number of scans.
    """
    score, budgets = np.asarray(score, dtype=float), np.asarray(list(budgets), dtype=float)
    if score.shape != test_set.labels.shape:
        raise ValueError(f"{len(test_set.labels)} scans need as many scores, not an array of shape {score.shape}")
    if not ((budgets >= 0) & (budgets <= 1)).all():
        raise ValueError("budgets are shares of all scans and lie in [0, 1]")
    score = np.where(np.isnan(score), np.inf, score)
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(score[order][1:] != score[order][:-1], True))
    weights = test_set.weights[:, order]
    reviewed = _running(weights, ends)
    artifacts = _running(weights * (test_set.labels[order] == 1), ends)
    # Between the ends of two groups of ties the expectation is a straight line.
    return np.stack(
        [1 - np.interp(budgets, mass / mass[-1], own / own[-1]) for mass, own in zip(reviewed, artifacts, strict=True)]
    )


def _running(weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Sums up to the end of each group of ties, from 0: (draws + 1, groups + 1)."""
    return np.pad(np.cumsum(weights, axis=1)[:, ends], ((0, 0), (1, 0)))


def remaining(test_set: EnrichedTestSet, score: np.ndarray, budgets: Iterable[float] = BUDGETS) -> pd.DataFrame:
    """Artifacts that remain after review of the highest scores (``remaining_values``), a row a budget.

    Columns: ``budget``, ``remaining`` (share of all artifacts), ``low``, ``high`` (95 %, bootstrap over subjects), and
    the same as artifacts among 1,000 scans: ``per_1000``, ``per_1000_low``, ``per_1000_high``.
    """
    budgets = [float(budget) for budget in budgets]
    values = remaining_values(test_set, score, budgets).T
    table = pd.DataFrame([metrics.estimate(own) for own in values], columns=["remaining", "low", "high"])
    table.insert(0, "budget", budgets)
    thousand = 1000 * test_set.prevalence * table[["remaining", "low", "high"]]
    return table.join(thousand.set_axis(["per_1000", "per_1000_low", "per_1000_high"], axis=1))


def orders(ways: Referrals) -> dict[str, np.ndarray]:
    """Scores of the primary network by which scans can be ordered for review: name -> (N,), the highest first.

    ``highest p`` is the mean over Monte Carlo samples; random and perfect order come last.
    """
    network = ways.first
    p = network.test["probability"].to_numpy()
    scores = {HIGHEST: p, CLOSEST: -np.abs(p - network.theta())}
    scores |= {name: network.test[column].to_numpy() for column, name in UNCERTAINTIES.items()}
    if ways.flipped is not None:
        scores |= {name: ways.flipped.test[column].to_numpy() for column, name in FLIPS.items()}
    return scores | {RANDOM: np.zeros(len(p)), ORACLE: network.test["label"].to_numpy().astype(float)}


def area_values(test_set: EnrichedTestSet, score: np.ndarray, most: float = 0.5) -> np.ndarray:
    """Mean share of artifacts that remain, over budgets from 0 to ``most``, (draws + 1,); 1 - most / 2 at random."""
    budgets = FINE / FINE[-1] * most
    return np.trapezoid(remaining_values(test_set, score, budgets), budgets, axis=1) / most


def curves(
    test_set: EnrichedTestSet,
    scores: Mapping[str, np.ndarray],
    budgets: Iterable[float] = tuple(np.linspace(0, 0.5, 101)),
) -> pd.DataFrame:
    """``remaining`` of every order, tidy: order and its columns."""
    budgets = list(budgets)
    return pd.concat(
        [remaining(test_set, score, budgets).assign(order=name) for name, score in scores.items()], ignore_index=True
    )
