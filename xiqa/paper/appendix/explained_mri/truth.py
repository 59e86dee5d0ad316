"""True places of simulated MRI artifacts: the voxels that the simulator changed, on the grid of the networks' input."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.arrays import drawn
from xiqa.data.arrays.volumes import TRUTH
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import geometry
from xiqa.errors import BadInput
from xiqa.paper.appendix.explained_mri import ABOUT, FILLED
from xiqa.store.files import write_frame


def mask_file(root: Path, path: str) -> Path:
    """Path of a scan's mask (the scan's own path is below ``root``); most scans have none."""
    return root / TRUTH / re.sub(r"\.(nii|mnc)(\.gz)?$", "_mask.nii.gz", path, flags=re.IGNORECASE)


def masks(folder: Path, prepared: Path, root: Path, split: str) -> None:
    """Store function: changed voxels of the scans of a split, on the grid of the network's input.

    Each voxel of the input takes the mask's value at the scan's voxel nearest to it. Scans without a mask file, and
    those of whose mask nothing is left, are left out; a mask that cannot be read, or is not of its scan's grid, is
    left out with a warning.

    Writes ``masks.npy``, bool (n, X, Y, Z), and ``rows.csv``, a row a mask: ``row`` (place in the split), path, image,
    subject, label (0 where an artifact is so mild that the simulated rater calls the scan clean), artifact (family),
    contrast, severity, ``changed`` (share of the scan's voxels), and ``filled_x``, ``filled_y``, ``filled_z``: the part
    of the input, from 0 on, that the scan fills.
    """
    data = drawn.read_volumes(prepared)
    records, rows, kept = data.records(split), [], []
    for row, record in records.iterrows():
        if not mask_file(root, record["path"]).is_file():
            continue
        try:
            mask, filled, changed = _on_grid(root, record["path"], data.shape)
        except BadInput as error:
            if error.reason == "constant":  # an empty mask: the reader refuses constant volumes
                continue
            warnings.warn(f"{error}; the scan is not explained", stacklevel=2)
            continue
        if mask.any():
            rows.append({"row": row, "changed": changed} | record.to_dict() | dict(zip(FILLED, filled, strict=True)))
            kept.append(mask)
    frame = pd.DataFrame(rows, columns=["row", *records.columns, "changed", *FILLED])
    frame["artifact"] = frame["artifact"].where(frame["artifact"] != "", frame["artifact_type"])
    write_frame(frame[["row", "path", *ABOUT, "changed", *FILLED]], folder / "rows.csv")
    np.save(folder / "masks.npy", np.stack(kept) if kept else np.zeros((0, *data.shape), bool))


def _on_grid(root: Path, path: str, shape: Sequence[int]) -> tuple[NDArray[np.bool_], tuple[int, int, int], float]:
    """The mask of a scan on the network's grid, the part of the grid that the scan fills, and the share changed."""
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
    return laid, lie.zoomed, float(turned.mean())
