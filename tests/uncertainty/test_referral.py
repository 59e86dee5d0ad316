import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from xiqa import uncertainty


class TestRefer:
    @pytest.mark.parametrize(
        ("p", "u", "eta", "answers"),
        [
            ([0.9, 0.1, 0.9, 0.5], [0.1, 0.1, 0.3, 0.2], 0.3, ["artifact", "clean", "review", "artifact"]),
            ([np.nan, 0.1, 0.1], [0.0, np.nan, np.inf], np.inf, ["review", "review", "clean"]),
        ],
    )
    def test_by_hand(self, p, u, eta, answers):
        assert uncertainty.refer(p, u, theta=0.5, eta=eta).tolist() == answers

    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1), st.floats(0, 1), st.floats(0, 1))
    def test_a_lower_eta_only_sends_more_to_review(self, rows, low, high):
        p, u = np.array(rows).T
        first, second = (uncertainty.refer(p, u, 0.5, eta) for eta in sorted((low, high)))
        assert ((first == second) | (first == "review")).all()


class TestThresholds:
    def test_youden_by_hand(self):
        assert uncertainty.youden([0, 0, 0, 1, 1], [0.1, 0.4, 0.6, 0.5, 0.9]) == 0.5
        assert uncertainty.youden([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9]) == 0.9  # the higher of two

    @given(st.integers(0, 1000))
    @settings(max_examples=25)
    def test_best_f1_is_the_best_of_all(self, seed):
        rng = np.random.default_rng(seed)
        labels, p, weights = np.arange(20) % 2, rng.random(20).round(1), rng.random(20) + 0.1
        theta = uncertainty.best_f1(labels, p, weights)
        values = {t: f1_score(labels, p >= t, sample_weight=weights) for t in np.unique(p)}
        assert values[theta] == pytest.approx(max(values.values()))

    def test_weights_move_the_best_f1(self):
        labels = np.repeat([0, 1], [300, 300])
        p = 1 / (1 + np.exp(-(np.random.default_rng(0).normal(size=600) + 2 * labels - 1)))
        rare = np.where(labels == 1, 0.02, 0.98)
        assert uncertainty.best_f1(labels, p, rare) > uncertainty.best_f1(labels, p) + 0.1

    def test_a_share_of_the_weight_goes_to_review(self):
        u = np.random.default_rng(0).random(1000)
        assert (u >= uncertainty.eta_for_review(u, None, 0.1)).sum() == 100
        assert uncertainty.eta_for_review(u, None, share=1.0) == u.min()
        u, weights = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 7])
        assert uncertainty.eta_for_review(u, weights, share=0.5) == np.inf
        assert uncertainty.eta_for_review(u, weights, share=0.8) == 3.0

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.floats(0.01, 0.99))
    def test_ties_are_never_cut_and_the_share_never_passed(self, values, share):
        u = np.array(values, dtype=float)
        eta = uncertainty.eta_for_review(u, None, share)
        assert (u >= eta).mean() <= share + 1e-6
        lower = u[u < eta]
        assert (u >= lower.max()).mean() > share if len(lower) else True

    def test_rescaling_is_fixed_on_the_reference(self):
        assert uncertainty.rescale([0.0, 2.0, 6.0], reference=[1.0, 3.0, 5.0]).tolist() == [-0.25, 0.25, 1.25]
        assert uncertainty.rescale([2.0], [2.0, 2.0]).tolist() == [0]
