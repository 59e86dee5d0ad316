import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from xiqa import metrics


def test_wilson_gives_the_published_example():
    low, high = metrics.wilson(111, 139)
    assert (round(low, 2), round(high, 2)) == (0.72, 0.86)


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipys(count, data):
    hits = data.draw(st.integers(0, count))
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert metrics.wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_of_nothing_is_nan():
    assert np.isnan(metrics.wilson(0, 0)).all()


def test_delong_variance_equals_the_sum_over_all_pairs():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), np.round(rng.normal(size=60), 1)
    scores[labels == 1] += 0.8
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)
    estimate, low, high = metrics.auc(labels, scores)
    assert estimate == pytest.approx(roc_auc_score(labels, scores))
    logit = np.log(estimate / (1 - estimate))
    half = 1.959964 * np.sqrt(variance) / (estimate * (1 - estimate))
    assert low == pytest.approx(1 / (1 + np.exp(half - logit)), abs=1e-6)
    assert high == pytest.approx(1 / (1 + np.exp(-half - logit)), abs=1e-6)


def test_the_auc_interval_covers_the_truth():
    rng = np.random.default_rng(1)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    labels = np.repeat([0, 1], 60)
    covered = 0
    for _ in range(400):
        _, low, high = metrics.auc(labels, rng.normal(size=120) + labels)
        covered += low <= truth <= high
    assert 0.91 <= covered / 400 <= 0.985


def test_a_perfect_ranking_still_has_a_lower_bound_below_one():
    estimate, low, high = metrics.auc([0] * 10 + [1] * 10, np.arange(20))
    assert (estimate, high) == (1, 1)
    assert low == pytest.approx(0.025**0.1)


def test_auc_needs_both_classes():
    assert np.isnan(metrics.auc([1, 1], [0.2, 0.3])).all()


def test_calibration_error_by_hand():
    # Bin 0 holds 0.01 and 0.05 (one positive), the last bin holds 0.99 (positive).
    value = metrics.expected_calibration_error([0, 1, 1], [0.01, 0.05, 0.99])
    assert value == pytest.approx((abs(0.06 - 1) + abs(0.99 - 1)) / 3)
    assert metrics.expected_calibration_error([1, 0], [1.0, 0.0]) == 0


def test_crossed_mean_with_one_seed_is_the_t_interval():
    values = np.random.default_rng(2).normal(size=(30, 1))
    expected = stats.ttest_1samp(values[:, 0], 0)
    result = metrics.crossed_mean(values)
    low, high = expected.confidence_interval()
    assert (result["low"], result["high"], result["p"]) == pytest.approx((low, high, expected.pvalue))


def test_crossed_mean_grows_with_the_spread_of_seeds():
    rng = np.random.default_rng(3)
    steady = rng.normal(size=(200, 1)) + np.zeros((1, 3))
    moved = steady + np.array([[-0.1, 0, 0.1]])
    assert metrics.crossed_mean(moved)["se"] > metrics.crossed_mean(steady)["se"]
    assert metrics.crossed_mean(moved)["df"] < metrics.crossed_mean(steady)["df"]


def test_crossed_mean_leaves_out_images_without_a_verdict():
    values = np.array([[1.0, 1.0], [0.0, np.nan], [0.0, 1.0]])
    assert metrics.crossed_mean(values)["images"] == 2
    assert metrics.crossed_mean(values)["mean"] == 0.75
