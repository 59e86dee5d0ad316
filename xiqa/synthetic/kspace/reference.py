"""References of severities: the bright end of a volume, and the head in it.

Leading axes (coils, contrasts) count together: everything is measured on the root mean square over them.
"""

import math

import numpy as np
import torch
from torch import Tensor

# Above this share of the 99th percentile a voxel belongs to the head.
_HEAD = 0.15

# Statistics of the head need no more voxels than about so many.
_ENOUGH = 200_000


def magnitude(x: Tensor) -> Tensor:
    """Root mean square (X, Y, Z) of the magnitudes over the leading axes."""
    x = x.abs()
    return x if x.ndim == 3 else x.flatten(0, -4).square().mean(0).sqrt()


def thinned(x: Tensor, keep: int | None = None) -> tuple[Tensor, np.ndarray]:
    """Every n-th voxel of a large volume, and n (3,) per axis; the axis of dimension ``keep`` stays whole."""
    excess = x.shape[-3] * x.shape[-2] * x.shape[-1] / _ENOUGH
    step = max(1, math.ceil(excess ** (1 / 3 if keep is None else 1 / 2)))
    steps = np.array([1 if dim == keep else step for dim in (-3, -2, -1)])
    return x[(..., *(slice(None, None, int(n)) for n in steps))], steps


def bright(x: Tensor) -> float:
    """The 99th percentile of the magnitudes of all voxels (the nearest lower one)."""
    return percentile(magnitude(x), 99)


def percentile(values: Tensor, percent: float) -> float:
    """The percentile of all values (the nearest lower one of them)."""
    # numpy's selection takes a tenth of the time of torch's
    values = values.flatten().cpu().numpy()
    rank = int(percent / 100 * (len(values) - 1))
    return float(np.partition(values, rank)[rank])


def head(x: Tensor) -> Tensor:
    """Mask (X, Y, Z) of the head: voxels above 15 % of the 99th percentile."""
    y = magnitude(x)
    mask = y > _HEAD * percentile(y, 99)
    if not mask.any():
        raise ValueError("no head is found in the volume: it is empty, or under 1 % of it differs from 0")
    return mask


def profile(mask: Tensor, dim: int) -> np.ndarray:
    """Sum of a (X, Y, Z) tensor over the two other axes, float64."""
    others = [other for other in (-3, -2, -1) if other != dim]
    return mask.sum(others, dtype=torch.float64).cpu().numpy()


def box(mask: Tensor) -> list[tuple[int, int]]:
    """First and last index of a mask on every axis."""
    found = [np.flatnonzero(profile(mask, dim)) for dim in (-3, -2, -1)]
    return [(int(where[0]), int(where[-1])) for where in found]


def moments(mask: Tensor, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid (3,) of a mask in voxels, and the covariance (3, 3) of its voxels' places in mm^2."""
    weight = mask.double()
    total = weight.sum()
    places = [torch.arange(n, device=mask.device, dtype=torch.float64) for n in mask.shape]
    sides = [weight.sum((1, 2)), weight.sum((0, 2)), weight.sum((0, 1))]
    centre = [(place * side).sum() / total for place, side in zip(places, sides, strict=True)]
    places = [place - middle for place, middle in zip(places, centre, strict=True)]
    covariance = np.diag([((p * p * s).sum() / total).item() for p, s in zip(places, sides, strict=True)])
    for a, b in ((0, 1), (0, 2), (1, 2)):
        plane = weight.sum(3 - a - b)
        covariance[a, b] = covariance[b, a] = (places[a] @ plane @ places[b] / total).item()
    return np.array([c.item() for c in centre]), covariance * np.outer(spacing, spacing)


def ball(shape: torch.Size, centre: np.ndarray, radius: float, spacing: np.ndarray, device: torch.device) -> Tensor:
    """Occupancy (X, Y, Z) in [0, 1], float32, of a ball with an edge one voxel wide; centre in voxels, radius in mm."""
    squared = 0.0
    for dim, (n, middle, size) in enumerate(zip(shape, centre, spacing, strict=True)):
        offset = (torch.arange(n, device=device, dtype=torch.float32) - float(middle)) * float(size)
        squared = squared + (offset**2).reshape(-1, *[1] * (2 - dim))
    return (0.5 + (radius - squared.sqrt()) / float(np.cbrt(np.prod(spacing)))).clamp_(0, 1)
