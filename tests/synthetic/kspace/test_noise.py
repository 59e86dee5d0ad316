import numpy as np
import pytest
import torch
from scipy import stats

from xiqa.synthetic.kspace import rician_noise
from xiqa.synthetic.kspace.noise import complex_noise


@pytest.mark.parametrize("signal", [0.0, 0.5, 1.0, 3.0])
def test_moments_and_distribution_are_rices(seeded, signal):
    sigma = 0.7
    x = torch.full((60, 50, 40), signal, dtype=torch.float64)
    y = rician_noise(x, sigma / 2, signal=2.0, generator=seeded(1)).numpy().ravel()
    rice = stats.rice(signal / sigma, scale=sigma)
    error = 5 * rice.std() / np.sqrt(y.size)
    assert y.mean() == pytest.approx(rice.mean(), abs=error)
    assert y.std() == pytest.approx(rice.std(), abs=error)
    assert (y**2).mean() == pytest.approx(signal**2 + 2 * sigma**2, rel=0.02)
    assert stats.kstest(y[:20_000], rice.cdf).pvalue > 1e-3


def test_air(seeded):
    y = rician_noise(torch.zeros(60, 50, 40), 1.0, signal=0.2, generator=seeded(2))
    assert y.mean().item() == pytest.approx(0.2 * np.sqrt(np.pi / 2), rel=0.01)
    assert y.std().item() == pytest.approx(0.2 * np.sqrt(2 - np.pi / 2), rel=0.01)


def test_both_channels_are_independent(volume, seeded):
    noise = complex_noise(volume(60, 50, 40), 0.3, seeded(0))
    both = torch.view_as_real(noise).flatten(0, -2).T
    assert torch.allclose(both.std(1), torch.tensor(0.3, dtype=torch.float64), rtol=0.02)
    assert abs(torch.corrcoef(both)[0, 1].item()) < 0.02


def test_percent_of_the_bright_end(head, seeded):
    spread = (rician_noise(head, 0.03, generator=seeded(0)) - head).real.std().item()
    assert spread == pytest.approx(0.03 * np.percentile(head.abs(), 99), rel=0.03)


@pytest.mark.parametrize("signal", [0.0, -1.0, float("nan")])
def test_bad_reference(head, signal):
    with pytest.raises(ValueError, match="positive"):
        rician_noise(head, signal=signal)
