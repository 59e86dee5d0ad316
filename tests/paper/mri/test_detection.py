import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from xiqa import metrics
from xiqa.paper.mri import detection

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
        found = detection.grouped(scans)
        assert (found["family"] == scans["artifact"].map(FAMILIES).fillna("")).all()
        assert (found.loc[found["label"] == 1, "family"] == scans.loc[scans["label"] == 1, "artifact_type"]).all()
        assert detection.grouped(real())["family"].tolist()[:2] == ["", "motion"]

    def test_edges_of_the_raters_groups(self):
        scans = simulated(6, 0).assign(rater_probability=[0.0, 0.4999, 0.5, 0.8, 0.95, 1.0])
        names = list(detection.SEEN)
        assert detection.grouped(scans)["rater"].tolist() == [names[i] for i in (0, 0, 1, 2, 3, 3)]


class TestDetection:
    def test_counts_by_hand(self):
        scans, flagged = simulated(), np.random.default_rng(1).random(600) < 0.5
        table = detection.detection(scans, flagged).set_index(["by", "group"])
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
        table = detection.false_alarms(scans, flagged).set_index("group")
        assert table.loc["an artifact that the rater passed", "share"] == 1
        assert table.loc["no artifact", "share"] == 0
        assert table.loc["all", "scans"] == (scans["label"] == 0).sum()

    def test_real_scans_need_no_rater(self):
        table = detection.detection(real(), np.ones(40, bool)).set_index(["by", "group"])
        assert table.loc[("family", "motion"), "share"] == 1
        assert "rater" not in table.index.get_level_values("by")

    def test_nothing_to_find(self):
        clean = real().assign(label=0)
        assert detection.detection(clean, np.ones(40, bool)).empty


class TestHalfFound:
    @pytest.mark.parametrize(("half", "slope"), [(0.5, 1.0), (0.8, 0.7), (0.2, 2.0)])
    def test_a_planted_half_point_is_found(self, half, slope):
        scans = simulated(6000, 100)
        x = logit(scans["rater_probability"].to_numpy().clip(1e-4, 1 - 1e-4))
        found = np.random.default_rng(2).random(len(x)) < expit(slope * (x - logit(half)))
        row = detection.half_found(scans, found, 0.5, by="all", draws=40).iloc[0]
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
            row = detection.half_found(scans, found, 0.5, by="all", draws=60).iloc[0]
            covered.append(row["low"] <= 0.7 <= row["high"])
        # At 95 % fewer than 16 of 20 have a chance of 0.3 %.
        assert sum(covered) >= 16

    def test_the_label_plays_no_part(self):
        scans = simulated(300, 50)
        score = scans["rater_probability"].to_numpy() + np.random.default_rng(0).normal(0, 0.3, 350)
        first = detection.half_found(scans, score, 0.5, draws=5)
        families = scans["artifact"].map(FAMILIES).fillna("")
        second = detection.half_found(scans.assign(label=1 - scans["label"], artifact_type=families), score, 0.5,
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
        row = detection.half_found(scans, score(scans["rater_probability"].to_numpy()), 0.5, "all", draws=3).iloc[0]
        assert row["reason"] == reason
        assert row[["half", "low", "high"]].isna().all()

    def test_never_half_and_always_more_than_half(self):
        scans, rng = simulated(2000, 10), np.random.default_rng(4)
        x = logit(scans["rater_probability"].to_numpy().clip(1e-4, 1 - 1e-4))
        for middle, reason in ((8, "never half, not even of the plainest"), (-6, "always more than half")):
            found = rng.random(len(x)) < expit(0.5 * (x - middle))
            row = detection.half_found(scans, found, 0.5, "all", draws=3).iloc[0]
            assert row["reason"] == reason
            assert np.isnan(row["half"])
            assert row["slope"] == pytest.approx(0.5, abs=0.15)

    def test_too_few_and_no_rater(self):
        few = detection.half_found(simulated(30, 10), np.resize([0, 1], 40), 0.5, draws=3)
        assert set(few["reason"]) == {f"fewer than {detection.FEWEST} scans or subjects"}
        unknown = detection.half_found(real(), np.resize([0, 1], 40), 0.5, draws=3)
        assert unknown["reason"].tolist() == [detection.NO_RATER]

    def test_false_alarms_stand_beside(self):
        scans = simulated(300, 200)
        score = np.where(scans["artifact"] == "", np.arange(500) % 4 == 0, scans["rater_probability"] > 0.6)
        assert detection.half_found(scans, score, 0.5, draws=3)["false_alarms"].tolist() == [0.25] * 3
        in_t1 = ((scans["artifact"] == "") & (scans["contrast"] == "T1")) | (scans["rater_probability"] > 0.6)
        by_contrast = detection.half_found(scans, in_t1, 0.5, "contrast", draws=3)
        assert by_contrast.set_index("group")["false_alarms"].to_dict() == {"T1": 1, "T2": 0}

    def test_a_replicate_is_a_set_of_repeated_scans(self):
        rng = np.random.default_rng(6)
        x, times = rng.normal(size=60), rng.poisson(1, size=60)
        y = rng.random(60) < expit(2 * x)
        repeated = detection._fit(np.repeat(x, times), np.repeat(y, times), np.ones(times.sum()))
        assert detection._fit(x, y, times.astype(float)) == pytest.approx(repeated, abs=1e-3)
        assert detection._fit(x, y, np.ones(60)) != pytest.approx(repeated, abs=0.02)

    def test_no_half_point_where_plainer_ones_are_found_less(self):
        scans = simulated(1000, 10)
        found = np.random.default_rng(0).random(1010) < 0.7 - 0.4 * scans["rater_probability"].to_numpy()
        row = detection.half_found(scans, found, 0.5, "all", draws=3).iloc[0]
        assert row["slope"] < 0
        assert np.isnan(row["half"])
        assert row["reason"] == "plainer artifacts are found no more often"

    def test_the_table_says_why_there_is_no_half_point(self):
        found = detection.half_found(
            simulated(600, 100), simulated(600, 100)["rater_probability"], 0.6, "all", draws=20
        )
        shown = detection.half_table(pd.concat([found, found.assign(reason="none found", half=np.nan)]))
        column = "half found where so many raters object, %"
        value, reason = shown[column]
        assert value.startswith(f"{100 * found['half'].iloc[0]:.1f} [")
        assert reason == "none found"
        assert shown["found %"].tolist() == [f"{100 * found['found'].iloc[0]:.1f}"] * 2
