import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import review

PREVALENCE = 0.02


def frame(labels, subjects=None):
    return pd.DataFrame({"label": labels, "subject": np.arange(len(labels)) if subjects is None else subjects})


def predictions(frame, seed, prefix=""):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=len(frame)) + 1.5 * frame["label"].to_numpy()
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(frame))))))
    return uncertainty.decompose(np.stack([1 - p, p], -1)).add_prefix(prefix)


@pytest.fixture(scope="module")
def answers():
    about = frame(np.repeat([0, 1], [120, 40]), np.arange(160) // 2)
    return pd.concat(
        [about, predictions(about, 0), predictions(about, 1, "flip_"), predictions(about, 2, "both_")], axis=1
    )


@pytest.fixture(scope="module")
def test_set(answers):
    return enriched.EnrichedTestSet(answers, PREVALENCE, draws=60)


class TestRemaining:
    def test_by_hand(self):
        # Of four equal scans the first and the last reviewed are bad.
        test_set = enriched.EnrichedTestSet(frame([1, 0, 0, 1]), prevalence=0.5, draws=3)
        scores = review.remaining(test_set, [4.0, 3.0, 2.0, 1.0], [0, 0.125, 0.25, 0.5, 0.75, 1])
        assert scores["remaining"].tolist() == pytest.approx([1, 0.75, 0.5, 0.5, 0.5, 0])
        assert scores["per_1000"].tolist() == pytest.approx([500, 375, 250, 250, 250, 0])

    def test_whole_scans_counted_one_by_one(self):
        """Brute force: no weights, no ties, a budget of whole scans."""
        rng = np.random.default_rng(3)
        labels, score = rng.permutation(np.repeat([0, 1], [30, 10])), rng.normal(size=40)
        test_set = enriched.EnrichedTestSet(frame(labels), prevalence=0.25, draws=1)
        for count in (0, 1, 7, 20, 40):
            left = sorted(range(40), key=lambda i: score[i])[: 40 - count]
            scores = review.remaining_values(test_set, score, [count / 40])[0, 0]
            assert scores == pytest.approx(labels[left].sum() / 10)

    def test_ties_are_the_mean_over_all_orders(self):
        labels, score = np.array([1, 0, 1, 0, 0]), np.array([1.0, 1, 1, 0, 0])
        test_set = enriched.EnrichedTestSet(frame(labels), prevalence=0.4, draws=1)
        for count in range(6):
            drawn = []
            for order in itertools.permutations(range(5)):
                ranked = sorted(order, key=lambda i: -score[i])
                drawn.append(labels[list(ranked[count:])].sum() / 2)
            assert review.remaining_values(test_set, score, [count / 5])[0, 0] == pytest.approx(np.mean(drawn))

    def test_replicates_are_sets_of_repeated_scans(self, answers, test_set):
        score, counts = answers["probability"].to_numpy(), metrics.resample(answers["subject"], test_set.labels, 60)
        values = review.remaining_values(test_set, score, [0.1, 0.3])
        for draw in (1, 17, 60):
            rows = np.repeat(np.arange(160), counts[draw].astype(int))
            repeated = enriched.EnrichedTestSet(frame(test_set.labels[rows]), PREVALENCE, draws=1)
            assert values[draw] == pytest.approx(review.remaining_values(repeated, score[rows], [0.1, 0.3])[0])

    def test_a_scan_without_a_score_comes_first(self):
        test_set = enriched.EnrichedTestSet(frame([0, 0, 1, 0]), prevalence=0.25, draws=1)
        assert review.remaining_values(test_set, [9.0, 8.0, np.nan, 7.0], [0.25])[0, 0] == pytest.approx(0)

    def test_the_prevalence_of_the_field_counts(self):
        """Artifacts first: 2 % of the field are enough, though half of the test scans are artifacts."""
        test_set = enriched.EnrichedTestSet(frame([0, 1] * 10), PREVALENCE, draws=1)
        scores = review.remaining(test_set, test_set.labels, [0.01, 0.02])
        assert scores["remaining"].tolist() == pytest.approx([0.5, 0], abs=1e-12)

    def test_bad_arguments(self, test_set):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            review.remaining(test_set, np.zeros(160), [1.5])
        with pytest.raises(ValueError, match="160 scans"):
            review.remaining(test_set, np.zeros(159), [0.5])

    def test_a_set_of_one_class_has_no_numbers(self):
        test_set = enriched.EnrichedTestSet(frame([0, 0, 0]), PREVALENCE, draws=2)
        assert review.remaining(test_set, [1.0, 2, 3], [0.5])["remaining"].isna().all()


@settings(max_examples=60, deadline=None)
@given(
    scans=st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=25).filter(
        lambda scans: len({label for label, _ in scans}) == 2
    ),
    prevalence=st.floats(0.01, 0.9),
)
def test_any_order_lies_between_the_best_and_the_worst(scans, prevalence):
    labels, score = (np.array(part) for part in zip(*scans, strict=True))
    test_set, budgets = enriched.EnrichedTestSet(frame(labels), prevalence, draws=4), np.linspace(0, 1, 21)
    values = review.remaining_values(test_set, score, budgets)[0]
    assert values[0] == pytest.approx(1)
    assert values[-1] == pytest.approx(0, abs=1e-9)
    assert (np.diff(values) <= 1e-9).all()
    best, worst = np.clip(1 - budgets / prevalence, 0, 1), np.clip((1 - budgets) / prevalence, 0, 1)
    assert (values >= best - 1e-9).all()
    assert (values <= worst + 1e-9).all()
    assert review.remaining_values(test_set, labels, budgets)[0] == pytest.approx(best, abs=1e-9)
    assert review.remaining_values(test_set, -labels, budgets)[0] == pytest.approx(worst, abs=1e-9)
    random = review.remaining_values(test_set, np.ones(len(labels)), budgets)
    defined = random[np.isfinite(random).all(axis=1)]
    assert defined == pytest.approx(np.tile(1 - budgets, (len(defined), 1)))


