import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from xiqa import metrics
from xiqa.paper.mri import detection

KINDS = np.array(["rigid_motion", "bias_field", "field_of_view_cut"])
FAMILIES = dict(zip(KINDS, ("motion", "intensity", "coverage"), strict=True))


def simulated(bearing=300, without=300, seed=0):
    """Scans as the simulator describes them: two of each subject, a third of each kind, labels drawn by the rater."""
    rng = np.random.default_rng(seed)
    rater = np.concatenate([expit(rng.uniform(-4, 6, bearing)), np.zeros(without)])
    artifact = np.concatenate([np.resize(KINDS, bearing), np.full(without, "")])
    label = (rng.random(len(rater)) < rater).astype(int)
    kinds = [FAMILIES[name] if y else "" for name, y in zip(artifact, label, strict=True)]
    about = {"subject": np.arange(len(rater)) // 2, "label": label, "artifact": artifact, "artifact_type": kinds}
    return pd.DataFrame(about | {"contrast": np.resize(["T1", "T2"], len(rater)), "rater_probability": rater})


def real(count=40):
    about = {"subject": np.arange(count), "label": np.arange(count) % 2, "artifact": "", "artifact_type": ""}
    scans = pd.DataFrame(about | {"contrast": "T1", "rater_probability": np.nan})
    scans.loc[scans["label"] == 1, "artifact_type"] = "motion"
    return scans


class TestGroups:
    def test_an_accepted_artifact_has_its_family(self):
        scans = simulated()
        groups = detection.grouped(scans)
        assert (groups["family"] == scans["artifact"].map(FAMILIES).fillna("")).all()
        assert (groups.loc[groups["label"] == 1, "family"] == scans.loc[scans["label"] == 1, "artifact_type"]).all()
        assert detection.grouped(real())["family"].tolist()[:2] == ["", "motion"]

    def test_edges_of_the_raters_groups(self):
        scans = simulated(6, 0).assign(rater_probability=[0.0, 0.4999, 0.5, 0.8, 0.95, 1.0])
        names = list(detection.RATER)
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

    def test_false_alarms_among_accepted_artifacts_are_a_group(self):
        scans = simulated()
        flagged = (scans["artifact"] != "").to_numpy()
        table = detection.false_alarms(scans, flagged).set_index("group")
        assert table.loc["an artifact that the rater accepted", "share"] == 1
        assert table.loc["no artifact", "share"] == 0
        assert table.loc["all", "scans"] == (scans["label"] == 0).sum()

    def test_real_scans_need_no_rater(self):
        table = detection.detection(real(), np.ones(40, bool)).set_index(["by", "group"])
        assert table.loc[("family", "motion"), "share"] == 1
        assert "rater" not in table.index.get_level_values("by")

    def test_nothing_to_find(self):
        clean = real().assign(label=0)
        assert detection.detection(clean, np.ones(40, bool)).empty
