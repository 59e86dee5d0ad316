import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xiqa import metrics
from xiqa.paper.appendix.mri_supplement.tables import CONTROL, FLIPS, rises, shift, shift_table


def answers(shift=0.0, seed=0, count=80):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2
    frame = pd.DataFrame({"subject": [f"s{i // 2}" for i in range(count)], "label": label})
    frame["probability"], frame["expected_entropy"] = rng.random(count), rng.random(count)
    return frame.assign(mutual_information=rng.normal(size=count) + 3 * label + shift)


class TestRises:
    def test_a_shift_of_one_sd(self):
        estimates, _ = rises(answers(0, 0, 800), answers(1, 1, 800), "mutual_information", draws=100)
        areas = np.array(list(estimates.values()))
        assert areas[:, 0] == pytest.approx([stats.norm.cdf(1 / np.sqrt(2))] * 3, abs=0.04)
        assert (areas[:, 1] > 0.5).all()

    def test_more_artifacts_alone_are_no_shift(self):
        """Artifacts have the higher values; a set with more of them must not count as shifted."""
        usual, other = answers(0, 0, 600), answers(0, 1, 600)
        rich = other[(other["label"] == 1) | (np.arange(600) % 10 == 0)]
        pooled = pd.concat([usual, rich])["mutual_information"]
        assert metrics.auc(np.repeat([0, 1], [len(usual), len(rich)]), pooled)[0] > 0.6
        _, low, high = rises(usual, rich, "mutual_information", draws=100)[0]["both"]
        assert low < 0.5 < high

    def test_a_set_without_artifacts(self):
        scans = answers()
        estimates, _ = rises(scans, scans[scans["label"] == 0], "mutual_information", draws=5)
        assert estimates["clean"][0] == pytest.approx(0.5)
        assert np.isnan([estimates["artifact"][0], estimates["both"][0]]).all()


class TestShift:
    def test_cells_are_the_numbers(self):
        usual, other = answers(0, 0), answers(1, 1)
        sets = {"one": (usual, other, "mutual_information"), CONTROL: (usual, other, "probability")}
        table = shift_table(sets, draws=20).set_index("uncertainty")
        value, low, high = rises(usual, other, "mutual_information", draws=20)[0]["clean"]
        assert table.loc["one", "among clean scans"] == f"{value:.3f} [{low:.3f}, {high:.3f}]"

    def test_people_of_the_same_name_are_different_people(self):
        usual, other = answers(0, 0), answers(1, 1)
        renamed = other.assign(subject="x" + other["subject"])
        tables = [shift_table({CONTROL: (usual, part, "mutual_information")}, draws=20) for part in (other, renamed)]
        pd.testing.assert_frame_equal(*tables)

    def test_differences_are_paired_and_of_the_same_network(self):
        usual, other = (answers(s, s, 200) for s in (0, 1))
        for part in (usual, other):
            part["same"], part["nudged"] = part["probability"], part["probability"] + 0.01 * part["label"]
        sets = {name: (usual, other, name) for name in ("mutual_information", "same", "nudged")}
        sets |= {CONTROL: (usual, other, "probability"), "of another network": (usual.copy(), other, "same")}
        table = shift_table(sets, draws=50).set_index("uncertainty")
        assert table.index.tolist()[5:] == [f"{n} - {CONTROL}" for n in ("mutual_information", "same", "nudged")]
        assert set(table.loc[f"same - {CONTROL}"]) == {"0.000 [0.000, 0.000]"}
        assert table.loc[f"nudged - {CONTROL}", "among clean scans"] == "0.000 [0.000, 0.000]"
        values = table["mean of both"].str.split().str[0].astype(float)
        gap = values["mutual_information"] - values[CONTROL]
        assert values[f"mutual_information - {CONTROL}"] == pytest.approx(gap, abs=0.0011)

    def test_the_network_with_flips_is_a_row_more(self):
        sets = [
            tuple(f.assign(flip_mutual_information=f["probability"]) for f in (answers(), answers(1, 1))) for _ in "ab"
        ]
        table, caption = shift(sets, "net")
        assert table["uncertainty"].tolist()[2:4] == [CONTROL, FLIPS]
        assert "40 clean scans and 40 artifacts of 40 subjects" in caption

    def test_real_data_have_no_other_scanner(self):
        table, _ = shift([], "net")
        assert table.to_numpy().tolist() == [["not run: there is no set of another scanner for real data"]]
