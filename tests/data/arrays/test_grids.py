import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xiqa.data.arrays.grids import centres, outlines, resize, resize_mask, to_original


def disc(height=40, width=48, radius=9):
    y, x = np.mgrid[:height, :width]
    return (y - 17) ** 2 + (x - 25) ** 2 < radius**2


def test_resize_is_bilinear_with_antialiasing_and_keeps_the_size(film):
    import torch

    array = film(height=90, width=130).astype(np.float32) / 255
    for size in (30, 200):
        theirs = torch.nn.functional.interpolate(
            torch.from_numpy(array)[None, None], (size, size), mode="bilinear", antialias=True
        )[0, 0]
        ours = resize(array, size)
        assert ours.shape == (size, size)
        assert ours.dtype == np.uint8
        np.testing.assert_allclose(ours, theirs.numpy() * 255, atol=0.51)


def test_resize_to_its_own_size_changes_nothing(film):
    square = film(height=48, width=48)
    np.testing.assert_array_equal(resize(square.astype(np.float32) / 255, 48), square)


@given(st.integers(32, 3000), st.integers(32, 3000), st.integers(32, 700))
def test_points_go_back_to_the_original(height, width, size):
    assert to_original(-0.5, -0.5, size, height, width) == pytest.approx((-0.5, -0.5))
    assert to_original(size - 0.5, size - 0.5, size, height, width) == pytest.approx((height - 0.5, width - 0.5))
    assert to_original((size - 1) / 2, 0, size, height, width)[0] == pytest.approx((height - 1) / 2)
    rows, columns = to_original(np.arange(size), np.arange(size), size, size, size)
    np.testing.assert_allclose(rows, np.arange(size), atol=1e-9)
    np.testing.assert_allclose(columns, np.arange(size), atol=1e-9)


def test_a_bright_spot_is_found_again_where_it_was():
    array = np.zeros((300, 420), np.float32)
    array[180:192, 301:313] = 1
    small = resize(array, 100).astype(float)
    row, column = (np.average(np.arange(100), weights=small.sum(axis)) for axis in (1, 0))
    assert to_original(row, column, 100, 300, 420) == pytest.approx((185.5, 306.5), abs=0.3)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 50), st.integers(0, 9))
@example(height=1, width=30, size=11, seed=0)
@settings(max_examples=80, deadline=None)
def test_a_resized_mask_is_the_nearest_original_pixel_and_never_vanishes(height, width, size, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.choice([0.01, 0.3])
    small = resize_mask(mask, size)
    # Original pixels at the new centres, ties upwards; in fractions, as a float may fall just below a tie.
    y, x = ([math.floor(Fraction(2 * i + 1, 2) * length / size) for i in range(size)] for length in (height, width))
    plain = mask[np.ix_(y, x)]
    assert small.any() == mask.any()
    if plain.any() or not mask.any():
        np.testing.assert_array_equal(small, plain)
    else:
        assert small.sum() == 1


def test_the_original_size_changes_nothing():
    mask = np.random.default_rng(0).random((33, 33)) < 0.5
    np.testing.assert_array_equal(resize_mask(mask, 33), mask)
    assert centres(5, 5).tolist() == [0, 1, 2, 3, 4]


def test_a_thin_mask_keeps_its_nearest_pixel():
    mask = np.zeros((90, 90), bool)
    mask[0, 0] = mask[51, 38] = True
    # Centres lie at 4, 13, 22, 31, 40, 49, ...: (51, 38) is 2 px from (49, 40), the corner 4 px from (4, 4).
    assert np.argwhere(resize_mask(mask, 10)).tolist() == [[5, 4]]


@pytest.mark.parametrize("mask", [disc(), disc(radius=1), np.ones((40, 48), bool), np.eye(40, 48, dtype=bool)])
def test_outlines_hold_the_pixels_and_no_others(mask):
    inside = np.zeros_like(mask)
    for shape in outlines(mask):
        assert shape.kind == "polygon"
        inside ^= shape.mask(*mask.shape)
    np.testing.assert_array_equal(inside, mask)


def test_outlines_of_a_ring_are_two_and_of_nothing_none():
    assert len(outlines(disc(radius=12) & ~disc(radius=5))) == 2
    assert outlines(np.zeros((40, 48), bool)) == []
