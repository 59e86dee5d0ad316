import numpy as np
import pytest
import torch
from scipy import ndimage

from xiqa.synthetic.kspace import clipped, dropped_slices, interleave_step, reference, thick_slices


@pytest.mark.parametrize("severity", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_dropped_slices_lose_their_share(head, seeded, severity, seed):
    y = dropped_slices(head, severity, axis=1, count=3, generator=seeded(seed))
    low, high = reference.box(reference.head(head))[1]
    ratio = y[:, low : high + 1].abs().sum((0, 2)) / head[:, low : high + 1].abs().sum((0, 2))
    hit = ratio < 0.999
    assert hit.sum() == 3
    assert torch.allclose(ratio[hit], torch.tensor(1 - severity, dtype=torch.float64), atol=1e-12)
    assert torch.equal(y[:, low : high + 1][:, ~hit], head[:, low : high + 1][:, ~hit])


def test_interleave_step_moves_every_second_slice(head, seeded):
    x = head.abs()
    y = interleave_step(x, 6.0, generator=seeded(0), spacing=(2.0, 2.0, 3.0))
    assert torch.allclose(y[..., ::2], x[..., ::2], atol=1e-12)
    middle = head.shape[2] // 2 // 2 * 2 + 1
    before, after = (np.array(ndimage.center_of_mass(v[..., middle].numpy())) for v in (x, y))
    assert np.linalg.norm(2 * (after - before)) == pytest.approx(6.0, rel=0.02)


def test_packages_lie_between(volume, seeded):
    x = volume(8, 9, 6)
    y = interleave_step(x, 2.0, generator=seeded(1), packages=3)
    change = (y - x).abs().amax((0, 1))
    assert (change[[0, 3]] < 1e-12).all()
    assert (change[[2, 5]] > 1e-3).all()


def test_thick_slices_average(volume):
    x = volume(5, 6, 12)
    y = thick_slices(x, 6.0, spacing=(1.0, 1.0, 2.0))
    k = np.fft.fftfreq(12)
    expected = np.fft.ifft(np.fft.fft(x.numpy()) * np.sinc(3 * k))
    assert np.allclose(y, expected, atol=1e-12)
    whole = thick_slices(x, 24.0, spacing=(1.0, 1.0, 2.0))
    assert torch.allclose(whole, x.mean(2, keepdim=True).expand_as(x), atol=1e-12)


@pytest.mark.parametrize("severity", [0.05, 0.4])
def test_clipped_share_and_phase(head, severity):
    y = clipped(head, severity)
    mask = reference.head(head)
    assert (y.abs() < head.abs() - 1e-9)[mask].double().mean().item() == pytest.approx(severity, abs=1e-3)
    assert torch.allclose(y.angle()[mask], head.angle()[mask], atol=1e-12)
    assert y.abs().max().item() == pytest.approx(np.percentile(head.abs()[mask], 100 * (1 - severity)), rel=1e-3)
