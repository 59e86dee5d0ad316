import numpy as np
import pytest
import torch
from scipy import stats

from xiqa.synthetic.kspace import acquire, crop, fold, ghosting, gibbs_ringing, read, to_image, to_kspace


def test_without_noise_and_filter_nothing_happens(head):
    scan = acquire(head, filter="none")
    assert scan.dtype == torch.float32
    assert torch.allclose(scan, head.abs().float(), atol=1e-6)


def test_reading_kspace_is_the_second_half(head, seeded):
    lines = torch.fft.fftn(gibbs_ringing(head, 0.4), norm="ortho")
    whole = acquire(head, lambda x: gibbs_ringing(x, 0.4), noise=0.02, generator=seeded(5))
    assert torch.equal(read(lines, 0.02, generator=seeded(5)), whole)


def test_a_scan_of_severity_zero_is_the_clean_scan(head, seeded):
    clean = acquire(head, noise=0.02, generator=seeded(5))
    null = acquire(head, lambda x: ghosting(x, 0.0), noise=0.02, generator=seeded(5))
    assert torch.equal(clean, null)
    assert not torch.equal(clean, acquire(head, noise=0.02, generator=seeded(6)))


def test_noise_comes_after_the_artifact_and_before_the_filter(head, seeded):
    scan = acquire(head, lambda x: gibbs_ringing(x, 0.4), noise=0.05, filter="hamming", generator=seeded(1))
    kspace = np.fft.fftn(gibbs_ringing(head, 0.4).numpy(), norm="ortho")
    noise = torch.randn(head.shape, generator=seeded(1), dtype=torch.complex128).numpy() * 0.05 * 2**0.5
    kspace = np.fft.fftshift(kspace + noise)
    for axis, n in enumerate(head.shape):
        window = 0.54 + 0.46 * np.cos(np.pi * (np.arange(n) - n // 2) / (n // 2))
        kspace *= window.reshape(-1, *[1] * (2 - axis))
    assert np.allclose(scan, abs(np.fft.ifftn(np.fft.ifftshift(kspace), norm="ortho")), atol=1e-6)


@pytest.mark.parametrize("operator", [None, lambda x: ghosting(x, 0.3, kind="comb", period=3)])
def test_air_is_rayleigh_with_and_without_artifact(seeded, operator):
    signal = torch.zeros(36, 36, 36, dtype=torch.complex64)
    scan = acquire(signal, operator, noise=0.4, filter="none", generator=seeded(0))
    assert stats.kstest(scan.flatten()[::3].numpy(), stats.rayleigh(scale=0.4).cdf).pvalue > 1e-3
    assert (scan > 0).all()


def test_the_common_filter_leaves_the_middle_and_keeps_the_far_lines():
    scan = acquire(torch.ones(16, 17, 18, dtype=torch.complex64))
    assert torch.allclose(scan, torch.ones(()), atol=1e-5)
    point = torch.zeros(16, 17, 18, dtype=torch.complex64)
    point[8, 8, 9] = 1
    spread = to_kspace(acquire(point))
    assert spread.abs().min() > 0


def test_operators_may_change_the_shape(head, seeded):
    wrapped = acquire(head, lambda x: fold(x, 30, 1), noise=0.01, generator=seeded(0))
    clean = acquire(head, lambda x: crop(x, (36, 30, 28)), noise=0.01, generator=seeded(0))
    assert wrapped.shape == clean.shape == (36, 30, 28)


def test_bad_arguments(head):
    for bad in (head.abs(), head[None]):
        with pytest.raises(ValueError, match="complex signal"):
            acquire(bad)
    with pytest.raises(ValueError, match="operator must return"):
        acquire(head, torch.abs)
    with pytest.raises(ValueError, match="must be"):
        acquire(head, noise=-1.0)
    with pytest.raises(ValueError, match="must be"):
        acquire(head, filter="box")
    assert torch.allclose(to_image(to_kspace(head)), head)
