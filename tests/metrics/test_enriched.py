import numpy as np
import pytest
from sklearn import metrics as sk

from xiqa import metrics

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [90, 30])
P = np.clip(np.round(RNG.beta(1, 3, 120) + 0.3 * LABELS * RNG.random(120), 2), 0, 1)  # rounded: ties
W = metrics.prevalence_weights(LABELS)


def test_artifacts_get_the_share_they_have_in_the_field_in_every_replicate():
    assert W.mean() == pytest.approx(1)
    assert len(set(W)) == 2
    counts = np.concatenate([np.ones((1, 120)), RNG.integers(0, 3, (5, 120))])
    w = metrics.prevalence_weights(LABELS, 0.1, counts)
    assert w[:, LABELS == 1].sum(axis=1) / w.sum(axis=1) == pytest.approx(np.full(6, 0.1))
    assert (w[counts == 0] == 0).all()
    assert np.isnan(metrics.prevalence_weights([0, 0])).all()


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.8])
def test_decisions_are_scikit_learns(threshold):
    flagged = threshold <= P
    values = metrics.detection(LABELS, flagged, W)
    oracles = {
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "sensitivity": sk.recall_score,
        "precision": sk.precision_score,
        "f1": sk.f1_score,
        "mcc": sk.matthews_corrcoef,
    }
    for name, oracle in oracles.items():
        assert values[name] == pytest.approx(oracle(LABELS, flagged, sample_weight=W)), name
    assert values["specificity"] == pytest.approx(sk.recall_score(LABELS, flagged, pos_label=0, sample_weight=W))
    assert values["npv"] == pytest.approx(sk.precision_score(LABELS, flagged, pos_label=0, sample_weight=W))
    cells = sk.confusion_matrix(LABELS, flagged, sample_weight=W).ravel()
    assert [values[cell] for cell in ("tn", "fp", "fn", "tp")] == pytest.approx(cells)


def test_calling_everything_clean_is_right_in_98_of_100():
    values = metrics.detection(LABELS, np.zeros(120), W)
    assert values["accuracy"] == pytest.approx(0.98)
    assert (values["f1"], values["mcc"], values["sensitivity"], values["balanced_accuracy"]) == (0, 0, 0, 0.5)
    assert np.isnan(values["precision"])


def test_rankings_are_scikit_learns():
    values = metrics.ranking(LABELS, P, W)
    assert values["auc"] == pytest.approx(sk.roc_auc_score(LABELS, P, sample_weight=W))
    assert values["ap"] == pytest.approx(sk.average_precision_score(LABELS, P, sample_weight=W))
    uninformative = metrics.ranking(LABELS, np.zeros(120), W)
    assert (uninformative["auc"], uninformative["ap"]) == (0.5, pytest.approx(0.02))


def test_calibration_is_scikit_learns():
    values = metrics.calibration(LABELS, P, W)
    assert values["brier"] == pytest.approx(sk.brier_score_loss(LABELS, P, sample_weight=W))
    assert values["log_loss"] == pytest.approx(sk.log_loss(LABELS, np.clip(P, 1e-7, 1 - 1e-7), sample_weight=W))
    # Stating the prevalence has no skill, the truth has all.
    values = metrics.calibration(LABELS, np.full(120, 0.02), W)
    assert (values["brier_skill"], values["ece"]) == (pytest.approx(0), pytest.approx(0, abs=1e-12))
    assert metrics.calibration(LABELS, LABELS, W)["brier_skill"] == 1
    # In the calibration error a weight of two is a scan twice.
    labels, p, weights = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.9, 0.9]), np.array([1, 2, 1, 3])
    twice = np.repeat(np.arange(4), weights)
    expected = metrics.classification(labels[twice], p[twice], groups=twice)["ece"]
    assert metrics.calibration(labels, p, weights)["ece"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("function", "values"), [(metrics.detection, P > 0.4), (metrics.ranking, P), (metrics.calibration, P)]
)
def test_many_weights_at_once_are_one_after_the_other(function, values):
    counts = metrics.resample(np.arange(120) // 2, LABELS, draws=6, seed=1)
    w = metrics.prevalence_weights(LABELS, counts=counts)
    together, alone = function(LABELS, values, w), [function(LABELS, values, row) for row in w]
    for name in together:
        assert together[name] == pytest.approx(np.array([part[name] for part in alone])), name


def test_resampling_keeps_subjects_together_and_strata_of_their_size():
    subjects = np.repeat(np.arange(40), 3)
    labels = np.where(np.arange(120) % 3 == 0, np.repeat(np.arange(40) < 10, 3), 0).astype(int)
    counts = metrics.resample(subjects, labels, draws=50)
    by_subject = counts.reshape(51, 40, 3)
    assert (counts[0] == 1).all()
    assert (by_subject == by_subject[..., :1]).all()
    assert (by_subject[:, :10, 0].sum(axis=1) == 10).all()
    assert (by_subject[:, 10:, 0].sum(axis=1) == 30).all()
    assert (counts == metrics.resample(subjects, labels, draws=50)).all()
    assert (counts != metrics.resample(subjects, labels, draws=50, seed=1)).any()


def test_the_interval_of_a_mean_is_that_of_theory():
    labels = np.repeat([0, 1], 400)
    right = RNG.random(800) < 0.8
    counts = metrics.resample(np.arange(800), labels, draws=3000)
    value, low, high = metrics.estimate(metrics.detection(labels, right == labels, counts)["accuracy"])
    assert value == pytest.approx(right.mean())
    expected = 1.96 * np.sqrt(value * (1 - value) / 800)
    assert (value - low, high - value) == pytest.approx((expected, expected), rel=0.12)


def test_replicates_without_a_class_are_left_out():
    assert metrics.estimate(np.array([0.5, np.nan, 0.4, 0.6]), confidence=1.0) == (0.5, 0.4, 0.6)
    assert np.isnan(metrics.estimate(np.array([0.5, np.nan]))[1:]).all()
    assert np.isnan(metrics.estimate(np.array([np.nan, 0.5]))).all()
