"""Figures of the data: images of both classes with their annotation, and brain scans by type of artifact."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xiqa import pictures
from xiqa.paper.audit.contents import Example

WIDTH = 10.5  # inches


def datasets(
    examples: Mapping[str, Sequence[Example]], annotated: Mapping[str, NDArray], brightness: pd.DataFrame
) -> tuple[Figure, pd.DataFrame, str]:
    """Test images of both classes, maps of the annotated pixels, and the brightness of both classes."""
    columns = max(map(len, examples.values()))
    height = WIDTH * len(examples) / columns
    figure = plt.figure(figsize=(WIDTH, height + 3))
    top, bottom = figure.subfigures(2, 1, height_ratios=[height, 3])
    for line, (text, row) in zip(top.subplots(len(examples), columns, squeeze=False), examples.items(), strict=True):
        _title_row(line, text)
        for ax, example in zip(line, row, strict=False):
            pictures.radiograph(ax, example.image, example.shapes, example.name)
    axes = bottom.subplots(1, 2 * len(annotated))
    for ax, (name, share) in zip(axes, annotated.items(), strict=False):
        figure.colorbar(ax.imshow(share, cmap="magma"), ax=ax, label="share of positives")
        ax.set_title(f"annotated pixels,\n{name}", fontsize=8)
        ax.set_axis_off()
    for ax, (name, rows) in zip(axes[len(annotated) :], brightness.groupby("data set", sort=False), strict=True):
        sns.kdeplot(rows, x="mean", hue="label", hue_order=["good", "bad"], ax=ax, common_norm=False)
        ax.set(xlabel="mean grey value")
        ax.set_title(f"mean brightness,\n{name}", fontsize=8)
        sns.move_legend(ax, "upper left", title="")
    caption = (
        "Test images with their annotation in green: radiographs with and without a foreign object in the lung field, "
        "cine frames with and without a visible outflow tract. Bottom left: share of the positive training images in "
        "which a pixel is annotated; bottom right: density of the mean grey value of the training images by class "
        f"({len(brightness)} images)."
    )
    return figure, brightness, caption


def mri_artifacts(scans: pd.DataFrame, views: Sequence[NDArray]) -> tuple[Figure, pd.DataFrame, str]:
    """Views (height, width) in [0, 1] of test scans (of ``contents.scans``), a row a type of artifact."""
    rows = list(dict.fromkeys(scans["row"]))
    count = scans["row"].value_counts().max()
    figure, axes = plt.subplots(len(rows), count, figsize=(2.2 * count, 1.3 * len(rows)), squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        _title_row(line, row)
        own = np.flatnonzero(scans["row"] == row)
        for ax, place in zip(line, own, strict=False):
            record = scans.iloc[place]
            ax.imshow(views[place], cmap="gray", vmin=0, vmax=1)
            passed = " (passed)" if record["label"] == 0 and record["artifact"] else ""
            ax.set_title(f"{record['contrast']} {record['artifact'] or ''}{passed}".replace("_", " "), fontsize=7)
    caption = (
        f"Middle sagittal and axial planes of {len(scans)} test scans: clean ones, and the paper's types of artifacts, "
        "in the order of the data set. Passed: an artifact so mild that the simulated rater called the scan clean."
    )
    return figure, scans.drop(columns="row"), caption


def _title_row(line: Sequence[plt.Axes], text: str) -> None:
    for ax in line:
        ax.set_axis_off()
    line[0].text(-0.08, 0.5, text, rotation=90, va="center", ha="right", transform=line[0].transAxes)
