import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, roc_auc_score

from xiqa import uncertainty


def softmaxes(*shape):
    return hnp.arrays(np.float64, (*shape, 2), elements=st.floats(-30, 30)).map(
        lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    )


class TestDecompose:
    def test_identical_samples_have_no_mutual_information_at_all(self):
        p = np.tile(np.array([[0.1, 0.9], [1 / 3, 2 / 3]]), (100, 1, 1))
        found = uncertainty.decompose(p)
        assert (found["mutual_information"] == 0).all()
        assert (found["variance"] == 0).all()
        assert found["predictive_entropy"].tolist() == found["expected_entropy"].tolist()
        assert found["probability"].tolist() == [0.9, 2 / 3]

    def test_two_opposite_certain_ones_have_ln_2(self):
        found = uncertainty.decompose([[[0.0, 1.0]], [[1.0, 0.0]]]).iloc[0]
        assert found["mutual_information"] == np.log(2) == found["predictive_entropy"]
        assert (found["expected_entropy"], found["probability"], found["variance"]) == (0, 0.5, 0.25)

    def test_entropies_are_in_nats(self):
        found = uncertainty.decompose([[[0.25, 0.75]], [[0.75, 0.25]]]).iloc[0]
        one = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
        assert found["expected_entropy"] == pytest.approx(one)
        assert found["predictive_entropy"] == pytest.approx(np.log(2))

    @given(softmaxes(5, 4))
    def test_the_parts_make_the_whole(self, p):
        found = uncertainty.decompose(p)
        assert (found["expected_entropy"] + found["mutual_information"]).to_numpy() == pytest.approx(
            found["predictive_entropy"].to_numpy(), abs=1e-12
        )
        assert (found["mutual_information"] >= 0).all()
        assert (found["predictive_entropy"] <= np.log(2) + 1e-12).all()
        assert found["variance"].to_numpy() == pytest.approx(p.var(axis=0).mean(axis=-1), abs=1e-15)

    @given(softmaxes(6, 3), st.permutations(range(6)))
    def test_the_order_of_samples_means_nothing(self, p, order):
        a, b = uncertainty.decompose(p), uncertainty.decompose(p[order])
        assert a.to_numpy() == pytest.approx(b.to_numpy(), abs=1e-12)

    def test_other_shapes_are_refused(self):
        with pytest.raises(ValueError, match="3 axes"):
            uncertainty.decompose(np.zeros((4, 2)))


@given(softmaxes(4, 5, 3))
def test_the_variance_split_is_exact(p):
    found = uncertainty.split_variance(p)
    assert (found["within"] + found["between"]).to_numpy() == pytest.approx(found["total"].to_numpy(), abs=1e-14)
    assert found["total"].to_numpy() == pytest.approx(uncertainty.decompose(p.reshape(20, 3, 2))["variance"], abs=1e-14)


class TestRefer:
    def test_three_answers(self):
        answers = uncertainty.refer([0.9, 0.1, 0.9, 0.5], [0.1, 0.1, 0.3, 0.2], theta=0.5, eta=0.3)
        assert answers.tolist() == ["artifact", "clean", "review", "artifact"]

    def test_what_is_not_known_is_reviewed(self):
        answers = uncertainty.refer([np.nan, 0.1, 0.1], [0.0, np.nan, np.inf], theta=0.5, eta=np.inf)
        assert answers.tolist() == ["review", "review", "clean"]

    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1), st.floats(0, 1), st.floats(0, 1))
    def test_a_lower_eta_only_sends_more_to_review(self, rows, low, high):
        p, u = np.array(rows).T
        first, second = (uncertainty.refer(p, u, 0.5, eta) for eta in sorted((low, high)))
        assert ((first == second) | (first == "review")).all()


