import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from xiqa import metrics
from xiqa.paper.appendix.mri_supplement.shift import SCORES, left_out, left_out_table, not_run, rises, shift_table


class TestRises:
    def answers(self, shift, name, seed, count=80):
        rng = np.random.default_rng(seed)
        label = np.arange(count) % 2
        about = {"subject": [f"{name}{i // 2}" for i in range(count)], "label": label}
        return pd.DataFrame(about | {"mutual_information": rng.normal(size=count) + 3 * label + shift})

    def test_a_shift_of_one_sd(self):
        table = rises(self.answers(0, "a", 0, 800), self.answers(1, "b", 1, 800), draws=100)
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
        table = rises(usual, rich, draws=100).set_index("label")
        assert table.loc["both", "low"] < 0.5 < table.loc["both", "high"]

    def test_the_same_scans_and_another_column(self):
        scans = self.answers(0, "a", 0).assign(variance=0.0)
        assert rises(scans, scans, draws=5)["auroc"].tolist() == pytest.approx([0.5] * 3)
        assert rises(scans, scans.assign(variance=1.0), "variance", 5)["auroc"].tolist() == [1, 1, 1]

    def test_a_set_without_artifacts(self):
        scans = self.answers(0, "a", 0)
        table = rises(scans, scans[scans["label"] == 0], draws=5).set_index("label")
        assert np.isfinite(table.loc["clean", "auroc"])
        assert table.loc[["artifact", "both"], "auroc"].isna().all()


class TestShiftTable:
    def test_cells_are_the_numbers(self):
        usual, other = (scans(shift=s, seed=s) for s in (0, 1))
        usual["variance"], other["variance"] = np.arange(80.0), np.arange(80.0)
        asked = {"one": (usual, other, "mutual_information"), "two": (usual, other, "variance")}
        shown = shift_table(asked, draws=20).set_index("uncertainty")
        assert shown.columns.tolist() == ["among clean scans", "among artifacts", "mean of both"]
        renamed = other.assign(subject="elsewhere " + other["subject"])
        found = rises(usual, renamed, draws=20)
        value, low, high = found.set_index("label").loc["clean", ["auroc", "low", "high"]]
        assert shown.loc["one", "among clean scans"] == f"{value:.3f} [{low:.3f}, {high:.3f}]"
        assert shown.loc["two", "among artifacts"].startswith("0.500 [")

    def test_people_of_the_same_name_are_different_people(self):
        usual, other = scans(shift=0, seed=0), scans(shift=1, seed=1)
        shown = [
            shift_table({"u": (usual, other.assign(subject=names), "mutual_information")}, draws=20)
            for names in (other["subject"], "x" + other["subject"])
        ]
        pd.testing.assert_frame_equal(*shown)

    def test_differences_are_paired(self):
        usual, other = (scans(shift=s, seed=s, count=200) for s in (0, 1))
        for part in (usual, other):
            part["same"], part["nudged"] = part["mutual_information"], part["mutual_information"] + 0.01 * part["label"]
        asked = {name: (usual, other, name) for name in ("probability", "mutual_information", "same", "nudged")}
        asked["of another network"] = (usual.copy(), other, "same")
        shown = shift_table(asked, "mutual_information", draws=50).set_index("uncertainty")
        assert shown.index.tolist()[5:] == [f"{n} - mutual_information" for n in ("probability", "same", "nudged")]
        assert set(shown.loc["same - mutual_information"]) == {"0.000 [0.000, 0.000]"}
        assert shown.loc["nudged - mutual_information", "among clean scans"] == "0.000 [0.000, 0.000]"
        cells = shown["mean of both"].str.split().str[0].astype(float)
        gap = cells["probability"] - cells["mutual_information"]
        assert cells["probability - mutual_information"] == pytest.approx(gap, abs=0.0011)

    def test_nothing_asked_and_a_set_without_artifacts(self):
        assert shift_table({}).empty
        usual = scans()
        shown = shift_table({"u": (usual, usual[usual["label"] == 0], "mutual_information")}, draws=5)
        assert shown[["among artifacts", "mean of both"]].to_numpy().tolist() == [["-", "-"]]
        assert shown["among clean scans"][0].startswith("0.500 [")


