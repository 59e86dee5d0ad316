"""Brain volumes that are drawn when they are indexed, since a data set of the papers' size would fill 290 GB.

A split has the values of the array that ``prepare_volumes`` writes, to the last bit; the last used volumes stay in
memory. To draw a volume of the papers' size takes seconds, so this is for machines with many cores.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xiqa.data.arrays.volumes import DRAWN, PreparedVolumes
from xiqa.synthetic import catalogue

KEPT = 128  # volumes in memory; half precision, so 1 GB at 256 x 256 x 64


class DrawnSplit:
    """The volumes of one split, float16 (count, X, Y, Z), as an array that draws what is indexed.

    ``spec`` is what is simulated, as the generator's ``write`` takes it; ``intensity`` the scale of the values
    (:func:`xiqa.data.geometry.preprocess`); ``without``: the counterfactuals, scans without their artifact.
    """

    dtype = np.dtype(np.float16)

    def __init__(
        self, spec: dict, split: str, volume_shape: Sequence[int], count: int, intensity: str, without: bool = False
    ):
        self.spec, self.split, self.intensity, self.without = spec, split, intensity, without
        self.shape = (count, *(int(side) for side in volume_shape))
        self.seen: OrderedDict[int, NDArray[np.float16]] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray) -> NDArray[np.float16]:
        """One volume (X, Y, Z), or those of a slice, of indices or of a mask (n, X, Y, Z)."""
        indices = np.arange(len(self))[rows]
        if indices.ndim == 0:
            return self.volume(int(indices))
        # A subject's scans stand next to each other: in their order they are drawn several times faster.
        drawn = {row: self.volume(row) for row in sorted(set(indices.tolist()))}
        return np.stack([drawn[row] for row in indices.tolist()]) if len(indices) else np.empty((0, *self.shape[1:]))

    def volume(self, row: int) -> NDArray[np.float16]:
        """One volume (X, Y, Z), preprocessed; drawn unless it is still in memory."""
        if row not in self.seen:
            from xiqa.data.geometry import as_volume, halved

            array, affine, _ = catalogue.generator("mri").scan_at(self.spec, self.split, row, self.without)
            self.seen[row] = halved(as_volume(array, affine), self.shape[1:], self.intensity)
        self.seen.move_to_end(row)
        if len(self.seen) > KEPT:
            self.seen.popitem(last=False)
        return self.seen[row]


class DrawnVolumes(PreparedVolumes):
    """What ``prepare_drawn`` wrote into a folder: records, and volumes that are drawn when they are indexed."""

    def volumes(self, split: str, without: bool = False) -> DrawnSplit:
        """Volumes of a split, float16 (N, X, Y, Z); ``without``: their counterfactuals, without artifact."""
        about = json.loads((self.folder / DRAWN).read_text())
        return DrawnSplit(about["spec"], split, about["shape"], len(self._records[split]), about["intensity"], without)


def read_volumes(folder: str | Path) -> PreparedVolumes:
    """Prepared brain volumes of an entry, on disk or drawn."""
    return (DrawnVolumes if (Path(folder) / DRAWN).is_file() else PreparedVolumes)(folder)
