"""Figures of the MRI study: the numbers that each shows, and how it is drawn.

Functions named ``..._curves`` and the like give tidy tables; those named ``draw_...`` turn one into a figure.
"""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from xiqa import metrics, uncertainty
from xiqa.metrics.enriched import Bench

NAMES = {
    "mutual_information": "mutual information",
    "predictive_entropy": "predictive entropy",
    "variance": "variance",
}
ZOOM = 0.25  # false positive rate up to which ROC curves are shown again, larger


def roc_curves(labels: np.ndarray, scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """ROC curves, tidy: curve (its name and AUC), fpr, tpr. A name whose scores are of one class only is left out."""
    parts = []
    for name, p in scores.items():
        area = metrics.auc(labels, p)[0]
        if np.isfinite(area):
            fpr, tpr, _ = roc_curve(labels, p)
            parts.append(pd.DataFrame({"curve": f"{name} (AUC {area:.3f})", "fpr": fpr, "tpr": tpr}))
    return pd.concat(parts, ignore_index=True)


def draw_roc(curves: pd.DataFrame, zoom: bool = True) -> Figure:
    """ROC curves and, beside them, their beginning enlarged."""
    figure, axes = plt.subplots(1, 1 + zoom, figsize=(4.4 * (1 + zoom), 4), squeeze=False)
    for ax in axes[0]:
        _roc(ax, curves)
    # Beside the curves: eight of them leave no corner free.
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7)
    if zoom:
        highest = curves.loc[curves["fpr"] <= ZOOM, "tpr"].max()
        axes[0, 1].set(xlim=(-0.005, ZOOM), ylim=(0, min(1.01, 1.05 * highest)), title="enlarged")
    return figure


def _roc(ax: Axes, curves: pd.DataFrame) -> None:
    for name, curve in curves.groupby("curve", sort=False):
        ax.plot(curve["fpr"], curve["tpr"], label=name, linewidth=1.2)
    ax.plot([0, 1], [0, 1], color="0.8", linestyle=":", linewidth=1)
    ax.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))


def arm_curves(bench: Bench, arms: Mapping[str, tuple[np.ndarray, float]]) -> pd.DataFrame:
    """ROC and precision-recall curves, weighted to the field, and the operating points on them.

    Parameters
    ----------
    arms : name -> p(artifact) of the test scans and the threshold fixed on validation.

    Returns
    -------
    DataFrame, tidy: arm, part (``roc``: x is the false, y the true positive rate; ``pr``: x is recall, y precision;
    ``roc point`` and ``pr point``), x, y.

    """
    parts = []
    for name, (p, theta) in arms.items():
        fpr, tpr, _ = roc_curve(bench.labels, p, sample_weight=bench.weight)
        precision, recall, _ = precision_recall_curve(bench.labels, p, sample_weight=bench.weight)
        at = {key: float(value) for key, value in metrics.detection(bench.labels, p >= theta, bench.weight).items()}
        shown = {"roc": (fpr, tpr), "pr": (recall[:-1], precision[:-1])}
        shown["roc point"] = ([1 - at["specificity"]], [at["sensitivity"]])
        shown["pr point"] = ([at["sensitivity"]], [at["precision"]])
        parts += [pd.DataFrame({"arm": name, "part": part, "x": x, "y": y}) for part, (x, y) in shown.items()]
    return pd.concat(parts, ignore_index=True)


def draw_arms(curves: pd.DataFrame, prevalence: float) -> Figure:
    """ROC, its beginning enlarged, and precision against recall; a star at each threshold of validation."""
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 4))
    arms = list(curves["arm"].unique())
    colours = dict(zip(arms, sns.color_palette("husl", len(arms)), strict=True))
    for ax, kind in zip(axes, ("roc", "roc", "pr"), strict=True):
        for arm in arms:
            own = curves[curves["arm"] == arm]
            line, star = (own[own["part"] == part] for part in (kind, f"{kind} point"))
            ax.plot(line["x"], line["y"], color=colours[arm], linewidth=1.1, label=arm)
            ax.plot(star["x"], star["y"], "*", color=colours[arm], markersize=9, markeredgecolor="0.3", zorder=3)
    axes[0].set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    axes[1].set(xlabel="false positive rate", title="enlarged", xlim=(-0.005, ZOOM), ylim=(0, 1.01))
    axes[2].set(xlabel="recall (sensitivity)", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
    axes[2].axhline(prevalence, color="0.6", linestyle=":", linewidth=1)
    for ax in axes[:2]:
        ax.plot([0, 1], [0, 1], color="0.8", linestyle=":", linewidth=1)
    axes[2].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)
    return figure


