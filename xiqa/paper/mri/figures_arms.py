"""Figures of the arms of the MRI study: training curves, data-ramping, ROC and precision-recall curves."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from xiqa import imbalance, metrics
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.arms import Arms
from xiqa.paper.mri.colours import ARMS, GREYS
from xiqa.recipes.kinds import VolumeClassifier

ZOOM = 0.25  # false positive rate up to which ROC curves are shown again, larger
PUBLISHED_RAMPS = ((5, 53), (20, 60), (100, 100), (200, 250))  # epochs of the ramp and of the training
PUBLISHED_SIZES = (834, 20_879, 417)  # scans in the first and in the last epoch, artifacts among them
RAMPS = ("baseline", "ramp_short", "ramp_medium", "ramp")


def training(
    histories: Mapping[str, pd.DataFrame], recipes: Mapping[str, VolumeClassifier], prevalence: float
) -> tuple[Figure, pd.DataFrame, str]:
    """Training loss and validation average precision against gradient steps, a colour an arm, a line a training.

    Histories (steps, train_loss, val_ap, NaN where not validated) and recipes are by name of the training; validation
    is reweighted to the prevalence.
    """
    parts = []
    for name, frame in histories.items():
        arm, start = recipes[name].arm.replace("_", " "), recipes[name].start
        parts.append(frame.assign(recipe=name, arm=arm, start=start))
    data = pd.concat(parts, ignore_index=True)
    caption = (
        f"Training loss and validation average precision (reweighted to {100 * prevalence:.0f} % artifacts) of every "
        f"arm of the MRI study against gradient steps; {len(histories)} trainings, a line each. Arms that start from "
        "the priming stage are drawn after its steps; dotted: a network without any information."
    )
    return _draw_training(data, prevalence), data, caption


def _draw_training(data: pd.DataFrame, prevalence: float) -> Figure:
    figure, (losses, precisions) = plt.subplots(1, 2, figsize=(10, 3.9))
    primed = data["start"] == "priming"
    first = data.loc[data["arm"] == "priming", "steps"].max()
    data = data.assign(steps=data["steps"] + np.where(primed, np.nan_to_num(first), 0))
    for ax, column in ((losses, "train_loss"), (precisions, "val_ap")):
        for (arm, _), part in data.dropna(subset=[column]).groupby(["arm", "recipe"], sort=False):
            ax.plot(part["steps"], part[column], color=ARMS[arm], marker=".", linewidth=1, label=arm)
        ax.set(xlabel="gradient steps, those of the priming stage included")
    losses.set(ylabel="training loss")
    precisions.set(ylabel=f"validation average precision, {100 * prevalence:.0f} %")
    precisions.axhline(prevalence, color="0.5", linestyle=":")
    named = dict(zip(*precisions.get_legend_handles_labels()[::-1], strict=True))
    precisions.legend(named.values(), named.keys(), loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)
    return figure


def ramps(
    histories: Mapping[str, pd.DataFrame], recipes: Mapping[str, VolumeClassifier], profile: str
) -> tuple[Figure, pd.DataFrame, str]:
    """Size and clean share of the training set against the epoch: at the published sizes, and as trained here.

    Histories (epoch, size, clean_share) and recipes are by name of the training; the first one of each ramp and of the
    baseline is shown.
    """
    parts = []
    for ramp_epochs, epochs in PUBLISHED_RAMPS:
        sizes = [imbalance.ramp(epoch, ramp_epochs, *PUBLISHED_SIZES) for epoch in range(epochs)]
        part = pd.DataFrame(sizes, columns=["size", "clean"]).rename_axis("epoch").reset_index()
        parts.append(part.assign(study="published sizes", ramp=f"over {ramp_epochs} epochs"))
    for arm in RAMPS:
        for name in [name for name in histories if recipes[name].arm == arm][:1]:
            own = histories[name].rename(columns={"clean_share": "clean"})[["epoch", "size", "clean"]]
            parts.append(own.assign(study=f"here, profile {profile}", ramp=arm.replace("_", " ")))
    data = pd.concat(parts, ignore_index=True)
    caption = (
        "Scans in an epoch, and the share of clean ones among them, against the epoch. Left: the published sizes (834 "
        "scans, half of them clean, to 20,879, 98 % clean) for ramps over 5, 20, 100 and 200 epochs; right: as trained "
        "here."
    )
    return _draw_ramps(data), data, caption


def _draw_ramps(data: pd.DataFrame) -> Figure:
    studies = list(data["study"].unique())
    figure, axes = plt.subplots(2, len(studies), figsize=(4.2 * len(studies), 4.6), squeeze=False, sharex="col")
    for (above, below), study in zip(axes.T, studies, strict=True):
        for name, part in data[data["study"] == study].groupby("ramp", sort=False):
            # A dot for each epoch: an arm of a single epoch is no line.
            dots = {"where": "post", "marker": ".", "markevery": max(1, len(part) // 12)}
            dots |= {"color": ARMS.get(name)}
            above.step(part["epoch"], part["size"], label=name, **dots)
            below.step(part["epoch"], part["clean"], label=name, **dots)
        above.set(title=study, ylabel="scans in an epoch")
        below.set(xlabel="epoch", ylabel="clean share", ylim=(0.45, 1))
        above.legend(fontsize=7)
    return figure


def curves(arms: Arms) -> tuple[Figure, pd.DataFrame, str]:
    """ROC and precision-recall curves of the first seed of every arm, and of two baselines, with their thresholds."""
    shown = arms.first_seeds | {arm.name: arm for arm in arms.baselines}
    data = arm_curves(arms.test_set, {name: (arm.p, arm.theta) for name, arm in shown.items()})
    caption = (
        "ROC curves (the second panel enlarges their beginning) and precision against recall of every arm (first seed) "
        f"and of two baselines without a neural network, dropout off; {arms.referrals.counts}. Stars: thresholds of "
        "highest Youden's J on validation; dotted: a classifier without any information."
    )
    return _draw_curves(data, arms.test_set.prevalence), data, caption


def arm_curves(test_set: EnrichedTestSet, arms: Mapping[str, tuple[np.ndarray, float]]) -> pd.DataFrame:
    """ROC and precision-recall curves, reweighted to the prevalence, and the operating points on them.

    ``arms`` : name -> p(artifact) of the test scans and the threshold fixed on validation. Columns: arm, part (``roc``:
    x is the false, y the true positive rate; ``pr``: x is recall, y precision; ``roc point``, ``pr point``), x, y.
    """
    labels, weight, parts = test_set.labels, test_set.weight, []
    for name, (p, theta) in arms.items():
        fpr, tpr, _ = roc_curve(labels, p, sample_weight=weight)
        precision, recall, _ = precision_recall_curve(labels, p, sample_weight=weight)
        point = {key: float(value) for key, value in metrics.detection(labels, p >= theta, weight).items()}
        lines = {"roc": (fpr, tpr), "pr": (recall[:-1], precision[:-1])}
        lines["roc point"] = ([1 - point["specificity"]], [point["sensitivity"]])
        lines["pr point"] = ([point["sensitivity"]], [point["precision"]])
        parts += [pd.DataFrame({"arm": name, "part": part, "x": x, "y": y}) for part, (x, y) in lines.items()]
    return pd.concat(parts, ignore_index=True)


def _draw_curves(data: pd.DataFrame, prevalence: float) -> Figure:
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 4))
    arms = list(data["arm"].unique())
    greys = iter(GREYS)
    colours = {arm: ARMS[arm] if arm in ARMS else next(greys) for arm in arms}
    for ax, kind in zip(axes, ("roc", "roc", "pr"), strict=True):
        for arm in arms:
            own = data[data["arm"] == arm]
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
