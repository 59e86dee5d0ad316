"""Figures: learning rates, confusion matrices, ROC curves, UDM against DFFMR."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.arms import Arms
from xiqa.paper.mri.referral import Network

SHARE = max(recipes.REVIEW_SHARES)
REVIEWED = f"{100 * SHARE:.0f} % of validation"
ZOOM = 0.25  # false positive rate up to which ROC curves are shown again, larger


def learning_rate(range_test: pd.DataFrame, rates: tuple[float, float]) -> tuple[Figure, pd.DataFrame, str]:
    """Loss of a learning-rate range test (learning_rate, loss, smoothed), with the range of the recipes' rates."""
    figure, ax = plt.subplots(figsize=(5.5, 3.4))
    ax.plot(range_test["learning_rate"], range_test["loss"], color="0.75", linewidth=0.8, label="every step")
    ax.plot(range_test["learning_rate"], range_test["smoothed"], label="smoothed")
    ax.axvspan(*rates, color="C2", alpha=0.15, label="rates of the recipes")
    ax.set(xscale="log", xlabel="learning rate", ylabel="training loss", xlim=(1e-7, None))
    ax.legend()
    caption = (
        "Learning-rate range test: training loss of the MRI network on the priming set against a rate that grows over "
        f"{len(range_test)} gradient steps; green: range of the recipes' rates."
    )
    return figure, range_test, caption


def confusion(arms: Arms) -> tuple[Figure, pd.DataFrame, str]:
    """A confusion matrix of the test scans for each arm (first seed), and for the scans that referral keeps."""
    labels, way = arms.test_set.labels, arms.referrals.first.by_uncertainty("mutual_information", SHARE)
    decisions = {"all clean": (labels, np.zeros(len(labels), bool))}
    decisions |= {name: (labels, arm.flagged) for name, arm in arms.first_seeds.items()}
    decisions["ramp, kept after referral"] = labels[way.kept], way.flagged[way.kept]
    counts = {name: metrics.detection(*pair) for name, pair in decisions.items()}
    cells = ("tn", "fp", "fn", "tp")
    data = pd.DataFrame([{"setting": name} | {cell: int(n[cell]) for cell in cells} for name, n in counts.items()])
    caption = (
        "Confusion matrices of the enriched test split (scans, not reweighted), first seed of each arm, dropout off, "
        f"threshold by Youden's J on validation: {arms.referrals.counts.rpartition(',')[0]}. Shade: share of the true "
        f"class; the last matrix has the {int(way.kept.sum())} scans that referral keeps."
    )
    return _draw_confusion(data), data, caption


def _draw_confusion(counts: pd.DataFrame) -> Figure:
    columns = min(4, len(counts))
    rows = -(-len(counts) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.4 * columns, 2.5 * rows), squeeze=False)
    for ax in axes.flat[len(counts) :]:
        ax.set_axis_off()
    for ax, (setting, *cells) in zip(axes.flat, counts.itertuples(index=False), strict=False):
        cells = np.reshape(cells, (2, 2)).astype(float)
        shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
        text = np.array([f"{int(n)}\n{100 * s:.1f} %" for n, s in zip(cells.flat, shares.flat, strict=True)])
        style = {"vmin": 0, "vmax": 1, "cmap": "Blues", "cbar": False, "annot_kws": {"size": 8}}
        sns.heatmap(shares, annot=text.reshape(2, 2), fmt="", ax=ax, **style)
        ax.set_title(setting, fontsize=8)
        ax.set_xticklabels(["clean", "artifact"], fontsize=7)
        ax.set_yticklabels(["clean", "artifact"], fontsize=7)
        ax.set(xlabel="predicted", ylabel="true")
    return figure


def roc(test: pd.DataFrame, mc: np.ndarray) -> tuple[Figure, pd.DataFrame, str]:
    """ROC curves of the mean of few of the samples mc (T, N, 2) and of half of them, against that of the other half."""
    half = len(mc) // 2
    sizes = list(dict.fromkeys((1, min(10, half), half)))
    means = {f"{n} sample{'s' * (n > 1)}": mc[:n].mean(axis=0)[:, 1] for n in sizes}
    means[f"reference: the other {len(mc) - half}"] = mc[half:].mean(axis=0)[:, 1]
    data = roc_curves(test["label"].to_numpy(), means)
    _, low, high = metrics.auc(test["label"], test["probability"], test["subject"])
    caption = (
        f"ROC curve of the mean of the first {', '.join(map(str, sizes))} Monte Carlo samples, and of the mean of the "
        f"other half (reference). {int(test['label'].sum())} artifacts among {len(test)} scans give the AUC a 95 % "
        f"interval over subjects of about +-{(high - low) / 2:.3f}."
    )
    return _draw_roc(data), data, caption


def flips(labels: np.ndarray, samples: np.ndarray, name: str, flipped: bool) -> tuple[Figure, pd.DataFrame, str]:
    """ROC curve of a network, trained with random flips or not, for each orientation of the samples (8, N, 2)."""
    data = roc_curves(labels, dict(zip(uncertainty.FLIP_NAMES, samples[..., 1], strict=True)))
    trained = "trained with random flips" if flipped else "trained without flips (the profile trains no other network)"
    caption = (
        f"ROC curve of {name} for each orientation of the volume, dropout off, {trained}: {int(labels.sum())} "
        f"artifacts among {len(labels)} test scans. x, y, z: the flipped axes."
    )
    return _draw_roc(data), data, caption


