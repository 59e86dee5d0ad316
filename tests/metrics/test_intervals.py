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


def test_frames_that_repeat_each_other_count_once_and_independent_ones_as_often_as_there_are():
    right = np.random.default_rng(0).random(40) < 0.7
    ten_times = metrics.clustered_wilson(np.repeat(right, 10), np.repeat(np.arange(40), 10))
    assert ten_times == pytest.approx(metrics.clustered_wilson(right, np.arange(40)), abs=0.01)
    assert metrics.wilson(right.sum() * 10, 400)[0] > ten_times[0] + 0.05
    right, groups = np.random.default_rng(1).random(3000) < 0.7, np.repeat(np.arange(600), 5)
    assert metrics.clustered_wilson(right, groups) == pytest.approx(metrics.wilson(right.sum(), 3000), abs=0.004)


def test_samples_without_an_error_and_empty_ones():
    assert metrics.clustered_wilson([1] * 30, np.repeat([0, 1, 2], 10)) == pytest.approx(metrics.wilson(3, 3))
    for empty in (metrics.wilson(0, 0), metrics.clustered_wilson([], []), metrics.auc([1, 1], [0.2, 0.3])):
        assert np.isnan(empty).all()


def interval(value, variance):
    half = 1.959964 * np.sqrt(variance) / (value * (1 - value))
    logit = np.log(value / (1 - value))
    return 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))


def scored(seed=0, count=60):
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, count), np.round(rng.normal(size=count), 1)
    return labels, scores + 0.8 * labels


def test_delong_variance_equals_the_sum_over_all_pairs():
    labels, scores = scored()
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)
    value, low, high = metrics.auc(labels, scores)
    assert value == pytest.approx(roc_auc_score(labels, scores))
    assert (low, high) == pytest.approx(interval(value, variance), abs=1e-6)
    names = [f"patient {i}" for i in range(len(labels))]
    assert metrics.auc(labels, scores, names) == pytest.approx((value, low, high))


def obuchowski_by_loops(labels, scores, groups):
    """The formulas of the paper, cluster by cluster and pair by pair."""
    m, n = (labels == 1).sum(), (labels == 0).sum()
    kernel = lambda x, y: 1.0 if x > y else 0.5 if x == y else 0.0  # noqa: E731
    area = np.mean([kernel(x, y) for x in scores[labels == 1] for y in scores[labels == 0]])
    s10 = s01 = s11 = 0.0
    clusters = np.unique(groups)
    for c in clusters:
        own = groups == c
        xs, ys = scores[own & (labels == 1)], scores[own & (labels == 0)]
        x = sum(np.mean([kernel(v, y) for y in scores[labels == 0]]) for v in xs) - len(xs) * area
        y = sum(np.mean([kernel(v, u) for v in scores[labels == 1]]) for u in ys) - len(ys) * area
        s10, s01, s11 = s10 + x * x, s01 + y * y, s11 + x * y
    i10, i01, i = (len(np.unique(groups[w])) for w in (labels == 1, labels == 0, labels >= 0))
    s10, s01, s11 = s10 * i10 / ((i10 - 1) * m), s01 * i01 / ((i01 - 1) * n), s11 * i / (i - 1)
    return area, s10 / m + s01 / n + 2 * s11 / (m * n)


@pytest.mark.parametrize("seed", range(4))
def test_clustered_variance_is_obuchowskis(seed):
    labels, scores = scored(seed)
    groups = np.random.default_rng(seed).integers(0, 15, len(labels))
    value, low, high = metrics.auc(labels, scores, groups)
    area, variance = obuchowski_by_loops(labels, scores, groups)
    assert value == pytest.approx(area)
    assert (low, high) == pytest.approx(interval(area, variance), abs=1e-6)


@pytest.mark.parametrize("frames", [1, 3])
def test_the_auc_interval_covers_the_truth(frames):
    """60 patients; with three frames of each class a patient's frames of one class share a value."""
    rng, covered, shared = np.random.default_rng(frames), 0, 0.6 if frames > 1 else 0.0
    truth = stats.norm.cdf(1 / np.sqrt(2))
    labels, groups = np.tile(np.repeat([0, 1], frames), 60), np.repeat(np.arange(60), 2 * frames)
    for _ in range(300):
        own = np.repeat(np.sqrt(shared) * rng.normal(size=120), frames)
        scores = own + np.sqrt(1 - shared) * rng.normal(size=len(labels)) + labels
        _, low, high = metrics.auc(labels, scores, groups if frames > 1 else None)
        covered += low <= truth <= high
    assert 0.90 <= covered / 300 <= 0.985


def test_extreme_rankings_still_have_an_interval():
    labels, scores = np.repeat([0, 1], 10), np.arange(20)
    assert metrics.auc(labels, scores) == (1, pytest.approx(0.025**0.1), 1)
    assert metrics.auc(labels, scores, np.repeat(np.arange(4), 5))[1] == pytest.approx(0.025**0.5)
    assert metrics.auc(1 - labels, scores)[:2] == (0, 0)
    _, low, high = metrics.auc([0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9, 0.8])  # one observation of a class
    assert high - low > 0.5


def test_crossed_mean_with_one_seed_is_the_t_interval():
    values = np.random.default_rng(2).normal(size=(30, 1))
    expected = stats.ttest_1samp(values[:, 0], 0)
    result = metrics.crossed_mean(values)
    low, high = expected.confidence_interval()
    assert (result["low"], result["high"], result["p"]) == pytest.approx((low, high, expected.pvalue))


def test_crossed_mean_grows_with_the_spread_of_seeds_and_leaves_out_images_without_a_verdict():
    values = np.random.default_rng(3).normal(size=(200, 1)) + np.zeros((1, 3))
    steady, moved = metrics.crossed_mean(values), metrics.crossed_mean(values + np.array([[-0.1, 0, 0.1]]))
    assert moved["se"] > steady["se"]
    assert moved["df"] < steady["df"]
    complete = metrics.crossed_mean(np.array([[1.0, 1.0], [0.0, np.nan], [0.0, 1.0]]))
    assert (complete["images"], complete["mean"]) == (2, 0.75)
