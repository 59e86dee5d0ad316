"""What the simulator changed in a scan, on the grid of the network's input, and the score of one map against it."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor, nn

from xiqa import models, saliency
from xiqa.data.arrays.volumes import TRUTH, PreparedVolumes
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import geometry
from xiqa.errors import BadInput
from xiqa.localisation.overlap import average_precision, energy_pointing_game
from xiqa.training.loop import device

ABOUT = ["image", "subject", "label", "artifact", "contrast", "severity"]
FILLED = ["filled_x", "filled_y", "filled_z"]


def mask_file(root: Path, path: str) -> Path:
    """Where the simulator puts the mask of a scan (its path below ``root``); most scans have none."""
    return root / TRUTH / re.sub(r"\.(nii|mnc)(\.gz)?$", "_mask.nii.gz", path, flags=re.IGNORECASE)


def masks(prepared: Path, root: Path, split: str) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """What the simulator changed in the scans of a split, on the grid of the network's input.

    Each voxel of the input takes the mask's value at the scan's voxel nearest to it. Scans without a mask file, and
    those of whose mask nothing is left, are left out; a mask that cannot be read, or is not of its scan's grid, is
    left out with a warning.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepare_volumes.prepare_volumes`.
    root : folder of the data set.

    Returns
    -------
    rows : DataFrame: ``row`` (place in the split), image, path, subject, label (simulated artifacts may be so mild that
        the rater calls the scan clean: 0), artifact (family), contrast, severity, and ``filled_x``, ``filled_y``,
        ``filled_z``: the part of the input, from 0 on, that the scan fills.
    found : bool (n, X, Y, Z), in the order of the rows.

    """
    data = PreparedVolumes(prepared)
    records, rows, found = data.records(split), [], []
    for row, record in records.iterrows():
        if not mask_file(root, record["path"]).is_file():
            continue
        try:
            mask, filled = _on_grid(root, record["path"], data.shape)
        except BadInput as error:
            if error.reason == "constant":  # empty: the reader has no use for a volume that shows nothing
                continue
            warnings.warn(f"{error}; the scan is not explained", stacklevel=2)
            continue
        if mask.any():
            rows.append({"row": row} | record.to_dict() | dict(zip(FILLED, filled, strict=True)))
            found.append(mask)
    frame = pd.DataFrame(rows, columns=["row", *records.columns, *FILLED])
    frame["artifact"] = frame["artifact"].where(frame["artifact"] != "", frame["artifact_type"])
    return frame[["row", "path", *ABOUT, *FILLED]], np.stack(found) if found else np.zeros((0, *data.shape), bool)


def _on_grid(root: Path, path: str, shape: Sequence[int]) -> tuple[NDArray[np.bool_], tuple[int, int, int]]:
    """The mask of a scan on the network's grid, and the part of the grid that the scan fills."""
    scan, mask = load_volume(root / path), load_volume(mask_file(root, path))
    if scan.array.shape != mask.array.shape or not np.allclose(scan.affine, mask.affine, atol=1e-3):
        message = f"{mask_file(root, path)} is not on the grid of {root / path}: write the data anew"
        raise BadInput("other_grid", message)
    lie = geometry(scan, shape)
    turned = mask.array.transpose(lie.axes) > 0.5
    # The outer edges coincide, so the centre of a voxel lies in one voxel of the scan.
    nearest = [(2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(turned.shape, lie.zoomed, strict=True)]
    laid = np.zeros(lie.shape, bool)
    laid[tuple(slice(side) for side in lie.zoomed)] = turned[np.ix_(*nearest)]
    return laid, lie.zoomed


def score(heat: ArrayLike, away: NDArray[np.float64], tolerance: float = 1.0) -> dict[str, float | int | bool]:
    """Score one map against its truth.

    Parameters
    ----------
    heat : (X, Y, Z) non-negative map.
    away : (X, Y, Z), distance of each voxel to the mask in voxels, 0 inside it; see :func:`distances`.
    tolerance : voxels, strict as in the two-dimensional game: 1 asks for the mask itself, sqrt 2 and a little for its
        neighbours by an edge or a face.

    Returns
    -------
    ``x``, ``y``, ``z`` of the first maximum in raster order (-1 for a degenerate map), ``hit`` and ``distance`` to the
    mask; ``tied`` (voxels at the maximum: a map of coarse cells is constant beyond the centres of the outermost, so its
    first maximum tends to lie at the low edges of the volume) and ``hit_tied`` (share of these that hit);
    ``average_precision`` of the voxels, ``energy`` (share of the map's sum inside the mask), ``chance`` (share of the
    voxels that would hit), ``share`` (that are in the mask: what a map that knows nothing reaches in the two before),
    ``degenerate``. Hits, distance, average precision and energy of a degenerate map are NaN.

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
    # Neither measure asks how voxels lie, so the last two axes may be one.
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
    """Euclidean distance of every voxel (X, Y, Z) to the mask, in voxels; 0 inside."""
    if not mask.any():
        raise ValueError("the mask is empty: nothing is at any distance from it")
    return ndimage.distance_transform_edt(~mask)


class Truth:
    """The scans of a split that have a mask, and what belongs to each."""

    def __init__(self, prepared: Path, root: Path, split: str):
        self.data = PreparedVolumes(prepared)
        self.rows, self.masks = masks(prepared, root, split)
        self.volumes = self.data.volumes(split)

    def inputs(self, places: Sequence[int]) -> Tensor:
        """What the network sees, (n, 1, X, Y, Z) float32."""
        chosen = self.rows["row"].to_numpy(int)[list(places)]
        return torch.from_numpy(np.asarray(self.volumes[chosen], dtype=np.float32))[:, None].to(device())

    def cut(self, values: NDArray, place: int) -> NDArray:
        """Values (X, Y, Z) of the input without the padding of that scan."""
        return values[tuple(slice(int(side)) for side in self.rows.loc[place, FILLED])]

    def away(self, place: int) -> NDArray[np.float64]:
        """Distances to the mask of that scan, without its padding."""
        return distances(self.cut(self.masks[place], place))

    def about(self, place: int) -> dict:
        """What is known of that scan."""
        return self.rows.loc[place, ABOUT].to_dict()


def network_of(network: str, weights: Path | None, shape: Sequence[int], seed: int = 0) -> nn.Module:
    """A network in evaluation mode on the device of this run: a trained one, or one drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = models.build(network, weights=weights, shape=shape)
    return model.to(device()).eval()


def columns() -> list[str]:
    """Columns of a table without a scan."""
    return [*ABOUT, "probability", "method", "state", *score(np.eye(2)[None], np.zeros((1, 2, 2)))]
