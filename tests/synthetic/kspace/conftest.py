import numpy as np
import pytest
import torch

from tests.synthetic.kspace import ellipsoids
from xiqa.synthetic.kspace import to_image

SHAPE, SPACING = (36, 45, 28), (5.4, 5.0, 7.5)


@pytest.fixture(scope="session")
def volume():
    """Random complex128 volumes of any shape."""

    def build(*shape, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(shape, dtype=torch.complex128, generator=generator)

    return build


@pytest.fixture(scope="session")
def seeded():
    return lambda seed: torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def spacing():
    """Voxel sizes in mm of the heads below."""
    return SPACING


@pytest.fixture(scope="session")
def head():
    """A smooth head of ellipsoids with a smooth phase, complex128 (36, 45, 28), maximum about 1."""
    smooth = ellipsoids.kspace(ellipsoids.HEAD, SHAPE, SPACING, blur=5.0)
    image = to_image(torch.from_numpy(smooth)).real.clamp(min=0)
    x, y, z = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in SHAPE)
    phase = 0.9 * x[:, None, None] - 0.7 * y[:, None] * z
    return image * torch.exp(1j * phase)


@pytest.fixture(scope="session")
def dft():
    """The transform by its definition: one matrix per axis."""

    def transform(x):
        x = np.asarray(x)
        for axis in (-3, -2, -1):
            n = x.shape[axis]
            index = np.arange(n) - n // 2
            matrix = np.exp(-2j * np.pi * np.outer(index, index) / n) / np.sqrt(n)
            x = np.moveaxis(np.tensordot(x, matrix, (axis, 1)), -1, axis)
        return x

    return transform
