import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from xiqa.synthetic.kspace import gaussian_blur, gibbs_ringing, spike, to_kspace, zipper
from xiqa.synthetic.kspace.reference import bright

SHAPES = [(8, 9, 6), (7, 10, 5)]


def dirichlet(n, kept):
    """Kernel (N,) at -floor(N/2) ...: the sum over the kept lines, in closed form."""
    r = np.arange(n) - n // 2
    with np.errstate(invalid="ignore"):
        kernel = np.sin(np.pi * kept * r / n) / (n * np.sin(np.pi * r / n))
    kernel[r == 0] = kept / n
    return kernel


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ringing_is_convolution_with_dirichlet(volume, shape, axis):
    x, n = volume(*shape), shape[axis]
    y = gibbs_ringing(x, 1 - 3 / n, axis=axis)
    kernel = np.roll(dirichlet(n, 3), -(n // 2))
    circulant = np.array([np.roll(kernel, shift) for shift in range(n)]).T
    expected = np.moveaxis(np.tensordot(circulant, x.numpy(), (1, axis)), 0, axis)
    assert np.allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize(("n", "kept", "percent"), [(256, 41, 9.078), (65536, 513, 8.949)])
def test_overshoot_at_a_step(n, kept, percent):
    step = torch.zeros(n, 1, 1, dtype=torch.float64)
    step[n // 4 : 3 * n // 4] = 1
    ringing = gibbs_ringing(step.to(torch.complex128), 1 - kept / n, axis=0).real
    assert 100 * (ringing.max().item() - 1) == pytest.approx(percent, abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_kept_lines(volume, shape):
    x = volume(*shape)
    kept = to_kspace(gibbs_ringing(x, 0.45, acquisition="2d", slice_axis=1)).abs() > 1e-9
    lines = [kept.any((1, 2)).sum().item(), kept.any((0, 2)).sum().item(), kept.any((0, 1)).sum().item()]
    assert lines == [
        min((1, 3, 5, 7, 9), key=lambda kept: abs(kept - 0.55 * n)) if a != 1 else n for a, n in enumerate(shape)
    ]
    barely = to_kspace(gibbs_ringing(x, 1e-3, axis=0)).abs().amax((1, 2)) > 1e-9
    assert barely.sum() == (shape[0] - 1 if shape[0] % 2 == 0 else shape[0] - 2)


def test_a_window_rings_less():
    step = torch.zeros(256, 1, 1, dtype=torch.float64)
    step[64:192] = 1
    over = {
        name: gibbs_ringing(step, 0.8, axis=0, window=name).max().item() - 1 for name in ("none", "tukey", "hamming")
    }
    assert over["none"] > over["tukey"] > 5 * over["hamming"] > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_spike_is_one_sample(volume, dft, shape):
    x = volume(*shape)
    y = spike(x, 0.4, burst=1, place=(2, -3, 1), phase=0.6)
    change = dft(y) - dft(x)
    amplitude = 0.4 * bright(x) * math.sqrt(np.prod(shape))
    at = tuple(k + n // 2 for k, n in zip((2, -3, 1), shape, strict=True))
    assert change[at] == pytest.approx(amplitude * np.exp(0.6j), abs=1e-10)
    change[at] = 0
    assert abs(change).max() < 1e-11


@pytest.mark.parametrize("burst", [2, 5])
def test_burst_is_a_run_of_samples_of_the_same_energy(volume, dft, seeded, burst):
    x = volume(8, 9, 6)
    y = spike(x, 0.4, burst=burst, place=(-2, 3, 1), generator=seeded(0))
    change = abs(dft(y) - dft(x)) > 1e-9
    assert np.array_equal(np.argwhere(change), [[2 + step, 7, 4] for step in range(burst)])
    assert (y - x).abs().square().mean().sqrt().item() == pytest.approx(0.4 * bright(x), rel=1e-12)


def test_in_2d_a_spike_hits_one_slice(volume, seeded):
    x = volume(8, 9, 6)
    y = spike(x, 0.4, acquisition="2d", slice_axis=1, place=(1, 7, -2), burst=1, generator=seeded(0))
    hit = (y - x).abs().amax((0, 2)) > 1e-12
    assert hit.nonzero().flatten().tolist() == [7]
    assert torch.allclose((y - x)[:, 7].abs(), torch.tensor(0.4 * bright(x), dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_drawn_spikes_are_away_from_the_centre(head, seeded, seed):
    change = to_kspace(spike(head, 0.2, generator=seeded(seed)) - head).abs() > 1e-6
    places = np.argwhere(change.numpy()) - np.array(head.shape) // 2
    assert (abs(places) / head.shape).max(1).min() >= 0.05


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("width", [1, 2])
def test_zipper_is_noise_on_its_planes(volume, dft, seeded, axis, width):
    x = volume(8, 9, 6)
    y = zipper(x, 0.5, axis=axis, place=3, width=width, generator=seeded(0))
    change = (y - x).movedim(axis, 0)
    rms = change.abs().square().mean((1, 2)).sqrt()
    assert torch.allclose(rms[3 : 3 + width], torch.tensor(0.5 * bright(x), dtype=torch.float64), atol=1e-12)
    rms[3 : 3 + width] = 0
    assert rms.max() < 4e-15
    # in k-space it is a tone along the readout, of the same strength in every line
    lines = torch.from_numpy(abs(dft(y - x))).movedim(axis, 0)
    if width == 1:
        assert torch.allclose(lines, lines[0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_blur_is_scipys(volume, shape):
    x = volume(*shape)
    spectrum = ndimage.fourier_gaussian(np.fft.fftn(x.numpy()), (1.5, 0.75, 0.5))
    y = gaussian_blur(x, 1.5, spacing=(1.0, 2.0, 3.0))
    assert np.allclose(y, np.fft.ifftn(spectrum), atol=1e-12)
