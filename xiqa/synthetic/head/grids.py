"""Voxel grids, and interpolation from a lattice of few nodes to all voxels."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Grid:
    """Voxels of a scan: their number and their size (mm); the coordinates' zero is the middle of the grid."""

    size: tuple[int, int, int]
    voxel: tuple[float, float, float]

    @property
    def reach(self) -> np.ndarray:
        """Distance in mm from the middle to the outermost centres of voxels."""
        return (np.array(self.size) - 1) * np.array(self.voxel) / 2


@dataclass(frozen=True)
class Stretched:
    """Values on a lattice to be interpolated linearly to (C, X, Y, Z), corners on corners, a slab of rows at a time.

    ``values`` (C, x, Y, Z) have their full size on the last two axes; ``places`` (X,) lie between nodes of the first.
    """

    values: torch.Tensor
    places: torch.Tensor

    def rows(self, some: slice = slice(None)) -> torch.Tensor:
        """The rows (C, some of X, Y, Z)."""
        before = self.places[some].long().clamp_(max=self.values.shape[1] - 2)
        after = (self.places[some] - before).float()[:, None, None]
        return torch.lerp(self.values[:, before], self.values[:, before + 1], after)


def stretch(values: np.ndarray, size: tuple[int, int, int]) -> Stretched:
    """A lattice (C, x, y, z), two nodes on every axis at least, for ``size`` voxels."""
    given = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    second, third = (tents(n, wanted) for n, wanted in zip(given.shape[2:], size[1:], strict=True))
    places = torch.linspace(0, given.shape[1] - 1, size[0], dtype=torch.float64)
    return Stretched(second @ (given @ third.T), places)


def upsample(values: np.ndarray, size: tuple[int, int, int]) -> torch.Tensor:
    """Trilinear interpolation of (C, x, y, z) to (C, X, Y, Z), corners on corners."""
    return stretch(values, size).rows()


def tents(given: int, wanted: int) -> torch.Tensor:
    """Weights (wanted, given) of linear interpolation between the nodes of a line."""
    place = np.linspace(0, given - 1, wanted)
    return torch.from_numpy(np.maximum(1 - np.abs(place[:, None] - np.arange(given)), 0).astype(np.float32))


def smooth_noise(rng, channels: int, counts, extent, period: float) -> np.ndarray:
    """Gaussian noise (channels, *counts) of unit spread over ``extent`` mm, independent every ``period`` mm."""
    coarse = np.maximum(np.ceil(np.asarray(extent) / period).astype(int) + 3, 4)
    noise = torch.from_numpy(rng.standard_normal((channels, *coarse), dtype=np.float32))
    # A tent over three nodes keeps neighbours alike; it lowers the spread by (3/8)^(1/2) an axis.
    for axis in (1, 2, 3):
        noise = (torch.roll(noise, 1, axis) + torch.roll(noise, -1, axis) + 2 * noise) / 4
    return upsample(noise.numpy() / (3 / 8) ** 1.5, tuple(int(count) for count in counts)).numpy()
