import numpy as np
import pandas as pd
import pytest

from xiqa import uncertainty
from xiqa.metrics import enriched, verdicts
from xiqa.paper.mri import claims, referral

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [600, 200])
BENCH = enriched.Bench(pd.DataFrame({"label": LABELS, "subject": np.arange(800) // 2}), draws=400)


def network(gain, seed=0):
    z = np.random.default_rng(seed).normal(size=800) + gain * (2 * LABELS - 1)
    p = 1 / (1 + np.exp(-z))
    return p, uncertainty.best_f1(LABELS, p, BENCH.weight)


def verdict(table):
    return table["verdict on the claim"].iloc[0]


def draws(centre, sd, seeds=1):
    spread = sd * np.random.default_rng(1).normal(size=(seeds, 2001))
    spread[:, 0] = 0
    return centre + spread


class TestRule:
    @pytest.mark.parametrize(
        ("centre", "sd", "expected"),
        [
            (0.20, 0.02, verdicts.SUPPORTED),
            (-0.10, 0.02, verdicts.NOT_SUPPORTED),
            (0.03, 0.05, verdicts.UNDECIDED),
            (0.01, 0.001, verdicts.NOT_SUPPORTED),  # surely above 0, but too small to matter
            (np.nan, 0.1, verdicts.NOT_TESTABLE),
        ],
    )
    def test_verdicts(self, centre, sd, expected):
        assert claims.compare({"a": draws(centre, sd)}, 0.02, 10)[0].verdict == expected

    def test_a_seed_of_the_other_sign_leaves_it_undecided(self):
        values = np.vstack([draws(0.5, 0.01), draws(-0.01, 0.01)])
        assert claims.compare({"a": values}, 0.02, 10)[0].verdict == verdicts.UNDECIDED

    def test_intervals_widen_with_the_family_and_keep_its_order(self):
        one = claims.compare({"a": draws(0.1, 0.05)}, 0.02, 10)[0]
        many = claims.compare({"b": draws(0.0, 0.05), "a": draws(0.1, 0.05), "c": draws(0.0, 0.05)}, 0.02, 10)
        assert [d.name for d in many] == ["b", "a", "c"]
        assert many[1].low < one.low
        assert many[1].smallest > one.smallest


class TestArms:
    def test_a_clearly_better_ramp_is_supported(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(1.0, 1)], "focal": [network(1.2, 2)]}
        table = claims.arms_claim(BENCH, arms, 0.02)
        assert verdict(table) == verdicts.SUPPORTED
        assert table["decides"].tolist() == ["yes", "no", "no"] * 2
        assert (table["units"] == 400).all()

    def test_a_worse_one_is_not(self):
        arms = {"ramp": [network(1.0)], "baseline": [network(3.5, 1)], "focal": [network(3.0, 2)]}
        assert verdict(claims.arms_claim(BENCH, arms, 0.02)) == verdicts.NOT_SUPPORTED

    def test_an_arm_that_was_not_trained_keeps_the_claim_open(self):
        table = claims.arms_claim(BENCH, {"ramp": [network(3.5)], "baseline": [network(1.0, 1)]}, 0.02)
        assert verdict(table) == "undecided (not trained in this profile: focal)"
        assert claims.arms_claim(BENCH, {"ramp": [network(3)]}, 0.02)["verdict"].iloc[0].startswith("not testable")

    def test_a_network_that_did_not_learn_bars_its_own_comparisons(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(0.0, 1)], "focal": [network(1.2, 2)]}
        table = claims.arms_claim(BENCH, arms, 0.02).set_index("comparison")
        assert verdict(table) == "not testable (baseline did not learn)"
        assert table.loc["ramp - baseline, AP", "verdict"] == "not testable (baseline did not learn)"
        assert table.loc["ramp - focal, F1", "verdict"] == verdicts.SUPPORTED
        worse = arms | {"focal": [network(5.0, 2)]}
        assert verdict(claims.arms_claim(BENCH, worse, 0.02)) == verdicts.NOT_SUPPORTED

    def test_what_priming_alone_does_decides_nothing(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(1.0, 1)], "focal": [network(1.2, 2)]}
        beside = claims.arms_claim(BENCH, arms | {"primed": [network(5.0, 3)]}, 0.02)
        assert verdict(beside) == verdicts.SUPPORTED
        assert beside.set_index("comparison").loc["ramp - primed, F1", ["decides", "verdict"]].tolist() == [
            "no",
            verdicts.NOT_SUPPORTED,
        ]

    def test_seeds_are_compared_pairwise(self):
        arms = {name: [network(g, s) for s in range(3)] for name, g in (("ramp", 3.5), ("baseline", 1), ("focal", 1))}
        assert (claims.arms_claim(BENCH, arms, 0.02)["seeds"] == 3).all()


