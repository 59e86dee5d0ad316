"""Draw radiographs, brain planes and saliency maps."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patches, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from skimage.transform import resize

from xiqa.data.shapes import Shape

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
    """A map (H, W) over its image, the more opaque the stronger it is.

    ``peak`` (row, column) is marked, with a ring of the radius ``tolerance``, so that a hit can be seen.
    """
    radiograph(ax, image, shapes, title)
    heat = scaled(saliency)
    height, width = image.shape
    ax.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=0.75 * heat**0.7, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    if peak is not None and peak[0] >= 0:
        ax.plot(peak[1], peak[0], marker="+", color=PEAK, markersize=6, markeredgewidth=1.2)
        if tolerance:
            ax.add_patch(patches.Circle((peak[1], peak[0]), tolerance, fill=False, color=PEAK, linewidth=0.8))


def planes(
    axes: Sequence[Axes],
    volume: np.ndarray,
    spacing: Sequence[float],
    at: tuple[int, int, int],
    saliency: np.ndarray | None = None,
    letters: bool = True,
) -> None:
    """The sagittal, coronal and axial plane of a volume (X, Y, Z) in RAS through voxel ``at``, left on the left side.

    Voxels have their true aspect: ``spacing`` in millimetres along X, Y, Z. ``saliency`` of the volume's shape is laid
    over it and scaled once for all planes. Without ``letters`` the directions are unknown, and axes are numbered.
    """
    low, high = np.percentile(volume, (0.5, 99.5))
    if not high > low:
        low, high = volume.min(), volume.max()
    heat = None if saliency is None else scaled(saliency)
    ends = (("L", "R"), ("P", "A"), ("I", "S")) if letters else ((" ", "axis 0"), (" ", "axis 1"), (" ", "axis 2"))
    for ax, normal, (across, up) in zip(axes, range(3), ((1, 2), (0, 2), (0, 1)), strict=True):
        style = {"origin": "lower", "aspect": spacing[up] / spacing[across]}
        ax.imshow(volume.take(at[normal], axis=normal).T, cmap="gray", vmin=low, vmax=high, **style)
        if heat is not None:
            one = heat.take(at[normal], axis=normal).T
            ax.imshow(one, cmap=HEAT, vmin=0, vmax=1, alpha=0.75 * one**0.7, **style)
        ax.plot(at[across], at[up], marker="+", color=PEAK, markersize=9, markeredgewidth=1.0)
        _letter(ax, 0.02, 0.5, ends[across][0], ha="left")
        _letter(ax, 0.98, 0.5, ends[across][1], ha="right")
        _letter(ax, 0.5, 0.02, ends[up][0], va="bottom")
        _letter(ax, 0.5, 0.98, ends[up][1], va="top")
        name = ("sagittal", "coronal", "axial")[normal] if letters else f"across axis {normal}"
        ax.set(xlim=(-0.5, volume.shape[across] - 0.5), ylim=(-0.5, volume.shape[up] - 0.5), facecolor="black")
        ax.set_title(f"{name}, slice {at[normal] + 1} of {volume.shape[normal]}", fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])


def views(volume: np.ndarray, spacing: Sequence[float], height: int = 120) -> np.ndarray:
    """Middle sagittal and axial plane of a volume (X, Y, Z) in RAS side by side, grey values in [0, 1], square pixels.

    The nose points to the left and upwards; ``spacing`` in millimetres along X, Y, Z; ``height`` in pixels.
    """
    sagittal = volume[volume.shape[0] // 2].T[::-1, ::-1], (spacing[2], spacing[1])
    axial = volume[:, :, volume.shape[2] // 2].T[::-1], (spacing[1], spacing[0])
    low, high = np.percentile(volume, (0.5, 99.5))
    panels = []
    for plane, (down, across) in (sagittal, axial):
        rows, columns = plane.shape
        width = round(height * columns * across / (rows * down))
        grey = np.clip((plane - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
        panels += [resize(grey, (height, width), order=1), np.ones((height, 2), np.float32)]
    return np.hstack(panels[:-1])


def _letter(ax: Axes, x: float, y: float, text: str, ha: str = "center", va: str = "center") -> None:
    # Outlined, since fat and bone may be as bright as the letter.
    edge = [patheffects.withStroke(linewidth=2, foreground="black")]
    ax.text(x, y, text, color="white", fontsize=8, ha=ha, va=va, transform=ax.transAxes, path_effects=edge)


def outline(shape: Shape) -> patches.Patch:
    """The outline of an annotated shape."""
    style = {"fill": False, "edgecolor": ANNOTATION, "linewidth": 1.0}
    x1, y1, x2, y2 = shape.box
    if shape.kind == "ellipse":
        return patches.Ellipse(((x1 + x2) / 2, (y1 + y2) / 2), x2 - x1, y2 - y1, **style)
    if shape.kind == "polygon":
        return patches.Polygon(np.asarray(shape.points, dtype=float), closed=True, **style)
    return patches.Rectangle((x1, y1), x2 - x1, y2 - y1, **style)


def sheet(columns: int, count: int, side: float) -> tuple[Figure, np.ndarray]:
    """A figure of ``count`` square panels of ``side`` inches in rows of ``columns``, without axes."""
    rows = -(-count // columns)
    figsize = (side * columns, (side + 0.2) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=figsize, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, axes
