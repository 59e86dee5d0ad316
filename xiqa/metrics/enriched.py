"""Metrics of an enriched test set, weighted back to the prevalence in the field, with intervals over subjects.

A set with many artifacts measures them well, but a precision read from it would be that of no scanner. So each scan
gets a weight, artifacts together the share that they have in the field. Every function takes weights (..., N) and works
on the last axis, so that one call gives the estimate and thousands of bootstrap replicates of it.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import xlogy

from xiqa.metrics.decisions import calibration_bin

Values = np.ndarray  # (draws + 1,): the sample's own value, then its replicates


def prevalence_weights(labels: ArrayLike, prevalence: float = 0.02, counts: ArrayLike | None = None) -> np.ndarray:
    """Weights that make artifacts a share ``prevalence`` of the total; their mean is 1.

    Parameters
    ----------
    labels : (N,), 1 = artifact.
    counts : (..., N), how often each scan was drawn (:func:`resample`): each replicate is weighted by itself.

    Returns
    -------
    (N,) or (..., N); NaN in a replicate without one of the classes.
    """
    labels = np.asarray(labels)
    counts = np.ones(len(labels)) if counts is None else np.asarray(counts, dtype=float)
    positive = counts[..., labels == 1].sum(axis=-1, keepdims=True)
    negative = counts[..., labels == 0].sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(labels == 1, prevalence / positive, (1 - prevalence) / negative)
        each = np.where((positive > 0) & (negative > 0), each, np.nan)
    return counts * each * len(labels)


def resample(subjects: ArrayLike, labels: ArrayLike, draws: int = 2000, seed: int = 0) -> np.ndarray:
    """How often each scan is drawn in a bootstrap over subjects, stratified by whether a subject has an artifact.

    Subjects and labels are (N,), the result (draws + 1, N) float64. Row 0 is all ones, the sample itself; the
    others are replicates. The same seed gives the same replicates, so two networks tested on the same scans are
    compared pairwise.
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    stratum = np.zeros(subject.max() + 1, dtype=int)
    np.maximum.at(stratum, subject, np.asarray(labels).astype(int))
    times = np.ones((draws + 1, len(stratum)))
    rng = np.random.default_rng(seed)
    for level in np.unique(stratum):
        own = np.flatnonzero(stratum == level)
        times[1:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws)
    return times[:, subject]


def estimate(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """The value of the sample (first) and the percentile interval of its replicates; undefined ones are left out."""
    value, replicates = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value) or len(replicates) == 0:
        return value, np.nan, np.nan
    low, high = np.quantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return value, float(low), float(high)


def detection(labels: ArrayLike, flagged: ArrayLike, weights: ArrayLike | None = None) -> dict[str, np.ndarray]:
    """What a decision is worth (positive class = artifact): each of shape (...), from weights (..., N).

    accuracy, balanced_accuracy, sensitivity, specificity, precision, npv, f1, mcc, and the weights themselves: tp, fn,
    fp, tn. F1 and MCC are 0 where nothing is flagged; sensitivity, specificity and balanced accuracy are NaN where the
    class is absent, precision and npv where nothing is called so.
    """
    labels, flagged = np.asarray(labels) == 1, np.asarray(flagged, dtype=bool)
    w = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    cells = np.stack([labels & flagged, labels & ~flagged, ~labels & flagged, ~labels & ~flagged], axis=1)
    tp, fn, fp, tn = np.moveaxis(w @ cells.astype(float), -1, 0)
    sensitivity, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "accuracy": _ratio(tp + tn, tp + fn + fp + tn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": _ratio(tp, tp + fp),
        "npv": _ratio(tn, tn + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn, empty=0.0),
        "mcc": _ratio(tp * tn - fp * fn, root, empty=0.0),
        **{"tp": tp, "fn": fn, "fp": fp, "tn": tn},
    }


