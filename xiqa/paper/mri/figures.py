"""Figures of notebook 06: convergence, referral, review, calibration. Each returns figure, numbers and caption."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from xiqa import metrics, uncertainty
from xiqa.paper.mri import convergence as samples_needed
from xiqa.paper.mri import review as orders_of_review
from xiqa.paper.mri.colours import ARMS
from xiqa.paper.mri.referral import CLOSEST, HIGHEST, UNCERTAINTIES, Network, Referrals
from xiqa.paper.mri.results import MriResults
from xiqa.paper.mri.tables import reliability
from xiqa.paper.numbers import number

CALIBRATED = ("baseline", "primed", "focal", "class_weights", "ramp")


def convergence(repeats: pd.DataFrame, published: Mapping[str, Mapping]) -> tuple[Figure, pd.DataFrame, str]:
    """AUC and distance to the reference curve against the number of samples, here and published."""
    data, printed = samples_needed.summarised(repeats), samples_needed.published_convergence(published)
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    for ax, name, title in zip(axes, ("auc", "sse"), ("ROC AUC", "SSE to the reference curve"), strict=True):
        for table, label, marker in ((data, "here", "o"), (printed, "published, real data", "s")):
            style = {"label": label, "marker": marker, "capsize": 2, "markersize": 4}
            ax.errorbar(table["samples"], table[name], table[f"{name}_sd"], **style)
        ax.set(xscale="log", xlabel="Monte Carlo samples", ylabel=title)
        ax.set_xticks(ticks := sorted({*data["samples"], *printed["samples"]}), ticks, minor=False)
        ax.minorticks_off()
    axes[1].set_yscale("log")
    axes[1].legend()
    caption = (
        "AUC, and squared distance (SSE, 101 thresholds) of the ROC curve to that of the other half of the samples, "
        "against the number of Monte Carlo samples: mean and sd over "
        f"{repeats['repeat'].nunique()} random halvings. The sd is Monte Carlo error only."
    )
    return figure, data, caption


def referral_curves(network: Network) -> pd.DataFrame:
    """ROC curves of the scans kept at the paper's eta, tidy: metric, eta, retained (share), fpr, tpr.

    Each metric is rescaled to [0, 1] on validation; eta of a kept set that lacks a class gives no curve.
    """
    parts, test_set, test = [], network.test_set, network.test
    for column in uncertainty.METRICS:
        scaled = uncertainty.rescale(test[column], network.val[column])
        for eta in (np.inf, *uncertainty.ETAS):
            kept = scaled < eta
            retained = test_set.weight[kept].sum() / test_set.weight.sum()
            if len(np.unique(test_set.labels[kept])) == 2:
                fpr, tpr, _ = roc_curve(test_set.labels[kept], test["probability"][kept])
                about = {"metric": column, "eta": eta, "retained": retained}
                parts.append(pd.DataFrame({"fpr": fpr, "tpr": tpr}).assign(**about))
    return pd.concat(parts, ignore_index=True)


def rejection_curves(network: Network, referred: Iterable[float] = tuple(np.arange(0, 0.61, 0.02))) -> pd.DataFrame:
    """Accuracy and F1 of the kept scans against their share, tidy: order, retained, accuracy, f1.

    Orders: the three metrics, and p closest to the threshold.
    """
    test_set, flagged, rows = network.test_set, network.keep_all().flagged, []
    scores = {name: network.test[column].to_numpy() for column, name in UNCERTAINTIES.items()}
    scores[CLOSEST] = -np.abs(network.test["probability"].to_numpy() - network.theta())
    for name, score in scores.items():
        for share in referred:
            weights = test_set.weight * (score < uncertainty.eta_for_review(score, test_set.weight, share))
            values = metrics.detection(test_set.labels, flagged, weights)
            share_kept = weights.sum() / test_set.weight.sum()
            rows.append((name, share_kept, float(values["accuracy"]), float(values["f1"])))
    return pd.DataFrame(rows, columns=["order", "retained", "accuracy", "f1"]).drop_duplicates()


def referral(ways: Referrals) -> tuple[Figure, pd.DataFrame, str]:
    """Above: ROC of the kept scans, a panel a metric; below: accuracy and F1 of the kept scans against their share."""
    curves, rejection = referral_curves(ways.first), rejection_curves(ways.first)
    figure = plt.figure(figsize=(9.6, 6.4))
    above, below = figure.subfigures(2, 1, height_ratios=(1.05, 1))
    for ax, (column, part) in zip(above.subplots(1, 3), curves.groupby("metric", sort=False), strict=False):
        for (eta, retained), curve in part.groupby(["eta", "retained"], sort=False):
            name = "all" if np.isinf(eta) else f"eta < {eta:g}"
            ax.plot(curve["fpr"], curve["tpr"], label=f"{name}: {100 * retained:.1f} % retained", linewidth=1.1)
        ax.set(title=UNCERTAINTIES[column], xlabel="false positive rate", ylabel="true positive rate", ylim=(0, 1.01))
        ax.legend(fontsize=6, loc="lower right")
    for ax, name, title in zip(below.subplots(1, 2), ("accuracy", "f1"), ("accuracy", "F1"), strict=True):
        sns.lineplot(rejection, x="retained", y=name, hue="order", ax=ax, legend=name == "f1")
        ax.set(xlabel="share of scans retained", ylabel=f"{title} of the kept scans", xlim=(1.005, 0.395))
    ax.legend(title="", fontsize=7)
    data = pd.concat([curves.assign(part="roc"), rejection.assign(part="rejection")], ignore_index=True)
    caption = (
        "Above: ROC curves of the scans kept at the paper's eta, each metric rescaled to 0..1 on validation. Below: "
        f"accuracy and F1 of the kept scans against their share, theta {ways.first.theta():.3g}; first seed of the "
        f"ramp, {ways.counts}."
    )
    return figure, data, caption


def review(ways: Referrals, scores: Mapping[str, np.ndarray]) -> tuple[Figure, pd.DataFrame, str]:
    """Artifacts that remain among 1,000 scans against the share reviewed; intervals for p and predictive entropy.

    ``scores`` : of :func:`xiqa.paper.mri.review.orders`; at most six of them are drawn.
    """
    drawn = {name: score for name, score in scores.items() if name not in (CLOSEST, UNCERTAINTIES["variance"])}
    data = orders_of_review.curves(ways.test_set, drawn)
    figure, ax = plt.subplots(figsize=(6.4, 4))
    grey = {orders_of_review.RANDOM: ":", orders_of_review.ORACLE: "--"}
    for name, part in data.groupby("order", sort=False):
        style = {"color": "0.6", "linestyle": grey[name]} if name in grey else {}
        (line,) = ax.plot(100 * part["budget"], part["per_1000"], label=name, linewidth=1.2, **style)
        if name in (HIGHEST, UNCERTAINTIES["predictive_entropy"]):
            about = {"color": line.get_color(), "alpha": 0.15, "linewidth": 0}
            ax.fill_between(100 * part["budget"], part["per_1000_low"], part["per_1000_high"], **about)
    ax.set(xlabel="scans that a reader reviews (%)", ylabel="artifacts remaining of 1,000 scans", ylim=(0, None))
    ax.set_xlim(0, 100 * data["budget"].max())
    ax.legend(fontsize=7)
    caption = (
        "Artifacts that remain among 1,000 scans against the share reviewed, by order of review; first seed of the "
        f"ramp, {ways.counts}. Bands: 95 % by bootstrap over subjects."
    )
    return figure, data, caption


def calibration(results: MriResults, ways: Referrals) -> tuple[Figure, pd.DataFrame, str]:
    """Reliability of p(artifact), a panel an arm (its first seed, dropout off), with the share of scans in each bin."""
    arms = {arm.replace("_", " "): results.runs(arm)[0] for arm in CALIBRATED if results.runs(arm)}
    p = {arm: results.plain[name, "test"]["plain"].to_numpy() for arm, name in arms.items()}
    tables = {arm: reliability(ways.test_set, values) for arm, values in p.items()}
    size = (min(2.7 * len(tables), 13), 4.2)
    figure, axes = plt.subplots(
        2, len(tables), figsize=size, sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1)
    )
    for (name, table), (ax, lower) in zip(tables.items(), axes.T, strict=True):
        ax.plot([0, 1], [0, 1], color="0.75", linestyle=":")
        gaps = np.clip([table["observed"] - table["low"], table["high"] - table["observed"]], 0, None)
        style = {"marker": "o", "markersize": 3, "capsize": 2, "linewidth": 1, "color": ARMS[name]}
        ax.errorbar(table["predicted"], table["observed"], gaps, **style)
        ax.set(title=name, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        lower.bar(table["predicted"], table["weight"], width=0.05, color=ARMS[name])
        lower.set(xlabel="predicted p(artifact)", yscale="log")
    axes[0, 0].set_ylabel("observed share of artifacts")
    axes[1, 0].set_ylabel("share of scans")
    errors = {arm: ways.test_set.calibrate(values) for arm, values in p.items()}
    listed = "; ".join(
        f"{a}: ECE {number(e['ece'])}, Brier skill {number(e['brier_skill'])}" for a, e in errors.items()
    )
    caption = (
        "Predicted and observed probability of an artifact in 15 equal bins of p, dropout off; "
        f"{ways.counts}, bars and brackets: 95 % by bootstrap over subjects. {listed}."
    )
    return figure, pd.concat([table.assign(arm=arm) for arm, table in tables.items()], ignore_index=True), caption
