"""Single scans to show: choose them, explain the class artifact, and bring map, mask and peak to the scan's voxels."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from xiqa.paper.appendix.explained_mri.truth import mask_file

METHOD = "normgrad_scaling_combined"
FAMILIES = 5  # local artifacts shown, one of a kind


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Example:
    """One scan with its map.

    Attributes
    ----------
    volume : the scan.
    heat : float32, its shape; the map for the class artifact.
    mask : bool, its shape: voxels that a local artifact changed; None without a mask.
    """

    volume: Volume
    heat: NDArray[np.float32]
    mask: NDArray[np.bool_] | None

    @property
    def degenerate(self) -> bool:
        """Whether the map is constant."""
        return bool(saliency.degenerate(torch.from_numpy(self.heat)[None]).item())

    @property
    def peak(self) -> tuple[int, int, int]:
        """Voxel of the map's maximum, the middle of the scan for a constant map."""
        if self.degenerate:
            return tuple(side // 2 for side in self.heat.shape)
        return tuple(map(int, np.unravel_index(int(self.heat.argmax()), self.heat.shape)))

    @property
    def hit(self) -> float:
        """1 if the peak lies on the changed voxels, 0 if not; NaN without a mask or without a peak."""
        return np.nan if self.mask is None or self.degenerate else float(self.mask[self.peak])

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Millimetres from voxel to voxel along X, Y, Z."""
        return np.linalg.norm(self.volume.affine[:3, :3], axis=0)

    @property
    def distance(self) -> float:
        """Millimetres from the peak to the nearest changed voxel; NaN without a mask, without a peak, or if empty."""
        if np.isnan(self.hit) or not self.mask.any():
            return np.nan
        return float(ndimage.distance_transform_edt(~self.mask, sampling=self.spacing)[self.peak])

    @property
    def planes(self) -> tuple[int, int, int]:
        """Voxel that the planes go through: the changed one nearest to the middle of the mask, or the peak."""
        if self.mask is None or not self.mask.any():
            return self.peak
        changed = np.argwhere(self.mask)
        return tuple(map(int, changed[np.square((changed - changed.mean(0)) * self.spacing).sum(1).argmin()]))

    @property
    def chance(self) -> float:
        """Share of the scan's voxels that were changed; NaN without a mask."""
        return np.nan if self.mask is None else float(self.mask.mean())


def choose(test: pd.DataFrame, masks: pd.DataFrame, families: int = FAMILIES) -> list[int]:
    """Rows of the scans to show: of each local kind the artifact of highest probability, and the clean scan of lowest.

    Where there are more kinds than ``families``, those whose scans were changed least are kept: a hit in half of the
    volume shows nothing. Without a mask it is the artifact of highest probability of any kind. A class that does not
    occur is left out.

    Parameters
    ----------
    test : image, label, artifact and probability of the scans, a row each.
    masks : image and changed (share of the scan's voxels) of the scans that have a mask.
    """
    artifacts, clean = (test[test["label"] == label] for label in (1, 0))
    local = artifacts[artifacts["image"].isin(masks["image"])]
    if len(local):
        first = local.loc[local.groupby("artifact")["probability"].idxmax()]
        changed = first["image"].map(masks.set_index("image")["changed"])
        rows = list(first.index[np.argsort(changed.to_numpy(), kind="stable")[:families]])
    else:
        rows = [artifacts["probability"].idxmax()] if len(artifacts) else []
    rows += [clean["probability"].idxmin()] if len(clean) else []
    return [int(row) for row in rows]


def explain(folder: Path, weights: Path, network: str, shape: Sequence[int], paths: list[str], root: Path) -> None:
    """Store function: maps of the class artifact in the voxels of the scans, ``0.npy``, ``1.npy`` ... float32.

    Parameters
    ----------
    weights, network, shape : of a training; the shape is that of the network's input.
    paths, root : paths of the scans below the folder of the data set.
    """
    model = models.build(network, weights=weights, shape=shape).to(device()).eval()
    for number, path in enumerate(paths):
        volume = load_volume(root / path)
        inputs = torch.from_numpy(preprocess(volume, shape))[None].to(device())
        heat = saliency.explain(model, inputs, [METHOD], target=1)[METHOD][0].cpu().numpy()
        np.save(folder / f"{number}.npy", geometry(volume, shape).map_to_scan(heat))


def read(folder: Path, paths: Sequence[str], root: Path) -> list[Example]:
    """The scans of an entry of :func:`explain`, each with its map and its mask."""
    examples = []
    for number, path in enumerate(paths):
        truth = mask_file(root, path)
        mask = load_volume(truth).array > 0.5 if truth.is_file() else None
        examples.append(Example(load_volume(root / path), np.load(folder / f"{number}.npy"), mask))
    return examples
