"""Saliency maps as points: their local maxima."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import peak_local_max
from torch import Tensor

from xiqa.data.arrays.grids import to_original
from xiqa.saliency.methods import degenerate


def peaks(
    saliency: Tensor | NDArray, probability: float, tolerance: float, most: int = 20
) -> list[tuple[float, int, int]]:
    """Local maxima (probability, row, column) of a map (H, W), the highest first; none for a degenerate map.

    A peak is the maximum of the square of ``tolerance`` pixels on every side, borders included, and above the map's
    minimum; of equal ones closer than ``tolerance`` (Euclidean) the first in raster order stays. ``probability`` of the
    image, in [0, 1], is multiplied with the map scaled to [0, 1]. At most ``most`` peaks are kept. ValueError: a map
    that is not (H, W), a tolerance that is not positive.
    """
    values = torch.as_tensor(np.asarray(saliency) if isinstance(saliency, np.ndarray) else saliency).detach().cpu()
    if values.dim() != 2:
        raise ValueError(f"the map must be (H, W), not {tuple(values.shape)}")
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be a positive number of pixels, and is {tolerance}")
    if degenerate(values[None]).item():
        return []
    scaled = scale(values.numpy())
    places = peak_local_max(scaled, min_distance=math.ceil(tolerance), exclude_border=False, num_peaks=most, p_norm=2)
    return [(float(probability * scaled[row, column]), int(row), int(column)) for row, column in places]


def scale(values: NDArray) -> NDArray[np.float64]:
    """A map that is not constant, scaled to [0, 1] by its extremes, float64."""
    values = np.asarray(values, dtype=np.float64)
    low = values.min()
    return (values - low) / (values.max() - low)


def to_points(
    maxima: Sequence[tuple[float, int, int]], size: int, height: int, width: int
) -> list[tuple[float, float, float]]:
    """Peaks (probability, row, column) of a map (size, size) as (probability, x, y) in the (height, width) original.

    Whole numbers are pixel centres and the outer edges coincide: see :func:`xiqa.data.arrays.grids.to_original`.
    """
    points = []
    for probability, row, column in maxima:
        y, x = to_original(row, column, size, height, width)
        points.append((float(probability), float(x), float(y)))
    return points
