import numpy as np
import pytest
import torch
from scipy import ndimage

from xiqa.synthetic.kspace import reference


def test_percentile_is_the_lower_one(volume):
    values = volume(7, 8, 9).real
    for percent in (0, 1, 37, 99, 100):
        expected = np.percentile(values, percent, method="lower")
        assert reference.percentile(values, percent) == expected


def test_leading_axes_count_together(volume):
    x = volume(2, 3, 4, 5, 6)
    assert torch.allclose(reference.magnitude(x), x.abs().square().mean((0, 1)).sqrt())


def test_head_and_its_moments(head, spacing):
    mask = reference.head(head)
    places = np.argwhere(mask.numpy())
    centre, covariance = reference.moments(mask, np.array(spacing))
    assert np.allclose(centre, places.mean(0))
    assert np.allclose(centre, ndimage.center_of_mass(mask.numpy()))
    assert np.allclose(covariance, np.cov((places * spacing).T, ddof=0))
    assert reference.box(mask) == [(a, b) for a, b in zip(places.min(0), places.max(0), strict=True)]


def test_an_empty_volume_has_no_head():
    with pytest.raises(ValueError, match="no head"):
        reference.head(torch.zeros(5, 5, 5))


def test_thinning_keeps_what_is_small_and_one_axis():
    assert reference.thinned(torch.zeros(50, 40, 30))[0].shape == (50, 40, 30)
    some, steps = reference.thinned(torch.empty(2, 200, 240, 192))
    assert some.shape == (2, 50, 60, 48)
    assert list(steps) == [4, 4, 4]
    assert reference.thinned(torch.empty(200, 240, 192), -2)[0].shape[1] == 240


def test_ball_has_the_volume_of_a_ball():
    ball = reference.ball(torch.Size((41, 41, 15)), np.array([20, 20, 7]), 12.0, np.array([1, 1, 3]), "cpu")
    assert 3 * ball.sum().item() == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.02)
    assert ball.max() == 1
    assert ball.min() == 0
