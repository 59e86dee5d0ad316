"""Tables of notebook 06: convergence, referral, review, detection. Each returns the table and its caption."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import convergence as samples_needed
from xiqa.paper.mri import detection as detection_rows
from xiqa.paper.mri import review as orders_of_review
from xiqa.paper.mri.referral import ALEATORIC, Referral, Referrals
from xiqa.paper.numbers import number, percent, percents

ERRORS, ARTIFACTS = "AUROC of uncertainty for errors", "AUROC of uncertainty for artifacts"
REFERRED = {"retained": "retained %", "caught": "caught %", "referred": "referred %", "missed": "missed %"}


def convergence(repeats: pd.DataFrame, samples: int, published: Mapping[str, Mapping]) -> tuple[pd.DataFrame, str]:
    """ROC curve against the number of Monte Carlo samples.

    Parameters
    ----------
    repeats : of :func:`xiqa.paper.mri.convergence.halvings`.
    samples : Monte Carlo samples of this profile.
    published : entries of ``published.toml``.
    """
    caption = (
        f"AUC, and distance of the ROC curve to that of the other half of the {samples} Monte Carlo samples: mean (sd) "
        f"over {repeats['repeat'].nunique()} random halvings, which is Monte Carlo error only. Published: real data, "
        "reference of about 5,000 samples, thresholds of their SSE unknown."
    )
    return samples_needed.convergence_table(repeats, samples, published), caption


def referral(
    ways: Referrals, published: Mapping[str, Mapping], missing: Mapping[str, str], name: str
) -> tuple[pd.DataFrame, str]:
    """A row for each way of referral, beginning with the row that calls every scan clean.

    ``missing`` : arm -> reason why it is not trained; ``name`` : of the training, for the caption.
    """
    table = referral_table(ways.test_set, [ways.none, *ways.ways, *ways.baselines])
    if not ways.flipped:
        reason = missing.get("flips", "no network was trained with flips")
        row = pd.DataFrame([{"review by": ALEATORIC, "theta": f"not run: {reason}"}])
        table = pd.concat([table, row]).fillna("-")
    accuracy, f1, caught = (
        published[f"mri_{part}"]["value"] for part in ("accuracy_referral", "f1_referral", "caught")
    )
    caption = (
        f"Referral of uncertain scans, {name}: {ways.about}, 95 % intervals by bootstrap over subjects. Caught, "
        "referred and missed are shares of all artifacts, DFFMR (reviewed or flagged) and UDM (missed) of all scans; "
        f"baselines refer {100 * ways.budget:.1f} % of the scans. Published, kept scans: "
        f"accuracy {100 * accuracy:.1f} %, F1 {f1:.3f}, and {100 * caught:.0f} % of the artifacts of validation caught."
    )
    return table, caption


def referral_table(test_set: EnrichedTestSet, ways: Sequence[Referral]) -> pd.DataFrame:
    """Shares, quality of the kept scans and quality of the uncertainty of each way of referral.

    AURC is the area under error rate against coverage, AUGRC under the share of all scans that is wrong and kept;
    weighted to the field, ties averaged. A way without an uncertainty has neither.
    """
    nothing = np.zeros(len(test_set.labels), bool)
    rows = []
    for way in [Referral("all clean", np.inf, np.inf, nothing, ~nothing), *ways]:
        values = test_set.refer(way.flagged, way.kept)
        row = {"review by": way.name, "theta": _threshold(way.theta), "eta": _threshold(way.eta)}
        row |= {title: percents(values[part]) for part, title in REFERRED.items()}
        row |= {"accuracy of kept %": percents(values["accuracy_kept"]), "F1 of kept": number(values["f1_kept"])}
        row |= {"F1, referred as unflagged": number(values["f1_all"])}
        row |= {"DFFMR %": percents(values["dffmr"]), "UDM %": percents(values["udm"])}
        rows.append(row | quality(test_set, way))
    return pd.DataFrame(rows)


def quality(test_set: EnrichedTestSet, way: Referral) -> dict[str, str]:
    """AUROC of an uncertainty for wrong decisions and for artifacts, AURC and AUGRC; dashes without an uncertainty."""
    if way.uncertainty is None:
        return dict.fromkeys((ERRORS, ARTIFACTS, "AURC", "AUGRC"), "-")
    error = (way.flagged != (test_set.labels == 1)).astype(int)
    return {
        ERRORS: number(metrics.ranking(error, way.uncertainty, test_set.weights)["auc"]),
        ARTIFACTS: number(test_set.rank(way.uncertainty)["auc"]),
        "AURC": f"{metrics.aurc(error, way.uncertainty, test_set.weight):.4f}",
        "AUGRC": f"{metrics.augrc(error, way.uncertainty, test_set.weight):.4f}",
    }


def _threshold(value: float) -> str:
    if np.isnan(value):
        return "by share"
    return "none" if np.isinf(value) else f"{value:.3g}"


def review(
    ways: Referrals, scores: Mapping[str, np.ndarray], name: str, budgets: Sequence[float] = orders_of_review.BUDGETS
) -> tuple[pd.DataFrame, str]:
    """A row an order of review: artifacts that remain at each budget, the area, and its difference to the highest p.

    ``scores`` : of :func:`xiqa.paper.mri.review.orders`.
    """
    caption = (
        f"Artifacts that remain after a reader has reviewed a share of all scans, in % of all artifacts, {name}: "
        f"{ways.about}. 95 % intervals by bootstrap over subjects; differences are paired."
    )
    return review_table(ways.test_set, scores, budgets), caption


def review_table(test_set: EnrichedTestSet, scores: Mapping[str, np.ndarray], budgets: Sequence[float]) -> pd.DataFrame:
    """The table of :func:`review`."""
    areas = {name: orders_of_review.area_values(test_set, score) for name, score in scores.items()}
    base, rows = areas[orders_of_review.HIGHEST_P], []
    for name, score in scores.items():
        values = orders_of_review.remaining_values(test_set, score, budgets)
        row = {"order of review": name}
        row |= {f"remaining % after {100 * b:g} %": percents(v) for b, v in zip(budgets, values.T, strict=True)}
        row["mean remaining %, budgets to 50 %"] = percents(areas[name])
        against = f"difference to {orders_of_review.HIGHEST_P}"
        row[against] = "-" if name == orders_of_review.HIGHEST_P else percents(areas[name] - base)
        rows.append(row)
    return pd.DataFrame(rows)


def detection(ways: Referrals, name: str) -> tuple[pd.DataFrame, str]:
    """Sensitivity and false alarms at the threshold of validation, by group."""
    flagged = ways.test["probability"].to_numpy() >= ways.theta
    by = ("all", "family", "contrast", "rater")
    parts = {
        "artifacts detected": detection_rows.detection(ways.test, flagged, by),
        "clean scans flagged": detection_rows.false_alarms(ways.test, flagged),
    }
    rows = pd.concat([part.assign(of=title) for title, part in parts.items()], ignore_index=True)
    table = rows[["of", "by", "group", "scans", "subjects"]].assign(
        share=list(map(percent, rows["share"], rows["low"], rows["high"])), rater=list(map(percent, rows["rater"]))
    )
    caption = (
        f"Share of the artifacts detected and of the clean scans flagged, threshold of validation (Youden), {name}. "
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
