import numpy as np
import pytest

from xiqa import metrics


def test_calibration_error_by_hand():
    # Bin 0 holds 0.01 and 0.05 (one positive), the last bin holds 0.99 (positive).
    value = metrics.expected_calibration_error([0, 1, 1], [0.01, 0.05, 0.99])
    assert value == pytest.approx((abs(0.06 - 1) + abs(0.99 - 1)) / 3)
    assert metrics.expected_calibration_error([1, 0], [1.0, 0.0]) == 0


def test_a_weight_of_two_is_a_scan_twice():
    labels, p, weights = [0, 1, 1, 0], [0.2, 0.7, 0.9, 0.9], [1, 2, 1, 3]
    twice = np.repeat(np.arange(4), weights)
    expected = metrics.expected_calibration_error(np.take(labels, twice), np.take(p, twice))
    assert metrics.expected_calibration_error(labels, p, weights=weights) == pytest.approx(expected)


def test_classification_by_hand():
    found = metrics.classification([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
    assert (found["images"], found["accuracy"], found["auc"]) == (4, 0.5, 0.75)
    assert (found["accuracy_low"], found["accuracy_high"]) == metrics.wilson(2, 4)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)


def test_frames_of_patients_widen_the_intervals():
    rng = np.random.default_rng(0)
    # Half of the patients are hard: the network guesses all their frames alike.
    labels, groups = np.tile([0, 1], 200), np.repeat(np.arange(40), 10)
    shift = np.repeat(rng.normal(size=40), 10)
    p = 1 / (1 + np.exp(-(labels * 2 - 1 + 3 * shift)))
    frames, patients = metrics.classification(labels, p), metrics.classification(labels, p, groups)
    for name in ("accuracy", "auc"):
        assert patients[name] == frames[name]
        assert patients[f"{name}_low"] < frames[f"{name}_low"] or name == "auc"
