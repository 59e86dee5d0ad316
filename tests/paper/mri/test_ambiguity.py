import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score, roc_curve

from xiqa import metrics
from xiqa.metrics import enriched
from xiqa.paper.mri import ambiguity, detection

SENSITIVITY = "sensitivity % at specificity of 0.9"


def simulated(bearing=300, without=300, seed=0):
    """Scans of which a known share of raters objects, two of each subject, labels drawn by the rater."""
    rng = np.random.default_rng(seed)
    rater = np.concatenate([expit(rng.uniform(-4, 6, bearing)), np.zeros(without)])
    about = {"subject": np.arange(len(rater)) // 2, "label": (rng.random(len(rater)) < rater).astype(int)}
    artifact = np.repeat(["rigid_motion", ""], [bearing, without])
    return pd.DataFrame(about | {"artifact": artifact, "rater_probability": rater})


def real(count=40):
    about = {"subject": np.arange(count), "label": np.arange(count) % 2, "artifact": ""}
    return pd.DataFrame(about | {"rater_probability": np.nan})


class TestCeiling:
    def test_two_levels_by_hand(self):
        """Half the scans at 0.2, half at 0.8: AUC = 0.8^2 + 0.8 * 0.2 (ties count one half)."""
        found = ambiguity.against_rater([0.2, 0.8], [0.2, 0.8], specificities=(0.8, 0.9))
        assert found["auc"] == pytest.approx(0.64 + 0.5 * 2 * 0.16)
        assert found["sensitivity at specificity 0.8"] == pytest.approx(0.8)
        assert found["sensitivity at specificity 0.9"] == pytest.approx(0.4)

    def test_sure_and_blind_raters(self):
        sure = ambiguity.against_rater([0.0, 0, 1], [0.0, 0, 1])
        assert all(value == pytest.approx(1) for value in sure.values())
        blind = ambiguity.against_rater([0.3] * 5, [0.3] * 5)
        assert blind["auc"] == pytest.approx(0.5)
        assert blind["ap"] == pytest.approx(0.3)
        assert blind["sensitivity at specificity 0.9"] == pytest.approx(0.1)

    def test_it_is_the_mean_over_drawn_labels(self):
        rng = np.random.default_rng(0)
        rater = rng.beta(0.4, 0.8, 4000)
        labels = rng.random((20, 4000)) < rater
        found = ambiguity.against_rater(rater, rater)
        assert found["auc"] == pytest.approx(np.mean([roc_auc_score(y, rater) for y in labels]), abs=0.005)
        drawn = [np.interp(0.1, *roc_curve(y, rater)[:2]) for y in labels]
        assert found["sensitivity at specificity 0.9"] == pytest.approx(np.mean(drawn), abs=0.01)

    @settings(max_examples=80, deadline=None)
    @given(st.lists(st.tuples(st.floats(0.01, 0.99), st.integers(-5, 5), st.integers(1, 4)), min_size=2, max_size=20))
    def test_no_observer_is_better(self, scans):
        rater, score, weights = (np.array(part, dtype=float) for part in zip(*scans, strict=True))
        best = ambiguity.against_rater(rater, rater, weights)
        other = ambiguity.against_rater(rater, score, weights)
        # A step of average precision is pessimistic about ties, so that any way to break them gains.
        assert all(other[name] <= best[name] + 1e-9 for name in best if name != "ap")
        assert best["auc"] >= 0.5 - 1e-9

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(1, 99), min_size=2, max_size=15, unique=True), st.randoms(use_true_random=False))
    def test_no_order_has_a_higher_average_precision(self, percents, random):
        rater = np.array(percents) / 100
        score = random.sample(range(len(rater)), len(rater))
        other = ambiguity.against_rater(rater, score)["ap"]
        assert other <= ambiguity.against_rater(rater, rater)["ap"] + 1e-9

    def test_table_with_a_network_and_intervals(self):
        scans = simulated()
        bench = enriched.Bench(scans, draws=50)
        p = expit(logit(scans["rater_probability"].clip(1e-3, 0.999)) + np.random.default_rng(0).normal(0, 4, 600))
        table = ambiguity.ceiling(scans, bench.weights, {"network": p.to_numpy()}).set_index(["labels", "observer"])
        row = table.loc[("of this set", "network")]
        assert row["auc"] == pytest.approx(roc_auc_score(scans["label"], p))
        assert row["ap"] == pytest.approx(bench.rank(p.to_numpy())["ap"][0])
        fpr, tpr, _ = roc_curve(scans["label"], p, drop_intermediate=False)
        assert row["sensitivity at specificity 0.9"] == pytest.approx(tpr[fpr <= 0.1].max(), abs=0.02)
        assert (table["auc_low"] < table["auc"]).all()
        assert (table["auc"] < table["auc_high"]).all()
        best, network = (table.loc[("drawn anew", name)] for name in ("rater's probability", "network"))
        assert network["auc"] < best["auc"] < 1
        gap = table.loc[("drawn anew", "rater's probability - network")]
        assert gap["ap"] == pytest.approx(best["ap"] - network["ap"])
        paired = [
            ambiguity.against_rater(scans["rater_probability"], s, bench.weights)["ap"]
            for s in (scans["rater_probability"], p)
        ]
        assert (gap["ap"], gap["ap_low"], gap["ap_high"]) == metrics.estimate(paired[0] - paired[1])
        assert len(ambiguity.ceiling(scans)) == 2
        assert ambiguity.ceiling(real()).empty


