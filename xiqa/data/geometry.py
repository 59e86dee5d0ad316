"""From a scan to a network's input and back: axes, sizes, padding, and the voxels on either side.

Whole numbers stand at voxel centres in both, and the outer edges of a zoomed axis coincide, as in
``xiqa.data.images.to_original``: ``x' = (x + 0.5) * zoomed / size - 0.5``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional

from xiqa.data.bad_input import BadInput
from xiqa.data.volumes import Volume


@dataclass(frozen=True)
class Geometry:
    """How a scan lies in a network's input.

    Attributes
    ----------
    scan : size of the scan's array in voxels (RAS).
    shape : size of the network's input.
    axes : ``axes[i]`` is the scan's axis that runs along axis i of the network.
    zoomed : part of the network's input that the scan fills, from index 0 on every axis; the rest is padding.

    """

    scan: tuple[int, int, int]
    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    zoomed: tuple[int, int, int]

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
    """How ``preprocess`` lays a volume, or array (X, Y, Z), into a network's input of this shape.

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


def preprocess(volume: Volume | NDArray, shape: Sequence[int]) -> NDArray[np.float32]:
    """A volume, or array (X, Y, Z) in any unit, as a network's input, float32 (1, *shape) without unit.

    The steps of Pizarro et al. (2023): slice axis last, zoom of the axes that are too long, z-score over all voxels of
    the volume, zeros (its mean) behind it on every axis. Zooming is linear with antialiasing, which theirs is not; a
    volume that is nowhere too long keeps its voxels as they are.

    Raises
    ------
    BadInput : ``constant``, where no z-score exists.

    """
    lie = geometry(volume, shape)
    values = torch.from_numpy(np.ascontiguousarray(_array(volume), dtype=np.float32)).permute(*lie.axes)
    values = _zoom(values, lie.zoomed).numpy()
    mean, spread = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    if not spread > 0:
        raise BadInput("constant", "the volume has the same value in every voxel: it shows nothing, export it again")
    out = np.zeros((1, *lie.shape), dtype=np.float32)
    out[0][tuple(slice(side) for side in lie.zoomed)] = (values - mean) / spread
    return out


def _array(volume: Volume | NDArray) -> NDArray:
    return volume.array if isinstance(volume, Volume) else np.asarray(volume)


def _zoom(values: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """Resample to ``size``, two axes at a time, since torch has the antialiased filter for pictures only."""
    if tuple(values.shape[1:]) != size[1:]:
        values = functional.interpolate(values[None], size[1:], mode="bilinear", antialias=True)[0]
    if values.shape[0] != size[0]:
        turned = values.movedim(0, -1)
        target = (turned.shape[1], size[0])
        values = functional.interpolate(turned[None], target, mode="bilinear", antialias=True)[0].movedim(-1, 0)
    return values
