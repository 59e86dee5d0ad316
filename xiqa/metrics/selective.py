"""Answering only where one is sure: risk against coverage, and what a database of scans then costs.

``errors`` are 0 or 1 (or any loss), ``uncertainty`` any number that is high where a scan should be looked at. Scans of
equal uncertainty are a tie group: no order of them is preferred, each counts with the mean error of its group.
"""

import numpy as np
from numpy.typing import ArrayLike


def aurc(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017), in [0, 1], lower is better.

    r_k is the mean error of the k most certain scans, AURC the mean of r_k over k. With ties it equals the average
    over all orderings of the tied scans. With ``weights`` (N,) means are weighted.
    """
    errors, uncertainty, weights = _three(errors, uncertainty, weights)
    if len(errors) == 0:
        return np.nan
    mass, lost = _running(errors, uncertainty, weights)
    return float(np.average(lost / mass, weights=np.diff(mass, prepend=0)))


def augrc(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the generalised risk-coverage curve (Traub et al. 2024), in [0, 1/2 + 1/(2n)], lower is better.

    The mean over k of (errors among the k most certain scans) / n; with ties the average over their orderings.
    """
    errors, uncertainty, weights = _three(errors, uncertainty, weights)
    if len(errors) == 0:
        return np.nan
    mass, lost = _running(errors, uncertainty, weights)
    return float(np.average(lost / mass[-1], weights=np.diff(mass, prepend=0)))


def balanced_aurc(errors: ArrayLike, uncertainty: ArrayLike, labels: ArrayLike) -> float:
    """AURC with 1 - balanced accuracy as risk: the mean over classes of the class's own error rate.

    Balanced risk is no mean over scans, so it is evaluated at the ends of tie groups, each weighted by its size. A
    class of which nothing is kept yet is left out.
    """
    sizes, _, risk = _balanced(errors, uncertainty, labels)
    return float(np.average(risk, weights=sizes)) if len(sizes) else np.nan


def balanced_augrc(errors: ArrayLike, uncertainty: ArrayLike, labels: ArrayLike) -> float:
    """AUGRC with the balanced risk of :func:`balanced_aurc` times the coverage."""
    sizes, coverage, risk = _balanced(errors, uncertainty, labels)
    return float(np.average(risk * coverage, weights=sizes)) if len(sizes) else np.nan


def dffmr(labels: ArrayLike, answers: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Dataset fraction flagged for manual review: 100 ((N - kept) + tp + fp) / N, in %.
    Labels (N,) are 1 for an artifact, answers (N,) "clean", "artifact" or "review" (:func:`xiqa.uncertainty.refer`).
    """
    return _percent(np.asarray(answers) != "clean", labels, weights)


def udm(labels: ArrayLike, answers: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Unusable datasets missed: artifacts called clean, 100 fn / N, in %."""
    return _percent((np.asarray(answers) == "clean") & (np.asarray(labels) == 1), labels, weights)


def _percent(chosen: np.ndarray, labels: ArrayLike, weights: ArrayLike | None) -> float:
    weights = np.ones(len(np.asarray(labels))) if weights is None else np.asarray(weights, dtype=float)
    return float(100 * weights[chosen].sum() / weights.sum())


def _three(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, ...]:
    errors, uncertainty = np.asarray(errors, dtype=float), np.asarray(uncertainty, dtype=float)
    weights = np.ones(len(errors)) if weights is None else np.asarray(weights, dtype=float)
    if not errors.shape == uncertainty.shape == weights.shape or errors.ndim != 1:
        raise ValueError(f"one error and one uncertainty a scan are needed, not {errors.shape} and {uncertainty.shape}")
    if np.isnan(uncertainty).any() or np.isnan(errors).any():
        raise ValueError("an uncertainty or an error is missing (NaN): leave such scans out, and say how many")
    return errors, uncertainty, weights


def _running(errors: np.ndarray, uncertainty: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Running weight and running loss from the most certain scan on, each error replaced by its tie group's mean."""
    _, group = np.unique(uncertainty, return_inverse=True)
    mass = np.bincount(group, weights)
    lost = np.bincount(group, weights * errors)
    shared = np.divide(lost, mass, out=np.zeros_like(lost), where=mass > 0)[group]
    order = np.argsort(group, kind="stable")
    order = order[weights[order] > 0]
    return weights[order].cumsum(), (weights * shared)[order].cumsum()


def _by_group(uncertainty: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(np.unique(uncertainty, return_inverse=True)[1], values)


def _balanced(errors: ArrayLike, uncertainty: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, ...]:
    """Sizes of the tie groups, and at the end of each the coverage and the balanced risk."""
    errors, uncertainty, ones = _three(errors, uncertainty, None)
    labels, sizes = np.asarray(labels), _by_group(uncertainty, ones)
    rates = []
    for label in np.unique(labels):
        own = labels == label
        kept, lost = (np.cumsum(_by_group(uncertainty, v)) for v in (own, own * errors))
        rates.append(np.divide(lost, kept, out=np.full_like(lost, np.nan), where=kept > 0))
    return sizes, np.cumsum(sizes) / sizes.sum(), np.nanmean(rates, axis=0)
