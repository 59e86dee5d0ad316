"""The test scans of the MRI study as a sample of the field, and the ways to choose which of them a person looks at.

The test set is enriched with artifacts and weighted back (``Bench``). Numbers come as arrays (draws + 1,): the value of
the sample first, then bootstrap replicates over subjects, so that any number, and any difference of two, has its
interval (:func:`xiqa.metrics.estimate`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa import metrics, uncertainty

Values = np.ndarray  # (draws + 1,): the sample's own value, then its replicates


def answers(folder: Path, records: pd.DataFrame) -> pd.DataFrame:
    """What one network says of a split: the records and, a row a scan, its probabilities and uncertainties.

    Parameters
    ----------
    folder : what :func:`xiqa.sampling.sample` wrote.
    records : the split's, in the order of its volumes.

    Returns
    -------
    DataFrame: the records, ``plain`` (probability of an artifact, dropout off), the columns of
    :func:`xiqa.uncertainty.decompose` over the Monte Carlo samples and, where the flips are there, with the prefix
    ``flip_`` over them and with ``both_`` over the samples in all orientations, with ``both_within`` and
    ``both_between``, the variance over samples and that over orientations (:func:`xiqa.uncertainty.split_variance`).

    """
    parts = [records.reset_index(drop=True).assign(plain=np.load(folder / "plain.npy")[:, 1].astype(float))]
    parts.append(uncertainty.decompose(np.load(folder / "mc.npy")))
    if (folder / "flips.npy").is_file():
        parts.append(uncertainty.decompose(np.load(folder / "flips.npy")).add_prefix("flip_"))
        both = np.load(folder / "flips_mc.npy")
        together = uncertainty.decompose(both.reshape(-1, *both.shape[2:]))
        split = uncertainty.split_variance(both)[["within", "between"]]
        parts.append(pd.concat([together, split], axis=1).add_prefix("both_"))
    return pd.concat(parts, axis=1)


def decomposed(records: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Records with the columns of :func:`xiqa.uncertainty.decompose` of (S, N, 2), and ``plain``, their mean."""
    found = uncertainty.decompose(probabilities)
    return pd.concat([records.reset_index(drop=True).assign(plain=found["probability"]), found], axis=1)


class Bench:
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
        counts = metrics.resample(records["subject"], self.labels, draws, seed)
        self.weights = metrics.prevalence_weights(self.labels, prevalence, counts)
        self._ranked: dict[bytes, dict[str, Values]] = {}

    @property
    def weight(self) -> np.ndarray:
        """What each scan (N,) of the sample stands for."""
        return self.weights[0]

    def decide(self, flagged: np.ndarray, kept: np.ndarray | float = 1.0) -> dict[str, Values]:
        """:func:`xiqa.metrics.detection` of a decision (N,) about the scans that are kept (N,), or a share of them."""
        return metrics.detection(self.labels, flagged, self.weights * kept)

    def rank(self, scores: np.ndarray) -> dict[str, Values]:
        """:func:`xiqa.metrics.ranking`; kept, since several tables ask for the same."""
        scores = np.asarray(scores, dtype=float)
        key = scores.tobytes()
        if key not in self._ranked:
            self._ranked[key] = metrics.ranking(self.labels, scores, self.weights)
        return dict(self._ranked[key])

    def calibrate(self, probability: np.ndarray) -> dict[str, Values]:
        """:func:`xiqa.metrics.calibration`."""
        return metrics.calibration(self.labels, probability, self.weights)

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
    eta = uncertainty.eta_for_review(val[column], weights, share)
    said = uncertainty.refer(test[f"{prefix}probability"], test[column], theta, eta)
    flagged = test[f"{prefix}probability"].to_numpy() >= theta
    return Referral(name, theta, eta, flagged, said != "review", test[column].to_numpy())


def rivals(bench: Bench, test: pd.DataFrame, theta: float, budget: float) -> list[Referral]:
    """Other ways to choose scans for review at the same budget, a share of the weighted test scans.

    The highest p first; the nearest to the threshold first; at random (its expectation).
    """
    p = test["probability"].to_numpy()
    flagged, found = p >= theta, []
    for name, score in (("p alone, highest first", p), ("|p - theta|, nearest first", -np.abs(p - theta))):
        kept = score < uncertainty.eta_for_review(score, bench.weight, budget)
        found.append(Referral(name, theta, np.nan, flagged, kept, score))
    return [*found, Referral("at random (expected)", theta, np.nan, flagged, np.full(len(p), 1 - budget))]


def no_referral(test: pd.DataFrame, theta: float) -> Referral:
    """Everything is kept."""
    return Referral("no referral", theta, np.inf, test["probability"].to_numpy() >= theta, np.ones(len(test), bool))
