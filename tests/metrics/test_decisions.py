import numpy as np
import pytest

from xiqa import metrics


def test_classification_by_hand():
    rows = metrics.classification([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], groups=range(4))
    assert (rows["images"], rows["accuracy"], rows["auc"]) == (4, 0.5, 0.75)
    assert (rows["accuracy_low"], rows["accuracy_high"]) == metrics.clustered_wilson([1, 0, 0, 1], range(4))
    assert rows["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)


def test_calibration_error_by_hand():
    error = lambda labels, p: metrics.classification(labels, p, range(len(p)))["ece"]  # noqa: E731
    # Bin 0 holds 0.01 and 0.05 (one positive), the last bin holds 0.99 (positive).
    assert error([0, 1, 1], [0.01, 0.05, 0.99]) == pytest.approx((abs(0.06 - 1) + abs(0.99 - 1)) / 3)
    assert error([1, 0], [1.0, 0.0]) == 0


def test_frames_of_patients_widen_the_intervals():
    rng = np.random.default_rng(0)
    # Half of the patients are hard: the network guesses all their frames alike.
    labels, groups = np.tile([0, 1], 200), np.repeat(np.arange(40), 10)
    shift = np.repeat(rng.normal(size=40), 10)
    p = 1 / (1 + np.exp(-(labels * 2 - 1 + 3 * shift)))
    frames, patients = metrics.classification(labels, p, range(400)), metrics.classification(labels, p, groups)
    assert (patients["accuracy"], patients["auc"]) == (frames["accuracy"], frames["auc"])
    assert patients["accuracy_low"] < frames["accuracy_low"]
