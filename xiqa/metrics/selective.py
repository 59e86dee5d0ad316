"""Selective classification: areas under risk-coverage curves, and the costs of a referral.

``errors`` (N,) are 0 or 1 (or any loss). Scans of equal ``uncertainty`` (N,) are a tie group: each counts with the mean
error of its group.
"""

import numpy as np
from numpy.typing import ArrayLike


def aurc(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017), in [0, 1], lower is better.

    r_k is the mean error of the k most certain scans, AURC the mean of r_k over k. With ties it equals the average
    over all orderings of the tied scans. With ``weights`` (N,) means are weighted.
    """
    mass, lost = _running(errors, uncertainty, weights)
    return _area(lost / mass, mass)


def augrc(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the generalised risk-coverage curve (Traub et al. 2024), in [0, 1/2 + 1/(2n)], lower is better.

    The mean over k of (errors among the k most certain scans) / n; with ties the average over their orderings.
    """
    mass, lost = _running(errors, uncertainty, weights)
    return _area(lost / mass[-1:], mass)


def balanced_aurc(errors: ArrayLike, uncertainty: ArrayLike, labels: ArrayLike) -> float:
    """AURC with 1 - balanced accuracy as risk: the mean over classes of the class's own error rate.

    The risk is evaluated at the ends of tie groups, each weighted by its size; classes not kept yet are left out.
    """
    kept, risk = _balanced(errors, uncertainty, labels)
    return _area(risk, kept)


def balanced_augrc(errors: ArrayLike, uncertainty: ArrayLike, labels: ArrayLike) -> float:
    """AUGRC with the balanced risk of :func:`balanced_aurc` times the coverage."""
    kept, risk = _balanced(errors, uncertainty, labels)
    return _area(risk * (kept / kept[-1:]), kept)


def dffmr(labels: ArrayLike, answers: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Dataset fraction flagged for manual review: 100 ((N - kept) + tp + fp) / N, in %; answers as in ``refer``."""
    return _percent(np.asarray(answers) != "clean", weights)


def udm(labels: ArrayLike, answers: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Unusable datasets missed: artifacts called clean, 100 fn / N, in %."""
    return _percent((np.asarray(answers) == "clean") & (np.asarray(labels) == 1), weights)


def _percent(chosen: np.ndarray, weights: ArrayLike | None) -> float:
    weights = np.ones(len(chosen)) if weights is None else np.asarray(weights, dtype=float)
    return float(100 * weights[chosen].sum() / weights.sum())


def _area(risk: np.ndarray, mass: np.ndarray) -> float:
    """Mean of the risk, weighted by the steps of the running mass; NaN without scans."""
    return float(np.average(risk, weights=np.diff(mass, prepend=0))) if len(mass) else np.nan


def _checked(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, ...]:
    """Errors and weights as arrays, the tie group of each scan, from the most certain on, and the groups' sizes."""
    errors, uncertainty = np.asarray(errors, dtype=float), np.asarray(uncertainty, dtype=float)
    weights = np.ones(len(errors)) if weights is None else np.asarray(weights, dtype=float)
    if not errors.shape == uncertainty.shape == weights.shape or errors.ndim != 1:
        raise ValueError(f"one error and one uncertainty a scan are needed, not {errors.shape} and {uncertainty.shape}")
    if np.isnan(uncertainty).any() or np.isnan(errors).any():
        raise ValueError("an uncertainty or an error is missing (NaN): leave such scans out, and say how many")
    group = np.unique(uncertainty, return_inverse=True)[1]
    return errors, weights, group, np.bincount(group, weights)


def _running(errors: ArrayLike, uncertainty: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Running weight and running loss from the most certain scan on, each error replaced by its tie group's mean."""
    errors, weights, group, mass = _checked(errors, uncertainty, weights)
    lost = np.bincount(group, weights * errors)
    shared = np.divide(lost, mass, out=np.zeros(len(mass)), where=mass > 0)[group]
    order = np.argsort(group, kind="stable")
    order = order[weights[order] > 0]
    return weights[order].cumsum(), (weights * shared)[order].cumsum()


def _balanced(errors: ArrayLike, uncertainty: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Scans kept and the balanced risk at the end of each tie group."""
    errors, _, group, sizes = _checked(errors, uncertainty, None)
    rates = []
    for label in np.unique(labels):
        own = np.asarray(labels) == label
        kept, lost = np.cumsum(np.bincount(group, own)), np.cumsum(np.bincount(group, own * errors))
        rates.append(np.divide(lost, kept, out=np.full_like(lost, np.nan), where=kept > 0))
    return np.cumsum(sizes), np.nanmean(rates, axis=0)
