import numpy as np
import pytest
from sklearn import metrics as sk

from xiqa import metrics

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [90, 30])
P = np.clip(np.round(RNG.beta(1, 3, 120) + 0.3 * LABELS * RNG.random(120), 2), 0, 1)  # rounded: ties
W = metrics.prevalence_weights(LABELS)


def test_artifacts_get_the_share_they_have_in_the_field():
    assert W[LABELS == 1].sum() / W.sum() == pytest.approx(0.02)
    assert W.mean() == pytest.approx(1)
    assert len(set(W)) == 2


def test_weights_of_replicates_are_their_own():
    counts = RNG.integers(0, 3, (5, 120))
    w = metrics.prevalence_weights(LABELS, 0.1, counts)
    assert w[:, LABELS == 1].sum(axis=1) / w.sum(axis=1) == pytest.approx(np.full(5, 0.1))
    assert (w[counts == 0] == 0).all()
    assert np.isnan(metrics.prevalence_weights([0, 0])).all()


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.8])
def test_decisions_are_scikit_learns(threshold):
    flagged = threshold <= P
    found, given = metrics.detection(LABELS, flagged, W), {"sample_weight": W}
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(LABELS, flagged, **given))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(LABELS, flagged, **given))
    assert found["sensitivity"] == pytest.approx(sk.recall_score(LABELS, flagged, **given))
    assert found["specificity"] == pytest.approx(sk.recall_score(LABELS, flagged, pos_label=0, **given))
    assert found["precision"] == pytest.approx(sk.precision_score(LABELS, flagged, **given))
    assert found["npv"] == pytest.approx(sk.precision_score(LABELS, flagged, pos_label=0, **given))
    assert found["f1"] == pytest.approx(sk.f1_score(LABELS, flagged, **given))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(LABELS, flagged, **given))
    tn, fp, fn, tp = sk.confusion_matrix(LABELS, flagged, **given).ravel()
    assert [found[c] for c in ("tn", "fp", "fn", "tp")] == pytest.approx([tn, fp, fn, tp])


def test_calling_everything_clean_is_right_in_98_of_100():
    found = metrics.detection(LABELS, np.zeros(120), W)
    assert found["accuracy"] == pytest.approx(0.98)
    assert (found["f1"], found["mcc"], found["sensitivity"], found["balanced_accuracy"]) == (0, 0, 0, 0.5)
    assert np.isnan(found["precision"])


def test_rankings_are_scikit_learns():
    found = metrics.ranking(LABELS, P, W)
    assert found["auc"] == pytest.approx(sk.roc_auc_score(LABELS, P, sample_weight=W))
    assert found["ap"] == pytest.approx(sk.average_precision_score(LABELS, P, sample_weight=W))


def test_an_uninformative_score_has_the_prevalence_as_its_average_precision():
    found = metrics.ranking(LABELS, np.zeros(120), W)
    assert found["ap"] == pytest.approx(0.02)
    assert found["auc"] == 0.5


def test_calibration_is_scikit_learns():
    found = metrics.calibration(LABELS, P, W)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(LABELS, P, sample_weight=W))
    assert found["log_loss"] == pytest.approx(sk.log_loss(LABELS, np.clip(P, 1e-7, 1 - 1e-7), sample_weight=W))
    assert found["ece"] == pytest.approx(metrics.expected_calibration_error(LABELS, P, weights=W))


def test_stating_the_prevalence_has_no_skill():
    found = metrics.calibration(LABELS, np.full(120, 0.02), W)
    assert found["brier_skill"] == pytest.approx(0)
    assert found["ece"] == pytest.approx(0, abs=1e-12)
    assert metrics.calibration(LABELS, LABELS, W)["brier_skill"] == 1


def test_many_weights_at_once_are_one_after_the_other():
    counts = metrics.resample(np.arange(120) // 2, LABELS, draws=6, seed=1)
    w = metrics.prevalence_weights(LABELS, counts=counts)
    for function, given in ((metrics.detection, P > 0.4), (metrics.ranking, P), (metrics.calibration, P)):
        together = function(LABELS, given, w)
        for row in range(7):
            alone = function(LABELS, given, w[row])
            for name, value in alone.items():
                assert together[name][row] == pytest.approx(value), name


class TestResample:
    subjects = np.repeat(np.arange(40), 3)
    labels = np.where(np.arange(120) % 3 == 0, np.repeat(np.arange(40) < 10, 3), 0).astype(int)

    def test_scans_of_a_subject_come_together(self):
        counts = metrics.resample(self.subjects, self.labels, draws=50)
        assert (counts.reshape(51, 40, 3) == counts.reshape(51, 40, 3)[..., :1]).all()

    def test_row_0_is_the_sample_and_strata_keep_their_size(self):
        counts = metrics.resample(self.subjects, self.labels, draws=50)
        assert (counts[0] == 1).all()
        assert (counts[:, ::3][:, :10].sum(axis=1) == 10).all()
        assert (counts[:, ::3][:, 10:].sum(axis=1) == 30).all()

    def test_the_same_seed_draws_the_same(self):
        draw = lambda seed: metrics.resample(self.subjects, self.labels, 5, seed)  # noqa: E731
        assert (draw(0) == draw(0)).all()
        assert (draw(0) != draw(1)).any()


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
