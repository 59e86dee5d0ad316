"""The imaging chain's parts."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xiqa.synthetic.chest import compose, film


@pytest.mark.parametrize("side", [200, 211])
def test_a_wide_blur_on_a_coarser_grid_is_the_blur(side):
    image = gaussian_filter(np.random.default_rng(0).normal(0, 20, (side, side)).astype(np.float32), 6)
    inner = (slice(20, -20),) * 2
    np.testing.assert_allclose(film.blurred(image, 9.0)[inner], gaussian_filter(image, 9.0)[inner], atol=0.06)
    np.testing.assert_array_equal(film.blurred(image, 5.0), gaussian_filter(image, 5.0, truncate=3))


@pytest.mark.parametrize("curve", film.CURVES)
def test_tone_curves_rise_and_are_inverted_by_their_scale(curve):
    scale, back = film.CURVES[curve]
    tones = np.linspace(0.02, 0.98, 50)
    np.testing.assert_allclose(back(scale(tones)), tones, atol=1e-9)
    assert (np.diff(scale(tones)) > 0).all()


def test_the_other_scanner_collimates_with_rounded_corners():
    for subject in range(5):
        chains = [compose.scene(3, subject, 64, scanner).chain for scanner in ("usual", "other")]
        assert chains[0].given.corner == 0
        usual, other = (chain.open_field() for chain in chains)
        assert not other[:3].any()
        rows, columns = np.nonzero(other)
        assert not other[rows.min(), columns.min()]
        assert other.sum() < usual.sum()
        assert chains[1].open_field(10).sum() < other.sum()
