"""Where the artifact network looks: NormGrad in three dimensions on single scans, in the voxels of the scan."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from xiqa import pictures, saliency
from xiqa.data.mri import Volume, geometry, load_volume, preprocess
from xiqa.data.prepared_mri import TRUTH

METHOD = "normgrad_scaling_combined"


@dataclass(frozen=True)
class Explained:
    """One scan with its map.

    Attributes
    ----------
    volume : the scan.
    heat : float32, its shape; the map for the class artifact.
    mask : bool, its shape: where a local artifact changed the picture; None where that is not known.
    peak : voxel of the map's maximum, the middle of the scan for a constant map.
    degenerate : the map is constant.

    """

    volume: Volume
    heat: np.ndarray
    mask: np.ndarray | None
    peak: tuple[int, int, int]
    degenerate: bool

    @property
    def hit(self) -> float:
        """1 if the peak lies on the changed voxels, 0 if not; NaN without a mask or without a peak."""
        return np.nan if self.mask is None or self.degenerate else float(self.mask[self.peak])

    @property
    def chance(self) -> float:
        """Share of the scan's voxels that were changed; NaN without a mask."""
        return np.nan if self.mask is None else float(self.mask.mean())


def mask_file(root: Path, path: str) -> Path:
    """Where the simulator puts the mask of a scan (its path below ``root``); most scans have none."""
    return root / TRUTH / re.sub(r"\.(nii|mnc)(\.gz)?$", "_mask.nii.gz", path, flags=re.IGNORECASE)


def choose(test: pd.DataFrame, root: Path) -> list[int]:
    """Rows of two scans: the surest artifact (of those with a mask, where there are any), and the surest clean one."""
    masked = np.array([mask_file(root, path).is_file() for path in test["path"]])
    artifacts = test[test["label"] == 1]
    local = artifacts[masked[artifacts.index]]
    clean = test[test["label"] == 0]
    surest = (local if len(local) else artifacts)["probability"].idxmax()
    return [int(surest), int(clean["probability"].idxmin())]


def explain(model: nn.Module, root: Path, path: str, shape: Sequence[int]) -> Explained:
    """Explain the class artifact on one scan; ``shape`` is that of the network's input."""
    volume = load_volume(root / path)
    inputs = torch.from_numpy(preprocess(volume, shape))[None].to(next(model.parameters()).device)
    small = saliency.explain(model, inputs, [METHOD], target=1)[METHOD]
    heat = geometry(volume, shape).map_to_scan(small[0].cpu().numpy())
    flat = bool(saliency.degenerate(torch.from_numpy(heat)[None]).item())
    peak = tuple(side // 2 for side in heat.shape) if flat else np.unravel_index(int(heat.argmax()), heat.shape)
    truth = mask_file(root, path)
    mask = load_volume(truth).array > 0.5 if truth.is_file() else None
    return Explained(volume, heat, mask, tuple(map(int, peak)), flat)


def draw(scans: Sequence[Explained], titles: Sequence[str]) -> Figure:
    """Two rows a scan, three planes through the map's maximum: the scan, outlined where it was changed; the map."""
    figure = plt.figure(figsize=(8.2, 4.6 * len(scans)))
    parts = np.atleast_1d(figure.subfigures(len(scans), 1))
    for part, scan, title in zip(parts, scans, titles, strict=True):
        axes = part.subplots(2, 3)
        spacing = np.linalg.norm(scan.volume.affine[:3, :3], axis=0)
        pictures.planes(axes[0], scan.volume.array, spacing, scan.peak, letters=scan.volume.oriented)
        pictures.planes(axes[1], scan.volume.array, spacing, scan.peak, scan.heat, letters=scan.volume.oriented)
        if scan.mask is not None:
            for normal, ax in enumerate(axes[0]):
                inside = scan.mask.take(scan.peak[normal], axis=normal).T
                if inside.any() and not inside.all():
                    ax.contour(inside, levels=[0.5], colors=pictures.ANNOTATION, linewidths=0.8)
        part.suptitle(title, fontsize=9)
    return figure
