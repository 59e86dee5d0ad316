import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import referral


def test_decisions_carry_the_prevalence(ways):
    test_set, flagged = ways.test_set, ways.first.test["plain"].to_numpy() > 0.5
    values = test_set.decide(flagged)
    assert values["f1"][0] == pytest.approx(sk.f1_score(test_set.labels, flagged, sample_weight=test_set.weight))
    assert test_set.weight[test_set.labels == 1].sum() / test_set.weight.sum() == pytest.approx(0.02)
    assert all(len(own) == 101 for own in values.values())


class TestRefer:
    def test_shares_by_hand(self):
        frame = pd.DataFrame({"label": [0, 0, 1, 1], "subject": list("abcd")})
        test_set = enriched.EnrichedTestSet(frame, prevalence=0.5, draws=5)
        flagged, kept = np.array([False, True, True, False]), np.array([1, 1, 1, 0])
        values = {name: own[0] for name, own in test_set.refer(flagged, kept).items()}
        expected = {
            "retained": 0.75, "caught": 0.5, "referred": 0.5, "missed": 0, "accuracy_kept": 2 / 3, "f1_kept": 2 / 3,
            "f1_all": 2 / (2 + 1 + 1), "dffmr": 0.25 + 0.5, "udm": 0, "udd": 0.25,
        }  # fmt: skip
        assert values == pytest.approx(expected)

    def test_every_artifact_is_caught_referred_or_missed(self, ways):
        values = ways.mean(ways.ways("best F1", 0.1)["mutual information"])
        assert values["caught"] + values["referred"] + values["missed"] == pytest.approx(np.ones(101))

    def test_it_agrees_with_the_decisions(self, ways):
        network, test = ways.first, ways.first.test
        way = network.by_uncertainty("mutual_information", 0.1)
        eta = uncertainty.eta_for_review(network.val["mutual_information"], network.weights, 0.1)
        decisions = uncertainty.refer(test["probability"], test["mutual_information"], network.theta(), eta)
        values = ways.test_set.refer(way.flagged, way.kept)
        for name in ("dffmr", "udm"):
            share = getattr(metrics, name)(ways.test_set.labels, decisions, ways.test_set.weight)
            assert 100 * values[name][0] == pytest.approx(share)

    def test_a_share_kept_at_random_is_the_mean_of_many_draws(self, ways):
        rng, flagged = np.random.default_rng(0), ways.first.keep_all().flagged
        small = enriched.EnrichedTestSet(ways.first.test, 0.02, draws=1)
        drawn = [small.refer(flagged, rng.random(300) < 0.7)["missed"][0] for _ in range(800)]
        assert ways.test_set.refer(flagged, np.full(300, 0.7))["missed"][0] == pytest.approx(np.mean(drawn), abs=0.005)

    def test_keeping_everything_is_no_referral(self, ways):
        way = ways.first.keep_all()
        values, decided = ways.test_set.refer(way.flagged, way.kept), ways.test_set.decide(way.flagged)
        assert values["f1_kept"] == pytest.approx(decided["f1"])
        assert values["f1_all"] == pytest.approx(decided["f1"])
        assert values["caught"] == pytest.approx(decided["sensitivity"])
        assert ways.first.referred(way) == pytest.approx(0)


@pytest.mark.parametrize("share", [0.1, 0.25])
@pytest.mark.parametrize("column", [*referral.UNCERTAINTIES, *referral.FLIPS])
def test_a_share_of_validation_is_reviewed(ways, column, share):
    network = ways.first
    eta = uncertainty.eta_for_review(network.val[column], network.weights, share)
    reviewed = network.weights[(network.val[column] >= eta).to_numpy()].sum() / network.weights.sum()
    assert share / 2 < reviewed <= share + 1e-9
    assert (network.by_uncertainty(column, share).kept == (network.test[column] < eta)).all()


def test_the_thresholds_are_those_of_validation(ways):
    network = ways.first
    p, labels = network.val["probability"], network.val["label"]
    assert network.theta() == uncertainty.youden(labels, p)
    theta = network.theta("best F1")
    f1 = [sk.f1_score(labels, p >= t, sample_weight=network.weights) for t in p]
    assert sk.f1_score(labels, p >= theta, sample_weight=network.weights) == pytest.approx(max(f1))


def test_review_by_probability_takes_the_budget_of_predictive_entropy(ways):
    made = ways.ways(referral.YOUDEN, 0.2)
    assert list(made) == [
        *referral.UNCERTAINTIES.values(), referral.CLOSEST, referral.HIGHEST, *referral.FLIPS.values()
    ]  # fmt: skip
    for place, network in enumerate(ways.networks):
        budget = network.referred(made["predictive entropy"][place])
        for name in (referral.CLOSEST, referral.HIGHEST):
            assert budget - 0.02 < network.referred(made[name][place]) <= budget + 1e-9
        p, kept = network.test["probability"], made[referral.HIGHEST][place].kept
        assert p[~kept].min() > p[kept].max()
        distance, kept = (p - network.theta()).abs(), made[referral.CLOSEST][place].kept
        assert distance[~kept].max() < distance[kept].min()
    assert len(made["flip disagreement"]) == 1


def test_means_over_networks(ways):
    made = ways.ways(referral.YOUDEN, 0.2)["variance of samples"]
    each = [ways.test_set.refer(way.flagged, way.kept)["f1_kept"] for way in made]
    assert ways.mean(made)["f1_kept"] == pytest.approx((each[0] + each[1]) / 2)
