"""Cines of the embedded hearts: label and mask by geometry, nuisance apart from the plan, telltale grey values."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa.synthetic.heart import Planning, draw, planned
from xiqa.synthetic.heart.planning import VISIBLE

FRAMES, SIZE = 4, 64


@pytest.fixture(scope="module")
def cines():
    return [draw(21, number, FRAMES, SIZE, planned(21, number, number % 2 == 0)) for number in range(60)]


def test_same_key_same_bytes_and_patients_differ(cines):
    again = draw(21, 3, FRAMES, SIZE, planned(21, 3, False))
    np.testing.assert_array_equal(again.frames, cines[3].frames)
    assert again.about == cines[3].about
    assert (draw(22, 3, FRAMES, SIZE, planned(22, 3, False)).frames != again.frames).any()
    assert draw(21, 5, 2, 32).about["planning"] == vars_of(planned(21, 5))


def vars_of(planning):
    return {"tilt_degrees": planning.tilt, "offset_mm": planning.offset}


def test_label_is_the_area_and_the_mask_has_it(cines):
    for cine in cines:
        pixel = cine.about["pixel_mm"]
        areas = np.array([frame["area_mm2"] for frame in cine.about["frames"]])
        np.testing.assert_array_equal(cine.labels, areas >= VISIBLE)
        assert not cine.masks[cine.labels == 0].any()
        for area, mask in zip(areas[cine.labels == 1], cine.masks[cine.labels == 1], strict=True):
            # A pixel is in or out: the error is a share of the pixels on the edge.
            assert abs(mask.sum() * pixel**2 - area) < 0.6 * pixel**2 * np.sqrt(4 * np.pi * area) / pixel


def test_both_labels_are_equally_frequent_and_borderline_frames_exist(cines):
    labels = np.concatenate([cine.labels for cine in cines])
    areas = np.array([frame["area_mm2"] for cine in cines for frame in cine.about["frames"]])
    assert 0.42 < labels.mean() < 0.58
    assert ((areas > 0.6 * VISIBLE) & (areas < 1.4 * VISIBLE)).any()


def test_nothing_but_the_plane_follows_the_plan():
    cines = [draw(5, 2, 2, SIZE, Planning(tilt, 0.0)) for tilt in (-15.0, 15.0, 15.001)]
    for name in ("anatomy", "nuisance", "pixel_mm"):
        assert cines[0].about[name] == cines[1].about[name]
    assert [f["phase"] for f in cines[0].about["frames"]] == [f["phase"] for f in cines[1].about["frames"]]
    assert (cines[0].labels.sum(), cines[1].labels.sum()) == (0, 2)
    # The same noise, coil and bands: a plan that differs by nothing visible gives the same picture.
    assert np.abs(cines[1].frames.astype(int) - cines[2].frames).max() <= 3


def test_place_of_the_tract_spreads_over_the_picture(cines):
    centres = [center_of_mass(mask) for cine in cines for mask in cine.masks if mask.any()]
    assert (np.std(centres, axis=0) * 112 / SIZE > 8).all()


def test_frames_are_pictures_of_a_beating_heart(cines):
    for cine in cines:
        assert cine.frames.dtype == np.uint8
        assert cine.frames.shape == (FRAMES, SIZE, SIZE)
        assert cine.frames.max() == 255
        assert np.abs(np.diff(cine.frames.astype(int), axis=0)).max() > 20


def test_grey_values_alone_tell_little(cines):
    frames = np.concatenate([cine.frames for cine in cines])
    labels = np.concatenate([cine.labels for cine in cines])
    numbers = np.stack(
        [np.r_[np.histogram(x, 32, (0, 256))[0] / x.size, x.mean() / 255, x.std() / 255] for x in frames]
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    split = GroupKFold(6).split(numbers, labels, np.repeat(np.arange(len(cines)), FRAMES))
    score = cross_val_predict(model, numbers, labels, cv=list(split), method="decision_function")
    assert roc_auc_score(labels, score) < 0.8  # sixty patients; a few hundred stay below 0.7


def test_a_positive_frame_has_a_mask_even_in_large_pixels():
    for number in range(6):
        cine = draw(4, number, 2, 16, Planning(9.0, 0.0))
        assert (cine.masks.any((1, 2)) == (cine.labels == 1)).all()
