import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import review

mpl.use("Agg")
PREVALENCE = 0.02


def frame(labels, subjects=None):
    return pd.DataFrame({"label": labels, "subject": np.arange(len(labels)) if subjects is None else subjects})


def said(frame, seed, prefix=""):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=len(frame)) + 1.5 * frame["label"].to_numpy()
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(frame))))))
    return uncertainty.decompose(np.stack([1 - p, p], -1)).add_prefix(prefix)


@pytest.fixture(scope="module")
def answers():
    about = frame(np.repeat([0, 1], [120, 40]), np.arange(160) // 2)
    return pd.concat([about, said(about, 0), said(about, 1, "flip_"), said(about, 2, "both_")], axis=1)


@pytest.fixture(scope="module")
def bench(answers):
    return enriched.Bench(answers, PREVALENCE, draws=60)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


class TestRemaining:
    def test_by_hand(self):
        # Of four equal scans the first and the last reviewed are bad.
        bench = enriched.Bench(frame([1, 0, 0, 1]), prevalence=0.5, draws=3)
        found = review.remaining(bench, [4.0, 3.0, 2.0, 1.0], [0, 0.125, 0.25, 0.5, 0.75, 1])
        assert found["remaining"].tolist() == pytest.approx([1, 0.75, 0.5, 0.5, 0.5, 0])
        assert found["per_1000"].tolist() == pytest.approx([500, 375, 250, 250, 250, 0])

    def test_whole_scans_counted_one_by_one(self):
        """Brute force: no weights, no ties, a budget of whole scans."""
        rng = np.random.default_rng(3)
        labels, score = rng.permutation(np.repeat([0, 1], [30, 10])), rng.normal(size=40)
        bench = enriched.Bench(frame(labels), prevalence=0.25, draws=1)
        for count in (0, 1, 7, 20, 40):
            left = sorted(range(40), key=lambda i: score[i])[: 40 - count]
            found = review.remaining_values(bench, score, [count / 40])[0, 0]
            assert found == pytest.approx(labels[left].sum() / 10)

    def test_ties_are_the_mean_over_all_orders(self):
        labels, score = np.array([1, 0, 1, 0, 0]), np.array([1.0, 1, 1, 0, 0])
        bench = enriched.Bench(frame(labels), prevalence=0.4, draws=1)
        for count in range(6):
            drawn = []
            for order in itertools.permutations(range(5)):
                ranked = sorted(order, key=lambda i: -score[i])
                drawn.append(labels[list(ranked[count:])].sum() / 2)
            assert review.remaining_values(bench, score, [count / 5])[0, 0] == pytest.approx(np.mean(drawn))

    def test_replicates_are_sets_of_repeated_scans(self, answers, bench):
        score, counts = answers["probability"].to_numpy(), metrics.resample(answers["subject"], bench.labels, 60)
        values = review.remaining_values(bench, score, [0.1, 0.3])
        for draw in (1, 17, 60):
            rows = np.repeat(np.arange(160), counts[draw].astype(int))
            repeated = enriched.Bench(frame(bench.labels[rows]), PREVALENCE, draws=1)
            assert values[draw] == pytest.approx(review.remaining_values(repeated, score[rows], [0.1, 0.3])[0])

    def test_a_scan_without_a_score_comes_first(self):
        bench = enriched.Bench(frame([0, 0, 1, 0]), prevalence=0.25, draws=1)
        assert review.remaining_values(bench, [9.0, 8.0, np.nan, 7.0], [0.25])[0, 0] == pytest.approx(0)

    def test_the_prevalence_of_the_field_counts(self):
        """Artifacts first: 2 % of the field are enough, though half of the test scans are artifacts."""
        bench = enriched.Bench(frame([0, 1] * 10), PREVALENCE, draws=1)
        found = review.remaining(bench, bench.labels, [0.01, 0.02])
        assert found["remaining"].tolist() == pytest.approx([0.5, 0], abs=1e-12)

    def test_bad_arguments(self, bench):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            review.remaining(bench, np.zeros(160), [1.5])
        with pytest.raises(ValueError, match="160 scans"):
            review.remaining(bench, np.zeros(159), [0.5])

    def test_a_set_of_one_class_has_no_numbers(self):
        bench = enriched.Bench(frame([0, 0, 0]), PREVALENCE, draws=2)
        assert review.remaining(bench, [1.0, 2, 3], [0.5])["remaining"].isna().all()


@settings(max_examples=60, deadline=None)
@given(
    scans=st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=25).filter(
        lambda scans: len({label for label, _ in scans}) == 2
    ),
    prevalence=st.floats(0.01, 0.9),
)
def test_any_order_lies_between_the_best_and_the_worst(scans, prevalence):
    labels, score = (np.array(part) for part in zip(*scans, strict=True))
    bench, budgets = enriched.Bench(frame(labels), prevalence, draws=4), np.linspace(0, 1, 21)
    values = review.remaining_values(bench, score, budgets)[0]
    assert values[0] == pytest.approx(1)
    assert values[-1] == pytest.approx(0, abs=1e-9)
    assert (np.diff(values) <= 1e-9).all()
    best, worst = np.clip(1 - budgets / prevalence, 0, 1), np.clip((1 - budgets) / prevalence, 0, 1)
    assert (values >= best - 1e-9).all()
    assert (values <= worst + 1e-9).all()
    assert review.remaining_values(bench, labels, budgets)[0] == pytest.approx(best, abs=1e-9)
    assert review.remaining_values(bench, -labels, budgets)[0] == pytest.approx(worst, abs=1e-9)
    random = review.remaining_values(bench, np.ones(len(labels)), budgets)
    known = random[np.isfinite(random).all(axis=1)]
    assert known == pytest.approx(np.tile(1 - budgets, (len(known), 1)))


