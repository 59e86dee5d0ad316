"""Figures of the randomisation test: similarity along the cascade, and maps of one image."""

import io

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xiqa import pictures
from xiqa.paper.sanity_checks.results import SanityChecks
from xiqa.paper.sanity_checks.tables import MEASURES, curve
from xiqa.saliency.names import METHOD_NAMES, TABLE_ROWS

FAMILIES = (*TABLE_ROWS[:4], "normgrad_scaling", "normgrad_conv1x1", "normgrad_conv3x3")  # one colour each
LINES = {"chance": 1.3, "retrained": 2.3}  # steps to the right of the last one


def randomisation(checks: SanityChecks) -> tuple[Figure, pd.DataFrame, str]:
    """Similarity to the trained network's maps along the cascade: a row of panels a measure, a column a data set."""
    curves = pd.concat([curve(rows).assign(dataset=label) for label, rows in checks.rows.items()])
    size = (1.6 + 4.1 * len(checks.rows), 7.5)
    figure, axes = plt.subplots(3, len(checks.rows), figsize=size, squeeze=False, sharex="col", sharey="row")
    for column, (label, network) in zip(axes.T, checks.networks.items(), strict=True):
        part = curves[curves["dataset"] == label]
        blocks = part[part["kind"] == "cascade"].drop_duplicates("step").set_index("step")["layer"]
        last = blocks.index.max()
        for ax, measure in zip(column, MEASURES, strict=True):
            _panel(ax, part[part["measure"] == measure], last)
        ticks = [*blocks.index, *(last + place for place in LINES.values())]
        column[-1].set_xticks(ticks, ["trained", *blocks.iloc[1:], "other image", "retrained"], rotation=45, ha="right")
        column[0].set_title(f"{label}, {network}")
    for ax, name in zip(axes[:, 0], MEASURES.values(), strict=True):
        ax.set_ylabel(name)
    figure.supylabel("similarity to the trained network's map", fontsize=9)
    figure.supxlabel("blocks from the head down to this one drawn anew", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center")
    images = ", ".join(f"{rows['unit'].nunique()} on {label}" for label, rows in checks.rows.items())
    caption = (
        "Similarity of a map to the trained network's map of the same image and class, while blocks are drawn anew "
        "(parameters and batch-normalisation statistics, one draw) from the head downwards; means over images "
        f"({images}). Diamonds: maps of other images, and maps of the same network trained with another seed. Dashed "
        "lines and open diamonds: several layers combined."
    )
    return figure, curves, caption


def cascade(checks: SanityChecks, label: str) -> Image:
    """Maps of one image down the cascade, as JPEG: a row a method, a column a step."""
    picture = checks.cascades[label]
    methods = list(next(iter(picture.maps.values())))
    size = (1.05 * len(picture.maps), 1.15 * len(methods))
    figure, axes = plt.subplots(len(methods), len(picture.maps), figsize=size, squeeze=False)
    for line, method in zip(axes, methods, strict=True):
        for ax, (step, maps) in zip(line, picture.maps.items(), strict=True):
            title = step if method == methods[0] else ""
            pictures.overlay(ax, picture.image, maps[method], picture.shapes, title=title)
        name = METHOD_NAMES[method].replace(", ", "\n")
        style = {"rotation": 90, "va": "center", "ha": "right", "multialignment": "center", "fontsize": 7}
        line[0].text(-0.08, 0.5, name, transform=line[0].transAxes, **style)
    figure.suptitle(f"{label}, {checks.networks[label]}", fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=90, pil_kwargs={"quality": 80})
    plt.close(figure)
    return Image(file.getvalue(), format="jpeg")


def _panel(ax: Axes, part: pd.DataFrame, last: int) -> None:
    for method, line in part.groupby("method", sort=False):
        steps, marks = line[line["kind"] == "cascade"], line[line["kind"].isin(list(LINES))]
        combined = method.endswith("_combined")
        colour = f"C{FAMILIES.index(method.removesuffix('_single').removesuffix('_combined'))}"
        style = {"color": colour, "linestyle": "--" if combined else "-", "marker": "o", "markersize": 3}
        ax.plot(steps["step"], steps["mean"], label=METHOD_NAMES[method], **style)
        # Beside each other, so that no diamond hides another.
        places = last + marks["kind"].map(LINES) + 0.06 * (TABLE_ROWS.index(method) - 4.5)
        face = "none" if combined else colour
        ax.scatter(places, marks["mean"], s=16, marker="D", facecolor=face, edgecolor=colour)
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
