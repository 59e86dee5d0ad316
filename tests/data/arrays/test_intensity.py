import numpy as np
import pytest

from xiqa.data.arrays.intensity import linear, rescale

VOLUME = np.random.default_rng(0).gamma(2, 50, (20, 18, 10)).astype(np.float32)


def test_the_logarithmic_scale_by_hand():
    """1,001 equally spaced values: percentiles are their places."""
    values = np.arange(1001, dtype=np.float32).reshape(7, 11, 13) * 3 + 40
    scaled, padding = rescale(values, "log")
    u = np.clip((np.arange(1001) - 1) / (980 - 1), 0, 4)
    np.testing.assert_allclose(scaled.ravel(), np.log((u + 0.02) / 0.1) / 1.2, atol=1e-5)
    assert padding == pytest.approx(np.log((49 / 979 + 0.02) / 0.1) / 1.2, abs=1e-5)


@pytest.mark.parametrize(("gain", "offset"), [(0.01, 0), (7, -300), (1, 1e4)])
def test_the_unit_of_the_scanner_changes_nothing(gain, offset):
    for scale in ("log", "zscore"):
        one, two = rescale(VOLUME, scale), rescale(VOLUME * np.float32(gain) + np.float32(offset), scale)
        np.testing.assert_allclose(one[0], two[0], atol=1e-2)
        assert one[1] == pytest.approx(two[1], abs=1e-2)


def test_air_has_more_of_the_range_on_the_logarithmic_scale():
    """Ghosts of 5 % of the head's brightness in air of 1 %."""
    values = np.repeat([0.0, 0.01, 0.05, 1.0], 1000).astype(np.float32).reshape(40, 10, 10)
    shares = []
    for scale in ("log", "zscore"):
        levels = np.unique(rescale(values, scale)[0])
        shares.append((levels[2] - levels[1]) / np.ptp(levels))
    assert shares[0] > 5 * shares[1]


def test_brightness_comes_back():
    scaled, _ = rescale(VOLUME, "log")
    low, high = np.percentile(VOLUME, (0.1, 98))
    np.testing.assert_allclose(linear(scaled, "log"), np.clip((VOLUME - low) / (high - low), 0, 4), atol=1e-5)
    scores = rescale(VOLUME, "zscore")[0]
    np.testing.assert_array_equal(linear(scores, "zscore"), scores)


def test_extremes_stay_finite():
    spiked, sparse = VOLUME.copy(), np.zeros_like(VOLUME)
    spiked[0, 0, 0], sparse[3, 3, 3] = 1e30, 5
    assert np.abs(rescale(spiked, "log")[0]).max() < 3.1
    assert rescale(sparse, "log")[0].max() == pytest.approx(np.log(1.02 / 0.1) / 1.2)


def test_another_scale_is_refused():
    with pytest.raises(ValueError, match="log, zscore"):
        rescale(VOLUME, "sqrt")