class TestOrders:
    def test_names_and_scores(self, answers, bench):
        found = review.orders(answers, 0.3)
        assert next(iter(found)) == review.P_ALONE
        assert list(found)[-2:] == [review.RANDOM, review.ORACLE]
        nearest = np.argmax(found["|p - theta|, nearest first"])
        assert abs(answers["probability"] - 0.3).idxmin() == nearest
        assert all(score.shape == (160,) for score in found.values())

    def test_the_flip_network_brings_four_orders_of_its_own(self, answers):
        found = review.orders(answers, 0.3, flips=answers)
        own = [name for name in found if name.startswith("flip network")]
        columns = [f"{kind}_{part}" for kind in ("flip", "both") for part in ("probability", "mutual_information")]
        assert len(own) == len(columns)
        for name, column in zip(own, columns, strict=True):
            assert found[name] == pytest.approx(answers[column].to_numpy())

    def test_ensemble(self, answers):
        others = [answers, answers.assign(probability=1 - answers["probability"])]
        found = review.orders(answers, 0.3, ensemble=others)
        assert found["ensemble of 2: mean p"] == pytest.approx(np.full(160, 0.5))
        p = answers["probability"].to_numpy()
        expected = np.log(2) + p * np.log(p) + (1 - p) * np.log(1 - p)
        assert found["ensemble of 2: disagreement"] == pytest.approx(expected)
        same = review.orders(answers, 0.3, ensemble=[answers] * 3)
        assert (same["ensemble of 3: disagreement"] == 0).all()
        with pytest.raises(ValueError, match="two trainings"):
            review.orders(answers, 0.3, ensemble=[answers])


class TestArea:
    def test_closed_forms(self, answers, bench):
        table = review.area(bench, review.orders(answers, 0.3)).set_index("order")
        assert table.loc[review.RANDOM, ["area", "low", "high"]].tolist() == pytest.approx([0.75] * 3)
        assert table.loc[review.ORACLE, "area"] == pytest.approx(0.5 * PREVALENCE / 0.5)
        assert (table["area"] >= table.loc[review.ORACLE, "area"] - 1e-12).all()

    def test_differences_are_paired(self, answers, bench):
        scores = review.orders(answers, 0.3)
        scores["again"] = scores[review.P_ALONE]
        table = review.area(bench, scores).set_index("order")
        assert table.loc["again", ["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]
        gap = table.loc[review.RANDOM]
        assert gap["difference"] == pytest.approx(0.75 - table.loc[review.P_ALONE, "area"])
        assert gap["difference_low"] > 0

    def test_up_to_another_budget(self, bench):
        assert review.area_values(bench, np.zeros(160), most=0.2)[0] == pytest.approx(0.9)


def test_table_and_figure(answers, bench):
    scores = review.orders(answers, 0.3, flips=answers, ensemble=[answers, answers])
    table = review.review_table(bench, scores, (0.1, 0.3)).set_index("reviewed first")
    assert table.loc[review.RANDOM, "remaining % after 10 %"] == "90.0 [90.0, 90.0]"
    assert table.loc[review.P_ALONE, "more than by p alone"] == "-"
    value = review.remaining_values(bench, scores[review.P_ALONE], [0.3])[0, 0]
    assert table.loc[review.P_ALONE, "remaining % after 30 %"].startswith(f"{100 * value:.1f} [")
    curves = review.review_curves(bench, scores, np.linspace(0, 0.5, 11))
    assert len(curves) == 11 * len(scores)
    (ax,) = review.draw_review(curves).axes
    drawn = {line.get_label(): line for line in ax.get_lines()}
    assert set(drawn) == set(scores)
    assert drawn[review.RANDOM].get_ydata() == pytest.approx(20 * (1 - np.linspace(0, 0.5, 11)))
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn.values()}) == len(scores)
