import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score, roc_curve

from xiqa import metrics, mri_bench, mri_severity

KINDS = np.array(["rigid_motion", "bias_field", "field_of_view_cut"])
FAMILIES = dict(zip(KINDS, ("motion", "intensity", "coverage"), strict=True))


def simulated(bearing=300, without=300, seed=0):
    """Scans as the simulator notes them: two of each subject, a third of each kind, labels drawn by the rater."""
    rng = np.random.default_rng(seed)
    rater = np.concatenate([expit(rng.uniform(-4, 6, bearing)), np.zeros(without)])
    artifact = np.concatenate([np.resize(KINDS, bearing), np.full(without, "")])
    label = (rng.random(len(rater)) < rater).astype(int)
    kinds = [FAMILIES[name] if y else "" for name, y in zip(artifact, label, strict=True)]
    about = {"subject": np.arange(len(rater)) // 2, "label": label, "artifact": artifact, "artifact_type": kinds}
    return pd.DataFrame(about | {"contrast": np.resize(["T1", "T2"], len(rater)), "rater_probability": rater})


def real(count=40):
    about = {"subject": np.arange(count), "label": np.arange(count) % 2, "artifact": "", "artifact_type": ""}
    found = pd.DataFrame(about | {"contrast": "T1", "rater_probability": np.nan})
    found.loc[found["label"] == 1, "artifact_type"] = "motion"
    return found


class TestGroups:
    def test_a_passed_artifact_has_its_family(self):
        scans = simulated()
        found = mri_severity.grouped(scans)
        assert (found["family"] == scans["artifact"].map(FAMILIES).fillna("")).all()
        assert (found.loc[found["label"] == 1, "family"] == scans.loc[scans["label"] == 1, "artifact_type"]).all()
        assert mri_severity.grouped(real())["family"].tolist()[:2] == ["", "motion"]

    def test_edges_of_the_raters_groups(self):
        scans = simulated(6, 0).assign(rater_probability=[0.0, 0.4999, 0.5, 0.8, 0.95, 1.0])
        names = list(mri_severity.SEEN)
        assert mri_severity.grouped(scans)["rater"].tolist() == [names[i] for i in (0, 0, 1, 2, 3, 3)]


class TestDetection:
    def test_counts_by_hand(self):
        scans, flagged = simulated(), np.random.default_rng(1).random(600) < 0.5
        table = mri_severity.detection(scans, flagged).set_index(["by", "group"])
        for name in ("motion", "coverage"):
            own = (scans["artifact_type"] == name).to_numpy()
            row = table.loc[("family", name)]
            assert row["scans"] == own.sum()
            assert row["share"] == pytest.approx(flagged[own].mean())
            assert row["subjects"] == scans["subject"][own].nunique()
            assert (row["low"], row["high"]) == metrics.clustered_wilson(flagged[own], scans["subject"][own])
            assert row["rater"] == pytest.approx(scans["rater_probability"][own].mean())
        whole = table.loc[("all", "all")]
        for by in ("family", "artifact", "contrast", "rater"):
            assert table.loc[by]["scans"].sum() == whole["scans"] == scans["label"].sum()
            assert table.loc[by]["flagged"].sum() == whole["flagged"]

    def test_false_alarms_among_passed_artifacts_stand_apart(self):
        scans = simulated()
        flagged = (scans["artifact"] != "").to_numpy()
        table = mri_severity.false_alarms(scans, flagged).set_index("group")
        assert table.loc["an artifact that the rater passed", "share"] == 1
        assert table.loc["no artifact", "share"] == 0
        assert table.loc["all", "scans"] == (scans["label"] == 0).sum()

    def test_real_scans_need_no_rater(self):
        table = mri_severity.detection(real(), np.ones(40, bool)).set_index(["by", "group"])
        assert table.loc[("family", "motion"), "share"] == 1
        assert "rater" not in table.index.get_level_values("by")

    def test_nothing_to_find(self):
        clean = real().assign(label=0)
        assert mri_severity.detection(clean, np.ones(40, bool)).empty


class TestHalfFound:
    @pytest.mark.parametrize(("half", "slope"), [(0.5, 1.0), (0.8, 0.7), (0.2, 2.0)])
    def test_a_planted_half_point_is_found(self, half, slope):
        scans = simulated(6000, 100)
        x = logit(scans["rater_probability"].to_numpy().clip(1e-4, 1 - 1e-4))
        found = np.random.default_rng(2).random(len(x)) < expit(slope * (x - logit(half)))
        row = mri_severity.half_found(scans, found, 0.5, by="all", draws=40).iloc[0]
        assert row["half"] == pytest.approx(half, abs=0.05)
        assert row["slope"] == pytest.approx(slope, rel=0.1)
        assert row["low"] < row["half"] < row["high"]
        assert row["high"] - row["low"] < 0.15
        assert row["reason"] == ""

    def test_the_interval_covers_the_truth(self):
        covered = []
        for seed in range(20):
            scans = simulated(120, 10, seed)
            x = logit(scans["rater_probability"].to_numpy().clip(1e-4, 1 - 1e-4))
            found = np.random.default_rng(seed + 100).random(len(x)) < expit(0.8 * (x - logit(0.7)))
            row = mri_severity.half_found(scans, found, 0.5, by="all", draws=60).iloc[0]
            covered.append(row["low"] <= 0.7 <= row["high"])
        # At 95 % fewer than 16 of 20 have a chance of 0.3 %.
        assert sum(covered) >= 16

    def test_the_label_plays_no_part(self):
        scans = simulated(300, 50)
        score = scans["rater_probability"].to_numpy() + np.random.default_rng(0).normal(0, 0.3, 350)
        first = mri_severity.half_found(scans, score, 0.5, draws=5)
        families = scans["artifact"].map(FAMILIES).fillna("")
        second = mri_severity.half_found(scans.assign(label=1 - scans["label"], artifact_type=families), score, 0.5,
                                         draws=5)  # fmt: skip
        pd.testing.assert_frame_equal(first[["group", "half", "slope"]], second[["group", "half", "slope"]])

    @pytest.mark.parametrize(
        ("score", "reason"),
        [
            (lambda r: np.ones_like(r), "all found"),
            (lambda r: np.zeros_like(r), "none found"),
            (lambda r: (r < 0.5).astype(float), "plainer artifacts are found no more often"),
        ],
    )
    def test_where_it_cannot_be_said(self, score, reason):
        scans = simulated()
        row = mri_severity.half_found(scans, score(scans["rater_probability"].to_numpy()), 0.5, "all", draws=3).iloc[0]
        assert row["reason"] == reason
        assert row[["half", "low", "high"]].isna().all()

    def test_never_half_and_always_more_than_half(self):
        scans, rng = simulated(2000, 10), np.random.default_rng(4)
        x = logit(scans["rater_probability"].to_numpy().clip(1e-4, 1 - 1e-4))
        for middle, reason in ((8, "never half, not even of the plainest"), (-6, "always more than half")):
            found = rng.random(len(x)) < expit(0.5 * (x - middle))
            row = mri_severity.half_found(scans, found, 0.5, "all", draws=3).iloc[0]
            assert row["reason"] == reason
            assert np.isnan(row["half"])
            assert row["slope"] == pytest.approx(0.5, abs=0.15)

    def test_too_few_and_no_rater(self):
        few = mri_severity.half_found(simulated(30, 10), np.resize([0, 1], 40), 0.5, draws=3)
        assert set(few["reason"]) == {f"fewer than {mri_severity.FEWEST} scans or subjects"}
        unknown = mri_severity.half_found(real(), np.resize([0, 1], 40), 0.5, draws=3)
        assert unknown["reason"].tolist() == [mri_severity.NO_RATER]

    def test_false_alarms_stand_beside(self):
        scans = simulated(300, 200)
        score = np.where(scans["artifact"] == "", np.arange(500) % 4 == 0, scans["rater_probability"] > 0.6)
        assert mri_severity.half_found(scans, score, 0.5, draws=3)["false_alarms"].tolist() == [0.25] * 3
        in_t1 = ((scans["artifact"] == "") & (scans["contrast"] == "T1")) | (scans["rater_probability"] > 0.6)
        by_contrast = mri_severity.half_found(scans, in_t1, 0.5, "contrast", draws=3)
        assert by_contrast.set_index("group")["false_alarms"].to_dict() == {"T1": 1, "T2": 0}

    def test_a_replicate_is_a_set_of_repeated_scans(self):
        rng = np.random.default_rng(6)
        x, times = rng.normal(size=60), rng.poisson(1, size=60)
        y = rng.random(60) < expit(2 * x)
        repeated = mri_severity._fit(np.repeat(x, times), np.repeat(y, times), np.ones(times.sum()))
        assert mri_severity._fit(x, y, times.astype(float)) == pytest.approx(repeated, abs=1e-3)
        assert mri_severity._fit(x, y, np.ones(60)) != pytest.approx(repeated, abs=0.02)

    def test_no_half_point_where_plainer_ones_are_found_less(self):
        scans = simulated(1000, 10)
        found = np.random.default_rng(0).random(1010) < 0.7 - 0.4 * scans["rater_probability"].to_numpy()
        row = mri_severity.half_found(scans, found, 0.5, "all", draws=3).iloc[0]
        assert row["slope"] < 0
        assert np.isnan(row["half"])
        assert row["reason"] == "plainer artifacts are found no more often"


class TestCeiling:
    def test_two_levels_by_hand(self):
        """Half the scans at 0.2, half at 0.8: AUC = 0.8^2 + 0.8 * 0.2 (ties count one half)."""
        found = mri_severity.against_rater([0.2, 0.8], [0.2, 0.8], specificities=(0.8, 0.9))
        assert found["auc"] == pytest.approx(0.64 + 0.5 * 2 * 0.16)
        assert found["sensitivity at specificity 0.8"] == pytest.approx(0.8)
        assert found["sensitivity at specificity 0.9"] == pytest.approx(0.4)

    def test_sure_and_blind_raters(self):
        sure = mri_severity.against_rater([0.0, 0, 1], [0.0, 0, 1])
        assert all(value == pytest.approx(1) for value in sure.values())
        blind = mri_severity.against_rater([0.3] * 5, [0.3] * 5)
        assert blind["auc"] == pytest.approx(0.5)
        assert blind["ap"] == pytest.approx(0.3)
        assert blind["sensitivity at specificity 0.9"] == pytest.approx(0.1)

    def test_it_is_the_mean_over_drawn_labels(self):
        rng = np.random.default_rng(0)
        rater = rng.beta(0.4, 0.8, 4000)
        labels = rng.random((20, 4000)) < rater
        found = mri_severity.against_rater(rater, rater)
        assert found["auc"] == pytest.approx(np.mean([roc_auc_score(y, rater) for y in labels]), abs=0.005)
        drawn = [np.interp(0.1, *roc_curve(y, rater)[:2]) for y in labels]
        assert found["sensitivity at specificity 0.9"] == pytest.approx(np.mean(drawn), abs=0.01)

    @settings(max_examples=80, deadline=None)
    @given(st.lists(st.tuples(st.floats(0.01, 0.99), st.integers(-5, 5), st.integers(1, 4)), min_size=2, max_size=20))
    def test_no_observer_is_better(self, scans):
        rater, score, weights = (np.array(part, dtype=float) for part in zip(*scans, strict=True))
        best = mri_severity.against_rater(rater, rater, weights)
        other = mri_severity.against_rater(rater, score, weights)
        # A step of average precision is pessimistic about ties, so that any way to break them gains.
        assert all(other[name] <= best[name] + 1e-9 for name in best if name != "ap")
        assert best["auc"] >= 0.5 - 1e-9

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(1, 99), min_size=2, max_size=15, unique=True), st.randoms(use_true_random=False))
    def test_no_order_has_a_higher_average_precision(self, percents, random):
        rater = np.array(percents) / 100
        score = random.sample(range(len(rater)), len(rater))
        other = mri_severity.against_rater(rater, score)["ap"]
        assert other <= mri_severity.against_rater(rater, rater)["ap"] + 1e-9

    def test_table_with_a_network_and_intervals(self):
        scans = simulated()
        bench = mri_bench.Bench(scans, draws=50)
        p = expit(logit(scans["rater_probability"].clip(1e-3, 0.999)) + np.random.default_rng(0).normal(0, 4, 600))
        table = mri_severity.ceiling(scans, bench.weights, {"network": p.to_numpy()}).set_index(["labels", "observer"])
        row = table.loc[("of this set", "network")]
        assert row["auc"] == pytest.approx(roc_auc_score(scans["label"], p))
        assert row["ap"] == pytest.approx(bench.rank(p.to_numpy())["ap"][0])
        fpr, tpr, _ = roc_curve(scans["label"], p, drop_intermediate=False)
        assert row["sensitivity at specificity 0.9"] == pytest.approx(tpr[fpr <= 0.1].max(), abs=0.02)
        assert (table["auc_low"] < table["auc"]).all()
        best, network = (table.loc[("drawn anew", name)] for name in ("rater's probability", "network"))
        assert network["auc"] < best["auc"] < 1
        assert len(mri_severity.ceiling(scans)) == 2
        assert mri_severity.ceiling(real()).empty


