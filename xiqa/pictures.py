"""Pictures of radiographs and maps, drawn the same way in notebooks and for people's own scans."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xiqa.data.object_cxr import Shape

ANNOTATION, PEAK = "#37e07c", "#00e5ff"
HEAT = "inferno"


def scaled(saliency: np.ndarray) -> np.ndarray:
    """A map (H, W) in [0, 1] for drawing: its range, up to the 99.5th percentile, so that one pixel hides no other."""
    low, high = float(saliency.min()), float(np.percentile(saliency, 99.5))
    high = high if high > low else float(saliency.max())
    return np.clip((saliency - low) / (high - low), 0, 1) if high > low else np.zeros_like(saliency)


def radiograph(ax: Axes, image: np.ndarray, shapes: Sequence[Shape] = (), title: str = "") -> None:
    """A grey image (H, W) with the outlines of its annotation."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    for shape in shapes:
        ax.add_patch(outline(shape))
    height, width = image.shape
    # What is drawn beyond the picture (a ring at its edge) must not move it.
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), autoscale_on=False)
    ax.set_title(title, fontsize=8)
    ax.set_axis_off()


def overlay(
    ax: Axes,
    image: np.ndarray,
    saliency: np.ndarray,
    shapes: Sequence[Shape] = (),
    peak: tuple[int, int] | None = None,
    tolerance: float | None = None,
    title: str = "",
) -> None:
    """A map (H, W) over its image: strong saliency covers, weak leaves the image to be seen.

    ``peak`` (row, column) is marked with a ring of the tolerance's radius, so that a hit can be read off.
    """
    radiograph(ax, image)
    heat = scaled(saliency)
    height, width = image.shape
    ax.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=0.75 * heat**0.7, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for shape in shapes:
        ax.add_patch(outline(shape))
    if peak is not None and peak[0] >= 0:
        ax.plot(peak[1], peak[0], marker="+", color=PEAK, markersize=6, markeredgewidth=1.2)
        if tolerance:
            ax.add_patch(patches.Circle((peak[1], peak[0]), tolerance, fill=False, color=PEAK, linewidth=0.8))
    ax.set_title(title, fontsize=8)


def outline(shape: Shape) -> patches.Patch:
    """The outline of an annotated shape."""
    style = {"fill": False, "edgecolor": ANNOTATION, "linewidth": 1.0}
    x1, y1, x2, y2 = shape.box
    if shape.kind == "ellipse":
        return patches.Ellipse(((x1 + x2) / 2, (y1 + y2) / 2), x2 - x1, y2 - y1, **style)
    if shape.kind == "polygon":
        return patches.Polygon(np.asarray(shape.points, dtype=float), closed=True, **style)
    return patches.Rectangle((x1, y1), x2 - x1, y2 - y1, **style)


def sheet(columns: int, count: int, side: float = 1.7) -> tuple[Figure, np.ndarray]:
    """A figure of ``count`` square panels in rows of ``columns``; panels that are not needed stay empty."""
    rows = -(-count // columns)
    size = (side * columns, (side + 0.2) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, axes
