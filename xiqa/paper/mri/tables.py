"""Tables of notebook 06: convergence, referral, review, detection. Each returns the table and its caption."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics, recipes
from xiqa.metrics.enriched import EnrichedTestSet, Values
from xiqa.paper.mri import convergence as samples_needed
from xiqa.paper.mri import detection as detection_rows
from xiqa.paper.mri import review as orders_of_review
from xiqa.paper.mri.referral import HIGHEST, NONE, THRESHOLDS, YOUDEN, Referral, Referrals
from xiqa.paper.numbers import number, percent, percents

ERRORS = "AUROC of uncertainty for errors"
REFERRED = {"retained": "retained %", "caught": "caught %", "referred": "referred %", "missed": "missed %"}


def convergence(repeats: pd.DataFrame, samples: int, published: Mapping[str, Mapping]) -> tuple[pd.DataFrame, str]:
    """ROC curve against the number of Monte Carlo samples."""
    caption = (
        f"AUC, and distance of the ROC curve to that of the other half of the {samples} Monte Carlo samples: mean (sd) "
        f"over {repeats['repeat'].nunique()} random halvings, which is Monte Carlo error only. Published: real data, "
        "reference of about 5,000 samples, thresholds of their SSE unknown."
    )
    return samples_needed.convergence_table(repeats, samples, published), caption


def answer(ways: Referrals, published: Mapping[str, Mapping]) -> str:
    """What referral does at Youden's threshold and the larger budget, in two sentences."""
    share = max(recipes.REVIEW_SHARES)
    before = ways.mean([network.keep_all() for network in ways.networks])
    parts = []
    for name in ("predictive entropy", "mutual information"):
        after = ways.mean(ways.ways(YOUDEN, share)[name])
        parts.append(
            f"{number(after['f1_kept'])} by {name} ({percents(after['caught'])} % of the artifacts caught, "
            f"{percents(after['missed'])} % missed)"
        )
    f1 = [published[f"mri_f1_{part}"]["value"] for part in ("ramp", "referral")]
    return (
        f"Referral of the {100 * share:.0f} % most uncertain scans changes F1 of the kept scans from "
        f"{number(before['f1_kept'])} to {' and to '.join(parts)}. Published: from {f1[0]:.3f} to {f1[1]:.3f}."
    )


def referral(ways: Referrals, published: Mapping[str, Mapping]) -> tuple[pd.DataFrame, str]:
    """A row for each threshold, review budget and way of referral, after the row that calls every scan clean."""
    nothing = np.zeros(len(ways.test_set.labels), bool)
    rows = [_referral_row(ways, "-", "all clean", [Referral(nothing, ~nothing)])]
    for rule in THRESHOLDS:
        rows.append(_referral_row(ways, rule, NONE, [network.keep_all(rule) for network in ways.networks]))
        for share in recipes.REVIEW_SHARES:
            rows += [_referral_row(ways, rule, name, made, share) for name, made in ways.ways(rule, share).items()]
    shares = {title: f"{100 * published[f'mri_{part}']['value']:.1f}" for part, title in REFERRED.items()}
    accuracy, f1 = published["mri_accuracy_referral"]["value"], published["mri_f1_referral"]["value"]
    kept = {"accuracy of kept %": f"{100 * accuracy:.1f}", "F1 of kept": f"{f1:.3f}"}
    rows.append({"review by": "published: variance (shares on validation)"} | shares | kept)
    caption = (
        f"Referral of uncertain scans by the networks of the ramp, means over {len(ways.networks)} seeds: "
        f"{ways.counts}, 95 % intervals by bootstrap over subjects. Caught, referred and missed are shares of all "
        "artifacts; review by p refers as many scans as predictive entropy does."
    )
    return pd.DataFrame(rows).fillna("-"), caption


def _referral_row(ways: Referrals, rule: str, name: str, made: Sequence[Referral], share: float = 0) -> dict[str, str]:
    """Shares, quality of the kept scans and quality of the uncertainty of one way, means over networks."""
    values = ways.mean(made)
    row = {"threshold": rule, "budget": f"{100 * share:.0f} %" if share else "-", "review by": name}
    row |= {title: percents(values[part]) for part, title in REFERRED.items()}
    row |= {"accuracy of kept %": percents(values["accuracy_kept"]), "F1 of kept": number(values["f1_kept"])}
    row |= {"F1, referred as unflagged": number(values["f1_all"])}
    qualities = [quality(ways.test_set, way) for way in made if way.uncertainty is not None]
    if qualities:
        errors = np.mean([each[ERRORS] for each in qualities], axis=0)
        row |= {ERRORS: number(errors)}
        row |= {area: f"{np.mean([each[area] for each in qualities]):.4f}" for area in ("AURC", "AUGRC")}
    return row


