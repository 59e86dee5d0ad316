"""Saliency maps as points: the local maxima that a reader would be sent to."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import peak_local_max
from torch import Tensor

from xiqa.data.arrays.grids import to_original
from xiqa.saliency.methods import degenerate

MOST = 20  # points an image


def peaks(
    saliency: Tensor | NDArray, probability: float, tolerance: float, most: int = MOST
) -> list[tuple[float, int, int]]:
    """Local maxima of a map, the highest first.

    A peak is the maximum of the square of ``tolerance`` pixels on every side, borders included, and above the map's
    minimum; of several equal ones that are closer than ``tolerance`` (Euclidean) the first in raster order stays.

    Parameters
    ----------
    saliency : (H, W).
    probability : of the image, in [0, 1]; a peak's is this times the map there, scaled to [0, 1] by its extremes.
    tolerance : pixels, above zero.
    most : peaks at most.

    Returns
    -------
    list of (probability, row, column); empty for a degenerate map (constant or not finite).

    Raises
    ------
    ValueError : a map that is not (H, W), a tolerance that is not positive.

    """
    values = torch.as_tensor(np.asarray(saliency) if isinstance(saliency, np.ndarray) else saliency).detach().cpu()
    if values.dim() != 2:
        raise ValueError(f"the map must be (H, W), not {tuple(values.shape)}")
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be a positive number of pixels, and is {tolerance}")
    if degenerate(values[None]).item():
        return []
    scaled = scale(values.numpy())
    found = peak_local_max(
        scaled, min_distance=math.ceil(tolerance), exclude_border=False, num_peaks=most, p_norm=2
    )  # fmt: skip
    return [(float(probability * scaled[row, column]), int(row), int(column)) for row, column in found]


def scale(values: NDArray) -> NDArray[np.float64]:
    """A map scaled to [0, 1] by its extremes, float64; the map is not constant."""
    values = np.asarray(values, dtype=np.float64)
    low = values.min()
    return (values - low) / (values.max() - low)


def to_points(
    found: Sequence[tuple[float, int, int]], size: int, height: int, width: int
) -> list[tuple[float, float, float]]:
    """Peaks (probability, row, column) of a map (size, size) as (probability, x, y) in the (height, width) original.

    Whole numbers stand at pixel centres and the outer edges coincide: see :func:`xiqa.data.arrays.grids.to_original`.
    """
    points = []
    for probability, row, column in found:
        y, x = to_original(row, column, size, height, width)
        points.append((float(probability), float(x), float(y)))
    return points
