import numpy as np
import pytest
import torch
from scipy import integrate

from tests.synthetic.kspace import ellipsoids
from tests.synthetic.kspace.ellipsoids import Ellipsoid
from xiqa.synthetic.kspace import to_image


def test_zero_frequency_is_the_volume():
    samples = ellipsoids.kspace([Ellipsoid((3, -2, 5), (4, 6, 9), (0.1, 0.2, 0.3), 1.5)], (20, 23, 18), (1.0, 2.0, 1.5))
    volume = 1.5 * 4 / 3 * np.pi * 4 * 6 * 9
    assert samples[10, 11, 9] * 3 * np.sqrt(20 * 23 * 18) == pytest.approx(volume)


@pytest.mark.parametrize("k", [0.002, 0.03, 0.11])
def test_transform_along_a_line_by_quadrature(k):
    # across x = t an ellipsoid of semi-axes a has the area pi a1 a2 (1 - t^2 / a0^2)
    one = Ellipsoid((2.0, 0, 0), (7, 5, 3))
    value = ellipsoids._transform(one, np.array([[k, 0.0, 0.0]]))[0]

    def area(t):
        return np.pi * 15 * (1 - (t / 7) ** 2)

    real = integrate.quad(lambda t: area(t) * np.cos(2 * np.pi * k * (t + 2)), -7, 7)[0]
    imaginary = -integrate.quad(lambda t: area(t) * np.sin(2 * np.pi * k * (t + 2)), -7, 7)[0]
    assert value == pytest.approx(complex(real, imaginary), rel=1e-9)


def test_image_is_the_ellipsoid():
    # one turned by a right angle has its axes exchanged
    one = Ellipsoid((6.0, -4.0, 3.0), (12, 20, 9), (0, 0, np.pi / 2))
    shape, spacing = (48, 50, 40), (1.0, 1.2, 1.1)
    image = to_image(torch.from_numpy(ellipsoids.kspace([one], shape, spacing))).real.numpy()
    places = [(np.arange(n) - n // 2) * size for n, size in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*places, indexing="ij")
    radius = np.sqrt(((x - 6) / 20) ** 2 + ((y + 4) / 12) ** 2 + ((z - 3) / 9) ** 2)
    assert image[radius < 0.7].mean() == pytest.approx(1, abs=0.01)
    assert abs(image[radius > 1.4]).mean() < 0.02
    assert np.corrcoef(image.ravel(), radius.ravel() < 1)[0, 1] > 0.98


def test_moving_is_a_rotation_and_a_phase():
    one = Ellipsoid((1.0, 2.0, 3.0), (4, 6, 9), (0.3, -0.2, 0.1))
    turned = one.moved((0, 0, np.pi / 2), (5, 0, 0))
    assert np.allclose(turned.centre, (3.0, 1.0, 3.0))
    k = np.array([[0.03, -0.02, 0.05]])
    back = np.array([[-0.02, -0.03, 0.05]])
    expected = ellipsoids._transform(one, back) * np.exp(-2j * np.pi * 0.03 * 5)
    assert np.allclose(ellipsoids._transform(turned, k), expected)


def test_the_head_is_positive_and_inside(head):
    assert head.abs().max() > 0.5
    assert head.abs()[0].max() < 0.02
    assert head.abs()[..., 0].max() < 0.02
