import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from xiqa import metrics

HITS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=40)


def raters(both, first_only, second_only, neither):
    first = [1] * (both + first_only) + [0] * (second_only + neither)
    second = [1] * both + [0] * first_only + [1] * second_only + [0] * neither
    return np.array(first), np.array(second)


class TestKappa:
    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            ((20, 5, 10, 15), 0.4),
            ((45, 15, 25, 15), 3 / 23),
            ((25, 35, 5, 35), 7 / 27),
            ((5, 0, 0, 7), 1.0),
            ((98, 1, 1, 0), -1 / 99),  # 98 of 100 agree, and kappa is low all the same
        ],
    )
    def test_textbook_tables(self, table, expected):
        first, second = (hits.astype(float) for hits in raters(*table))
        assert metrics.cohen_kappa(first, second) == pytest.approx(expected)
        # Pairs without two verdicts are left out.
        first, second = np.r_[first, np.nan, 1, np.nan], np.r_[second, 1, np.nan, np.nan]
        assert metrics.cohen_kappa(first, second) == pytest.approx(expected)

    @given(HITS)
    def test_is_sklearns_and_symmetric(self, pairs):
        first, second = np.array(pairs).T
        kappa = metrics.cohen_kappa(first, second)
        if np.ptp(first) or np.ptp(second):
            assert kappa == pytest.approx(cohen_kappa_score(first, second, labels=[0, 1]))
            assert kappa == metrics.cohen_kappa(second, first) == metrics.cohen_kappa(1 - first, 1 - second)
        else:
            assert np.isnan(kappa)

    @pytest.mark.parametrize("hits", [([], []), ([1, 1], [1, 1]), ([0, 0], [1, 1]), ([np.nan, 1], [1, np.nan])])
    def test_nothing_that_varies_has_no_kappa(self, hits):
        assert np.isnan(metrics.cohen_kappa(*hits))
        assert np.isnan(metrics.kappa_interval(*hits)).all()

    @pytest.mark.parametrize("function", [metrics.cohen_kappa, metrics.kappa_interval])
    def test_what_are_no_hits_is_refused(self, function):
        for hits, message in ((([0.5, 1, 0], [1, 1, 0]), "0, 1 or NaN"), (([1, 0], [1, 0, 1]), "image by image")):
            with pytest.raises(ValueError, match=message):
                function(*hits)
        with pytest.raises(ValueError, match="needs its unit"):
            metrics.kappa_interval([1, 0], [0, 1], units=[1, 2, 3])


class TestKappaInterval:
    def test_is_near_the_asymptotic_one(self):
        """Fleiss, Cohen and Everitt (1969), for a table of 500."""
        table = np.array([[200, 50], [100, 150]]) / 500
        rows, columns, kappa = table.sum(1), table.sum(0), 0.4
        chance = rows @ columns
        diagonal = sum(table[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in (0, 1))
        rest = (1 - kappa) ** 2 * sum(table[i, j] * (columns[i] + rows[j]) ** 2 for i, j in ((0, 1), (1, 0)))
        variance = (diagonal + rest - (kappa - chance * (1 - kappa)) ** 2) / (500 * (1 - chance) ** 2)
        half = 1.959964 * np.sqrt(variance)
        interval = metrics.kappa_interval(*raters(200, 50, 100, 150), draws=8000)
        assert interval == pytest.approx((kappa - half, kappa + half), abs=0.006)

    def test_frames_that_repeat_each_other_count_once(self):
        first, second = raters(20, 5, 10, 15)
        once = metrics.kappa_interval(first, second)
        units = np.repeat([f"patient {i}" for i in range(50)], 10)
        repeated = np.repeat(first, 10), np.repeat(second, 10)
        assert metrics.kappa_interval(*repeated, units) == pytest.approx(once, abs=0.03)
        alone = metrics.kappa_interval(*repeated)
        assert alone[1] - alone[0] < 0.5 * (once[1] - once[0])

    def test_the_order_of_images_does_not_matter(self):
        first, second = raters(20, 5, 10, 15)
        units = np.arange(50) // 2
        order = np.lexsort((np.random.default_rng(0).random(50), units))
        interval = metrics.kappa_interval(first[order], second[order], units[order], seed=3)
        assert interval == metrics.kappa_interval(first, second, units, seed=3)
        assert interval != metrics.kappa_interval(first, second, units, seed=4)

    def test_draws_in_which_nothing_varies_are_left_out(self):
        """Of four images with one miss each a sixteenth of the draws holds no miss at all."""
        low, high = metrics.kappa_interval([1, 1, 1, 0], [1, 1, 0, 1])
        assert -1 <= low < 0
        assert high == pytest.approx(0)

    @pytest.mark.parametrize("table", [(9, 0, 0, 6), (9, 6, 0, 0), (0, 0, 9, 6)])
    def test_what_no_draw_can_change_has_no_interval(self, table):
        """Raters that never disagree, one that never varies, and a single unit."""
        assert metrics.cohen_kappa(*raters(*table)) in (0, 1)
        assert np.isnan(metrics.kappa_interval(*raters(*table))).all()
        assert np.isnan(metrics.kappa_interval(*raters(3, 1, 1, 3), units=["one"] * 8)).all()


class TestBca:
    def test_is_scipys_on_the_unit_means_of_complete_rows(self):
        values = np.random.default_rng(0).gamma(0.5, size=(40, 3))
        expected = stats.bootstrap((values.mean(1),), np.mean, method="BCa", n_resamples=500, rng=7).confidence_interval
        for rows in (values, np.r_[values, [[np.nan, 1.0, 0.0], [2.0, 1.0, np.nan]]]):
            assert metrics.bca(rows, draws=500, seed=7) == tuple(expected)

    def test_is_near_t_where_means_are_normal_and_leans_to_the_long_tail(self):
        values = np.random.default_rng(1).normal(size=(400, 2))
        expected = metrics.crossed_mean(values.mean(1, keepdims=True))
        assert metrics.bca(values, draws=8000) == pytest.approx((expected["low"], expected["high"]), abs=0.01)
        values = np.random.default_rng(2).lognormal(sigma=1.5, size=(50, 1))
        low, high = metrics.bca(values)
        assert high - values.mean() > 1.2 * (values.mean() - low)

    @pytest.mark.parametrize("value", [0.0, 1.0, -0.3])
    def test_units_that_are_all_equal_and_a_single_unit(self, value):
        assert metrics.bca(np.full((5, 3), value)) == (value, value)
        # Rounded sums of the same numbers in another order are equal too.
        turned = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]]
        assert metrics.bca(np.array(turned) + value) == pytest.approx((0.2 + value,) * 2)
        for values in (np.zeros((0, 3)), [[1.0, 2.0]], [[1.0], [np.nan]]):
            assert np.isnan(metrics.bca(values)).all()