class TestOrders:
    def test_names_and_scores(self, answers, test_set):
        scores = review.orders(answers, 0.3)
        assert next(iter(scores)) == review.HIGHEST_P
        assert list(scores)[-2:] == [review.RANDOM, review.ORACLE]
        nearest = np.argmax(scores["p closest to the threshold"])
        assert abs(answers["probability"] - 0.3).idxmin() == nearest
        assert all(score.shape == (160,) for score in scores.values())

    def test_the_flip_network_brings_four_orders_of_its_own(self, answers):
        scores = review.orders(answers, 0.3, flips=answers)
        own = [name for name in scores if name.startswith("flip network")]
        columns = [f"{kind}_{part}" for kind in ("flip", "both") for part in ("probability", "mutual_information")]
        assert len(own) == len(columns)
        for name, column in zip(own, columns, strict=True):
            assert scores[name] == pytest.approx(answers[column].to_numpy())

    def test_ensemble(self, answers):
        others = [answers, answers.assign(probability=1 - answers["probability"])]
        scores = review.orders(answers, 0.3, members=others)
        assert scores["ensemble of 2: mean p"] == pytest.approx(np.full(160, 0.5))
        p = answers["probability"].to_numpy()
        expected = np.log(2) + p * np.log(p) + (1 - p) * np.log(1 - p)
        assert scores["ensemble of 2: disagreement"] == pytest.approx(expected)
        same = review.orders(answers, 0.3, members=[answers] * 3)
        assert (same["ensemble of 3: disagreement"] == 0).all()
        assert list(review.orders(answers, 0.3, members=[answers])) == list(review.orders(answers, 0.3))


class TestArea:
    def test_closed_forms(self, answers, test_set):
        areas = {name: review.area_values(test_set, score) for name, score in review.orders(answers, 0.3).items()}
        assert areas[review.RANDOM] == pytest.approx(np.full(61, 0.75))
        assert areas[review.ORACLE][0] == pytest.approx(PREVALENCE)
        assert min(area[0] for area in areas.values()) == areas[review.ORACLE][0]

    def test_up_to_another_budget(self, test_set):
        assert review.area_values(test_set, np.zeros(160), most=0.2)[0] == pytest.approx(0.9)


def test_curves_have_every_order_at_every_budget(answers, test_set):
    scores, budgets = review.orders(answers, 0.3), np.linspace(0, 0.5, 11)
    curves = review.curves(test_set, scores, budgets).groupby("order")
    assert curves.size().to_dict() == dict.fromkeys(scores, 11)
    assert curves.get_group(review.RANDOM)["per_1000"].to_numpy() == pytest.approx(20 * (1 - budgets))
