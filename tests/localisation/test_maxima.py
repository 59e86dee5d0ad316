import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.localisation.maxima import peaks, to_points


def test_the_peaks_of_two_bumps():
    saliency = torch.zeros(40, 60)
    saliency[5, 7], saliency[30, 50] = 4, 2
    assert peaks(saliency, 0.5, 15) == [(0.5, 5, 7), (0.25, 30, 50)]


def test_a_map_is_scaled_by_its_own_extremes():
    saliency = np.full((20, 20), 3.0)
    saliency[2, 2], saliency[17, 17] = 5, 4
    assert peaks(saliency, 0.8, 4) == [(0.8, 2, 2), (0.4, 17, 17)]


def test_borders_count():
    saliency = torch.zeros(32, 32)
    saliency[0, 31] = 1
    assert peaks(saliency, 1, 15) == [(1, 0, 31)]


def test_a_lower_peak_within_the_tolerance_is_not_another_one():
    saliency = torch.zeros(32, 32)
    saliency[10, 10], saliency[10, 14] = 2, 1
    assert len(peaks(saliency, 1, 5)) == 1
    assert len(peaks(saliency, 1, 3)) == 2


def test_at_most_twenty():
    saliency = np.random.default_rng(0).random((100, 100))
    assert len(peaks(saliency, 1, 3)) == 20
    assert len(peaks(saliency, 1, 3, most=4)) == 4
    assert peaks(saliency, 1, 3)[:4] == peaks(saliency, 1, 3, most=4)


def test_a_map_without_a_peak_has_none():
    assert peaks(torch.ones(8, 8), 1, 3) == []
    assert peaks(torch.full((8, 8), float("nan")), 1, 3) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1, 12), st.integers(2, 6))
def test_peaks_are_apart_the_highest_first_and_highest_around(seed, tolerance, levels):
    # Few levels: plateaus and ties.
    saliency = np.random.default_rng(seed).integers(0, levels, (24, 30)).astype(np.float32)
    result = peaks(saliency, 0.7, tolerance)
    probabilities = [p for p, _, _ in result]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] == pytest.approx(0.7)
    assert (result[0][1], result[0][2]) == np.unravel_index(saliency.argmax(), saliency.shape)
    places = np.array([(row, column) for _, row, column in result])
    distances = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    assert (distances + 1e9 * np.eye(len(places)) >= tolerance).all()
    reach = int(np.ceil(tolerance))
    for probability, row, column in result:
        around = saliency[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        assert saliency[row, column] == around.max() > saliency.min()
        assert probability == pytest.approx(0.7 * (saliency[row, column] - saliency.min()) / np.ptp(saliency))


def test_points_of_the_original_picture():
    # Edges coincide: the first of 10 pixels covers original columns 0 to 2 of 30 (centre 1) and rows 0, 1 of 20 (0.5).
    assert to_points([(0.5, 0, 0), (0.25, 9, 4)], 10, 20, 30) == [(0.5, 1, 0.5), (0.25, 13, 18.5)]
    assert to_points([(0.5, 3, 4)], 10, 10, 10) == [(0.5, 4, 3)]


@pytest.mark.parametrize("tolerance", [0, -1, float("nan")])
def test_the_tolerance_must_be_positive(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        peaks(torch.rand(8, 8), 1, tolerance)


def test_one_map_is_wanted():
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        peaks(torch.rand(1, 8, 8), 1, 3)
