"""Map scans to a network's input and back: axes, sizes and padding.

Whole numbers stand at voxel centres in both, and the outer edges of a zoomed axis coincide, as in
``xiqa.data.arrays.grids.to_original``: ``x' = (x + 0.5) * zoomed / size - 0.5``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xiqa.data.arrays.intensity import rescale
from xiqa.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

# The z-score of a single bright voxel in a large volume may exceed the range of half precision.
MOST = float(np.finfo(np.float16).max)
# Largest share of voxels that may be NaN or infinite.
NOT_FINITE_AT_MOST = 0.01


@dataclass(frozen=True)
class Volume:
    """One volume, turned so that the axes run to the right, to the front and upwards (RAS).

    ``array`` is finite and C-contiguous, in the units of the file (scale factors applied); ``affine`` (4, 4) maps its
    voxel indices to millimetres; each of the ``notes`` begins with one stable word: ``affine_singular: ...``.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    notes: list[str] = field(default_factory=list)

    @property
    def oriented(self) -> bool:
        """Whether the orientation is in the file; if not, ``array`` has the axes of the file."""
        return not any(note.startswith(("affine_singular", "no_orientation")) for note in self.notes)


@dataclass(frozen=True)
class Geometry:
    """Place of a scan in a network's input."""

    scan: tuple[int, int, int]  # size of the scan's array in voxels (RAS)
    shape: tuple[int, int, int]  # size of the network's input
    axes: tuple[int, int, int]  # axes[i] is the scan's axis that runs along axis i of the network
    zoomed: tuple[int, int, int]  # part of the input that the scan fills, from index 0; the rest is padding

    def to_network(self, points: ArrayLike) -> NDArray[np.float64]:
        """Voxel coordinates (N, 3) of the scan as coordinates (N, 3) of the network's input."""
        points = np.asarray(points, dtype=np.float64)[:, self.axes]
        return (points + 0.5) * self._factors() - 0.5

    def to_scan(self, points: ArrayLike) -> NDArray[np.float64]:
        """Voxel coordinates (N, 3) of the network's input as coordinates (N, 3) of the scan."""
        points = (np.asarray(points, dtype=np.float64) + 0.5) / self._factors() - 0.5
        return points[:, np.argsort(self.axes)]

    def map_to_scan(self, values: ArrayLike) -> NDArray[np.float32]:
        """A map of the network's ``shape`` as an array of the scan's size: padding cut off, trilinear where zoomed."""
        import torch  # takes seconds to import, and records need none of it
        from torch.nn import functional

        values = torch.as_tensor(np.asarray(values, dtype=np.float32))
        if tuple(values.shape) != self.shape:
            raise ValueError(f"the map has the shape {tuple(values.shape)}, the network's input {self.shape}")
        values = values[tuple(slice(side) for side in self.zoomed)]
        size = tuple(self.scan[axis] for axis in self.axes)
        if size != self.zoomed:
            values = functional.interpolate(values[None, None], size, mode="trilinear", align_corners=False)[0, 0]
        return np.ascontiguousarray(values.permute(*np.argsort(self.axes).tolist()).numpy())

    def _factors(self) -> NDArray[np.float64]:
        return np.array(self.zoomed) / np.array([self.scan[axis] for axis in self.axes])


def geometry(volume: Volume | NDArray, shape: Sequence[int]) -> Geometry:
    """Place of a volume, or array (X, Y, Z), in a network's input of this shape, as ``preprocess`` uses it.

    The shortest axis becomes the last (of equally short ones the last), the others keep their order; an axis that is
    longer than the network's is zoomed down to it (Pizarro et al. 2023), the others are kept.
    """
    scan = tuple(int(side) for side in _array(volume).shape)
    shape = tuple(int(side) for side in shape)
    if len(scan) != 3 or len(shape) != 3:
        raise ValueError(f"a volume and a shape have three axes, not {scan} and {shape}")
    shortest = max(range(3), key=lambda axis: (-scan[axis], axis))
    axes = (*(axis for axis in range(3) if axis != shortest), shortest)
    return Geometry(scan, shape, axes, tuple(min(scan[axis], side) for axis, side in zip(axes, shape, strict=True)))