def quality(test_set: EnrichedTestSet, way: Referral) -> dict[str, Values | float]:
    """AUROC of an uncertainty for wrong decisions (draws + 1,), AURC and AUGRC, weighted to the field, ties averaged.

    AURC is the area under error rate against coverage, AUGRC under the share of all scans that is wrong and kept.
    """
    error = (way.flagged != (test_set.labels == 1)).astype(int)
    return {
        ERRORS: metrics.ranking(error, way.uncertainty, test_set.weights)["auc"],
        "AURC": metrics.aurc(error, way.uncertainty, test_set.weight),
        "AUGRC": metrics.augrc(error, way.uncertainty, test_set.weight),
    }


def review(
    ways: Referrals, scores: Mapping[str, np.ndarray], budgets: Sequence[float] = orders_of_review.BUDGETS
) -> tuple[pd.DataFrame, str]:
    """A row an order of review: artifacts that remain at each budget, the area, and its difference to the highest p.

    ``scores`` : of :func:`xiqa.paper.mri.review.orders`.
    """
    caption = (
        f"Artifacts that remain after a reader has reviewed a share of all scans, in % of all artifacts: first seed "
        f"of the ramp, {ways.counts}. 95 % intervals by bootstrap over subjects; differences are paired."
    )
    return review_table(ways.test_set, scores, budgets), caption


def review_table(test_set: EnrichedTestSet, scores: Mapping[str, np.ndarray], budgets: Sequence[float]) -> pd.DataFrame:
    """The table of :func:`review`."""
    areas = {name: orders_of_review.area_values(test_set, score) for name, score in scores.items()}
    base, rows = areas[HIGHEST], []
    for name, score in scores.items():
        values = orders_of_review.remaining_values(test_set, score, budgets)
        row = {"order of review": name}
        row |= {f"remaining % after {100 * b:g} %": percents(v) for b, v in zip(budgets, values.T, strict=True)}
        row["mean remaining %, budgets to 50 %"] = percents(areas[name])
        against = f"difference to {HIGHEST}"
        row[against] = "-" if name == HIGHEST else percents(areas[name] - base)
        rows.append(row)
    return pd.DataFrame(rows)


def detection(ways: Referrals) -> tuple[pd.DataFrame, str]:
    """Sensitivity and false alarms at the threshold of validation, by group."""
    flagged = ways.first.keep_all().flagged
    by = ("all", "family", "contrast", "rater")
    parts = {
        "artifacts detected": detection_rows.detection(ways.first.test, flagged, by),
        "clean scans flagged": detection_rows.false_alarms(ways.first.test, flagged),
    }
    rows = pd.concat([part.assign(of=title) for title, part in parts.items()], ignore_index=True)
    table = rows[["of", "by", "group", "scans", "subjects"]].assign(
        share=list(map(percent, rows["share"], rows["low"], rows["high"])), rater=list(map(percent, rows["rater"]))
    )
    caption = (
        "Share of the artifacts detected and of the clean scans flagged, Youden's threshold of validation, "
        "first seed of the ramp. "
        "Scans of the enriched test split, not reweighted; 95 % intervals over subjects (Wilson, clustered). Rater: "
        "probability that the simulated rater calls the scan an artifact."
    )
    return table.rename(columns={"of": "", "share": "share %", "rater": "rater's probability, mean %"}), caption


def reliability(test_set: EnrichedTestSet, probability: np.ndarray, bins: int = 15) -> pd.DataFrame:
    """Predicted and observed share of artifacts in equal bins of p (N,), weighted to the field, with intervals.

    Columns: predicted, observed, low, high, weight (share of the scans), scans; empty bins are left out.
    """
    which, rows = metrics.calibration_bin(probability, bins), []
    for bin_number in np.unique(which):
        inside = (which == bin_number).astype(float)
        mass = test_set.weights @ inside
        with np.errstate(invalid="ignore"):
            observed = test_set.weights @ (inside * test_set.labels) / mass
        value, low, high = metrics.estimate(observed)
        predicted = test_set.weight @ (inside * probability) / mass[0]
        share = mass[0] / test_set.weight.sum()
        rows.append((predicted, value, low, high, share, int(inside.sum())))
    return pd.DataFrame(rows, columns=["predicted", "observed", "low", "high", "weight", "scans"])
