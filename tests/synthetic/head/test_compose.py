"""One scan: the chain, the label, and independence of the label."""

import numpy as np
import pytest
import torch

from xiqa.synthetic.head import KINDS, SCANNERS, compose, draw

SHAPE = (48, 48, 32)


def test_same_seed_same_bytes_whatever_was_drawn_before():
    first = draw(4, 2, 1, 1, SHAPE)
    compose.visit.cache_clear()
    draw(4, 3, 0, 0, SHAPE)
    again = draw(4, 2, 1, 1, SHAPE)
    np.testing.assert_array_equal(first.array, again.array)
    np.testing.assert_array_equal(first.affine, again.affine)
    assert first.about == again.about
    assert not np.array_equal(first.array, draw(5, 2, 1, 1, SHAPE).array)


@pytest.mark.parametrize("name", list(KINDS))
def test_a_clean_scan_is_the_same_scan_at_severity_zero(name):
    plain = draw(4, 2, 0, 1, SHAPE, "T1", name, 0.0)
    other = draw(4, 2, 0, 0, SHAPE, "T1", "rigid_motion", 0.0)
    np.testing.assert_array_equal(plain.array, other.array)
    assert plain.about["artifact"] is None
    assert plain.mask is None


@pytest.mark.parametrize("name", list(KINDS))
def test_the_counterfactual_is_the_scan_at_severity_zero(name):
    scan = draw(4, 2, 0, 1, SHAPE, "T1", name, KINDS[name].high, pair=True)
    np.testing.assert_array_equal(scan.without, draw(4, 2, 0, 1, SHAPE, "T1", name, 0.0).array)
    assert not np.array_equal(scan.without, scan.array)


def test_there_is_a_counterfactual_only_of_an_artifact_and_on_demand():
    assert draw(4, 2, 0, 1, SHAPE, "T1", "spike", 0.0, pair=True).without is None
    assert draw(4, 2, 0, 1, SHAPE, "T1", "spike", 1.0).without is None


def test_another_scanner_changes_the_settings_of_the_same_subject():
    usual, other = (draw(4, 2, 0, 0, SHAPE, "T1", "spike", 0.0, scanner=name) for name in SCANNERS)
    assert usual.about["sequence"] != other.about["sequence"]
    assert (usual.about["scanner"], other.about["scanner"]) == ("usual", "other")
    assert usual.array.shape != other.array.shape or usual.about["voxel_mm"] != other.about["voxel_mm"]
    noise = [[draw(4, n, 0, 0, SHAPE, scanner=name).about["nuisance"]["noise"] for n in range(6)] for name in SCANNERS]
    assert np.mean(noise[1]) > 1.3 * np.mean(noise[0])
    with pytest.raises(ValueError, match="scanner must be one of"):
        draw(4, 2, 0, 0, SHAPE, scanner="third")


def test_label_and_artifact_change_nothing_else():
    one, two = draw(4, 2, 0, 1, SHAPE, "T2", "ghosting"), draw(4, 2, 0, 0, SHAPE, "T2")
    assert one.about["nuisance"] == two.about["nuisance"]
    assert one.about["sequence"] == two.about["sequence"]
    assert one.array.shape == two.array.shape
    np.testing.assert_array_equal(one.affine, two.affine)


def test_scans_are_whole_numbers_that_vary_and_show_noise_in_air():
    for scan in range(4):
        drawn = draw(4, 6, scan, scan % 2, SHAPE)
        assert drawn.array.dtype == np.int16
        assert drawn.array.min() >= 0
        assert drawn.array.std() > 50
        assert (drawn.array == 0).mean() < 0.02
        assert np.isfinite(drawn.affine).all()
        assert abs(np.linalg.det(drawn.affine)) > 1


def test_a_clean_scan_is_one_with_the_identity_as_operator():
    given, who = compose.visit(4, 6, SHAPE)
    made = compose.expose(given, who, "PD", SHAPE, (4, 6, 0), np.random.default_rng(0), SCANNERS["usual"])
    torch.testing.assert_close(made.acquire(lambda x: x), made.plain, atol=1e-5, rtol=1e-5)


def test_visits_share_the_head_and_the_protocol():
    first, second = (draw(4, 7, scan, 0, SHAPE, weighting) for scan, weighting in enumerate(("T1", "PD")))
    assert first.array.shape == second.array.shape
    assert first.about["voxel_mm"] == second.about["voxel_mm"]
    np.testing.assert_allclose(first.affine[:3, :3], second.affine[:3, :3])


def test_labels_follow_the_simulated_rater(monkeypatch):
    scans = [draw(4, subject, 0, 1, SHAPE, artifact="bias_field") for subject in range(6)]
    assert np.mean([scan.about["rater_probability"] for scan in scans]) > 0.5
    monkeypatch.setattr(compose, "PASSED", 1.0)
    passed = [draw(4, subject, 0, 0, SHAPE, artifact="bias_field") for subject in range(8)]
    some = [scan.about for scan in passed if scan.about["artifact"]]
    assert some
    assert np.mean([about["rater_probability"] for about in some]) < 0.5


def test_no_global_random_numbers_are_used():
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    draw(4, 8, 0, 1, SHAPE)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])