def preprocess(volume: Volume | NDArray, shape: Sequence[int], intensity: str = "log") -> NDArray[np.float32]:
    """A volume, or array (X, Y, Z) in any unit, as a network's input, float32 (1, *shape) without unit.

    Slice axis last, zoom of the axes that are too long (linear with antialiasing; a volume that is nowhere too long
    keeps its voxels), one of two intensity scales, and padding behind the volume on every axis.

    ``intensity`` is ``log`` or ``zscore``, see :func:`xiqa.data.arrays.intensity.rescale` (ValueError for another).
    BadInput (``constant``) where there is no contrast.
    """
    place = geometry(volume, shape)
    import torch

    values = torch.from_numpy(np.ascontiguousarray(_array(volume), dtype=np.float32)).permute(*place.axes)
    values = _zoom(values, place.zoomed).numpy()
    if not values.max() > values.min():
        raise BadInput("constant", "the volume has the same value in every voxel: it shows nothing, export it again")
    values, padding = rescale(values, intensity)
    out = np.full((1, *place.shape), padding, dtype=np.float32)
    out[0][tuple(slice(side) for side in place.zoomed)] = values
    return out


def _array(volume: Volume | NDArray) -> NDArray:
    return volume.array if isinstance(volume, Volume) else np.asarray(volume)


def _zoom(values: "Tensor", size: tuple[int, int, int]) -> "Tensor":
    """Resample to ``size``, two axes at a time, since torch has the antialiased filter for pictures only."""
    from torch.nn import functional

    if tuple(values.shape[1:]) != size[1:]:
        values = functional.interpolate(values[None], size[1:], mode="bilinear", antialias=True)[0]
    if values.shape[0] != size[0]:
        turned = values.movedim(0, -1)
        target = (turned.shape[1], size[0])
        values = functional.interpolate(turned[None], target, mode="bilinear", antialias=True)[0].movedim(-1, 0)
    return values


def halved(volume: Volume, shape: tuple[int, int, int], intensity: str) -> NDArray[np.float16]:
    """A volume as networks see it: preprocessed, in half precision."""
    return preprocess(volume, shape, intensity)[0].clip(-MOST, MOST).astype(np.float16)


def as_volume(values: NDArray, affine: NDArray[np.float64], name: str = "a volume in memory") -> Volume:
    """A volume from values (X, Y, Z) and an affine, as `load_volume` returns it for their file; the same errors."""
    return oriented(Path(name), values, affine, [])


def oriented(path: Path, values: NDArray, affine: NDArray[np.float64], notes: list[str]) -> Volume:
    """A volume from values (X, Y, Z) as stored: magnitude, RAS, float32, finite, and not constant.

    A singular ``affine`` leaves the axes as they are. ``path`` names the file in errors; further ``notes`` are added.
    """
    notes = list(notes)
    if np.iscomplexobj(values):
        values = np.abs(values)
        notes.append("complex: the values are complex numbers, their magnitude is used")
    if np.linalg.matrix_rank(affine[:3, :3]) == 3:
        turn = nib.io_orientation(affine)
        affine = affine @ nib.orientations.inv_ornt_aff(turn, values.shape)
        values = nib.apply_orientation(values, turn)
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float32, order="C")
    _make_finite(path, array, notes)
    low, high = array.min(), array.max()
    if low == high:
        raise BadInput(
            "constant", f"{path} has the same value ({low:g}) in every voxel: it shows nothing, export it again"
        )
    return Volume(array, affine, notes)


def _make_finite(path: Path, array: NDArray[np.float32], notes: list[str]) -> None:
    """Set a few NaN and infinite voxels to 0 and add a note; refuse many."""
    wrong = ~np.isfinite(array)
    count = int(wrong.sum())
    if not count:
        return
    share = f"{count} of {array.size} voxels ({100 * count / array.size:.2g} %)"
    if count > NOT_FINITE_AT_MOST * array.size:
        raise BadInput(
            "not_finite",
            f"{path}: {share} are NaN or infinite, more than {100 * NOT_FINITE_AT_MOST:g} %: export it with numbers",
        )
    array[wrong] = 0
    notes.append(f"not_finite: {share} are NaN or infinite and were set to 0")
