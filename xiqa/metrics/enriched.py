"""Metrics of an enriched test set, weighted back to the prevalence in the field, with intervals over subjects.

An enriched set holds many more artifacts than the field, so its own precision is not that of the field. All functions
take weights (..., N) and work on the last axis: one call gives the estimate and all its bootstrap replicates.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import xlogy

from xiqa.metrics.decisions import calibration_bin

Values = np.ndarray  # (draws + 1,): the value of the sample, then its replicates


def prevalence_weights(labels: ArrayLike, prevalence: float = 0.02, counts: ArrayLike | None = None) -> np.ndarray:
    """Weights (..., N) of mean 1 that make artifacts (label 1) a share ``prevalence`` of the total.

    Each replicate ``counts`` (..., N) of :func:`resample` is weighted by itself; NaN without one of the classes.
    """
    labels = np.asarray(labels)
    counts = np.ones(len(labels)) if counts is None else np.asarray(counts, dtype=float)
    positive = counts[..., labels == 1].sum(axis=-1, keepdims=True)
    negative = counts[..., labels == 0].sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(labels == 1, prevalence / positive, (1 - prevalence) / negative)
    return counts * np.where((positive > 0) & (negative > 0), weights, np.nan) * len(labels)


def resample(subjects: ArrayLike, labels: ArrayLike, draws: int = 2000, seed: int = 0) -> np.ndarray:
    """How often each scan is drawn in a bootstrap over subjects, stratified by whether a subject has an artifact.

    Subjects and labels are (N,), the result (draws + 1, N) float64: row 0 is all ones, the sample itself, the others
    are replicates. The same seed gives the same replicates, so networks on the same scans are compared pairwise.
    """
    subject = np.unique(np.asarray(subjects), return_inverse=True)[1]
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
    """Metrics (...) of a decision (N,), positive class = artifact, from weights (..., N).

    F1 and MCC are 0 where nothing is flagged; sensitivity, specificity and balanced accuracy are NaN where the class is
    absent, precision and npv where nothing is called so. tp, fn, fp and tn are sums of weights.
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


def ranking(labels: ArrayLike, scores: ArrayLike, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Area under the ROC curve and average precision (a sum over steps) of scores (N,); tied scores are one step."""
    labels, scores = np.asarray(labels) == 1, np.asarray(scores, dtype=float)
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    w, positive = weights[..., order], labels[order]
    tp = np.cumsum(w * positive, axis=-1)[..., ends]
    fp = np.cumsum(w * ~positive, axis=-1)[..., ends]
    gained, cost = np.diff(tp, prepend=0, axis=-1), np.diff(fp, prepend=0, axis=-1)
    precision = _ratio(tp, tp + fp, empty=0.0)
    area = (cost * (tp - gained / 2)).sum(axis=-1)
    total, other = tp[..., -1], fp[..., -1]
    return {"auc": _ratio(area, total * other), "ap": _ratio((gained * precision).sum(axis=-1), total)}


def calibration(labels: ArrayLike, probability: ArrayLike, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Calibration metrics (...) of p(artifact) (N,), from weights (..., N).

    ``brier``; ``brier_skill`` = 1 - Brier / Brier of a constant p, the prevalence, at most 1; ``log_loss`` in nats, p
    clipped to 1e-7 from 0 and 1; ``ece``: expected calibration error over 15 equal bins of p.
    """
    y, p = (np.asarray(labels) == 1).astype(float), np.asarray(probability, dtype=float)
    total, safe = weights.sum(axis=-1), np.clip(p, 1e-7, 1 - 1e-7)
    share = weights @ y / total
    brier = weights @ (p - y) ** 2 / total
    member = np.eye(15)[calibration_bin(p)]
    gaps = np.abs(weights @ (member * (p - y)[:, None])).sum(axis=-1)
    return {
        "brier": brier,
        "brier_skill": 1 - _ratio(brier, share * (1 - share)),
        "log_loss": -(weights @ (xlogy(y, safe) + xlogy(1 - y, 1 - safe))) / total,
        "ece": gaps / total,
    }


def _ratio(over: np.ndarray, under: np.ndarray, empty: float = np.nan) -> np.ndarray:
    over, under = np.asarray(over, dtype=float), np.asarray(under, dtype=float)
    return np.divide(over, under, out=np.full(np.broadcast(over, under).shape, empty), where=under > 0)


class EnrichedTestSet:
    """The test scans, weighted back to the field's prevalence, with bootstrap replicates over subjects.

    ``records`` holds ``label`` (1 = artifact) and ``subject`` of every scan; ``weights`` are (draws + 1, N).
    """

    def __init__(self, records: pd.DataFrame, prevalence: float = 0.02, draws: int = 2000, seed: int = 0):
        self.labels, self.prevalence = records["label"].to_numpy(), prevalence
        self.subjects = records["subject"].nunique()
        counts = resample(records["subject"], self.labels, draws, seed)
        self.weights = prevalence_weights(self.labels, prevalence, counts)
        self._rankings: dict[bytes, dict[str, Values]] = {}

    @property
    def weight(self) -> np.ndarray:
        """Weight of each scan (N,) of the sample."""
        return self.weights[0]

    def decide(self, flagged: np.ndarray, kept: np.ndarray | float = 1.0) -> dict[str, Values]:
        """:func:`xiqa.metrics.detection` of a decision (N,) on the kept scans; ``kept`` (N,) is a share in [0, 1]."""
        return detection(self.labels, flagged, self.weights * kept)

    def rank(self, scores: np.ndarray) -> dict[str, Values]:
        """:func:`xiqa.metrics.ranking`; kept, since several tables need the same."""
        scores = np.asarray(scores, dtype=float)
        key = scores.tobytes()
        if key not in self._rankings:
            self._rankings[key] = ranking(self.labels, scores, self.weights)
        return dict(self._rankings[key])

    def calibrate(self, probability: np.ndarray) -> dict[str, Values]:
        """:func:`xiqa.metrics.calibration`."""
        return calibration(self.labels, probability, self.weights)

    def refer(self, flagged: np.ndarray, kept: np.ndarray) -> dict[str, Values]:
        """Effect of a referral on the kept scans and on all; ``flagged`` (N,) bool, ``kept`` (N,) a share in [0, 1].

        retained (of all scans); caught, referred, missed (of all artifacts, 1 together); accuracy_kept, f1_kept (of the
        kept scans alone); f1_all (referred scans count as not flagged); dffmr, udm, udd as shares of all scans.
        """
        flagged, kept, artifact = np.asarray(flagged, bool), np.asarray(kept, float), self.labels == 1
        total = self.weights.sum(axis=1)
        whole = self.weights @ artifact.astype(float)
        caught, missed, false = (
            self.weights @ (kept * cell) for cell in (artifact & flagged, artifact & ~flagged, ~artifact & flagged)
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