class TestThresholds:
    labels = np.array([0, 0, 0, 1, 1])
    p = np.array([0.1, 0.4, 0.6, 0.5, 0.9])

    def test_youden_by_hand(self):
        assert uncertainty.youden(self.labels, self.p) == 0.5

    def test_the_higher_of_two_equal_thresholds(self):
        assert uncertainty.youden([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9]) == 0.9

    @given(st.integers(0, 1000))
    @settings(max_examples=25)
    def test_best_f1_is_the_best_of_all(self, seed):
        rng = np.random.default_rng(seed)
        labels, p, weights = np.arange(20) % 2, rng.random(20).round(1), rng.random(20) + 0.1
        theta = uncertainty.best_f1(labels, p, weights)
        values = {t: f1_score(labels, p >= t, sample_weight=weights) for t in np.unique(p)}
        assert values[theta] == pytest.approx(max(values.values()))

    def test_weights_move_the_best_f1_but_not_youden(self):
        rng = np.random.default_rng(0)
        labels = np.repeat([0, 1], [300, 300])
        p = 1 / (1 + np.exp(-(rng.normal(size=600) + 2 * labels - 1)))
        rare = np.where(labels == 1, 0.02, 0.98)
        assert uncertainty.best_f1(labels, p, rare) > uncertainty.best_f1(labels, p) + 0.1

    def test_a_tenth_goes_to_review(self):
        u = np.random.default_rng(0).random(1000)
        eta = uncertainty.eta_for_review(u)
        assert (u >= eta).sum() == 100
        assert uncertainty.eta_for_review(u, share=1.0) == u.min()

    def test_weights_count_in_the_share(self):
        u, weights = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 7])
        assert uncertainty.eta_for_review(u, weights, share=0.5) == np.inf
        assert uncertainty.eta_for_review(u, weights, share=0.8) == 3.0

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.floats(0.01, 0.99))
    def test_ties_are_never_cut_and_the_share_never_passed(self, values, share):
        u = np.array(values, dtype=float)
        eta = uncertainty.eta_for_review(u, share=share)
        assert (u >= eta).mean() <= share + 1e-6
        lower = u[u < eta]
        assert (u >= lower.max()).mean() > share if len(lower) else True

    def test_rescaling_is_fixed_on_the_reference(self):
        found = uncertainty.rescale([0.0, 2.0, 6.0], reference=[1.0, 3.0, 5.0])
        assert found.tolist() == [-0.25, 0.25, 1.25]
        assert uncertainty.rescale([2.0], [2.0, 2.0]).tolist() == [0]


class TestConvergence:
    def test_rates_at_fixed_thresholds_by_brute_force(self):
        rng = np.random.default_rng(0)
        labels, p = rng.integers(0, 2, 50), rng.random(50).round(2)
        fpr, tpr = uncertainty.roc_at(labels, p)
        for t, x, y in zip(np.linspace(0, 1, 101), fpr, tpr, strict=True):
            assert (x, y) == pytest.approx((np.mean(p[labels == 0] >= t), np.mean(p[labels == 1] >= t)))
        assert (fpr[0], tpr[0]) == (1, 1)

    def test_one_repeat_by_hand(self):
        rng = np.random.default_rng(1)
        labels, p = np.arange(30) % 2, rng.random((8, 30))
        mc = np.stack([1 - p, p], axis=-1)
        found = uncertainty.convergence(mc, labels, sizes=(1, 4, 5), repeats=1, seed=3)
        order = np.random.default_rng(3).permutation(8)
        rates = lambda scores: np.array(uncertainty.roc_at(labels, scores))  # noqa: E731
        reference, one = rates(p[order[4:]].mean(0)), rates(p[order[0]])
        sse = ((one - reference) ** 2).sum()
        row = found[found["samples"] == 1].iloc[0]
        assert row["sse"] == pytest.approx(sse)
        assert row["nmse"] == pytest.approx(100 * sse / (((reference[0] - reference[1]) / np.sqrt(2)) ** 2).sum())
        assert row["auc"] == pytest.approx(roc_auc_score(labels, p[order[0]]))
        assert found["samples"].tolist() == [1, 4]  # five samples do not fit into half of eight

    def test_more_samples_come_closer(self):
        rng = np.random.default_rng(2)
        labels = np.arange(200) % 2
        p = 1 / (1 + np.exp(-(rng.normal(size=200) + labels + rng.normal(size=(100, 200)))))
        found = uncertainty.convergence(np.stack([1 - p, p], -1), labels, repeats=20).groupby("samples").mean()
        assert found["sse"].is_monotonic_decreasing
        assert found.index.tolist() == [1, 10, 20, 50]

    def test_identical_samples_have_converged(self):
        mc = np.tile(np.random.default_rng(0).dirichlet([1, 1], 20), (6, 1, 1))
        found = uncertainty.convergence(mc, np.arange(20) % 2, sizes=(1, 3), repeats=2)
        assert (found["sse"] < 1e-20).all()
