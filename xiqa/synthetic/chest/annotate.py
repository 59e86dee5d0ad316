"""Annotation of a film: the pixels of an object, and a shape as a person draws it."""

import numpy as np
from PIL import Image
from scipy.spatial import ConvexHull, QhullError

from xiqa.synthetic.chest.placement import Placed


def silhouette(placed: Placed, side: int, supersampling: int) -> np.ndarray:
    """Pixels of the finished film, bool (side, side), that an object covers to a fifth or more."""
    canvas = np.zeros((side * supersampling,) * 2, np.float32)
    placed.paint(canvas, (placed.tau > 0.1 * placed.tau.max()).astype(np.float32))
    return np.asarray(Image.fromarray(canvas).reduce(supersampling)) >= 0.2


def annotate(mask: np.ndarray, rng: np.random.Generator) -> str:
    """A shape drawn around a silhouette as people draw: rectangle, ellipse or polygon with a small margin."""
    rows, columns = np.nonzero(mask)
    last = mask.shape[0] - 1
    margin = rng.uniform(0.5, 1.0 + 0.007 * mask.shape[0], 4)
    kind = rng.choice([0, 1, 2], p=[0.5, 0.25, 0.25])
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
    if kind == 2:
        spots = np.stack([columns, rows], 1).astype(float)
        shape = outline(spots, margin[0] + 1)
        if shape is not None:
            return "2 " + " ".join(str(value) for value in np.clip(shape, 0, last).ravel())
        kind = 0
    if kind == 1:
        middle, half = (low + high) / 2, np.maximum((high - low) / 2, 0.5)
        reach = np.sqrt((((np.stack([columns, rows], 1) - middle) / half) ** 2).sum(1).max())
        low, high = middle - half * reach, middle + half * reach
    low, high = np.floor(low - margin[:2]).astype(int), np.ceil(high + margin[2:]).astype(int)
    low, high = np.clip(low, 0, last), np.clip(high, 0, last)
    return f"{kind} {low[0]} {low[1]} {high[0]} {high[1]}"


def outline(spots: np.ndarray, margin: float) -> np.ndarray | None:
    """Corners (n, 2), whole pixels, of a loose convex polygon around spots; None if they lie on a line."""
    angle = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * (margin / np.cos(np.pi / 8) + 0.75)
    try:
        hull = spots[ConvexHull(spots).vertices]
        grown = (hull[:, None] + ring).reshape(-1, 2)
        grown = grown[ConvexHull(grown).vertices]
    except QhullError:
        return None
    corners = np.unique(np.round(grown).astype(int), axis=0)
    away = corners - corners.mean(0)
    return corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]