class TestReferral:
    def way(self, knows=True):
        p, theta = network(1.5)
        error = (p >= theta) != (LABELS == 1)
        u = error + 0.1 * RNG.random(800) if knows else RNG.random(800)
        return p, referral.Referral("u", theta, 0.5, p >= theta, u < (0.5 if knows else 0.9), u)

    def test_an_uncertainty_that_knows_the_errors(self):
        p, way = self.way()
        frame = pd.DataFrame({"probability": p})
        rivals = referral.rivals(BENCH, frame, way.theta, 0.1)[:2]
        table = claims.referral_claim(BENCH, 2, [(p, way, rivals)], delta=0.001)
        assert verdict(table) == verdicts.SUPPORTED
        assert table["decides"].tolist()[:2] == ["yes", "yes"]
        assert table["comparison"].str.contains("nearest first").any()
        assert not table["comparison"].eq("kept - kept by 'p alone, highest first', F1").any()

    def test_one_that_knows_nothing(self):
        p, way = self.way(knows=False)
        assert verdict(claims.referral_claim(BENCH, 4, [(p, way, [])], 0.02)) != verdicts.SUPPORTED

    def test_without_a_referral_there_is_nothing_to_judge(self):
        p, way = self.way()
        nobody = referral.Referral("u", way.theta, np.inf, way.flagged, np.ones(800, bool), way.uncertainty)
        assert (
            verdict(claims.referral_claim(BENCH, 2, [(p, nobody, [])], 0.02)) == "not testable (no scan was referred)"
        )

    def test_all_seeds_have_to_agree(self):
        good, bad = self.way(), self.way(knows=False)
        table = claims.referral_claim(BENCH, 2, [(*good, []), (*bad, [])], 0.001)
        assert (table["seeds"] == 2).all()
        alone = [claims.referral_claim(BENCH, 2, [(*each, [])], 0.001)["difference"] for each in (good, bad)]
        np.testing.assert_allclose(table["difference"], (alone[0] + alone[1]) / 2)


def test_convergence_is_supported_where_each_step_comes_closer():
    z = RNG.normal(size=800) + LABELS
    noisy = 1 / (1 + np.exp(-(z + RNG.normal(size=(100, 800)))))
    found = uncertainty.convergence(np.stack([1 - noisy, noisy], -1), LABELS, repeats=20)
    table = claims.convergence_claim(found, 0.02)
    assert verdict(table) == verdicts.SUPPORTED
    assert table["comparison"].tolist()[0] == "SSE, 1 - 10 / 1 samples"
    barred = claims.convergence_claim(found, 0.02, barred=True)
    assert verdict(barred).startswith(verdicts.NOT_TESTABLE)


def test_too_few_samples_cannot_converge():
    mc = RNG.dirichlet([1, 1], (10, 800))
    found = uncertainty.convergence(mc, LABELS, repeats=2)
    assert "too few" in verdict(claims.convergence_claim(found, 0.02))


def test_what_is_not_tested_says_why():
    table = claims.not_tested(4, "no network was trained with flips")
    assert verdict(table) == "not testable (no network was trained with flips)"