def roc_curves(labels: np.ndarray, scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """ROC curves, tidy: curve (its name and AUC), fpr, tpr; scores of a single class are left out."""
    parts = []
    for name, p in scores.items():
        area = metrics.auc(labels, p)[0]
        if np.isfinite(area):
            fpr, tpr, _ = roc_curve(labels, p)
            parts.append(pd.DataFrame({"curve": f"{name} (AUC {area:.3f})", "fpr": fpr, "tpr": tpr}))
    return pd.concat(parts, ignore_index=True)


def _draw_roc(curves: pd.DataFrame) -> Figure:
    """ROC curves and, beside them, their beginning enlarged."""
    figure, (whole, enlarged) = plt.subplots(1, 2, figsize=(8.8, 4))
    for ax in (whole, enlarged):
        for name, curve in curves.groupby("curve", sort=False):
            ax.plot(curve["fpr"], curve["tpr"], label=name, linewidth=1.2)
        ax.plot([0, 1], [0, 1], color="0.8", linestyle=":", linewidth=1)
        ax.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    # Beside the curves: eight of them leave no corner free.
    enlarged.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7)
    highest = curves.loc[curves["fpr"] <= ZOOM, "tpr"].max()
    enlarged.set(xlim=(-0.005, ZOOM), ylim=(0, min(1.01, 1.05 * highest)), title="enlarged")
    return figure


def udm_dffmr(network: Network, published: Mapping[str, Mapping]) -> tuple[Figure, pd.DataFrame, str]:
    """Unusable scans missed (UDM) against scans flagged for manual review (DFFMR), both in % of all scans.

    Of the published entries those of UK Biobank are drawn.
    """
    test_set, way = network.test_set, network.by_uncertainty("mutual_information", SHARE)
    data, points = flag_curves(test_set, network.val, network.test), {}
    for name, kept in (("no referral", np.ones(len(way.kept), bool)), (REVIEWED, way.kept)):
        outcome = test_set.refer(way.flagged, kept)
        points[f"theta of validation, {name}"] = tuple(100 * outcome[part][0] for part in ("dffmr", "udm"))
    biobank = tuple(100 * published[f"biobank_{part}"]["value"] for part in ("dffmr", "udm"))
    prevalence = f"{100 * test_set.prevalence:.0f} %"
    caption = (
        "Unusable scans missed against scans flagged for manual review, both in % of all scans reweighted to "
        f"{prevalence} artifacts, over theta, for several eta of the mutual information (rescaled on validation); "
        f"{int(test_set.labels.sum())} artifacts among {len(way.kept)} test scans, no intervals. Calling every scan "
        f"clean misses {prevalence}; dashed: UK Biobank, as drawn in the figures of the paper."
    )
    return _draw_flags(data, points, biobank), data, caption


def flag_curves(test_set: EnrichedTestSet, val: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """DFFMR and UDM over the (theta, eta) grid of the mutual information: eta (its name), theta, dffmr, udm in %."""
    p = test["probability"].to_numpy()
    validation, scaled = (
        uncertainty.rescale(part["mutual_information"], val["mutual_information"]) for part in (val, test)
    )
    weights = metrics.prevalence_weights(val["label"], test_set.prevalence)
    etas = {"no referral": np.inf, REVIEWED: uncertainty.eta_for_review(validation, weights, SHARE)}
    etas |= {f"eta {eta:g}": eta for eta in uncertainty.ETAS[1:]}
    rows = []
    for name, eta in etas.items():
        for theta in np.unique(np.concatenate([np.quantile(p, np.linspace(0, 1, 101)), [0, 2]])):
            decisions = test_set.labels, uncertainty.refer(p, scaled, theta, eta), test_set.weight
            rows.append((name, theta, metrics.dffmr(*decisions), metrics.udm(*decisions)))
    return pd.DataFrame(rows, columns=["eta", "theta", "dffmr", "udm"])


def _draw_flags(curves: pd.DataFrame, points: Mapping[str, tuple[float, float]], biobank: Sequence[float]) -> Figure:
    figure, ax = plt.subplots(figsize=(6.4, 4))
    for name, part in curves.groupby("eta", sort=False):
        ax.plot(part["dffmr"], part["udm"], label=name, linewidth=1.2)
    for marker, (name, (x, y)) in zip("*o", points.items(), strict=True):
        ax.plot(x, y, marker, color="0.2", markersize=8, label=name, linestyle="none")
    lines = {"color": "0.5", "linestyle": "--", "linewidth": 0.8}
    ax.axvline(biobank[0], **lines)
    ax.axhline(biobank[1], **lines, label=f"UK Biobank {biobank[0]:.2f} %, {biobank[1]:.2f} %")
    ax.set(xlabel="flagged for manual review, DFFMR (%)", ylabel="unusable scans missed, UDM (%)", xlim=(-1, 101))
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7)
    return figure
