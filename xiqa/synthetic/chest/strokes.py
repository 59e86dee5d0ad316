"""Filled polygons and lines of a given attenuation, in millimetres."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Stroke:
    """A filled polygon (``width`` 0) or a line of the given width in mm; ``tau`` is its attenuation, painted over."""

    points: np.ndarray
    tau: float
    width: float = 0.0


def disc(x: float, y: float, radius: float, tau: float, sides: int = 40) -> Stroke:
    """A filled circle."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    return Stroke(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1), tau)


def wire(points, tau: float, width: float) -> Stroke:
    """A line through points."""
    return Stroke(np.array(points, float), tau, width)
