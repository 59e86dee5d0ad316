"""Artifacts that remain in the whole data set after a reader has reviewed a share of the scans, by order of review.

A reader reviews the scans with the highest score first and removes the artifacts. The reader is assumed to detect every
labelled artifact. All shares are weighted to the prevalence of the field.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet

HIGHEST_P, RANDOM, ORACLE = "highest p", "random order (expected)", "perfect order"
BUDGETS = (0.02, 0.05, 0.10, 0.20, 0.30)  # shares of all scans, of the table
FINE = np.linspace(0, 0.5, 501)  # of the area and of the figure
COLUMNS = {
    "mutual_information": "mutual information",
    "predictive_entropy": "predictive entropy",
    "variance": "variance",
    "expected_entropy": "expected entropy",
}
FLIP_COLUMNS = {
    "flip_probability": "p over flips",
    "flip_mutual_information": "flip disagreement",
    "both_probability": "p, samples in all flips",
    "both_mutual_information": "disagreement, samples in all flips",
}


def remaining_values(test_set: EnrichedTestSet, score: np.ndarray, budgets: Iterable[float]) -> np.ndarray:
    """Share of the artifacts that are not reviewed, for the sample and for each replicate.

    Every replicate orders its own scans. Tied scans are in random order, in expectation; a scan at the edge of the
    budget counts in part.

    Parameters
    ----------
    score : (N,), reviewed from the highest down; a scan without a score (NaN) is reviewed first.
    budgets : B shares of all scans, weighted to the field, in [0, 1].

    Returns
    -------
    (draws + 1, B), in [0, 1]; NaN in a replicate that lacks a class.

    Raises
    ------
    ValueError : a budget outside [0, 1], or a score for another number of scans.
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
    """Artifacts that remain after review of the highest scores; see ``remaining_values``.

    Returns
    -------
    DataFrame, a row a budget: ``budget``, ``remaining`` (share of all artifacts), ``low``, ``high`` (95 %, bootstrap
    over subjects), and the same as artifacts among 1,000 scans: ``per_1000``, ``per_1000_low``,
    ``per_1000_high``.
    """
    budgets = [float(budget) for budget in budgets]
    values = remaining_values(test_set, score, budgets).T
    table = pd.DataFrame([metrics.estimate(own) for own in values], columns=["remaining", "low", "high"])
    table.insert(0, "budget", budgets)
    thousand = 1000 * test_set.prevalence * table[["remaining", "low", "high"]]
    return table.join(thousand.set_axis(["per_1000", "per_1000_low", "per_1000_high"], axis=1))


def orders(
    test: pd.DataFrame, theta: float, flips: pd.DataFrame | None = None, members: Sequence[pd.DataFrame] = ()
) -> dict[str, np.ndarray]:
    """Scores by which scans can be ordered for review, the highest first.

    Parameters
    ----------
    test : predictions of one network (:func:`xiqa.paper.mri.answers.answers`).
    theta : its threshold of p, fixed on validation.
    flips : predictions, with the columns ``flip_...`` and ``both_...``, of the network trained with flips.
    members : predictions of several trainings on the same scans; fewer than two are no ensemble.

    Returns
    -------
    name -> score (N,). ``highest p`` is the mean over Monte Carlo samples; random and perfect order come last.
    """
    p = test["probability"].to_numpy()
    scores = {HIGHEST_P: p, "p closest to the threshold": -np.abs(p - theta)}
    scores |= {name: test[column].to_numpy() for column, name in COLUMNS.items()}
    if flips is not None:
        scores |= {f"flip network: {name}": flips[column].to_numpy() for column, name in FLIP_COLUMNS.items()}
    if len(members) > 1:
        own = np.stack([frame["probability"].to_numpy() for frame in members])
        parts, count = uncertainty.decompose(np.stack([1 - own, own], axis=-1)), len(own)
        scores[f"ensemble of {count}: mean p"] = parts["probability"].to_numpy()
        scores[f"ensemble of {count}: disagreement"] = parts["mutual_information"].to_numpy()
    return scores | {RANDOM: np.zeros(len(p)), ORACLE: test["label"].to_numpy().astype(float)}


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
