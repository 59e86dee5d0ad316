import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper import products
from xiqa.paper.mri import tables_arms
from xiqa.paper.mri.arms import Arm, Arms
from xiqa.paper.mri.referral import YOUDEN

from .conftest import side

GAP = "AP - AP of the content model"


TEST_SET = EnrichedTestSet(side(240, 60, 1), draws=100)
WEIGHTS = {"sample_weight": TEST_SET.weight}
PERFECT, WRONG = (np.where(TEST_SET.labels == 1, *values) for values in ((0.9, 0.1), (0.1, 0.9)))


def arm(name="ramp", seed=0, p=None):
    test = side(240, 60, 1)
    return Arm(name, seed, "priming", side(120, 30, 10), test if p is None else test.assign(plain=p))


@pytest.fixture(scope="module")
def arms(ways):
    trained = {"class_weights": [arm("class_weights")], "ramp": [arm(), arm(seed=1, p=PERFECT)]}
    baselines = [arm("histogram model"), arm("content model")]
    return Arms(trained, [arm("priming, shifted")], baselines, ways, {"focal": "a reason"})


def test_an_experiment_has_two_rows_and_the_numbers_of_scikit_learn():
    trained = arm()
    rows = tables_arms.experiment(TEST_SET, trained)
    assert [row["threshold by"] for row in rows] == ["Youden", "best F1"]
    row, labels = rows[0], TEST_SET.labels
    assert row["AP"].startswith(f"{sk.average_precision_score(labels, trained.p, **WEIGHTS):.3f} [")
    assert row["MCC"].startswith(f"{sk.matthews_corrcoef(labels, trained.flagged, **WEIGHTS):.3f} [")
    tn, fp, fn, tp = sk.confusion_matrix(labels, trained.flagged).ravel()
    assert [row[name] for name in ("tp", "fn", "fp", "tn")] == [tp, fn, fp, tn]
    flagged, rightly, missed = (float(part) for part in row["of 1,000 scans: flagged / rightly / missed"].split(" / "))
    assert rightly + missed == pytest.approx(20, abs=0.11)
    assert flagged == pytest.approx(20 * tp / 60 + 980 * fp / 240, abs=0.06)


def test_the_trivial_row():
    row = tables_arms.all_clean(TEST_SET)
    assert (row["AP"][:5], row["Brier skill"][:5]) == ("0.020", "0.000")
    assert row["of 1,000 scans: flagged / rightly / missed"] == "0.0 / 0.0 / 20.0"


def test_experiments_begin_with_all_clean_and_end_with_what_is_missing(arms):
    table, caption = tables_arms.experiments(arms)
    names = ["class weights", "ramp", "ramp", "priming, shifted", "histogram model", "content model"]
    assert table["arm"].tolist() == ["all clean", *np.repeat(names, 2), "focal"]
    assert table["threshold by"].iloc[-1] == "not run: a reason"
    assert not table.isna().any().any()
    assert "60 artifacts among 300 test scans of 150 subjects, reweighted to 2 %" in caption


def test_a_headline_row_of_the_kept_scans_leaves_the_others_out():
    kept = np.arange(300) > 30
    trained = arm()
    row = tables_arms.headline_row(TEST_SET, [(trained.p, trained.flagged, kept)])
    weights, labels = {"sample_weight": TEST_SET.weight[kept]}, TEST_SET.labels[kept]
    assert row["F1"].startswith(f"{sk.f1_score(labels, trained.flagged[kept], **weights):.3f}")
    assert row["AP"].startswith(f"{sk.average_precision_score(labels, trained.p[kept], **weights):.3f}")


def test_a_headline_row_of_several_seeds_is_their_mean_and_is_compared_with_the_baseline():
    p = arm().p
    runs = [(q, q > 0.5, 1.0) for q in (PERFECT, WRONG)]
    row = tables_arms.headline_row(TEST_SET, runs, baseline=p)
    assert (row["seeds"], row["accuracy %"]) == (2, "50.0 [50.0, 50.0]")
    ap = [sk.average_precision_score(TEST_SET.labels, q, **WEIGHTS) for q in (PERFECT, WRONG, p)]
    assert row[GAP].startswith(f"{(ap[0] + ap[1]) / 2 - ap[2]:.3f} [")


def test_the_headline_has_the_published_numbers_beside_each_arm(arms):
    table = tables_arms.headline(arms, products.published())[0].set_index("setting")
    assert table.loc["ramp", ["seeds", "published accuracy %", "published F1"]].tolist() == [2, "94.9", "0.357"]
    assert table.loc["focal: not run: a reason", ["F1", "published F1"]].tolist() == ["-", "0.304"]
    outcome = arms.referrals.mean(arms.referrals.ways(YOUDEN, 0.25)["predictive entropy"])
    about = "ramp, 25 % referred by predictive entropy"
    assert table.loc[f"{about}: kept scans", "F1"].startswith(f"{outcome['f1_kept'][0]:.3f}")
    assert table.loc[f"{about}: all scans, referred as unflagged", "F1"].startswith(f"{outcome['f1_all'][0]:.3f}")
    assert table.loc["content model", GAP] == "-"
    assert table.loc["histogram model", GAP].startswith("0.000")


def test_the_answer_names_the_arm_of_the_highest_average_precision(arms):
    claims = pd.DataFrame({"claim": [1, 1, 2], "verdict on the claim": ["undecided", "undecided", "supported"]})
    text = tables_arms.answer(arms, claims)
    assert "The highest is that of ramp." in text
    assert text.endswith("Claim 1: undecided; Claim 2: supported.")


def test_means_over_seeds():
    values = tables_arms.means(TEST_SET, [arm(p=PERFECT), arm(p=WRONG)])
    ap = [sk.average_precision_score(TEST_SET.labels, q, **WEIGHTS) for q in (PERFECT, WRONG)]
    assert values["AP"][0] == pytest.approx(np.mean(ap))