class TestFollows:
    def test_spearman_of_repeated_scans(self):
        rng = np.random.default_rng(0)
        first, second = rng.integers(0, 6, 50).astype(float), rng.normal(size=50)
        counts = np.vstack([np.ones(50), rng.multinomial(50, np.full(50, 0.02), size=5)])
        found = mri_severity.spearman(first, second, counts)
        for value, times in zip(found, counts.astype(int), strict=True):
            assert value == pytest.approx(stats.spearmanr(np.repeat(first, times), np.repeat(second, times)).statistic)

    def test_what_does_not_vary_has_none(self):
        assert np.isnan(mri_severity.spearman(np.ones(9), np.arange(9.0), np.ones((2, 9)))).all()
        assert np.isnan(mri_severity.spearman(np.full(9, np.nan), np.arange(9.0), np.ones((2, 9)))).all()

    def test_an_uncertainty_that_follows_and_one_that_does_not(self):
        scans = simulated()
        rater, noise = scans["rater_probability"], np.random.default_rng(0).normal(size=600)
        scans = scans.assign(expected_entropy=rater * (1 - rater), mutual_information=noise, probability=rater)
        table = mri_severity.follows(scans, draws=100).set_index(["scans", "uncertainty"])
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
        scans = real().assign(**dict.fromkeys(mri_severity.UNCERTAINTIES, np.arange(40.0)))
        assert mri_severity.follows(scans, draws=5)["spearman"].isna().all()