class TestCeilingTable:
    def test_cells_are_the_numbers(self):
        scans, score = simulated(), np.random.default_rng(0).random(600)
        bench = enriched.Bench(scans, draws=20)
        found = ambiguity.ceiling(scans, bench.weights, {"network": score}, (0.9,))
        shown = ambiguity.ceiling_table(scans, bench.weights, {"network": score}, (0.9,))
        assert shown.columns.tolist() == ["labels", "observer", "artifacts %", "AUC", "AP", SENSITIVITY]
        assert len(shown) == len(found) == 6
        shares = [np.average(scans[name], weights=bench.weight) for name in ("rater_probability", "label")]
        assert shown["artifacts %"].tolist() == [f"{100 * share:.1f}" for share in np.repeat(shares, 3)]
        assert shares[0] > shares[1] == pytest.approx(0.02)
        for row, cells in zip(found.itertuples(index=False), shown.itertuples(index=False), strict=True):
            assert cells[3] == f"{row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}]"
            value = row[found.columns.get_loc("sensitivity at specificity 0.9")]
            assert cells[5].startswith(f"{100 * value:.1f} [")

    def test_a_dash_where_there_is_no_artifact(self):
        scans = simulated(0, 20)
        shown = ambiguity.ceiling_table(scans, enriched.Bench(scans, draws=5).weights)
        assert (shown[["artifacts %", "AUC", "AP"]] == "-").all(axis=None)

    def test_no_intervals_without_weights(self):
        assert not ambiguity.ceiling_table(simulated())["AUC"].str.contains("[", regex=False).any()

    def test_real_scans_say_why(self):
        assert ambiguity.ceiling_table(real()).to_numpy().tolist() == [["-", detection.NO_RATER]]


class TestFollows:
    def test_spearman_of_repeated_scans(self):
        rng = np.random.default_rng(0)
        first, second = rng.integers(0, 6, 50).astype(float), rng.normal(size=50)
        counts = np.vstack([np.ones(50), rng.multinomial(50, np.full(50, 0.02), size=5)])
        found = ambiguity.spearman(first, second, counts)
        for value, times in zip(found, counts.astype(int), strict=True):
            assert value == pytest.approx(stats.spearmanr(np.repeat(first, times), np.repeat(second, times)).statistic)

    def test_what_does_not_vary_has_none(self):
        assert np.isnan(ambiguity.spearman(np.ones(9), np.arange(9.0), np.ones((2, 9)))).all()
        assert np.isnan(ambiguity.spearman(np.full(9, np.nan), np.arange(9.0), np.ones((2, 9)))).all()

    def test_an_uncertainty_that_follows_and_one_that_does_not(self):
        scans = simulated()
        rater, noise = scans["rater_probability"], np.random.default_rng(0).normal(size=600)
        scans = scans.assign(expected_entropy=rater * (1 - rater), mutual_information=noise, probability=rater)
        table = ambiguity.follows(scans, draws=100).set_index(["scans", "uncertainty"])
        for which in ("all", "bearing an artifact"):
            assert table.loc[(which, "expected_entropy"), "spearman"] == pytest.approx(1)
            other = table.loc[(which, "mutual_information")]
            assert other["low"] < 0 < other["high"]
            gap = table.loc[(which, "expected_entropy - mutual_information")]
            assert gap["spearman"] == pytest.approx(1 - other["spearman"])
            assert gap["low"] > 0.5
        assert table.loc["bearing an artifact", "count"].tolist() == [300] * 5
        # What rises with the rater follows the ambiguity over all scans, and must not pass for an uncertainty.
        control = (
            table.loc[("all", "probability"), "spearman"],
            table.loc[("bearing an artifact", "probability"), "spearman"],
        )
        assert control[0] > 0.5 > control[1]

    def test_real_scans(self):
        scans = real().assign(**dict.fromkeys(ambiguity.UNCERTAINTIES, np.arange(40.0)))
        assert ambiguity.follows(scans, draws=5)["spearman"].isna().all()


class TestFollowsTable:
    def test_cells_are_the_numbers(self):
        scans, rng = simulated(), np.random.default_rng(0)
        scans = scans.assign(**{column: rng.random(600) for column in ambiguity.UNCERTAINTIES})
        found = ambiguity.follows(scans, draws=20)
        shown = ambiguity.follows_table(scans, draws=20)
        assert shown.columns.tolist() == [
            "uncertainty",
            "Spearman, all (600 scans)",
            "Spearman, bearing an artifact (300 scans)",
        ]
        for name, column in (("all", 1), ("bearing an artifact", 2)):
            part = found[found["scans"] == name]
            wanted = [f"{r.spearman:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in part.itertuples()]
            assert shown.iloc[:, column].tolist() == wanted
        assert shown["uncertainty"].tolist()[3] == "expected entropy - mutual information"

    def test_other_columns_and_no_artifact(self):
        scans = simulated(0, 20).assign(variance=np.arange(20.0))
        shown = ambiguity.follows_table(scans, {"variance": "variance of samples"}, draws=5)
        assert shown.to_numpy().tolist() == [["variance of samples", "-", "-"]]

    def test_real_scans_say_why(self):
        assert ambiguity.follows_table(real()).to_numpy().tolist() == [[detection.NO_RATER]]
