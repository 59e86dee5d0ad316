"""Figures of the pointing game: functions that return the figure, the numbers it shows and its caption."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xiqa import pictures, recipes
from xiqa.paper.pointing_game import scores
from xiqa.paper.pointing_game.results import LABELS, PointingGame
from xiqa.paper.pointing_game.shown import Shown
from xiqa.saliency.names import METHOD_NAMES, TABLE_ROWS, label, ordered

Drawn = tuple[Figure, pd.DataFrame, str]
COLOURS = {"hit": "#00753a", "miss": "#b3261e"}
LEGEND = f"cross: maximum of the smoothed map; ring: tolerance of {recipes.TOLERANCE} px"
COMPARED = ("gradcam", "gradcam_combined", "guided_backprop", "input_x_gradient", "guided_gradcam")
MARKERS = "osD^vPX*p"


def tolerance(games: dict[str, PointingGame]) -> Drawn:
    """Share of hits over tolerances: mean over seeds, every seed, and the best constant point."""
    parts = []
    for dataset, game in games.items():
        methods = [*COMPARED, game.best_normgrad, *scores.further(game.trained)]
        part = scores.curve(game.trained, game.baselines, methods, recipes.TOLERANCES)
        parts.append(part.assign(dataset=dataset))
    curve = pd.concat(parts, ignore_index=True)
    curve = curve.assign(name=curve["method"].map(label))
    styles = {name: {"color": f"C{i % 10}", "marker": MARKERS[i % 9]} for i, name in enumerate(curve["name"].unique())}
    figure, axes = _panels(games, 4.0)
    for ax, (dataset, game) in zip(axes, games.items(), strict=True):
        lines = curve[curve["dataset"] == dataset].groupby(["name", "seed"], sort=False)
        for (name, seed), line in lines:
            single = {"marker": "", "linewidth": 0.6, "alpha": 0.6}
            style = styles[name] | ({"markersize": 4, "label": name} if seed == "all" else single)
            ax.plot(line["tolerance"], line["mean"], **style)
        ax.axvline(recipes.TOLERANCE, color="0.6", linestyle=":")
        ax.set(xlabel=f"tolerance (pixels of {game.size})", ylabel="share of hits", ylim=(0, 1))
        ax.label_outer()
    handles = {text: line for ax in axes for line, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncol=3, fontsize=7)
    caption = (
        "Share of images hit against the tolerance, smoothed maps: mean over the seeds (thick, markers) and every seed "
        f"(thin). {_extent(games.values())}; dotted: the papers' {recipes.TOLERANCE} px. The best constant point is a "
        "baseline without a network, fitted on training masks."
    )
    return figure, curve, caption


def consistency(games: dict[str, PointingGame]) -> Drawn:
    """Score of every single network by every method."""
    rows = ordered(method for game in games.values() for method in game.methods)
    parts = [scores.consistency(game.states, rows).assign(dataset=dataset) for dataset, game in games.items()]
    spread = pd.concat(parts, ignore_index=True)
    spread = spread.assign(name=spread["method"].map(label))
    figure, axes = _panels(games, 1.2 + 0.26 * len(rows), pad=12)
    for ax, (dataset, game) in zip(axes, games.items(), strict=True):
        points = spread[spread["dataset"] == dataset]
        sns.stripplot(points, x="mean", y="name", hue="state", dodge=True, ax=ax, size=4, jitter=False)
        ax.axvline(game.chance, color="0.5", linestyle=":")
        ax.annotate("chance", (game.chance, -0.6), fontsize=7, color="0.4", ha="center", annotation_clip=False)
        ax.set(xlabel="share of hits (a point a network)", ylabel="", xlim=(0, 1))
        for y in range(len(rows)):
            ax.axhline(y + 0.5, color="0.92", linewidth=0.8)
        ax.legend_.remove()
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside lower center", ncol=4, fontsize=7)
    caption = (
        f"Share of images hit by every single network, smoothed maps at {recipes.TOLERANCE} px: untrained (FR), "
        "pretrained backbone with untrained head (SR) and trained with different seeds (Repeated). "
        f"{_extent(games.values())}; dotted: chance."
    )
    return figure, spread, caption


def examples(shown: Shown) -> Drawn:
    """Images, their annotation, and the map of every method."""
    further = [name for name in shown.maps if name not in METHOD_NAMES]
    methods = list(dict.fromkeys([*TABLE_ROWS, shown.method, *further]))
    figure, axes = _grid(len(shown.images), 2 + len(methods), 1.05, 1.3)
    for i, line in enumerate(axes):
        pictures.radiograph(line[0], shown.pixels[i], title=Path(shown.images[i]).name)
        pictures.radiograph(line[1], shown.pixels[i], shown.shapes[i])
        reason = shown.reasons[i]
        for text in (": ", " the negative", ", the map"):  # where a line of the text ends
            reason = reason.replace(text, text.replace(" ", "\n", 1))
        style = {"rotation": 90, "fontsize": 6, "ha": "right", "va": "center", "multialignment": "center"}
        line[0].text(-0.06, 0.5, reason, transform=line[0].transAxes, color=_colour(reason), **style)
        _draw(line[2:], shown, i, methods)
    for ax, name in zip(axes[0, 1:], ["annotation", *map(_short, methods)], strict=True):
        ax.set_title(f"{name}\n{ax.get_title()}".strip(), fontsize=7)
    caption = (
        f"Test images of {LABELS[shown.dataset]} with annotation (green) and the map of every method on "
        f"{shown.network}: hits of {label(shown.method)} first, then misses, with the reason on the left ({LEGEND})."
    )
    return figure, _numbers(shown, methods).rename(columns={"map": "method"}), caption


def layers(parts: list[Shown]) -> Drawn:
    """Maps of each layer, and their product."""
    rows = [(shown, i) for shown in parts for i in range(len(shown.images))]
    figure, axes = _grid(len(rows), 1 + max(len(shown.maps) for shown in parts), 1.15, 1.4)
    for line, (shown, i) in zip(axes, rows, strict=True):
        _draw(line[1 : len(shown.maps) + 1], shown, i, list(shown.maps))
        outcome = shown.outcomes.query("image == @shown.images[@i] and map == 'product'")["outcome"].item()
        title = f"{Path(shown.images[i]).name}: {outcome}\n{label(shown.method).removesuffix(', combined')}"
        pictures.radiograph(line[0], shown.pixels[i], shown.shapes[i], title)
        for ax, layer in zip(line[1:], shown.maps, strict=False):
            ax.set_title(f"{layer}\n{ax.get_title()}", fontsize=7)
    numbers = [
        _numbers(shown, list(shown.maps)).assign(dataset=shown.dataset, method=shown.method.removesuffix("_combined"))
        for shown in parts
    ]
    networks = " and ".join(dict.fromkeys(f"{shown.network} on {LABELS[shown.dataset]}" for shown in parts))
    caption = (
        f"Maps of each layer and their product ({networks}): hits of the product first, then its misses. Annotation in "
        f"green; {LEGEND}."
    )
    return figure, pd.concat(numbers, ignore_index=True).rename(columns={"map": "layer"}), caption


def not_run(reason: str) -> Drawn:
    """An empty figure with the reason why there is none."""
    figure = plt.figure(figsize=(6, 1))
    figure.text(0.02, 0.5, f"not run: {reason}")
    return figure, pd.DataFrame({"not run": [reason]}), f"Not run: {reason}."


def _panels(games: dict[str, PointingGame], height: float, pad: float | None = None) -> tuple[Figure, np.ndarray]:
    figure, axes = plt.subplots(1, len(games), figsize=(6.9, height), sharey=True, squeeze=False)
    for ax, game in zip(axes[0], games.values(), strict=True):
        ax.set_title(f"{game.label}, {game.network}", pad=pad)
    return figure, axes[0]


def _grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.02, wspace=0, hspace=0)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, axes


def _draw(line: Iterable[Axes], shown: Shown, i: int, names: list[str]) -> None:
    rows = shown.outcomes[shown.outcomes["image"] == shown.images[i]].set_index("map")
    for ax, name in zip(line, names, strict=True):
        outcome, peak = rows.loc[name, "outcome"], tuple(rows.loc[name, ["row", "column"]])
        image, shapes = shown.pixels[i], shown.shapes[i]
        pictures.overlay(ax, image, shown.maps[name][i], shapes, peak, recipes.TOLERANCE, outcome)
        ax.title.set(color=_colour(outcome), fontsize=7)


def _numbers(shown: Shown, names: list[str]) -> pd.DataFrame:
    """Outcomes of the drawn maps, image by image."""
    rows = shown.outcomes.set_index(["image", "map"])
    order = [(image, name) for image in shown.images for name in names]
    return rows.loc[order].reset_index()[shown.outcomes.columns]


def _colour(reason: str) -> str:
    return COLOURS.get(reason.partition(":")[0], "black")


def _short(method: str) -> str:
    name = label(method).replace(", ", "\n")
    return name.replace("Guided ", "Guided\n").replace("Input x ", "Input x\n")


def _extent(games: Iterable[PointingGame]) -> str:
    return "; ".join(f"{game.label}: {game.network}, {game.trained['image'].nunique()} images" for game in games)
