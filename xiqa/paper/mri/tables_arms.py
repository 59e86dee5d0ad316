"""Tables of the arms of the MRI study: the headline beside the published results, and every arm at two thresholds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.arms import Arm, Arms
from xiqa.paper.mri.referral import YOUDEN
from xiqa.paper.numbers import cell, number, percents

CALIBRATION = {"Brier skill": "brier_skill", "log loss": "log_loss", "ECE (15 bins of p)": "ece"}
DECISION = {"accuracy %": "accuracy", "balanced accuracy %": "balanced_accuracy", "sensitivity %": "sensitivity"}
DECISION |= {"specificity %": "specificity", "PPV %": "precision", "NPV %": "npv"}
REFERRED_BY = ("predictive entropy", "mutual information")
INTERVALS = "95 % intervals by bootstrap over subjects leave out the variation between trainings"

Run = tuple[np.ndarray, np.ndarray, np.ndarray | float]  # p(artifact), flagged, kept (1 for all), each (N,)


def answer(arms: Arms, claims: pd.DataFrame) -> str:
    """Which arm ranks the scans best, the arms of the first claim beside the content model, and the verdicts."""
    values = {name.replace("_", " "): means(arms.test_set, trained) for name, trained in arms.trained.items()}
    values |= {arm.name: means(arms.test_set, [arm]) for arm in arms.baselines[-1:]}
    best = max(values, key=lambda name: values[name]["AP"][0])
    shown = [name for name in ("baseline", "focal", "primed", "ramp", "content model") if name in values]
    precisions = ", ".join(f"{name} {cell(values[name]['AP'])}" for name in shown)
    verdicts = claims.drop_duplicates("claim").set_index("claim")["verdict on the claim"]
    return (
        f"Average precision at {100 * arms.test_set.prevalence:.0f} % artifacts, means over seeds: {precisions}. "
        f"The highest is that of {best}.\n"
        f"{'; '.join(f'Claim {claim}: {verdict}' for claim, verdict in verdicts.items())}."
    )


def experiments(arms: Arms) -> tuple[pd.DataFrame, str]:
    """A row for each arm, seed and threshold, after the row that calls every scan clean; then the missing arms."""
    every = [*(arm for seeds in arms.trained.values() for arm in seeds), *arms.shifted, *arms.baselines]
    rows = [{"arm": "all clean", "seed": "-", "start": "-"} | all_clean(arms.test_set)]
    rows += [row for arm in every for row in experiment(arms.test_set, arm)]
    rows += [{"arm": arm, "threshold by": f"not run: {reason}"} for arm, reason in arms.missing.items()]
    caption = (
        f"Every arm on the test split, dropout off, at two thresholds fixed on validation: "
        f"{arms.referrals.counts}; {INTERVALS}. "
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
    test_set, content = arms.test_set, arms.baselines[-1]

    def row(setting: str, key: str, runs: Sequence[Run], start: str = "-", compared: bool = True) -> dict:
        cells = headline_row(test_set, runs, content.p if compared else None)
        return {"setting": setting, "start": start} | cells | printed(published, key)

    p = np.zeros(len(test_set.labels))
    rows = [row("all clean", "all_clean", [(p, p > 0, 1.0)], compared=False) | {"seeds": "-", "published F1": "0.000"}]
    for name, trained in arms.trained.items():
        runs = [(arm.p, arm.flagged, 1.0) for arm in trained]
        rows.append(row(name.replace("_", " "), name, runs, trained[0].start))
    rows += [{"setting": f"{a}: not run: {reason}"} | printed(published, a) for a, reason in arms.missing.items()]
    share, networks = max(recipes.REVIEW_SHARES), arms.referrals.networks
    for name in REFERRED_BY:
        ways = arms.referrals.ways(YOUDEN, share)[name]
        pairs = [(n.test["probability"].to_numpy(), way) for n, way in zip(networks, ways, strict=True)]
        about = f"ramp, {100 * share:.0f} % referred by {name}"
        runs = [(p, way.flagged, way.kept) for p, way in pairs]
        rows.append(row(f"{about}: kept scans", "referral", runs, "priming", compared=False))
        runs = [(p, way.flagged & (way.kept == 1), 1.0) for p, way in pairs]
        rows.append(row(f"{about}: all scans, referred as unflagged", "", runs, "priming"))
    for arm in arms.baselines:
        rows.append(row(arm.name, "", [(arm.p, arm.flagged, 1.0)], compared=arm is not content) | {"seeds": "-"})
    caption = (
        "Every arm on the test split (threshold by Youden's J on validation, means over seeds): "
        f"{arms.referrals.counts}; {INTERVALS}. Published numbers are of other data; last column: paired difference of "
        "average precision to the content model."
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
    area, precision = (np.mean([values[part] for values in ranked], axis=0) for part in ("auc", "ap"))
    row = {"seeds": len(runs), "accuracy %": texts["accuracy"], "F1": texts["f1"], "AUC": number(area)}
    row |= {"AP": number(precision), "MCC": texts["mcc"], "balanced accuracy %": texts["balanced_accuracy"]}
    if baseline is not None:
        row["AP - AP of the content model"] = number(precision - test_set.rank(baseline)["ap"])
    return row


def means(test_set: EnrichedTestSet, trained: Sequence[Arm]) -> dict[str, tuple[float, float, float]]:
    """F1 (Youden's threshold), AUC and average precision of an arm, means over seeds, with 95 % intervals."""
    ranked = [test_set.rank(arm.p) for arm in trained]
    values = {"F1": [test_set.decide(arm.flagged)["f1"] for arm in trained]}
    values |= {"AUC": [rank["auc"] for rank in ranked], "AP": [rank["ap"] for rank in ranked]}
    return {name: metrics.estimate(np.mean(own, axis=0)) for name, own in values.items()}


def printed(published: Mapping[str, Mapping], key: str) -> dict[str, str]:
    """The published accuracy and F1 of an arm; a dash where there is none."""
    accuracy, f1 = published.get(f"mri_accuracy_{key}"), published.get(f"mri_f1_{key}")
    cells = {"published accuracy %": f"{100 * accuracy['value']:.1f}" if accuracy else "-"}
    return cells | {"published F1": f"{f1['value']:.3f}" if f1 else "-"}


def threshold(value: float) -> str:
    """Text of a threshold."""
    return "none" if np.isinf(value) else f"{value:.3g}"
