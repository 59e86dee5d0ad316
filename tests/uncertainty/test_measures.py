import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from xiqa import uncertainty


def softmaxes(*shape):
    return hnp.arrays(np.float64, (*shape, 2), elements=st.floats(-30, 30)).map(
        lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    )


class TestDecompose:
    def test_identical_samples_have_no_mutual_information_at_all(self):
        parts = uncertainty.decompose(np.tile(np.array([[0.1, 0.9], [1 / 3, 2 / 3]]), (100, 1, 1)))
        assert (parts[["mutual_information", "variance"]] == 0).all(axis=None)
        assert parts["predictive_entropy"].tolist() == parts["expected_entropy"].tolist()
        assert parts["probability"].tolist() == [0.9, 2 / 3]

    def test_opposite_samples_by_hand_in_nats(self):
        parts = uncertainty.decompose([[[0.0, 1.0]], [[1.0, 0.0]]]).iloc[0]
        assert parts["mutual_information"] == np.log(2) == parts["predictive_entropy"]
        assert (parts["expected_entropy"], parts["probability"], parts["variance"]) == (0, 0.5, 0.25)
        parts = uncertainty.decompose([[[0.25, 0.75]], [[0.75, 0.25]]]).iloc[0]
        assert parts["expected_entropy"] == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
        assert parts["predictive_entropy"] == pytest.approx(np.log(2))

    @given(softmaxes(6, 3), st.permutations(range(6)))
    def test_the_parts_make_the_whole_in_any_order_of_samples(self, p, order):
        parts = uncertainty.decompose(p)
        whole, expected = parts["predictive_entropy"].to_numpy(), parts["expected_entropy"].to_numpy()
        assert expected + parts["mutual_information"].to_numpy() == pytest.approx(whole, abs=1e-12)
        assert (parts["mutual_information"] >= 0).all()
        assert (whole <= np.log(2) + 1e-12).all()
        assert parts["variance"].to_numpy() == pytest.approx(p.var(axis=0).mean(axis=-1), abs=1e-15)
        assert uncertainty.decompose(p[order]).to_numpy() == pytest.approx(parts.to_numpy(), abs=1e-12)

    def test_other_shapes_are_refused(self):
        with pytest.raises(ValueError, match="3 axes"):
            uncertainty.decompose(np.zeros((4, 2)))


class TestConvergence:
    def test_rates_at_fixed_thresholds_by_brute_force(self):
        rng = np.random.default_rng(0)
        labels, p = rng.integers(0, 2, 50), rng.random(50).round(2)
        fpr, tpr = uncertainty.roc_at(labels, p)
        for t, x, y in zip(np.linspace(0, 1, 101), fpr, tpr, strict=True):
            assert (x, y) == pytest.approx((np.mean(p[labels == 0] >= t), np.mean(p[labels == 1] >= t)))

    def test_one_repeat_by_hand(self):
        rng = np.random.default_rng(1)
        labels, p = np.arange(30) % 2, rng.random((8, 30))
        mc = np.stack([1 - p, p], axis=-1)
        rows = uncertainty.convergence(mc, labels, sizes=(1, 4, 5), repeats=1, seed=3)
        order = np.random.default_rng(3).permutation(8)
        reference, one = (np.array(uncertainty.roc_at(labels, s)) for s in (p[order[4:]].mean(0), p[order[0]]))
        sse = ((one - reference) ** 2).sum()
        row = rows[rows["samples"] == 1].iloc[0]
        assert row["sse"] == pytest.approx(sse)
        assert row["nmse"] == pytest.approx(100 * sse / (((reference[0] - reference[1]) / np.sqrt(2)) ** 2).sum())
        assert row["auc"] == pytest.approx(roc_auc_score(labels, p[order[0]]))
        assert rows["samples"].tolist() == [1, 4]  # five samples do not fit into half of eight

    def test_more_samples_come_closer_and_identical_ones_have_converged(self):
        rng = np.random.default_rng(2)
        labels = np.arange(200) % 2
        p = 1 / (1 + np.exp(-(rng.normal(size=200) + labels + rng.normal(size=(100, 200)))))
        rows = uncertainty.convergence(np.stack([1 - p, p], -1), labels, (1, 10, 20, 50, 100), repeats=20)
        means = rows.groupby("samples").mean()
        assert means["sse"].is_monotonic_decreasing
        assert means.index.tolist() == [1, 10, 20, 50]
        mc = np.tile(np.random.default_rng(0).dirichlet([1, 1], 20), (6, 1, 1))
        assert (uncertainty.convergence(mc, np.arange(20) % 2, sizes=(1, 3), repeats=2)["sse"] < 1e-20).all()