def ranking(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> dict[str, np.ndarray]:
    """Area under the ROC curve and average precision, each of shape (...), from weights (..., N).

    Tied scores are one step, as in scikit-learn (average precision is a sum over steps, not a trapezoid).
    """
    labels, scores = np.asarray(labels) == 1, np.asarray(scores, dtype=float)
    w = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    w, positive = w[..., order], labels[order]
    tp = np.cumsum(w * positive, axis=-1)[..., ends]
    fp = np.cumsum(w * ~positive, axis=-1)[..., ends]
    gained, cost = np.diff(tp, prepend=0, axis=-1), np.diff(fp, prepend=0, axis=-1)
    precision = _ratio(tp, tp + fp, empty=0.0)
    area = (cost * (tp - gained / 2)).sum(axis=-1)
    total, other = tp[..., -1], fp[..., -1]
    return {"auc": _ratio(area, total * other), "ap": _ratio((gained * precision).sum(axis=-1), total)}


def calibration(
    labels: ArrayLike, probability: ArrayLike, weights: ArrayLike | None = None, bins: int = 15
) -> dict[str, np.ndarray]:
    """Whether p(artifact) can be believed, each of shape (...), from weights (..., N).

    ``brier``; ``brier_skill`` = 1 - Brier / Brier of always stating the prevalence, at most 1; ``log_loss`` in nats,
    p kept away from 0 and 1 by 1e-7; ``ece``: expected calibration error, equal bins of p(artifact).
    """
    y, p = (np.asarray(labels) == 1).astype(float), np.asarray(probability, dtype=float)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    total, safe = w.sum(axis=-1), np.clip(p, 1e-7, 1 - 1e-7)
    share = w @ y / total
    brier = w @ (p - y) ** 2 / total
    member = np.eye(bins)[calibration_bin(p, bins)]
    gaps = np.abs(w @ (member * (p - y)[:, None])).sum(axis=-1)
    return {
        "brier": brier,
        "brier_skill": 1 - _ratio(brier, share * (1 - share)),
        "log_loss": -(w @ (xlogy(y, safe) + xlogy(1 - y, 1 - safe))) / total,
        "ece": gaps / total,
    }


def _ratio(over: np.ndarray, under: np.ndarray, empty: float = np.nan) -> np.ndarray:
    over, under = np.asarray(over, dtype=float), np.asarray(under, dtype=float)
    return np.divide(over, under, out=np.full(np.broadcast(over, under).shape, empty), where=under > 0)


class EnrichedTestSet:
    """The test scans, weighted back to the field's prevalence, with bootstrap replicates over subjects.

    Parameters
    ----------
    records : ``label`` (1 = artifact) and ``subject`` of every scan.
    prevalence : share of artifacts in the field.
    draws, seed : of the bootstrap; the same for all networks, so that they are compared pairwise.

    Attributes
    ----------
    labels : (N,).
    weights : (draws + 1, N), of the sample and of each replicate.
    """

    def __init__(self, records: pd.DataFrame, prevalence: float = 0.02, draws: int = 2000, seed: int = 0):
        self.labels, self.prevalence = records["label"].to_numpy(), prevalence
        self.subjects = records["subject"].nunique()
        counts = resample(records["subject"], self.labels, draws, seed)
        self.weights = prevalence_weights(self.labels, prevalence, counts)
        self._ranked: dict[bytes, dict[str, Values]] = {}

    @property
    def weight(self) -> np.ndarray:
        """What each scan (N,) of the sample stands for."""
        return self.weights[0]

    def decide(self, flagged: np.ndarray, kept: np.ndarray | float = 1.0) -> dict[str, Values]:
        """:func:`xiqa.metrics.detection` of a decision (N,) about the scans that are kept (N,), or a share of them."""
        return detection(self.labels, flagged, self.weights * kept)

    def rank(self, scores: np.ndarray) -> dict[str, Values]:
        """:func:`xiqa.metrics.ranking`; kept, since several tables need the same."""
        scores = np.asarray(scores, dtype=float)
        key = scores.tobytes()
        if key not in self._ranked:
            self._ranked[key] = ranking(self.labels, scores, self.weights)
        return dict(self._ranked[key])

    def calibrate(self, probability: np.ndarray) -> dict[str, Values]:
        """:func:`xiqa.metrics.calibration`."""
        return calibration(self.labels, probability, self.weights)

    def refer(self, flagged: np.ndarray, kept: np.ndarray) -> dict[str, Values]:
        """What a referral does, to the kept scans and to all of them.

        Parameters
        ----------
        flagged : (N,) bool, called an artifact if kept.
        kept : (N,), share of the scan that is kept: 0 or 1, or between for a referral at random.

        Returns
        -------
        retained (of all scans); caught, referred, missed (of all artifacts, 1 together); accuracy_kept, f1_kept (of the
        kept scans alone); f1_all (referred scans count as not flagged); dffmr, udm, udd as shares of all scans.
        """
        flagged, kept, artifact = np.asarray(flagged, bool), np.asarray(kept, float), self.labels == 1
        total = self.weights.sum(axis=1)
        whole = self.weights @ artifact.astype(float)
        caught, missed, false = (
            self.weights @ (kept * chosen) for chosen in (artifact & flagged, artifact & ~flagged, ~artifact & flagged)
        )
        retained, decided = self.weights @ kept / total, self.decide(flagged, kept)
        return {
            "retained": retained,
            "caught": caught / whole,
            "referred": 1 - (caught + missed) / whole,
            "missed": missed / whole,
            "accuracy_kept": decided["accuracy"],
            "f1_kept": decided["f1"],
            "f1_all": 2 * caught / (caught + false + whole),
            "dffmr": 1 - retained + (caught + false) / total,
            "udm": missed / total,
            "udd": false / total,
        }
