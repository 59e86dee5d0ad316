"""Where the artifact network looks: NormGrad in three dimensions on single scans, in the voxels of the scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import ndimage
from torch import nn

from xiqa import pictures, saliency
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import Volume, geometry, preprocess
from xiqa.paper.appendix.explained_mri.truth import mask_file

METHOD = "normgrad_scaling_combined"
FAMILIES = 5  # local artifacts shown, one of a kind
COLUMNS = 2  # scans side by side
ELSEWHERE = 0.45  # how strong a cross is drawn in a plane that does not hold the peak
RIM = 3  # voxels around a mask that is outlined; gaps up to four voxels wide are closed


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
    def spacing(self) -> np.ndarray:
        """Millimetres from voxel to voxel along X, Y, Z."""
        return np.linalg.norm(self.volume.affine[:3, :3], axis=0)

    @property
    def distance(self) -> float:
        """Millimetres from the peak to the nearest changed voxel; NaN without a mask, without a peak, or if empty."""
        if np.isnan(self.hit) or not self.mask.any():
            return np.nan
        return float(ndimage.distance_transform_edt(~self.mask, sampling=self.spacing)[self.peak])

    @property
    def at(self) -> tuple[int, int, int]:
        """Where the planes are laid: the changed voxel nearest to the middle of all changed ones; else the peak."""
        if self.mask is None or not self.mask.any():
            return self.peak
        changed = np.argwhere(self.mask)
        return tuple(map(int, changed[np.square((changed - changed.mean(0)) * self.spacing).sum(1).argmin()]))

    @property
    def verdict(self) -> str:
        """What the peak says, in words: a hit, a miss by so many millimetres, a constant map, or nothing known."""
        if self.degenerate:
            return "the map is constant"
        if np.isnan(self.distance):
            return ""
        return f"{'hit' if self.hit else f'miss by {self.distance:.0f} mm'} (chance {100 * self.chance:.0f} %)"

    @property
    def chance(self) -> float:
        """Share of the scan's voxels that were changed; NaN without a mask."""
        return np.nan if self.mask is None else float(self.mask.mean())


def choose(test: pd.DataFrame, root: Path, families: int = FAMILIES) -> list[int]:
    """Rows of the scans to show: the surest artifact of each local kind, and the surest clean scan last.

    Where there are more kinds than ``families``, those whose scans were changed least stand: a hit in half of the
    volume shows nothing. Without a mask at all it is the surest artifact of any kind. A class that does not occur is
    left out.

    Parameters
    ----------
    test : path, label, artifact and probability of the scans, a row each.
    root : folder of the data set.

    """
    artifacts, clean = (test[test["label"] == label] for label in (1, 0))
    local = artifacts[[mask_file(root, path).is_file() for path in artifacts["path"]]]
    if len(local):
        surest = local.loc[local.groupby("artifact")["probability"].idxmax()]
        changed = [float((load_volume(mask_file(root, path)).array > 0.5).mean()) for path in surest["path"]]
        shown = list(surest.index[np.argsort(changed, kind="stable")[:families]])
    else:
        shown = [artifacts["probability"].idxmax()] if len(artifacts) else []
    shown += [clean["probability"].idxmin()] if len(clean) else []
    return [int(row) for row in shown]


def title(record: pd.Series, scan: Explained) -> str:
    """What a scan is, what the network says, and whether the map hits; ``record`` is a row of the table of scans."""
    kind = str(record["artifact"] or record["artifact_type"] or "kind not known").replace("_", " ")
    if not record["label"]:
        kind = f"clean to the rater (mild {kind})" if record["artifact"] else "clean"
    parts = [f"{kind}, {record['contrast'] or 'contrast not known'}"]
    parts += [f"p(artifact) = {record['probability']:.2f}", scan.verdict]
    return "; ".join(part for part in parts if part)


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


def draw(scans: Sequence[Explained], titles: Sequence[str], columns: int = COLUMNS) -> Figure:
    """Two rows a scan, three planes through what was changed: the scan with its outline; the map over it.

    The cross is the map's maximum, carried to each plane; faint where it lies in another one. ``columns`` scans stand
    side by side.
    """
    columns = min(columns, len(scans))
    rows = -(-len(scans) // columns)
    figure = plt.figure(figsize=(4.7 * columns, 3.2 * rows))
    parts = figure.subfigures(rows, columns, squeeze=False).ravel()
    for part, scan, text in zip(parts, scans, titles, strict=False):
        axes = part.subplots(2, 3)
        for row, heat in zip(axes, (None, scan.heat), strict=True):
            pictures.planes(row, scan.volume.array, scan.spacing, scan.at, heat, letters=scan.volume.oriented)
            _mark(row, scan)
        for ax in axes[1]:
            ax.set_title("")
        part.suptitle(text, fontsize=9)
    return figure


def _mark(row: np.ndarray, scan: Explained) -> None:
    """Outline what was changed in the three planes of a row, and put the cross at the map's maximum."""
    for normal, (ax, (across, up)) in enumerate(zip(row, ((1, 2), (0, 2), (0, 1)), strict=True)):
        ax.lines[0].set_data([scan.peak[across]], [scan.peak[up]])
        ax.lines[0].set_visible(not scan.degenerate)
        ax.lines[0].set_alpha(1.0 if scan.peak[normal] == scan.at[normal] else ELSEWHERE)
        if scan.mask is not None:
            inside = _closed(scan.mask.take(scan.at[normal], axis=normal).T)
            across_at, up_at = (np.arange(side) - RIM for side in inside.shape[::-1])
            if inside.any():
                ax.contour(across_at, up_at, inside, levels=[0.5], colors=pictures.ANNOTATION, linewidths=0.8)


def _closed(inside: np.ndarray) -> np.ndarray:
    """A plane of the mask without its narrow gaps: stripes and noise would be all outline.

    A rim of voxels outside closes the outline where the change reaches the edge of the scan.
    """
    return ndimage.binary_closing(np.pad(inside, RIM), iterations=RIM - 1)