class TestRises:
    def answers(self, shift, name, seed, count=80):
        rng = np.random.default_rng(seed)
        label = np.arange(count) % 2
        about = {"subject": [f"{name}{i // 2}" for i in range(count)], "label": label}
        return pd.DataFrame(about | {"mutual_information": rng.normal(size=count) + 3 * label + shift})

    def test_a_shift_of_one_sd(self):
        table = mri_severity.rises(self.answers(0, "a", 0, 800), self.answers(1, "b", 1, 800), draws=100)
        expected = stats.norm.cdf(1 / np.sqrt(2))
        assert table["auroc"].tolist() == pytest.approx([expected] * 3, abs=0.04)
        assert (table["low"] > 0.5).all()
        assert table["usual"].tolist() == [400, 400, 800]

    def test_more_artifacts_alone_are_no_shift(self):
        """Artifacts have the higher values; a set with more of them must not count as shifted."""
        usual, shifted = self.answers(0, "a", 0, 600), self.answers(0, "b", 1, 600)
        rich = shifted[(shifted["label"] == 1) | (np.arange(600) % 10 == 0)]
        assert metrics.auc(np.repeat([0, 1], [len(usual), len(rich)]),
                           pd.concat([usual, rich])["mutual_information"])[0] > 0.6  # fmt: skip
        table = mri_severity.rises(usual, rich, draws=100).set_index("label")
        assert table.loc["both", "low"] < 0.5 < table.loc["both", "high"]

    def test_the_same_scans_and_another_column(self):
        scans = self.answers(0, "a", 0).assign(variance=0.0)
        assert mri_severity.rises(scans, scans, draws=5)["auroc"].tolist() == pytest.approx([0.5] * 3)
        assert mri_severity.rises(scans, scans.assign(variance=1.0), "variance", 5)["auroc"].tolist() == [1, 1, 1]

    def test_a_set_without_artifacts(self):
        scans = self.answers(0, "a", 0)
        table = mri_severity.rises(scans, scans[scans["label"] == 0], draws=5).set_index("label")
        assert np.isfinite(table.loc["clean", "auroc"])
        assert table.loc[["artifact", "both"], "auroc"].isna().all()
