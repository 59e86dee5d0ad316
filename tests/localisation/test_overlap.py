import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, jaccard_score

from xiqa.localisation.overlap import THRESHOLDS, average_precision, best_threshold, energy_pointing_game, iou_curve


def masks(count=3, shape=(12, 16), seed=0):
    return np.random.default_rng(seed).random((count, *shape)) < 0.2


def test_energy_is_the_share_inside():
    maps = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert energy_pointing_game(maps, np.array([[[True, False], [False, True]]])) == pytest.approx([0.5])
    assert energy_pointing_game(maps, np.ones((1, 2, 2), bool)) == pytest.approx([1])


def test_energy_does_not_depend_on_the_unit():
    maps, truth = np.random.default_rng(1).random((3, 12, 16)), masks()
    expected = [(m * t).sum() / m.sum() for m, t in zip(maps, truth, strict=True)]
    assert energy_pointing_game(maps, truth) == pytest.approx(expected)
    assert energy_pointing_game(maps * 1e-300, truth) == pytest.approx(expected)
    assert energy_pointing_game(torch.from_numpy(maps * 1e30).float(), truth) == pytest.approx(expected, rel=1e-5)


def test_nothing_below_zero_is_counted():
    maps = np.array([[[-5.0, 1.0], [1.0, 0.0]], [[-1.0, -2.0], [-3.0, -4.0]]])
    result = energy_pointing_game(maps, np.array([[[True, True], [False, False]]] * 2))
    assert result[0] == 0.5
    assert np.isnan(result[1])


@pytest.mark.parametrize("measure", [energy_pointing_game, average_precision, lambda *a: iou_curve(*a, [0.5])["iou"]])
def test_no_verdict_is_nan(measure):
    maps, truth = torch.rand(5, 12, 16), masks(5)
    maps[0], maps[1], maps[2, 3, 3], truth[3] = 0, 1, float("nan"), False
    result = np.asarray(measure(maps, truth))
    assert np.isnan(result[:4]).all()
    assert 0 < result[4] < 1


@pytest.mark.parametrize("measure", [energy_pointing_game, average_precision, iou_curve])
def test_what_does_not_fit_is_refused(measure):
    with pytest.raises(ValueError, match="differ"):
        measure(torch.rand(3, 12, 15), masks())
    with pytest.raises(ValueError, match="bool"):
        measure(torch.rand(3, 12, 16), masks().astype(int))


@pytest.mark.parametrize("measure", [energy_pointing_game, average_precision])
def test_no_image_no_number(measure):
    assert measure(torch.zeros(0, 4, 4), np.zeros((0, 4, 4), bool)).shape == (0,)


def test_iou_of_a_map_by_hand():
    maps = np.array([[[0.0, 1.0], [2.0, 4.0]]])
    curve = iou_curve(maps, np.array([[[False, False], [True, True]]]), [0.0, 0.25, 0.5, 0.75, 1.0])
    assert curve["threshold"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve["iou"].to_numpy() == pytest.approx([2 / 4, 2 / 3, 1, 1 / 2, 1 / 2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_iou_is_scikit_learns(seed, levels):
    maps = np.random.default_rng(seed).integers(0, levels, (2, 12, 16)).astype(np.float32)
    truth = masks(2, seed=seed)
    curve = iou_curve(maps, truth)
    assert len(curve) == 2 * len(THRESHOLDS)
    for image, threshold, iou in curve.itertuples(index=False):
        scaled = (maps[image].astype(float) - maps[image].min()) / np.ptp(maps[image])
        assert iou == pytest.approx(jaccard_score(truth[image].ravel(), (scaled >= threshold).ravel()))


def test_the_best_threshold_has_the_best_mean():
    curve = pd.DataFrame(
        {"image": [0, 0, 1, 1, 2, 2], "threshold": [0.2, 0.8] * 3, "iou": [0.5, 0.4, 0.1, 0.3, np.nan, np.nan]}
    )
    assert best_threshold(curve) == 0.8
    assert best_threshold(curve[curve["image"] == 0]) == 0.2
    assert best_threshold(curve.assign(iou=0.5)) == 0.2
    assert np.isnan(best_threshold(curve[curve["image"] == 2]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 10, 10**6]), st.sampled_from([np.float32, np.float64]))
def test_average_precision_is_scikit_learns_with_ties(seed, levels, kind):
    maps = np.random.default_rng(seed).integers(0, levels, (3, 12, 16)).astype(kind)
    truth = masks(seed=seed)
    expected = [average_precision_score(t.ravel(), m.ravel()) for m, t in zip(maps, truth, strict=True)]
    assert average_precision(maps, truth) == pytest.approx(expected)


def test_average_precision_of_the_mask_itself_and_of_its_opposite():
    truth = masks(1, seed=3)
    assert average_precision(truth.astype(float), truth) == 1
    assert average_precision(1.0 - truth, truth)[0] == pytest.approx(truth.mean())


def test_half_precision_maps_are_taken():
    maps, truth = torch.rand(3, 12, 16).half(), masks()
    assert average_precision(maps, truth) == pytest.approx(average_precision(maps.double(), truth))
    assert energy_pointing_game(maps, truth) == pytest.approx(energy_pointing_game(maps.double(), truth))
