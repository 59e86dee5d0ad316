"""Scores of one saliency map of a scan against the voxels that an artifact changed."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xiqa import saliency
from xiqa.localisation.overlap import average_precision, energy_pointing_game


def score(heat: ArrayLike, away: NDArray[np.float64], tolerance: float = 1.0) -> dict[str, float | int | bool]:
    """Score one map against the mask of its scan.

    Parameters
    ----------
    heat : (X, Y, Z) non-negative map.
    away : (X, Y, Z), distance of each voxel to the mask in voxels, 0 inside it; see :func:`distances`.
    tolerance : voxels, strict as in the two-dimensional game: 1 is the mask itself, sqrt 2 and a little adds its
        neighbours by an edge or a face.

    Returns
    -------
    ``x``, ``y``, ``z`` of the first maximum in raster order (-1 for a degenerate map), ``hit`` and ``distance`` to the
    mask; ``tied`` (voxels at the maximum: a map of coarse cells is constant beyond the centres of the outermost, so its
    first maximum tends to lie at the low edges of the volume) and ``hit_tied`` (share of these that hit);
    ``average_precision`` of the voxels, ``energy`` (share of the map's sum inside the mask), ``chance`` (share of the
    voxels that would hit), ``share`` (of voxels in the mask: the expected average precision and energy of a map
    without information), ``degenerate``. Hits, distance, average precision and energy of a degenerate map are NaN.

    Raises
    ------
    ValueError : shapes differ, or the tolerance is not positive.
    """
    heat, away = np.asarray(heat), np.asarray(away)
    if heat.shape != away.shape or heat.ndim != 3:
        raise ValueError(f"a map of shape {heat.shape} and a truth of shape {away.shape}: give one volume of each")
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be a positive number of voxels, and is {tolerance}")
    flat = bool(saliency.degenerate(torch.from_numpy(np.ascontiguousarray(heat))[None]).item())
    peak = (-1, -1, -1) if flat else tuple(map(int, np.unravel_index(int(heat.argmax()), heat.shape)))
    distance = np.nan if flat else float(away[peak])
    near, top = away < tolerance, heat == heat.max()
    # Neither measure depends on the order of voxels, so the last two axes may be one.
    rows, inside = heat.reshape(1, len(heat), -1), (away == 0).reshape(1, len(heat), -1)
    return {
        **dict(zip("xyz", peak, strict=True)),
        "hit": np.nan if flat else float(distance < tolerance),
        "hit_tied": np.nan if flat else float(near[top].mean()),
        "tied": int(top.sum()),
        "distance": distance,
        "average_precision": float(average_precision(rows, inside)[0]),
        "energy": float(energy_pointing_game(rows, inside)[0]),
        "chance": float(near.mean()),
        "share": float(inside.mean()),
        "degenerate": flat,
    }


def distances(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Euclidean distance of every voxel (X, Y, Z) to the mask, in voxels; 0 inside. An empty mask is refused."""
    if not mask.any():
        raise ValueError("the mask is empty: no voxel has a distance from it")
    return ndimage.distance_transform_edt(~mask)
