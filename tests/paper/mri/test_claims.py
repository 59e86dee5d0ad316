import numpy as np
import pandas as pd
import pytest

from xiqa import uncertainty
from xiqa.metrics import verdicts
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import claims, referral

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [600, 200])
TEST_SET = EnrichedTestSet(pd.DataFrame({"label": LABELS, "subject": np.arange(800) // 2}), draws=400)


def network(gain, seed=0):
    z = np.random.default_rng(seed).normal(size=800) + gain * (2 * LABELS - 1)
    p = 1 / (1 + np.exp(-z))
    return p, uncertainty.best_f1(LABELS, p, TEST_SET.weight)


def verdict(table):
    return table["verdict on the claim"].iloc[0]


def draws(centre, sd, seeds=1):
    spread = sd * np.random.default_rng(1).normal(size=(seeds, 2001))
    spread[:, 0] = 0
    return centre + spread


class TestResampled:
    def test_the_interval_holds_the_middle_of_the_replicates(self):
        values = draws(0.1, 0.05, seeds=2)
        interval = claims.resampled(values, 0.9)
        means = values.mean(axis=0)
        assert interval["mean"] == pytest.approx(0.1)
        assert [interval["low"], interval["high"]] == pytest.approx(np.quantile(means[1:], [0.05, 0.95]))
        assert interval["p"] == pytest.approx(2 * (1 + (means[1:] <= 0).sum()) / 2001)
        assert (interval["by_seed"] == 0.1).all()

    @pytest.mark.parametrize("values", [np.full((1, 5), np.nan), np.array([[0.1, np.nan, np.nan]])])
    def test_without_replicates_nothing_is_testable(self, values):
        assert np.isnan(claims.resampled(values, 0.95)["p"])
        assert claims.compare(TEST_SET, {"a": values}, 0.02)[0].verdict == verdicts.NOT_TESTABLE

    def test_intervals_widen_with_the_family_and_keep_its_order(self):
        one = claims.compare(TEST_SET, {"a": draws(0.1, 0.05)}, 0.02)[0]
        many = {"b": draws(0.0, 0.05), "a": draws(0.1, 0.05), "c": draws(0.0, 0.05)}
        many = claims.compare(TEST_SET, many, 0.02)
        assert [d.name for d in many] == ["b", "a", "c"]
        assert many[1].low < one.low
        assert many[1].smallest > one.smallest


class TestArms:
    def test_a_clearly_better_ramp_is_supported(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(1.0, 1)], "focal": [network(1.2, 2)]}
        table = claims.arms_claim(TEST_SET, arms, 0.02)
        assert verdict(table) == verdicts.SUPPORTED
        assert table["decides"].tolist() == ["yes", "no", "no"] * 2
        assert (table["units"] == 400).all()

    def test_a_worse_one_is_not(self):
        arms = {"ramp": [network(1.0)], "baseline": [network(3.5, 1)], "focal": [network(3.0, 2)]}
        assert verdict(claims.arms_claim(TEST_SET, arms, 0.02)) == verdicts.NOT_SUPPORTED

    def test_an_arm_that_was_not_trained_keeps_the_claim_open(self):
        table = claims.arms_claim(TEST_SET, {"ramp": [network(3.5)], "baseline": [network(1.0, 1)]}, 0.02)
        assert verdict(table) == "undecided (not trained in this profile: focal)"
        assert claims.arms_claim(TEST_SET, {"ramp": [network(3)]}, 0.02)["verdict"].iloc[0].startswith("not testable")

    def test_a_network_that_did_not_learn_bars_its_own_comparisons(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(0.0, 1)], "focal": [network(1.2, 2)]}
        table = claims.arms_claim(TEST_SET, arms, 0.02).set_index("comparison")
        assert verdict(table) == "not testable (baseline did not learn)"
        assert table.loc["ramp - baseline, AP", "verdict"] == "not testable (baseline did not learn)"
        assert table.loc["ramp - focal, F1", "verdict"] == verdicts.SUPPORTED
        worse = arms | {"focal": [network(5.0, 2)]}
        assert verdict(claims.arms_claim(TEST_SET, worse, 0.02)) == verdicts.NOT_SUPPORTED

    def test_what_priming_alone_does_decides_nothing(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(1.0, 1)], "focal": [network(1.2, 2)]}
        beside = claims.arms_claim(TEST_SET, arms | {"primed": [network(5.0, 3)]}, 0.02)
        assert verdict(beside) == verdicts.SUPPORTED
        assert beside.set_index("comparison").loc["ramp - primed, F1", ["decides", "verdict"]].tolist() == [
            "no",
            verdicts.NOT_SUPPORTED,
        ]

    def test_seeds_are_compared_pairwise(self):
        arms = {name: [network(g, s) for s in range(3)] for name, g in (("ramp", 3.5), ("baseline", 1), ("focal", 1))}
        assert (claims.arms_claim(TEST_SET, arms, 0.02)["seeds"] == 3).all()


