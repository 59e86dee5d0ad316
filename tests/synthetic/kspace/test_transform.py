import numpy as np
import pytest
import torch

from xiqa.synthetic.kspace import to_image, to_kspace
from xiqa.synthetic.kspace.transform import filtered, frequencies, like, times

SHAPES = [(8, 9, 6), (7, 10, 5), (1, 4, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_is_its_definition(volume, dft, shape):
    x = volume(2, *shape)
    assert np.allclose(to_kspace(x), dft(x), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_unitary_and_invertible(volume, shape):
    x = volume(*shape)
    kspace = to_kspace(x)
    assert torch.allclose(to_image(kspace), x, atol=1e-13)
    assert kspace.norm().item() == pytest.approx(x.norm().item(), rel=1e-13)


def test_zero_frequency_stands_in_the_middle():
    kspace = to_kspace(torch.ones(7, 10, 5))
    assert kspace[3, 5, 2].item() == pytest.approx(350**0.5, rel=1e-6)
    assert kspace.abs().sum().item() == pytest.approx(350**0.5, rel=1e-5)


def test_filtered_multiplies_centred_kspace(volume, dft):
    x = volume(8, 9, 6)
    factors = {dim: torch.exp(0.1j * frequencies(x, dim)) for dim in (-3, -1)}
    expected = dft(x) * np.exp(0.1j * (np.arange(8) - 4))[:, None, None] * np.exp(0.1j * (np.arange(6) - 3))
    assert np.allclose(dft(filtered(x, factors)), expected, atol=1e-12)


def test_gain_and_magnitude(volume):
    x = volume(3, 4, 5)
    gain = torch.rand(4, 1, dtype=torch.float64)
    assert torch.allclose(times(x, gain), x * gain, atol=1e-15)
    assert like(x, x) is x
    assert torch.equal(like(x.real, x), x.abs())
