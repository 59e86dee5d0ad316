import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xiqa import metrics
from xiqa.paper.appendix.mri_supplement import tables


def answers(shift=0.0, seed=0, count=80, labels=True):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2 * labels
    frame = pd.DataFrame({"subject": [f"s{i // 2}" for i in range(count)], "label": label})
    frame["probability"], frame["predictive_entropy"] = rng.random(count), rng.random(count)
    return frame.assign(mutual_information=rng.normal(size=count) + 3 * label + shift)


def test_a_shift_of_one_sd():
    usual, other = answers(0, 0, 800, labels=False), answers(1, 1, 800, labels=False)
    value, low, high = metrics.estimate(tables.rises(usual, other, "mutual_information", draws=200))
    assert value == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.04)
    assert 0.5 < low < value < high


def test_people_of_the_same_name_are_different_people():
    usual, other = answers(0, 0), answers(1, 1)
    renamed = other.assign(subject="x" + other["subject"])
    one, two = (tables.rises(usual, part, "mutual_information", draws=20) for part in (other, renamed))
    np.testing.assert_array_equal(one, two)


class TestShift:
    def test_only_clean_scans_are_compared(self):
        """Artifacts have the higher values; a set with more of them must not count as shifted."""
        usual, other = answers(0, 0, 400), answers(0, 1, 400)
        table, caption = tables.shift(usual, {"other scanner": other}, "net")
        assert table["n"].tolist() == [200]
        clean = [part[part["label"] == 0] for part in (usual, other)]
        value, low, high = metrics.estimate(tables.rises(*clean, "mutual_information"))
        assert table["mutual information"].tolist() == [f"{value:.3f} [{low:.3f}, {high:.3f}]"]
        assert low < 0.5 < high
        assert "200 usual clean test scans, net" in caption

    def test_the_difference_is_paired(self):
        usual, other = (answers(s, s).assign(predictive_entropy=lambda f: f["mutual_information"]) for s in (0, 1))
        table, _ = tables.shift(usual, {"a": other}, "net")
        assert table["mutual information - predictive entropy"].tolist() == ["0.000 [0.000, 0.000]"]

    def test_real_data_have_no_foreign_scans(self):
        table, _ = tables.shift(answers(), {}, "net")
        assert table.to_numpy().tolist() == [["not run: there are no foreign scans for real data"]]


def test_inputs_have_the_area_of_each_score():
    records = answers()
    scores = {"one": records["mutual_information"].to_numpy(), "two": -records["mutual_information"].to_numpy()}
    about = {"one": ("log", "a", 10, 0.5), "two": ("zscore", "b", 20, 1.25)}
    table, _ = tables.inputs(records, scores, about, 0.02)
    area = metrics.auc(records["label"], scores["one"])[0]
    assert [cell[:5] for cell in table["AUC"]] == [f"{area:.3f}", f"{1 - area:.3f}"]
    assert table[["intensity", "GMAC a scan"]].to_numpy().tolist() == [["log", "0.50"], ["zscore", "1.25"]]