class TestReferral:
    def way(self, informative=True):
        p, theta = network(1.5)
        error = (p >= theta) != (LABELS == 1)
        u = error + 0.1 * RNG.random(800) if informative else RNG.random(800)
        return p, referral.Referral("u", theta, 0.5, p >= theta, u < (0.5 if informative else 0.9), u)

    def test_an_uncertainty_that_is_high_for_errors(self):
        p, way = self.way()
        frame = pd.DataFrame({"probability": p})
        baselines = referral.baselines(TEST_SET, frame, way.theta, 0.1)[:2]
        table = claims.referral_claim(TEST_SET, 2, [(p, way, baselines)], 0.001)
        assert verdict(table) == verdicts.SUPPORTED
        assert table["decides"].tolist()[:2] == ["yes", "yes"]
        by_p, by_distance = (f"kept - kept by '{way.name}', F1" for way in baselines)
        assert by_distance in set(table["comparison"])
        assert by_p not in set(table["comparison"])

    def test_a_random_uncertainty(self):
        p, way = self.way(informative=False)
        assert verdict(claims.referral_claim(TEST_SET, 4, [(p, way, [])], 0.02)) != verdicts.SUPPORTED

    def test_without_a_referral_nothing_is_testable(self):
        p, way = self.way()
        nobody = referral.Referral("u", way.theta, np.inf, way.flagged, np.ones(800, bool), way.uncertainty)
        table = claims.referral_claim(TEST_SET, 2, [(p, nobody, [])], 0.02)
        assert verdict(table) == "not testable (no scan was referred)"

    def test_all_seeds_have_to_agree(self):
        good, bad = self.way(), self.way(informative=False)
        table = claims.referral_claim(TEST_SET, 2, [(*good, []), (*bad, [])], 0.001)
        assert (table["seeds"] == 2).all()
        alone = [claims.referral_claim(TEST_SET, 2, [(*run, [])], 0.001)["difference"] for run in (good, bad)]
        np.testing.assert_allclose(table["difference"], (alone[0] + alone[1]) / 2)


def halved(sizes, factor):
    """Squared distances that each step multiplies by ``factor``, with some noise over 20 halvings."""
    rows = [(n, r, factor**i * RNG.uniform(0.9, 1.1)) for i, n in enumerate(sizes) for r in range(20)]
    return pd.DataFrame(rows, columns=["samples", "repeat", "sse"])


@pytest.mark.parametrize(("factor", "expected"), [(0.5, verdicts.SUPPORTED), (1.5, verdicts.NOT_SUPPORTED)])
def test_convergence_is_supported_where_each_step_comes_closer(factor, expected):
    table = claims.convergence_claim(halved((1, 10, 20), factor), 0.02)
    assert verdict(table) == expected
    assert table["comparison"].tolist() == ["SSE, 1 - 10 / 1 samples", "SSE, 1 - 20 / 10 samples"]
    assert table["difference"].tolist() == pytest.approx([1 - factor] * 2, abs=0.1)


def test_convergence_needs_samples_and_a_network_that_learned():
    assert "too few" in verdict(claims.convergence_claim(halved((1,), 0.5), 0.02))
    assert verdict(claims.convergence_claim(halved((1, 10), 0.5), 0.02, has_learned=False)) == claims.DID_NOT_LEARN