def draw_convergence(found: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """AUC and distance to the reference curve against the number of samples, mean and sd over halvings.

    Both tables: samples, auc, auc_sd, sse, sse_sd.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    for ax, name, title in zip(axes, ("auc", "sse"), ("ROC AUC", "SSE to the reference curve"), strict=True):
        for table, label, marker in ((found, "here", "o"), (published, "published, real data", "s")):
            if len(table):
                ax.errorbar(
                    table["samples"],
                    table[name],
                    table[f"{name}_sd"],
                    label=label,
                    marker=marker,
                    capsize=2,
                    markersize=4,
                )
        ax.set(xscale="log", xlabel="Monte Carlo samples", ylabel=title)
        ax.set_xticks(ticks := sorted({*found["samples"], *published["samples"]}), ticks, minor=False)
        ax.minorticks_off()
    axes[1].set_yscale("log")
    axes[1].legend()
    return figure


def summarised(found: pd.DataFrame) -> pd.DataFrame:
    """Mean and sd over halvings of what :func:`xiqa.uncertainty.convergence` gives, a row a number of samples."""
    grouped = found.drop(columns="repeat").groupby("samples")
    return grouped.mean().join(grouped.std().add_suffix("_sd")).reset_index()


def referral_curves(val: pd.DataFrame, test: pd.DataFrame, bench: Bench) -> pd.DataFrame:
    """ROC curves of the scans kept at the paper's eta, tidy: metric, eta, retained (share), fpr, tpr.

    Each metric is rescaled to [0, 1] on validation; eta of a kept set that lacks a class gives no curve.
    """
    parts = []
    for column in uncertainty.METRICS:
        scaled = uncertainty.rescale(test[column], val[column])
        for eta in (np.inf, *uncertainty.ETAS):
            kept = scaled < eta
            retained = bench.weight[kept].sum() / bench.weight.sum()
            if len(np.unique(bench.labels[kept])) == 2:
                fpr, tpr, _ = roc_curve(bench.labels[kept], test["probability"][kept])
                about = {"metric": column, "eta": eta, "retained": retained}
                parts.append(pd.DataFrame({"fpr": fpr, "tpr": tpr}).assign(**about))
    return pd.concat(parts, ignore_index=True)


def rejection_curves(
    test: pd.DataFrame, theta: float, bench: Bench, retained: Iterable[float] = tuple(np.arange(1, 0.39, -0.02))
) -> pd.DataFrame:
    """Accuracy and F1 of the kept scans against their share, tidy: order, retained, accuracy, f1.

    Orders: the three metrics, and the rival that reviews the nearest to the threshold first.
    """
    p = test["probability"].to_numpy()
    scores = {NAMES[column]: test[column].to_numpy() for column in uncertainty.METRICS}
    scores["|p - theta|"] = -np.abs(p - theta)
    rows = []
    for name, score in scores.items():
        for share in retained:
            kept = score < uncertainty.eta_for_review(score, bench.weight, 1 - share)
            weights = bench.weight * kept
            found = metrics.detection(bench.labels, p >= theta, weights)
            rows.append((name, weights.sum() / bench.weight.sum(), float(found["accuracy"]), float(found["f1"])))
    return pd.DataFrame(rows, columns=["order", "retained", "accuracy", "f1"]).drop_duplicates()


def draw_referral(curves: pd.DataFrame, rejection: pd.DataFrame) -> Figure:
    """Above: ROC of what is kept, a panel a metric; below: accuracy and F1 of what is kept against its share."""
    figure = plt.figure(figsize=(9.6, 6.4))
    above, below = figure.subfigures(2, 1, height_ratios=(1.05, 1))
    for ax, (column, part) in zip(above.subplots(1, 3), curves.groupby("metric", sort=False), strict=False):
        for (eta, retained), curve in part.groupby(["eta", "retained"], sort=False):
            name = "all" if np.isinf(eta) else f"eta < {eta:g}"
            ax.plot(curve["fpr"], curve["tpr"], label=f"{name}: {100 * retained:.1f} % retained", linewidth=1.1)
        ax.set(title=NAMES[column], xlabel="false positive rate", ylabel="true positive rate", ylim=(0, 1.01))
        ax.legend(fontsize=6, loc="lower right")
    for ax, name, title in zip(below.subplots(1, 2), ("accuracy", "f1"), ("accuracy", "F1"), strict=True):
        sns.lineplot(rejection, x="retained", y=name, hue="order", ax=ax, legend=name == "f1")
        ax.set(xlabel="share of scans retained", ylabel=f"{title} of the kept scans", xlim=(1.005, 0.395))
    ax.legend(title="", fontsize=7)
    return figure


def flag_curves(val: pd.DataFrame, test: pd.DataFrame, bench: Bench, column: str, share: float) -> pd.DataFrame:
    """DFFMR and UDM over the (theta, eta) grid, tidy: eta (its name), theta, dffmr, udm in % of all scans."""
    p, scaled = test["probability"].to_numpy(), uncertainty.rescale(test[column], val[column])
    weights = metrics.prevalence_weights(val["label"], bench.prevalence)
    chosen = uncertainty.eta_for_review(uncertainty.rescale(val[column], val[column]), weights, share)
    etas = {"no referral": np.inf, f"{100 * share:.0f} % of validation": chosen}
    etas |= {f"eta {eta:g}": eta for eta in uncertainty.ETAS[1:]}
    thetas = np.unique(np.concatenate([np.quantile(p, np.linspace(0, 1, 101)), [0, 2]]))
    rows = []
    for name, eta in etas.items():
        for theta in thetas:
            said = uncertainty.refer(p, scaled, theta, eta)
            flagged = [function(bench.labels, said, bench.weight) for function in (metrics.dffmr, metrics.udm)]
            rows.append((name, theta, *flagged))
    return pd.DataFrame(rows, columns=["eta", "theta", "dffmr", "udm"])


def draw_flags(curves: pd.DataFrame, points: Mapping[str, tuple[float, float]], biobank: tuple[float, float]) -> Figure:
    """UDM against DFFMR, all in %.

    ``points``: name -> (DFFMR, UDM) at the thresholds of validation; ``biobank``: the same of UK Biobank, two lines.
    """
    figure, ax = plt.subplots(figsize=(6.4, 4))
    for name, part in curves.groupby("eta", sort=False):
        ax.plot(part["dffmr"], part["udm"], label=name, linewidth=1.2)
    for marker, (name, (x, y)) in zip("*osD^", points.items(), strict=False):
        ax.plot(x, y, marker, color="0.2", markersize=8, label=name, linestyle="none")
    lines = {"color": "0.5", "linestyle": "--", "linewidth": 0.8}
    ax.axvline(biobank[0], **lines)
    ax.axhline(biobank[1], **lines, label=f"UK Biobank {biobank[0]:.2f} %, {biobank[1]:.2f} %")
    ax.set(xlabel="flagged for manual review, DFFMR (%)", ylabel="unusable scans missed, UDM (%)", xlim=(-1, 101))
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7)
    return figure


def draw_calibration(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Reliability of p(artifact), a panel an arm, with the share of scans in each bin below."""
    figure, axes = plt.subplots(
        2,
        len(tables),
        figsize=(min(2.7 * len(tables), 13), 4.2),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(3, 1),
    )
    for (name, table), (ax, lower) in zip(tables.items(), axes.T, strict=True):
        ax.plot([0, 1], [0, 1], color="0.75", linestyle=":")
        gaps = np.clip([table["observed"] - table["low"], table["high"] - table["observed"]], 0, None)
        ax.errorbar(table["stated"], table["observed"], gaps, marker="o", markersize=3, capsize=2, linewidth=1)
        ax.set(title=name, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        lower.bar(table["stated"], table["weight"], width=0.05)
        lower.set(xlabel="stated p(artifact)", yscale="log")
    axes[0, 0].set_ylabel("observed share of artifacts")
    axes[1, 0].set_ylabel("share of scans")
    return figure


def draw_ramps(ramps: pd.DataFrame) -> Figure:
    """Size and clean share of the training set against the epoch; columns: study, ramp, epoch, size, clean."""
    studies = list(ramps["study"].unique())
    figure, axes = plt.subplots(2, len(studies), figsize=(4.2 * len(studies), 4.6), squeeze=False, sharex="col")
    for (above, below), study in zip(axes.T, studies, strict=True):
        for name, part in ramps[ramps["study"] == study].groupby("ramp", sort=False):
            # A dot for each epoch: an arm of a single epoch is no line.
            dots = {"where": "post", "marker": ".", "markevery": max(1, len(part) // 12)}
            above.step(part["epoch"], part["size"], label=name, **dots)
            below.step(part["epoch"], part["clean"], label=name, **dots)
        above.set(title=study, ylabel="scans in an epoch")
        below.set(xlabel="epoch", ylabel="clean share", ylim=(0.45, 1))
        above.legend(fontsize=7)
    return figure


def draw_training(histories: pd.DataFrame, prevalence: float) -> Figure:
    """Training loss and validation average precision against gradient steps, a colour an arm, a line a training.

    Columns: recipe, arm, start (``random`` | ``priming``), steps, train_loss, val_ap (NaN where not validated).
    """
    figure, (losses, precisions) = plt.subplots(1, 2, figsize=(10, 3.9))
    primed = histories["start"] == "priming"
    first = histories.loc[histories["arm"].str.startswith("priming"), "steps"].max()
    shown = histories.assign(steps=histories["steps"] + np.where(primed, np.nan_to_num(first), 0))
    arms = list(shown["arm"].unique())
    colours = dict(zip(arms, sns.color_palette("husl", len(arms)), strict=True))
    for ax, column in ((losses, "train_loss"), (precisions, "val_ap")):
        for (arm, _), part in shown.dropna(subset=[column]).groupby(["arm", "recipe"], sort=False):
            ax.plot(part["steps"], part[column], color=colours[arm], marker=".", linewidth=1, label=arm)
        ax.set(xlabel="gradient steps, those of the priming stage included")
    losses.set(ylabel="training loss")
    precisions.set(ylabel=f"validation average precision, {100 * prevalence:.0f} %")
    precisions.axhline(prevalence, color="0.5", linestyle=":")
    named = dict(zip(*precisions.get_legend_handles_labels()[::-1], strict=True))
    precisions.legend(named.values(), named.keys(), loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)
    return figure


def draw_confusion(counts: pd.DataFrame) -> Figure:
    """A confusion matrix for each setting: columns setting, tn, fp, fn, tp (scans); shade: share of the true class."""
    columns = min(4, len(counts))
    rows = -(-len(counts) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.4 * columns, 2.5 * rows), squeeze=False)
    for ax in axes.flat[len(counts) :]:
        ax.set_axis_off()
    for ax, row in zip(axes.flat, counts.to_dict("records"), strict=False):
        cells = np.array([[row["tn"], row["fp"]], [row["fn"], row["tp"]]], dtype=float)
        shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
        text = np.array([f"{int(n)}\n{100 * s:.1f} %" for n, s in zip(cells.flat, shares.flat, strict=True)]).reshape(
            2, 2
        )
        sns.heatmap(shares, annot=text, fmt="", vmin=0, vmax=1, cmap="Blues", cbar=False, ax=ax, annot_kws={"size": 8})
        ax.set_title(row["setting"], fontsize=8)
        ax.set_xticklabels(["clean", "artifact"], fontsize=7)
        ax.set_yticklabels(["clean", "artifact"], fontsize=7)
        ax.set(xlabel="said", ylabel="is")
    return figure
