"""Brain volumes that are drawn when they are asked for, since a data set of the papers' size would fill 290 GB.

A split looks like the array that ``prepare_volumes`` writes and gives the same values, to the last bit; what is asked
for again soon is kept in memory. A drawn volume of the papers' size takes seconds, so this is for machines with many
cores, and trainings hand out whole batches.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xiqa.synthetic import catalogue

KEPT = 128  # volumes in memory; half precision, so 1 GB at 256 x 256 x 64


class Unstored:
    """The volumes of one split, float16 (N, X, Y, Z) z-scores, as an array that draws what is indexed.

    Parameters
    ----------
    spec : what is simulated, as the generator's ``write`` takes it.
    split : train, val or test.
    volume_shape : (X, Y, Z) that networks see.
    count : N.
    without : the counterfactuals are wanted: scans without their artifact.

    """

    dtype = np.dtype(np.float16)

    def __init__(self, spec: dict, split: str, volume_shape: Sequence[int], count: int, without: bool = False):
        self.spec, self.split, self.without = spec, split, without
        self.shape = (count, *(int(side) for side in volume_shape))
        self.seen: OrderedDict[int, NDArray[np.float16]] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.float16]]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray) -> NDArray[np.float16]:
        """One volume (X, Y, Z), or those of a slice, of indices or of a mask (n, X, Y, Z)."""
        chosen = self.rows[rows]
        if chosen.ndim == 0:
            return self.volume(int(chosen))
        # A subject's scans stand next to each other: in their order they are drawn several times faster.
        found = {row: self.volume(row) for row in sorted(set(chosen.tolist()))}
        return np.stack([found[row] for row in chosen.tolist()]) if len(chosen) else np.empty((0, *self.shape[1:]))

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """Numbers of all volumes, to be indexed in their stead."""
        return np.arange(len(self))

    def volume(self, row: int) -> NDArray[np.float16]:
        """One volume (X, Y, Z), preprocessed; drawn unless it is still in memory."""
        if row not in self.seen:
            from xiqa.data.geometry import as_volume, halved

            array, affine, _ = catalogue.generator("mri").scan_at(self.spec, self.split, row, self.without)
            self.seen[row] = halved(as_volume(array, affine), self.shape[1:])
        self.seen.move_to_end(row)
        if len(self.seen) > KEPT:
            self.seen.popitem(last=False)
        return self.seen[row]
