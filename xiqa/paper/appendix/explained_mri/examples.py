"""Single scans to show: choose them, explain the class artifact, and bring map, mask and peak to the scan's voxels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage

from xiqa import models, saliency
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import Volume, geometry, preprocess
from xiqa.models.devices import device
from xiqa.paper.appendix.explained_mri import PRIMARY
from xiqa.paper.appendix.explained_mri.truth import mask_file

FAMILIES = 5  # local artifacts shown, one of a kind


class Example:
    """One scan with its map for the class artifact and the mask of the changed voxels (None without one).

    ``peak`` is the voxel of the map's maximum; of a constant map (``degenerate``) the middle of the scan.
    ``hit`` is 1 if the peak lies on the changed voxels, 0 if not; ``distance`` (mm) is that to the nearest of them;
    ``chance`` is their share. All are NaN without a mask, the first two also for a constant map. ``planes`` is the
    voxel to show: the changed one nearest to the middle of the mask, or the peak.
    """

    def __init__(self, volume: Volume, heat: NDArray[np.float32], mask: NDArray[np.bool_] | None):
        self.volume, self.heat, self.mask = volume, heat, mask
        self.spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)  # millimetres along X, Y, Z
        self.degenerate = bool(saliency.degenerate(torch.from_numpy(heat)[None]).item())
        middle = tuple(side // 2 for side in heat.shape)
        at = middle if self.degenerate else np.unravel_index(int(heat.argmax()), heat.shape)
        self.peak = self.planes = tuple(map(int, at))
        self.chance = np.nan if mask is None else float(mask.mean())
        self.hit = np.nan if mask is None or self.degenerate else float(mask[self.peak])
        self.distance = np.nan
        if mask is not None and mask.any():
            changed = np.argwhere(mask)
            from_middle = np.square((changed - changed.mean(0)) * self.spacing).sum(1)
            self.planes = tuple(map(int, changed[from_middle.argmin()]))
            if not self.degenerate:
                self.distance = float(ndimage.distance_transform_edt(~mask, sampling=self.spacing)[self.peak])


def choose(test: pd.DataFrame, masks: pd.DataFrame) -> list[int]:
    """Rows of the scans to show: of each local kind the artifact of highest probability, and the clean scan of lowest.

    Of more kinds than ``FAMILIES`` those whose scans were changed least are kept: a hit in half of the volume shows
    nothing. Without a mask it is the artifact of highest probability of any kind. A class that does not occur is left
    out. ``test`` has image, label, artifact and probability; ``masks`` image and changed (share of the scan's voxels).
    """
    artifacts, clean = (test[test["label"] == label] for label in (1, 0))
    local = artifacts[artifacts["image"].isin(masks["image"])]
    if len(local):
        first = local.loc[local.groupby("artifact")["probability"].idxmax()]
        changed = first["image"].map(masks.set_index("image")["changed"])
        rows = list(first.index[np.argsort(changed.to_numpy(), kind="stable")[:FAMILIES]])
    else:
        rows = [artifacts["probability"].idxmax()] if len(artifacts) else []
    rows += [clean["probability"].idxmin()] if len(clean) else []
    return [int(row) for row in rows]


def explain(
    folder: Path, weights: Path, network: str, shape: Sequence[int], intensity: str, paths: list[str], root: Path
) -> None:
    """Store function: maps of the class artifact in the voxels of the scans, ``0.npy``, ``1.npy`` ... float32.

    ``shape`` and ``intensity`` are those of the network's input, ``paths`` lie below ``root``, the data set's folder.
    """
    model = models.build(network, weights=weights, shape=shape).to(device()).eval()
    for number, path in enumerate(paths):
        volume = load_volume(root / path)
        inputs = torch.from_numpy(preprocess(volume, shape, intensity))[None].to(device())
        heat = saliency.explain(model, inputs, [PRIMARY], target=1)[PRIMARY][0].cpu().numpy()
        np.save(folder / f"{number}.npy", geometry(volume, shape).map_to_scan(heat))


def read(folder: Path, paths: Sequence[str], root: Path) -> list[Example]:
    """The scans of an entry of :func:`explain`, each with its map and its mask."""
    examples = []
    for number, path in enumerate(paths):
        truth = mask_file(root, path)
        mask = load_volume(truth).array > 0.5 if truth.is_file() else None
        examples.append(Example(load_volume(root / path), np.load(folder / f"{number}.npy"), mask))
    return examples
