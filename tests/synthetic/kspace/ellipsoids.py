r"""A head of ellipsoids with its k-space in closed form: the reference of the operators' tests.

A uniform ellipsoid with semi-axes a, rotation R, centre c and value v has the transform

.. math:: S(k) = v\,\tfrac43\pi a_0 a_1 a_2\, g(q)\, e^{-2\pi i k\cdot c},\quad g(q) = 3\,\frac{\sin q - q\cos q}{q^3},
          \quad q = 2\pi\,|\mathrm{diag}(a)\,R^T k|

with k in 1/mm. No discrete Fourier transform takes part. Values add where ellipsoids overlap.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation


class Ellipsoid(NamedTuple):
    """A uniform ellipsoid: ``centre`` and ``axes`` (3,) in mm, ``rotation`` (3,) as a vector in rad, ``value``."""

    centre: ArrayLike
    axes: ArrayLike
    rotation: ArrayLike = (0.0, 0.0, 0.0)
    value: float = 1.0

    def moved(self, rotation: ArrayLike, shift: ArrayLike = (0.0, 0.0, 0.0)) -> "Ellipsoid":
        """Turned about the origin, then shifted (rad, mm)."""
        turn = Rotation.from_rotvec(rotation)
        place = turn.apply(self.centre) + shift
        return self._replace(centre=place, rotation=(turn * Rotation.from_rotvec(self.rotation)).as_rotvec())


# Scalp, skull, brain, ventricles, a lesion and an eye on either side; in mm about the middle of the head.
HEAD = (
    Ellipsoid((0, 0, 0), (72, 92, 84), value=1.0),
    Ellipsoid((0, 0, 0), (67, 87, 79), value=-0.8),
    Ellipsoid((0, -1, 1), (62, 82, 74), value=0.5),
    Ellipsoid((-12, 5, 8), (7, 24, 11), (0, 0, 0.3), -0.4),
    Ellipsoid((12, 5, 8), (7, 24, 11), (0, 0, -0.3), -0.4),
    Ellipsoid((28, -30, 20), (9, 6, 7), (0.2, 0.5, 0), 0.25),
    Ellipsoid((-30, 70, -20), (11, 11, 11), value=0.6),
    Ellipsoid((30, 70, -20), (11, 11, 11), value=0.6),
)


def kspace(
    ellipsoids: Sequence[Ellipsoid],
    shape: Sequence[int],
    spacing: ArrayLike = (1.0, 1.0, 1.0),
    blur: float = 0.0,
) -> np.ndarray:
    """Samples of the transform, in the layout and the units of `to_kspace`.

    Parameters
    ----------
    ellipsoids : in mm about the centre of the grid, index floor(N/2).
    shape : (3,) N, voxels.
    spacing : (3,) mm; k = n / (N spacing), n from -floor(N/2).
    blur : standard deviation in mm of a Gaussian, so that the image is smooth, and ends within its grid.

    Returns
    -------
    (N0, N1, N2) complex128.

    """
    spacing = np.asarray(spacing, float)
    k = [np.arange(-(n // 2), n - n // 2) / (n * size) for n, size in zip(shape, spacing, strict=True)]
    k = np.stack(np.meshgrid(*k, indexing="ij"), -1)
    total = sum(_transform(one, k) for one in ellipsoids)
    total = total * np.exp(-2 * (np.pi * blur) ** 2 * (k**2).sum(-1))
    return total / (np.prod(spacing) * np.sqrt(np.prod(shape)))


def _transform(one: Ellipsoid, k: np.ndarray) -> np.ndarray:
    axes = np.asarray(one.axes, float)
    q = 2 * np.pi * np.linalg.norm((k @ Rotation.from_rotvec(one.rotation).as_matrix()) * axes, axis=-1)
    small = q < 1e-2  # the series, where the closed form would cancel
    safe = np.where(small, 1.0, q)
    ball = np.where(small, 1 - q**2 / 10, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3)
    return one.value * 4 / 3 * np.pi * axes.prod() * ball * np.exp(-2j * np.pi * (k @ np.asarray(one.centre, float)))
