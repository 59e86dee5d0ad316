import numpy as np
import pytest

from xiqa.metrics import verdicts
from xiqa.metrics.verdicts import NOT_SUPPORTED, NOT_TESTABLE, SUPPORTED, UNDECIDED, compare, equivalent, together


def outcomes(gap, seed, images=300, spread=0.02, seeds=3):
    """Simulated differences of two hit series of discordance 20 %, as in the rule's own calibration."""
    rng = np.random.default_rng(seed)
    shifts = gap + rng.normal(0, spread, seeds)
    draws = rng.random((images, seeds))
    up, down = (0.2 + shifts) / 2, (0.2 - shifts) / 2
    return (draws < up).astype(float) - (draws > 1 - down)


@pytest.mark.parametrize(("gap", "verdict"), [(0.3, SUPPORTED), (-0.3, NOT_SUPPORTED), (np.nan, NOT_TESTABLE)])
def test_clear_gaps_are_called_as_they_are(gap, verdict):
    values = np.clip(np.random.default_rng(0).normal(gap, 0.3, (300, 3)), -1, 1)
    assert compare({"a": values}, delta=0.02)[0].verdict == verdict


def test_no_gap_is_seldom_called_supported():
    calls = [compare({"a": outcomes(0.0, seed)}, 0.02)[0].verdict for seed in range(200)]
    assert calls.count(SUPPORTED) / 200 < 0.06
    assert calls.count(UNDECIDED) / 200 > 0.6


def test_holm_widens_all_but_the_last():
    rng = np.random.default_rng(1)
    pairs = {name: rng.normal(gap, 1, (200, 1)) for name, gap in (("strong", 1.0), ("weak", 0.1))}
    alone = {name: compare({name: values}, 0.02)[0] for name, values in pairs.items()}
    both = {d.name: d for d in compare(pairs, 0.02)}
    assert both["strong"].low < alone["strong"].low
    assert both["weak"].low == pytest.approx(alone["weak"].low)


def test_the_weakest_difference_decides():
    rng = np.random.default_rng(2)
    differences = compare({"good": rng.normal(1, 0.2, (99, 1)), "bad": rng.normal(-1, 0.2, (99, 1))}, 0.02)
    assert together(differences) == NOT_SUPPORTED
    assert together(differences[:1]) == SUPPORTED


def test_equality_needs_evidence():
    rng = np.random.default_rng(3)
    few, many = rng.choice([-1, 0, 0, 0, 1], (20, 1)), rng.choice([-1, 0, 0, 0, 1], (8000, 1))
    assert [equivalent(v, 0.05)[0] for v in (few, many, many + 0.5)] == [UNDECIDED, SUPPORTED, NOT_SUPPORTED]


@pytest.mark.parametrize(
    ("bounds", "by_seed", "verdict"),
    [
        ((0.20, 0.1, 0.3), [0.2, 0.2], SUPPORTED),
        ((0.20, 0.1, 0.3), [0.5, -0.1], UNDECIDED),
        ((0.01, 0.005, 0.015), [0.01], NOT_SUPPORTED),  # surely above 0, but too small to matter
        ((0.03, -0.1, 0.1), [0.03], UNDECIDED),
        ((0.10, np.nan, np.nan), [0.1], NOT_TESTABLE),
    ],
)
def test_the_rule(bounds, by_seed, verdict):
    assert verdicts.verdict_of(*bounds, np.array(by_seed), 0.02) == verdict
