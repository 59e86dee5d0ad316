"""Tables of the MRI study, each number with its interval: convergence, referral, every arm, the headline.

``percents`` and ``number`` turn values and their bootstrap replicates (:mod:`xiqa.paper.mri.referral`) into cells.
"""

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import Bench
from xiqa.paper.mri.arms import _threshold
from xiqa.paper.mri.referral import Referral
from xiqa.paper.numbers import number, percents

EPISTEMIC = "Monte Carlo dropout (head) disagreement, called epistemic in the paper"
ALEATORIC = "flip disagreement, called aleatoric in the paper"
COVERAGES, RISK = (0.80, 0.90, 0.95), 0.005  # of the kept scans


def referral_table(bench: Bench, ways: list[Referral]) -> pd.DataFrame:
    """A row for each way of referral, beginning with the row that calls every scan clean."""
    nobody = np.zeros(len(bench.labels), bool)
    rows = []
    for way in [Referral("all clean", np.inf, np.inf, nobody, ~nobody), *ways]:
        found = bench.refer(way.flagged, way.kept)
        row = {"review by": way.name, "theta": _threshold(way.theta), "eta": _threshold(way.eta)}
        row |= {f"{part} %": percents(found[part]) for part in ("retained", "caught", "referred", "missed")}
        row |= {"accuracy of kept %": percents(found["accuracy_kept"]), "F1 of kept": number(found["f1_kept"])}
        row |= {"F1, referred as unflagged": number(found["f1_all"])}
        row |= {name: percents(found[part]) for name, part in (("DFFMR %", "dffmr"), ("UDM %", "udm"))}
        rows.append(row | knows_errors(bench, way))
    return pd.DataFrame(rows)


def knows_errors(bench: Bench, way: Referral) -> dict[str, str]:
    """Whether an uncertainty is high where the decision is wrong, and where the artifacts are."""
    if way.uncertainty is None:
        return dict.fromkeys(("AUROC u: error", "AUROC u: artifact"), "-")
    own = metrics.ranking(_errors(bench, way), way.uncertainty, bench.weights)["auc"]
    return {"AUROC u: error": number(own), "AUROC u: artifact": number(bench.rank(way.uncertainty)["auc"])}


def selective_table(bench: Bench, ways: list[Referral]) -> pd.DataFrame:
    """Error rate against coverage for each uncertainty, weighted to the field, ties averaged; lower is better.

    Balanced: with 1 - balanced accuracy as the risk, which no weight changes much.
    """
    rows = []
    for way in [way for way in ways if way.uncertainty is not None]:
        error, u, weight = _errors(bench, way), way.uncertainty, bench.weight
        areas = {"AURC": metrics.aurc, "excess AURC": metrics.excess_aurc, "AUGRC": metrics.augrc}
        row = {"review by": way.name} | {name: area(error, u, weight) for name, area in areas.items()}
        row["balanced AURC"] = metrics.balanced_aurc(error, u, bench.labels)
        row["balanced AUGRC"] = metrics.balanced_augrc(error, u, bench.labels)
        shares = {f"risk at {c:.0%} coverage": metrics.risk_at_coverage(error, u, c, weight) for c in COVERAGES}
        rows.append(row | shares | {f"coverage at {RISK:.1%} risk": metrics.coverage_at_risk(error, u, RISK, weight)})
    return pd.DataFrame(rows)


def _errors(bench: Bench, way: Referral) -> np.ndarray:
    return (way.flagged != (bench.labels == 1)).astype(int)


def reliability(bench: Bench, probability: np.ndarray, bins: int = 15) -> pd.DataFrame:
    """Stated and observed share of artifacts in equal bins of p, weighted to the field, with intervals.

    Columns: stated, observed, low, high, weight (share of the scans), scans; empty bins are left out.
    """
    which, rows = metrics.calibration_bin(probability, bins), []
    for number_of_bin in np.unique(which):
        inside = (which == number_of_bin).astype(float)
        mass = bench.weights @ inside
        with np.errstate(invalid="ignore"):
            observed = bench.weights @ (inside * bench.labels) / mass
        value, low, high = metrics.estimate(observed)
        stated = bench.weight @ (inside * probability) / mass[0]
        share = mass[0] / bench.weight.sum()
        rows.append((stated, value, low, high, share, int(inside.sum())))
    return pd.DataFrame(rows, columns=["stated", "observed", "low", "high", "weight", "scans"])
