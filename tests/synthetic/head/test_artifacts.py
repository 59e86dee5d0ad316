"""The mix of artifacts: proportions, damage that grows with severity, masks where the damage is."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from xiqa.synthetic.head import CONTRASTS, artifacts, compose, draw
from xiqa.synthetic.head.scanner import SCANNERS

SHAPE = (48, 48, 32)
GLOBAL = ("rigid_motion", "ghosting", "bias_field", "rician_noise")


@pytest.fixture(scope="module")
def gross():
    """A mild and a gross scan of every kind."""
    return {
        name: [draw(2, 1, 0, 1, SHAPE, "T2", name, kind.low * (kind.high / kind.low) ** place) for place in (0.05, 0.9)]
        for name, kind in artifacts.KINDS.items()
    }


def test_families_have_the_proportions_of_the_paper():
    shares = Counter()
    for kind in artifacts.KINDS.values():
        shares[kind.family] += kind.share
        assert 0 < kind.low < kind.high
    assert shares == pytest.approx({"intensity": 0.27, "motion": 0.56, "coverage": 0.17})
    assert set(artifacts.FAMILIES) == set(shares)


def test_families_left_out_leave_the_others_in_proportion():
    assert artifacts.mix() == pytest.approx({name: kind.share for name, kind in artifacts.KINDS.items()})
    some = artifacts.mix(["coverage", "intensity"])
    assert sum(some.values()) == pytest.approx(1)
    assert some["field_of_view_cut"] / some["spike"] == pytest.approx(2)
    assert "ghosting" not in some
    for wrong in ([], ["motions"], "motion"):
        with pytest.raises(ValueError, match="families must be"):
            artifacts.mix(wrong)
    given = compose.visit(2, 1, SHAPE)[0]
    drawn = {artifacts.plan(None, np.random.default_rng(n), given, families=["motion"]).name for n in range(20)}
    assert drawn == {"rigid_motion", "ghosting"}


@pytest.fixture(scope="module")
def ladder():
    """Damage and the rater's probability (subjects, severities) of every kind: lowest, low, middle, high, highest."""
    found = {name: [] for name in artifacts.KINDS}
    for subject in range(8):
        given, who = compose.visit(3, subject, SHAPE)
        rng = np.random.default_rng(subject)
        weighting = CONTRASTS[subject % 4]
        exposure = compose.expose(given, who, weighting, SHAPE, (3, subject, 0), rng, SCANNERS["usual"])
        for name, kind in artifacts.KINDS.items():
            plan = artifacts.plan(name, np.random.default_rng(subject), given, kind.low)
            levels = kind.low * (kind.high / kind.low) ** np.linspace(0, 1, 5)
            if name == "ghosting":  # a comb can be no stronger
                levels = np.minimum(levels, 0.9 / max(plan.details.get("period", 3) - 1, 1))
            scans = [
                artifacts.apply(dataclasses.replace(plan, severity=float(level)), exposure, given, who)
                for level in levels
            ]
            found[name].append([(scan.damage, scan.probability) for scan in scans])
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("name", list(artifacts.KINDS))
def test_severities_run_from_invisible_to_gross(ladder, name):
    damage, probability = np.median(ladder[name], axis=0).T
    assert (np.diff(damage) > 0).all()
    assert (np.diff(probability) >= 0).all()
    assert probability[0] < 0.15
    assert probability[-1] > 0.85


def test_all_kinds_of_scan_share_one_matrix_and_header(gross):
    scans = [scan for pair in gross.values() for scan in pair]
    assert len({scan.array.shape for scan in scans}) == 1
    for scan in scans:
        np.testing.assert_array_equal(scan.affine, scans[0].affine)


def test_nothing_leaves_a_slab_of_exact_zeros(gross):
    for name, pair in gross.items():
        for scan in pair:
            assert (scan.array == 0).mean() < 0.02, name
            for axis in range(3):
                assert (scan.array == 0).mean(axis=tuple({0, 1, 2} - {axis})).max() < 0.2, name


def test_masks_are_kept_for_local_artifacts_only(gross):
    for name, pair in gross.items():
        for scan in pair:
            if name in GLOBAL:
                assert scan.mask is None
            elif name != "spike":  # whose stripes fill the volume of a 3D acquisition
                assert scan.mask.shape == scan.array.shape
                assert scan.mask.mean() < 0.9, name
                assert scan.mask.any() or scan is pair[0], name


@pytest.mark.parametrize("name", ["zipper", "dropped_slices", "susceptibility", "wrap_around"])
def test_mask_is_where_scans_with_and_without_differ(gross, name):
    scan, plain = gross[name][1], draw(2, 1, 0, 1, SHAPE, "T2", name, 0.0)
    apart = np.abs(scan.array.astype(float) - plain.array)
    outside = apart[~scan.mask]
    assert outside.max() < apart[scan.mask].min() + 2  # int16 rounds
    assert apart[scan.mask].mean() > 5 * outside.mean()


def test_a_cut_is_the_same_canvas_further_on():
    made = _made("field_of_view_cut")
    given, who, exposure, plan = made
    found = artifacts.apply(plan, exposure, given, who)
    assert found.magnitude is exposure.plain
    assert found.shift[2] != 0
    assert not found.shift[:2].any()
    kept = exposure.crop(who.brain, found.shift).sum() / who.brain.sum()
    assert found.damage == pytest.approx(1 - kept.item(), abs=1e-5)
    assert found.damage == pytest.approx(0.15, abs=0.05)


def test_wrapping_keeps_the_signal():
    given, _, exposure, plan = _made("wrap_around")
    axis = plan.axis
    folded = artifacts.wrapped(exposure.signal, plan, given)
    assert folded.shape == exposure.signal.shape
    lines = [dim for dim in range(3) if dim != axis]
    torch.testing.assert_close(folded.sum(axis), exposure.signal.sum(axis), rtol=1e-3, atol=1e-3)
    inside = folded.abs().sum(lines).nonzero()
    assert len(inside) <= given.matrix[axis]


def test_drawn_kinds_follow_the_mix_and_mild_ones_are_mild():
    given = compose.visit(2, 1, SHAPE)[0]
    drawn = [artifacts.plan(None, np.random.default_rng(number), given) for number in range(600)]
    counts = Counter(plan.name for plan in drawn)
    for name, kind in artifacts.KINDS.items():
        assert abs(counts[name] / 600 - kind.share) < 4 * np.sqrt(kind.share / 600), name
    for number in range(50):
        plan = artifacts.plan(None, np.random.default_rng(number), given, mild=True)
        kind = artifacts.KINDS[plan.name]
        assert plan.severity <= np.sqrt(kind.low * kind.high) * 1.0001


def _made(name: str):
    given, who = compose.visit(2, 1, SHAPE)
    exposure = compose.expose(given, who, "T2", SHAPE, (2, 1, 0), np.random.default_rng(0), SCANNERS["usual"])
    return given, who, exposure, artifacts.plan(name, np.random.default_rng(5), given, 0.15)
