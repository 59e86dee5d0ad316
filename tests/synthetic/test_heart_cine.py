"""Cines of the embedded hearts: label and mask by geometry, nuisances independent of the plan, counterfactuals."""

import numpy as np
import pytest

from xiqa.synthetic.heart import Planning, draw, planned, without_tract
from xiqa.synthetic.heart import cine as cine_module
from xiqa.synthetic.heart.planning import CLEAR, HIDDEN, VISIBLE

FRAMES, SIZE = 4, 64


@pytest.fixture(scope="module")
def cines():
    return [draw(21, number, FRAMES, SIZE, planned(21, number, number % 2 == 0)) for number in range(60)]


def test_same_key_same_bytes_and_patients_differ(cines):
    again = draw(21, 3, FRAMES, SIZE, planned(21, 3, False))
    np.testing.assert_array_equal(again.frames, cines[3].frames)
    assert again.about == cines[3].about
    assert (draw(22, 3, FRAMES, SIZE, planned(22, 3, False)).frames != again.frames).any()
    assert draw(21, 5, 2, 32).about["planning"] == planned(21, 5).about()


def test_label_is_the_area_and_the_mask_has_it(cines):
    for cine in cines:
        pixel = cine.about["pixel_mm"]
        areas = np.array([frame["area_mm2"] for frame in cine.about["frames"]])
        np.testing.assert_array_equal(cine.labels, areas >= VISIBLE)
        assert not cine.masks[cine.labels == 0].any()
        for area, mask in zip(areas[cine.labels == 1], cine.masks[cine.labels == 1], strict=True):
            # A pixel is in or out: the error is a share of the pixels on the edge.
            assert abs(mask.sum() * pixel**2 - area) < 0.6 * pixel**2 * np.sqrt(4 * np.pi * area) / pixel


def test_both_labels_are_equally_frequent_and_few_frames_are_borderline(cines):
    labels = np.concatenate([cine.labels for cine in cines])
    areas = np.array([frame["area_mm2"] for cine in cines for frame in cine.about["frames"]])
    assert 0.45 < labels.mean() < 0.55
    between = (areas > HIDDEN + 20) & (areas < 0.85 * CLEAR)
    assert 0 < between.mean() < 0.15


def test_only_the_plane_depends_on_the_plan():
    cines = [draw(5, 2, 2, SIZE, Planning(tilt, 0.0)) for tilt in (-15.0, 15.0, 15.001)]
    for name in ("anatomy", "nuisance", "pixel_mm"):
        assert cines[0].about[name] == cines[1].about[name]
    assert [f["phase"] for f in cines[0].about["frames"]] == [f["phase"] for f in cines[1].about["frames"]]
    assert (cines[0].labels.sum(), cines[1].labels.sum()) == (0, 2)
    # The same noise, coil and bands: a plan that differs by nothing visible gives the same picture.
    assert np.abs(cines[1].frames.astype(int) - cines[2].frames).max() <= 3


def test_the_part_that_beats_holds_the_whole_heart(monkeypatch):
    number, before = 12, {}
    for reach in (cine_module.REACH, 150.0):
        monkeypatch.setattr(cine_module, "REACH", reach)
        now = {k: draw(106, k, 1, SIZE, planned(106, k, k % 2 == 0)).frames.astype(int) for k in range(number)}
        for key, frames in before.items():
            assert (np.abs(frames - now[key]) > 25).sum() <= 2
        before = now


def test_a_positive_frame_has_a_mask_even_in_large_pixels():
    for number in range(6):
        cine = draw(4, number, 2, 16, Planning(9.0, 0.0))
        assert (cine.masks.any((1, 2)) == (cine.labels == 1)).all()


# --- counterfactuals and the other scanner ----------------------------------------------------------------------------


def test_positive_frames_and_only_they_have_counterfactuals_on_a_plane_without_the_tract(cines):
    for cine in cines[:8]:
        pairs = without_tract(cine)
        assert set(pairs) == set(np.flatnonzero(cine.labels == 1))
        for number, (picture, planning) in pairs.items():
            assert planning.tilt == 0
            assert planning.offset <= 0
            redrawn = draw(21, cine.about["patient"], FRAMES, SIZE, planning)
            assert redrawn.about["frames"][number]["area_mm2"] < 1.3 * HIDDEN
            assert redrawn.labels[number] == 0
            assert picture.shape == (SIZE, SIZE)
            assert picture.dtype == np.uint8


def test_counterfactual_of_the_true_plane_is_the_picture_itself():
    """The plan is the only change: phase, noise and scanner are those of the frame, and so is the white level."""
    cine = draw(21, 4, 2, 48, Planning(14.0, 3.0))
    picture, planning = without_tract(cine)[1]
    same = draw(21, 4, 2, 48, planning)
    scale = cine.white / same.white
    seen, clear = same.frames[1].astype(float), (same.frames[1] < 250) & (picture < 250)
    np.testing.assert_allclose(picture[clear] * scale, seen[clear], atol=1.5)
    assert np.abs(picture.astype(float) - cine.frames[1]).mean() > 3


def test_another_scanner_changes_grey_values_only(cines):
    rough, there = [], []
    for cine in cines[:12]:
        number = cine.about["patient"]
        other = draw(21, number, FRAMES, SIZE, planned(21, number, number % 2 == 0), scanner="other")
        assert other.about["scanner"] == "other"
        assert other.about["planning"] == cine.about["planning"]
        np.testing.assert_array_equal(other.masks, cine.masks)
        np.testing.assert_array_equal(other.labels, cine.labels)
        assert other.about["nuisance"]["noise"] > cine.about["nuisance"]["noise"]
        assert max(other.about["nuisance"]["kept"]) < max(cine.about["nuisance"]["kept"]) + 0.04
        rough.append((cine.frames == 255).mean())
        there.append((other.frames == 255).mean())
    assert np.mean(there) > 1.5 * np.mean(rough)


def test_an_unknown_scanner_is_named():
    with pytest.raises(ValueError, match="unknown scanner 'newest': choose one of usual, other"):
        draw(0, 0, 1, 16, Planning(0.0, 0.0), scanner="newest")
