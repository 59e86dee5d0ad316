"""Lattices: interpolation that keeps planes, slab by slab, and noise of unit spread."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from xiqa.synthetic.head import grids


@pytest.mark.parametrize("size", [(9, 14, 7), (4, 5, 6), (1, 12, 30)])
def test_interpolation_is_torchs(size):
    values = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    ours = grids.upsample(values, size)
    torchs = functional.interpolate(torch.from_numpy(values)[None], size, mode="trilinear", align_corners=True)[0]
    torch.testing.assert_close(ours, torchs, atol=1e-5, rtol=0)


def test_slabs_are_parts_of_the_whole():
    lattice = grids.stretch(np.random.default_rng(0).normal(size=(2, 4, 5, 6)), (20, 11, 9))
    slabs = [lattice.rows(slice(first, first + 7)) for first in range(0, 20, 7)]
    assert torch.equal(torch.cat(slabs, 1), lattice.rows())


def test_noise_has_unit_spread():
    noise = grids.smooth_noise(np.random.default_rng(0), 8, (30, 30, 30), (400.0, 400.0, 400.0), 20.0)
    assert noise.shape == (8, 30, 30, 30)
    assert abs(noise.mean()) < 0.1
    assert 0.6 < noise.std() < 1.1
