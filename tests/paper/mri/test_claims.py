import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xiqa import recipes
from xiqa.metrics import verdicts
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import claims
from xiqa.paper.mri.arms import Arm
from xiqa.paper.mri.referral import Network, Referrals

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [600, 200])
RECORDS = pd.DataFrame({"label": LABELS, "subject": np.arange(800) // 2})
TEST_SET = EnrichedTestSet(RECORDS, draws=400)


def network(gain, seed=0):
    z = np.random.default_rng(seed).normal(size=800) + gain * (2 * LABELS - 1)
    frame = RECORDS.assign(plain=1 / (1 + np.exp(-z)))
    return Arm("an arm", seed, "-", frame, frame)


def verdict(table):
    return table["verdict on the claim"].iloc[0]


def draws(centre, sd, seeds=1):
    spread = sd * np.random.default_rng(1).normal(size=(seeds, 2001))
    spread[:, 0] = 0
    return np.reshape(centre, (-1, 1)) + spread


class TestStatements:
    def test_these_networks_are_the_mean_over_seeds_with_its_replicates(self):
        values = draws([0.1, 0.3], 0.05, seeds=2)
        low, high = np.quantile(values.mean(axis=0)[1:], [0.025, 0.975])
        row = claims.statements(values)
        assert row["these networks"] == f"20.0 [{100 * low:.1f}, {100 * high:.1f}]"
        assert row["each seed"] == "10.0, 30.0"

    def test_new_trainings_are_a_t_interval_within_the_possible_range(self):
        own = np.array([0.1, 0.2, 0.3])
        interval = stats.ttest_1samp(own, 0).confidence_interval()
        row = claims.statements(draws(own, 0.05, seeds=3))
        assert row["new trainings"] == f"20.0 [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
        assert claims.statements(draws([-0.9, 0.9], 0.05, seeds=2))["new trainings"] == "0.0 [-100.0, 100.0]"
        assert claims.statements(draws(0.1, 0.05))["new trainings"] == "-"

    def test_seeds_needed_are_the_fewest_that_exclude_zero(self):
        count = claims.seeds_needed(0.1, 0.1)
        half = [stats.t.ppf(0.975, k - 1) * 0.1 / np.sqrt(k) for k in (count - 1, count)]
        assert half[0] >= 0.1 > half[1]
        assert claims.seeds_needed(1e-6, 0.1) == "over 1000"


class TestVerdict:
    @pytest.mark.parametrize(
        ("centre", "expected"),
        [(0.2, "supported"), (-0.2, "not supported"), (0.05, "undecided"), (np.nan, "not testable")],
    )
    def test_by_the_interval(self, centre, expected):
        assert claims.verdict(draws(centre, 0.05), 0.02) == expected

    def test_a_clear_difference_below_delta_is_not_supported(self):
        assert claims.verdict(draws(0.01, 0.001), 0.02) == verdicts.NOT_SUPPORTED

    def test_a_claim_of_many_differences_is_lost_only_by_a_wider_interval(self):
        values = draws(-0.1, 0.05)
        assert claims.verdict(values, 0.02) == verdicts.NOT_SUPPORTED
        assert claims.verdict(values, 0.02, family=10) == verdicts.UNDECIDED

    def test_the_weakest_difference_decides(self):
        found = ["supported", "undecided", "not testable (x)", "not supported"]
        assert [claims.together(found[:k]) for k in (1, 2, 3, 4)] == found


class TestArms:
    def test_a_clearly_better_ramp_is_supported(self):
        arms = {"ramp": [network(3.5)], "baseline": [network(1.0, 1)], "focal": [network(1.2, 2)]}
        table = claims.arms_claim(TEST_SET, arms, 0.02)
        assert verdict(table) == verdicts.SUPPORTED
        assert table["decides"].tolist() == ["yes", "no", "no"] * 2

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
        row = beside.set_index("comparison").loc["ramp - primed, F1", ["decides", "verdict"]]
        assert row.tolist() == ["no", verdicts.NOT_SUPPORTED]

    def test_seeds_are_compared_pairwise(self):
        arms = {name: [network(g, s) for s in range(3)] for name, g in (("ramp", 3.5), ("baseline", 1), ("focal", 1))}
        table = claims.arms_claim(TEST_SET, arms, 0.02)
        assert (table["each seed"].str.count(",") == 2).all()


def referrals(informative):
    """Networks whose uncertainties are high for errors, or drawn at random."""
    arm = network(1.5)
    p = arm.p
    error = (p >= arm.theta) != (LABELS == 1)
    u = (error if informative else 0) + 0.1 * RNG.random(800)
    columns = ("predictive_entropy", "mutual_information", "variance", "flip_mutual_information")
    frame = RECORDS.assign(probability=p, flip_probability=p, **dict.fromkeys(columns, u))
    networks = [Network(TEST_SET, frame, frame)] * 2
    return Referrals(TEST_SET, networks, networks[0])


class TestReferral:
    def test_an_uncertainty_that_is_high_for_errors(self):
        table = claims.referral_claim(referrals(True), 0.001, True)
        assert verdict(table) == verdicts.SUPPORTED
        deciding, about = table[table["decides"] == "yes"]["comparison"], "mutual information, 25 %, Youden's J"
        assert deciding.tolist() == [f"{about}: kept - all, {metric}" for metric in ("accuracy", "F1")]
        assert len(table) == 2 * len(recipes.REVIEW_SHARES) * 3 * 2 + 1
        assert verdict(claims.flips_claim(referrals(True), 0.001, "")) == verdicts.SUPPORTED

    def test_a_random_uncertainty(self):
        assert verdict(claims.referral_claim(referrals(False), 0.02, True)) != verdicts.SUPPORTED
        assert verdict(claims.flips_claim(referrals(False), 0.02, "")) != verdicts.SUPPORTED

    def test_a_network_that_did_not_learn(self):
        assert verdict(claims.referral_claim(referrals(True), 0.02, False)) == claims.DID_NOT_LEARN

    def test_without_a_referral_nothing_is_testable(self):
        same = referrals(True)
        frame = same.first.test.assign(mutual_information=0.0)
        none = Referrals(TEST_SET, [Network(TEST_SET, frame, frame)], None)
        assert verdict(claims.referral_claim(none, 0.02, True)) == "not testable (no scan was referred)"
        assert verdict(claims.flips_claim(none, 0.02, "a reason")) == "not testable (a reason)"


def halved(sizes, factor):
    """Squared distances that each step multiplies by ``factor``, with some noise over 20 halvings."""
    rows = [(n, r, factor**i * RNG.uniform(0.9, 1.1)) for i, n in enumerate(sizes) for r in range(20)]
    return pd.DataFrame(rows, columns=["samples", "repeat", "sse"])


@pytest.mark.parametrize(("factor", "expected"), [(0.5, verdicts.SUPPORTED), (1.5, verdicts.NOT_SUPPORTED)])
def test_convergence_is_supported_where_each_step_comes_closer(factor, expected):
    table = claims.convergence_claim(halved((1, 10, 20), factor), 0.02, True)
    assert verdict(table) == expected
    assert table["comparison"].tolist() == ["SSE, 1 - 10 / 1 samples", "SSE, 1 - 20 / 10 samples"]
    shown = table["these networks"].str.split().str[0].astype(float)
    assert shown.tolist() == pytest.approx([100 * (1 - factor)] * 2, abs=10)


def test_convergence_needs_samples_and_a_network_that_learned():
    assert "too few" in verdict(claims.convergence_claim(halved((1,), 0.5), 0.02, True))
    assert verdict(claims.convergence_claim(halved((1, 10), 0.5), 0.02, False)) == claims.DID_NOT_LEARN
