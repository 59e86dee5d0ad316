"""Tables of the arms of the MRI study: the headline beside the published results, and every arm at two thresholds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.arms import Arm, Arms
from xiqa.paper.numbers import number, percents

CALIBRATION = {"Brier skill": "brier_skill", "log loss": "log_loss", "ECE (15 bins of p)": "ece"}
DECISION = {"accuracy %": "accuracy", "balanced accuracy %": "balanced_accuracy", "sensitivity %": "sensitivity"}
DECISION |= {"specificity %": "specificity", "PPV %": "precision", "NPV %": "npv"}
INTERVALS = "95 % intervals by bootstrap over subjects leave out the variation between trainings"

Run = tuple[np.ndarray, np.ndarray, np.ndarray | float]  # p(artifact), flagged, kept (1 for all), each (N,)


def experiments(arms: Arms) -> tuple[pd.DataFrame, str]:
    """A row for each arm, seed and threshold, after the row that calls every scan clean; then the missing arms."""
    every = [*(arm for seeds in arms.trained.values() for arm in seeds), *arms.shifted, *arms.ensemble, *arms.baselines]
    rows = [{"arm": "all clean", "seed": "-", "start": "-"} | all_clean(arms.test_set)]
    rows += [row for arm in every for row in experiment(arms.test_set, arm)]
    rows += [{"arm": arm, "threshold by": f"not run: {reason}"} for arm, reason in arms.missing.items()]
    caption = (
        f"Every arm on the test split, dropout off, at two thresholds fixed on validation: {arms.counts}; {INTERVALS}. "
        "tp, fn, fp and tn count test scans and are not reweighted; Brier skill is relative to stating the prevalence "
        "for every scan. The last arms are no neural networks: logistic regression on the grey value histogram and 400 "
        "randomised trees on hand-made image features."
    )
    return pd.DataFrame(rows, dtype=object).fillna("-"), caption


def experiment(test_set: EnrichedTestSet, arm: Arm) -> list[dict[str, object]]:
    """Rows of one arm at its two thresholds fixed on validation: Youden's J (the paper's) and best F1."""
    weights = metrics.prevalence_weights(arm.val["label"], test_set.prevalence)
    thresholds = {"Youden": arm.theta, "best F1": uncertainty.best_f1(arm.val["label"], arm.val["plain"], weights)}
    first = {"arm": arm.name.replace("_", " "), "seed": arm.seed, "start": arm.start}
    return [
        first | {"threshold by": rule} | decision_row(test_set, arm.p, arm.p >= theta, threshold(theta))
        for rule, theta in thresholds.items()
    ]


def all_clean(test_set: EnrichedTestSet) -> dict[str, object]:
    """The trivial row: every scan is called clean, with the prevalence as its probability."""
    p = np.full(len(test_set.labels), test_set.prevalence)
    return {"threshold by": "-"} | decision_row(test_set, p, np.zeros(len(p), bool), "-")


def decision_row(test_set: EnrichedTestSet, p: np.ndarray, flagged: np.ndarray, theta: str) -> dict[str, object]:
    """Ranking, decision and calibration: reweighted with intervals, per 1,000 scans, and as counts of test scans."""
    ranked, decided, calibrated = test_set.rank(p), test_set.decide(flagged), test_set.calibrate(p)
    row = {"theta": theta, "AUC": number(ranked["auc"]), "AP": number(ranked["ap"])}
    row |= {title: percents(decided[part]) for title, part in DECISION.items()}
    row |= {"F1": number(decided["f1"]), "MCC": number(decided["mcc"])}
    tp, fp, fn = (1000 * decided[cell][0] / test_set.weight.sum() for cell in ("tp", "fp", "fn"))
    row["of 1,000 scans: flagged / rightly / missed"] = f"{tp + fp:.1f} / {tp:.1f} / {fn:.1f}"
    counts = metrics.detection(test_set.labels, flagged)
    row |= {name: int(counts[name]) for name in ("tp", "fn", "fp", "tn")}
    return row | {title: number(calibrated[part]) for title, part in CALIBRATION.items()}


def headline(arms: Arms, published: Mapping[str, Mapping]) -> tuple[pd.DataFrame, str]:
    """A row for each arm, beside the published accuracy and F1 (entries of ``published.toml``)."""
    test_set, histogram = arms.test_set, arms.baselines[0]

    def row(setting: str, key: str, runs: Sequence[Run], start: str = "-", baseline: Arm | None = histogram) -> dict:
        cells = headline_row(test_set, runs, None if baseline is None else baseline.p)
        return {"setting": setting, "start": start} | cells | printed(published, key)

    p = np.zeros(len(test_set.labels))
    rows = [row("all clean", "all_clean", [(p, p > 0, 1.0)], baseline=None) | {"seeds": "-", "published F1": "0.000"}]
    for name, trained in arms.trained.items():
        runs = [(arm.p, arm.flagged, 1.0) for arm in trained]
        rows.append(row(name.replace("_", " "), name, runs, trained[0].start))
    rows += [{"setting": f"{a}: not run: {reason}"} | printed(published, a) for a, reason in arms.missing.items()]
    kept = [(p, way.flagged, way.kept) for p, way in arms.referred]
    rows.append(row("ramp + referral, kept scans only", "referral", kept, "priming", None))
    unflagged = [(p, way.flagged & way.kept, 1.0) for p, way in arms.referred]
    rows.append(row("ramp + referral, all scans, referred as unflagged", "", unflagged, "priming"))
    for arm in (*arms.ensemble, *arms.baselines):
        baseline = None if arm is histogram else histogram
        rows.append(row(arm.name, "", [(arm.p, arm.flagged, 1.0)], arm.start, baseline) | {"seeds": "-"})
    outcomes = [test_set.refer(way.flagged, way.kept) for _, way in arms.referred]
    shares = (
        f"{part} {percents(np.mean([outcome[part] for outcome in outcomes], axis=0))} %"
        for part in ("caught", "referred", "missed")
    )
    source = published["mri_f1_ramp"]["source"].removeprefix("P: ")
    caption = (
        f"Every arm on the test split (threshold by Youden's J on validation, means over seeds): {arms.counts}; "
        f"{INTERVALS}. Referral by {arms.referred[0][1].name}, {100 * recipes.REVIEW_SHARE:.0f} % of validation; of "
        f"all artifacts: {', '.join(shares)}. Published: other data ({source}); last column: "
        "above if the lower bound of the paired difference is above 0."
    )
    return pd.DataFrame(rows, dtype=object).fillna("-"), caption


def headline_row(test_set: EnrichedTestSet, runs: Sequence[Run], baseline: np.ndarray | None = None) -> dict[str, str]:
    """The numbers of one setting, means over seeds; of the kept scans alone where some are referred.

    ``baseline``: p(artifact) of another model, (N,), whose average precision is subtracted in the same replicates.
    """
    decided = [test_set.decide(flagged, kept) for _, flagged, kept in runs]
    ranked = [
        test_set.rank(p) if np.all(kept == 1) else metrics.ranking(test_set.labels, p, test_set.weights * kept)
        for p, _, kept in runs
    ]
    cells = {"accuracy": percents, "f1": number, "mcc": number, "balanced_accuracy": percents}
    texts = {part: write(np.mean([values[part] for values in decided], axis=0)) for part, write in cells.items()}
    precision = np.mean([values["ap"] for values in ranked], axis=0)
    row = {"seeds": len(runs), "accuracy %": texts["accuracy"], "F1": texts["f1"], "AP": number(precision)}
    row |= {"MCC": texts["mcc"], "balanced accuracy %": texts["balanced_accuracy"]}
    if baseline is not None:
        gap = precision - test_set.rank(baseline)["ap"]
        verdict = "above" if metrics.estimate(gap)[1] > 0 else "not clearly above"
        row["AP - AP of the histogram model"] = f"{number(gap)}: {verdict}"
    return row


def means(test_set: EnrichedTestSet, trained: Sequence[Arm]) -> dict[str, tuple[float, float, float]]:
    """F1 (Youden's threshold) and average precision ("AP") of an arm, means over seeds, with 95 % intervals."""
    f1 = np.mean([test_set.decide(arm.flagged)["f1"] for arm in trained], axis=0)
    ap = np.mean([test_set.rank(arm.p)["ap"] for arm in trained], axis=0)
    return {"F1": metrics.estimate(f1), "AP": metrics.estimate(ap)}


def printed(published: Mapping[str, Mapping], key: str) -> dict[str, str]:
    """The published accuracy and F1 of an arm; a dash where there is none."""
    accuracy, f1 = published.get(f"mri_accuracy_{key}"), published.get(f"mri_f1_{key}")
    cells = {"published accuracy %": f"{100 * accuracy['value']:.1f}" if accuracy else "-"}
    return cells | {"published F1": f"{f1['value']:.3f}" if f1 else "-"}


def threshold(value: float) -> str:
    """Text of a threshold."""
    return "none" if np.isinf(value) else f"{value:.3g}"
