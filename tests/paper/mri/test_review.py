import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa import metrics
from xiqa.metrics import enriched
from xiqa.paper.mri import referral, review

PREVALENCE = 0.02


def frame(labels, subjects=None):
    return pd.DataFrame({"label": labels, "subject": np.arange(len(labels)) if subjects is None else subjects})


@pytest.fixture(scope="module")
def test_set(ways):
    return enriched.EnrichedTestSet(ways.first.test, PREVALENCE, draws=60)


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

    def test_replicates_are_sets_of_repeated_scans(self, ways, test_set):
        answers = ways.first.test
        score, counts = answers["probability"].to_numpy(), metrics.resample(answers["subject"], test_set.labels, 60)
        values = review.remaining_values(test_set, score, [0.1, 0.3])
        for draw in (1, 17, 60):
            rows = np.repeat(np.arange(300), counts[draw].astype(int))
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
            review.remaining(test_set, np.zeros(300), [1.5])
        with pytest.raises(ValueError, match="300 scans"):
            review.remaining(test_set, np.zeros(299), [0.5])

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


def test_orders_of_review(ways):
    scores, test = review.orders(ways), ways.first.test
    assert list(scores) == [
        referral.HIGHEST, referral.CLOSEST, *referral.UNCERTAINTIES.values(), *referral.FLIPS.values(), review.RANDOM,
        review.ORACLE,
    ]  # fmt: skip
    assert (test["probability"] - ways.first.theta()).abs().idxmin() == np.argmax(scores[referral.CLOSEST])
    assert scores["flip disagreement"] == pytest.approx(test["flip_mutual_information"].to_numpy())
    alone = review.orders(referral.Referrals(ways.test_set, ways.networks, None))
    assert "flip disagreement" not in alone


class TestArea:
    def test_closed_forms(self, ways, test_set):
        areas = {name: review.area_values(test_set, score) for name, score in review.orders(ways).items()}
        assert areas[review.RANDOM] == pytest.approx(np.full(61, 0.75))
        assert areas[review.ORACLE][0] == pytest.approx(PREVALENCE)
        assert min(area[0] for area in areas.values()) == areas[review.ORACLE][0]

    def test_up_to_another_budget(self, test_set):
        assert review.area_values(test_set, np.zeros(300), most=0.2)[0] == pytest.approx(0.9)


def test_curves_have_every_order_at_every_budget(ways, test_set):
    scores, budgets = review.orders(ways), np.linspace(0, 0.5, 11)
    curves = review.curves(test_set, scores, budgets).groupby("order")
    assert curves.size().to_dict() == dict.fromkeys(scores, 11)
    assert curves.get_group(review.RANDOM)["per_1000"].to_numpy() == pytest.approx(20 * (1 - budgets))
