"""Tables of the MRI study, each number with its interval: convergence, referral, every arm, the headline.

``percents`` and ``number`` turn values and their bootstrap replicates (:mod:`xiqa.mri_bench`) into cells.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics, uncertainty
from xiqa.mri_bench import Bench, Referral, Values

EPISTEMIC = "Monte Carlo dropout (head) disagreement, called epistemic in the paper"
ALEATORIC = "flip disagreement, called aleatoric in the paper"
COVERAGES, RISK = (0.80, 0.90, 0.95), 0.005  # of the kept scans
SIZES = (1, 10, 20, 50, 100)  # of the published convergence table (C)
CONVERGENCE = {"AUC": ("auc", 1, 3), "SSE": ("sse", 1, 4), "NMSE %": ("nmse", 100, 3)}  # part, scale as printed, digits
CALIBRATION = {"Brier skill": "brier_skill", "log loss": "log_loss", "ECE (15 bins of p)": "ece"}


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


def experiment(bench: Bench, val: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """One network, dropout off, at its two thresholds fixed on validation: Youden's J (the paper's) and best F1."""
    p, weights = test["plain"].to_numpy(), metrics.prevalence_weights(val["label"], bench.prevalence)
    ranked, calibrated = bench.rank(p), bench.calibrate(p)
    thresholds = {
        "Youden": uncertainty.youden(val["label"], val["plain"]),
        "best F1": uncertainty.best_f1(val["label"], val["plain"], weights),
    }
    rows = []
    for rule, theta in thresholds.items():
        row = {
            "threshold by": rule,
            "theta": _threshold(theta),
            "AUC": number(ranked["auc"]),
            "AP": number(ranked["ap"]),
        }
        row |= decision_cells(bench, p >= theta)
        row |= {name: number(calibrated[part]) for name, part in CALIBRATION.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def decision_cells(bench: Bench, flagged: np.ndarray) -> dict[str, object]:
    """What a decision is worth: weighted to the field with intervals, per 1,000 scans, and the plain counts."""
    found, counts = bench.decide(flagged), metrics.detection(bench.labels, flagged)
    shares = {"accuracy": "accuracy %", "balanced_accuracy": "balanced accuracy %", "sensitivity": "sensitivity %"}
    shares |= {"specificity": "specificity %", "precision": "PPV %", "npv": "NPV %"}
    row = {title: percents(found[part]) for part, title in shares.items()}
    row |= {"F1": number(found["f1"]), "MCC": number(found["mcc"])}
    thousand = 1000 * np.array([found["tp"][0] + found["fp"][0], found["tp"][0], found["fn"][0]]) / bench.weight.sum()
    row["of 1,000 scans: flagged / rightly / missed"] = " / ".join(f"{part:.1f}" for part in thousand)
    return row | {name: int(counts[name]) for name in ("tp", "fn", "fp", "tn")}


def all_clean(bench: Bench) -> dict[str, object]:
    """The trivial row: every scan called clean, with the prevalence as its probability."""
    stated = np.full(len(bench.labels), bench.prevalence)
    ranked, calibrated = bench.rank(stated), bench.calibrate(stated)
    first = {"threshold by": "-", "theta": "-", "AUC": number(ranked["auc"]), "AP": number(ranked["ap"])}
    cells = {name: number(calibrated[part]) for name, part in CALIBRATION.items()}
    return first | decision_cells(bench, np.zeros(len(stated), bool)) | cells


def headline_row(
    bench: Bench, runs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray | float]], rival: np.ndarray | None = None
) -> dict[str, str]:
    """The numbers of the headline table for one setting; of the kept scans alone where some are referred.

    Parameters
    ----------
    runs : for each seed p(artifact), what is called an artifact, and what is kept (1 for all), each (N,); numbers are
        means over seeds, with their intervals over subjects.
    rival : p(artifact) of another model, (N,): how much average precision lies above its own, in the same draws.

    """
    decided = [bench.decide(flagged, kept) for _, flagged, kept in runs]
    ranked = [
        (bench.rank(p) if np.all(kept == 1) else metrics.ranking(bench.labels, p, bench.weights * kept))["ap"]
        for p, _, kept in runs
    ]
    cells = {"accuracy": percents, "f1": number, "mcc": number, "balanced_accuracy": percents}
    found = {part: write(np.mean([each[part] for each in decided], axis=0)) for part, write in cells.items()}
    precision = np.mean(ranked, axis=0)
    row = {"seeds": len(runs), "accuracy %": found["accuracy"], "F1": found["f1"], "AP": number(precision)}
    row |= {"MCC": found["mcc"], "balanced accuracy %": found["balanced_accuracy"]}
    if rival is not None:
        gap = precision - bench.rank(rival)["ap"]
        says = "above" if metrics.estimate(gap)[1] > 0 else "not surely above"
        row["AP less that of the histogram"] = f"{number(gap)}: {says}"
    return row


def convergence_table(found: pd.DataFrame, samples: int, published: Mapping[str, Mapping]) -> pd.DataFrame:
    """Mean (sd) over halvings for every number of samples, beside the published cells.

    Parameters
    ----------
    found : what :func:`xiqa.uncertainty.convergence` gives.
    samples : Monte Carlo samples of this profile; a row that needs more says so.
    published : entries of ``published.toml``.

    """
    rows = []
    for size in SIZES:
        own, row = found[found["samples"] == size], {"samples": size}
        for name, (part, scale, digits) in CONVERGENCE.items():
            cell = f"{own[part].mean():.{digits}f} ({own[part].std():.{digits}f})"
            row[name] = cell if len(own) else f"not run: needs {2 * size} samples, there are {samples}"
            printed = published[f"mri_{part}_samples_{size}"]
            row[f"published {name}"] = f"{scale * printed['value']:.3f} ({scale * printed['sd']:.3f})"
        rows.append(row)
    return pd.DataFrame(rows)


def published_convergence(published: Mapping[str, Mapping]) -> pd.DataFrame:
    """The published part of the convergence table as numbers: samples, auc, auc_sd, sse, sse_sd, nmse (%), nmse_sd."""
    rows = []
    for size in SIZES:
        row = {"samples": size}
        for part, scale, _ in CONVERGENCE.values():
            printed = published[f"mri_{part}_samples_{size}"]
            row |= {part: scale * printed["value"], f"{part}_sd": scale * printed["sd"]}
        rows.append(row)
    return pd.DataFrame(rows)


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


def percents(values: Values) -> str:
    """``86.2 [81.9, 89.6]``: a share and its interval in percent; a dash where there is none."""
    return number(values, scale=100, digits=1)


def number(values: Values, scale: float = 1, digits: int = 3) -> str:
    """``0.357 [0.301, 0.402]``: a number and its interval; a dash where there is none."""
    return cell(metrics.estimate(np.atleast_1d(values)), scale, digits)


def cell(estimate: Sequence[float], scale: float = 1, digits: int = 3) -> str:
    """``number`` of a value and the ends of its interval, which may be NaN."""
    # Rounded first, and 0 added, so that no cell reads -0.0.
    value, low, high = (round(scale * part, digits) + 0.0 for part in estimate)
    if not np.isfinite(value):
        return "-"
    return f"{value:.{digits}f}" + (f" [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low) else "")


def _threshold(value: float) -> str:
    if np.isnan(value):
        return "at that budget"
    return "none" if np.isinf(value) else f"{value:.3g}"