def scans(shift=0.0, seed=0, count=80):
    """Answers on scans of two families and clean ones, two of each subject."""
    rng = np.random.default_rng(seed)
    kinds = np.resize(["", "", "motion", "coverage"], count)
    about = {"image": [f"{i}.nii" for i in range(count)], "subject": [f"s{i // 2}" for i in range(count)]}
    about |= {"label": (kinds != "").astype(int), "artifact_type": kinds, "artifact": "", "rater_probability": np.nan}
    said = {name: rng.random(count) for name in ("probability", "expected_entropy")}
    return pd.DataFrame(about | said | {"mutual_information": rng.normal(size=count) + shift})


class TestLeftOut:
    def test_areas_by_hand(self):
        full, without = scans(seed=0), scans(seed=1)
        table = left_out(full, without, "motion", draws=10).set_index(["artifacts", "against"])
        kind = full["artifact_type"].to_numpy()
        for (one, two), (what, against) in {
            ("motion", ""): ("motion", "clean scans"),
            ("motion", "coverage"): ("motion", "other artifacts"),
            ("coverage", ""): ("other artifacts", "clean scans"),
        }.items():
            row, chosen = table.loc[(what, against)], (kind == one) | (kind == two)
            assert (row["positives"], row["negatives"]) == ((kind == one).sum(), (kind == two).sum())
            for name, frame in (("full", full), ("without", without)):
                area = roc_auc_score(kind[chosen] == one, frame["mutual_information"][chosen])
                assert row[name] == pytest.approx(area)
            assert row["difference"] == pytest.approx(row["without"] - row["full"])
            assert row["difference_low"] < row["difference"] < row["difference_high"]

    def test_a_network_and_itself_differ_by_nothing(self):
        full = scans(count=200)
        table = left_out(full, full, "motion", "probability", draws=50)
        assert (table[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)
        assert (table["full_low"] < table["full"]).all()

    def test_networks_are_compared_on_the_same_replicates(self):
        """Twins that differ by little: the interval of the difference is far narrower than that of either."""
        full = scans(count=200)
        nudge = np.random.default_rng(9).normal(0, 0.05, 200)
        table = left_out(full, full.assign(mutual_information=full["mutual_information"] + nudge), "motion", draws=200)
        assert (table["difference_high"] - table["difference_low"] < (table["full_high"] - table["full_low"]) / 3).all()

    def test_a_family_that_is_lost_and_the_others_that_are_not(self):
        full, rng = scans(count=400), np.random.default_rng(3)
        full["probability"] = full["label"] + rng.normal(0, 0.3, 400)
        lost = full["artifact_type"] == "motion"
        without = full.assign(probability=np.where(lost, rng.normal(0, 0.3, 400), full["probability"]))
        table = left_out(full, without, "motion", "probability", draws=100)
        gaps = table.set_index(["artifacts", "against"])
        assert gaps.loc[("motion", "clean scans"), "difference_high"] < -0.3
        assert gaps.loc[("other artifacts", "clean scans"), "difference"] == 0

    def test_passed_artifacts_count_as_clean(self):
        full = scans()
        full.loc[full["label"] == 0, "artifact"] = "rigid_motion"
        table = left_out(full, full, "motion", draws=5)
        assert table["positives"].tolist() == [20, 20, 20]
        assert table["negatives"].tolist() == [40, 20, 40]

    def test_a_family_that_is_not_there(self):
        full = scans()
        table = left_out(full, full, "intensity", draws=5)
        assert table["full"].isna().tolist() == [True, True, False]
        shown = left_out_table(full, full, "intensity", draws=5)
        assert (shown["difference"] == "-").sum() == 6

    def test_other_scans_are_refused(self):
        with pytest.raises(ValueError, match="same scans"):
            left_out(scans(), scans()[::-1], "motion")

    def test_the_table_has_the_numbers(self):
        full, without = scans(seed=0), scans(seed=1)
        shown = left_out_table(full, without, "motion", draws=20)
        assert shown["score"].unique().tolist() == list(SCORES.values())
        found = left_out(full, without, "motion", "probability", draws=20).iloc[0]
        assert shown["AUROC of"][0] == "motion against clean scans"
        assert shown["scans"][0] == "20 / 40"
        for part, title in (
            ("full", "trained with all"),
            ("without", "trained without motion"),
            ("difference", "difference"),
        ):
            low, high = found[f"{part}_low"], found[f"{part}_high"]
            assert shown[title][0] == f"{found[part]:.3f} [{low:.3f}, {high:.3f}]"


def test_what_is_not_run_says_why():
    assert not_run("no such network").to_numpy().tolist() == [["not run: no such network"]]
