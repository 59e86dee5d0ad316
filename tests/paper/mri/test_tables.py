import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa import metrics, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper import products
from xiqa.paper.mri import convergence, referral, review, tables


def side(count, artifacts, seed):
    """Made-up predictions: noisy logits around a value that depends on the label."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [count, artifacts]))
    z = 2.0 * (2 * labels - 1) + rng.normal(size=len(labels))
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(z))) / (0.5 + np.abs(z)))))
    about = {"label": labels, "subject": np.arange(len(labels)) // 2, "artifact": "", "artifact_type": ""}
    about |= {"contrast": "T1", "rater_probability": np.nan}
    return pd.concat([pd.DataFrame(about), uncertainty.decompose(np.stack([1 - p, p], -1))], axis=1)


@pytest.fixture(scope="module")
def ways():
    val, test = side(120, 30, 0), side(240, 60, 1)
    test_set = EnrichedTestSet(test, draws=100)
    theta = uncertainty.youden(val["label"], val["probability"])
    way = referral.referral(test_set, val, test, "mutual_information", theta, 0.1, "u")
    others, none = referral.baselines(test_set, test, theta, 0.1), referral.no_referral(test, theta)
    return referral.Referrals(test_set, val, test, theta, none, [way], others, 0.1, {}, [test])


def test_referral_begins_with_all_clean_and_ends_with_what_is_not_run(ways):
    table, _ = tables.referral(ways, products.published(), {"flips": "no time"}, "a network")
    first = table.iloc[0]
    assert (first["review by"], first["accuracy of kept %"]) == ("all clean", "98.0 [98.0, 98.0]")
    assert (first["missed %"], first["F1 of kept"]) == ("100.0 [100.0, 100.0]", "0.000 [0.000, 0.000]")
    assert table["theta"].iloc[-1] == "not run: no time"
    assert len(table) == 7
    assert not table.isna().any().any()
    for column in table.columns[table.columns.str.endswith("%")]:
        assert table[column].iloc[:-1].str.contains(r"\[").all(), column


def test_quality_of_an_uncertainty_that_is_high_for_errors_only(ways):
    test_set, flagged = ways.test_set, ways.test["probability"].to_numpy() > 0.5
    error = (flagged != (test_set.labels == 1)).astype(float)
    perfect = referral.Referral("perfect", 0.5, 0.5, flagged, error < 0.5, error)
    quality = tables.quality(test_set, perfect)
    assert quality[tables.ERRORS].startswith("1.000")
    area = sk.roc_auc_score(test_set.labels, error, sample_weight=test_set.weight)
    assert quality[tables.ARTIFACTS].startswith(f"{area:.3f}")
    assert quality["AURC"] == f"{metrics.aurc(error, error, test_set.weight):.4f}"
    assert set(tables.quality(test_set, ways.none).values()) == {"-"}


def test_review_compares_every_order_with_the_highest_p(ways):
    scores = review.orders(ways.test, ways.theta)
    table = tables.review(ways, scores, "a network", (0.1, 0.3))[0].set_index("order of review")
    assert table.loc[review.RANDOM, "remaining % after 10 %"] == "90.0 [90.0, 90.0]"
    difference = table["difference to highest p"]
    assert difference[review.HIGHEST_P] == "-"
    gap = 75 - 100 * review.area_values(ways.test_set, scores[review.HIGHEST_P])[0]
    assert float(difference[review.RANDOM].split()[0]) == pytest.approx(gap, abs=0.051)
    value = review.remaining_values(ways.test_set, scores[review.HIGHEST_P], [0.3])[0, 0]
    assert table.loc[review.HIGHEST_P, "remaining % after 30 %"].startswith(f"{100 * value:.1f} [")


def test_detection_has_sensitivity_and_false_alarms(ways):
    table = tables.detection(ways, "a network")[0].set_index(["", "by", "group"])
    flagged = ways.test["probability"] >= ways.theta
    for part, label in (("artifacts detected", 1), ("clean scans flagged", 0)):
        own = ways.test["label"] == label
        assert table.loc[(part, "all", "all"), "scans"] == own.sum()
        assert table.loc[(part, "all", "all"), "share %"].startswith(f"{100 * flagged[own].mean():.1f} [")


def test_convergence_marks_the_rows_that_lack_samples():
    labels, mc = np.arange(300) % 2, np.random.default_rng(0).dirichlet([1, 1], (20, 300))
    repeats = uncertainty.convergence(mc, labels, convergence.SIZES, repeats=3)
    table = tables.convergence(repeats, 20, products.published())[0].set_index("samples")
    assert table.index.tolist() == [1, 10, 20, 50, 100]
    assert table.loc[20, "SSE"] == "not run: needs 40 samples, there are 20"
    assert table.loc[1, "published NMSE %"] == "1.350 (0.629)"
    assert table.loc[100, "published AUC"] == "0.938 (0.001)"


def test_reliability_by_hand():
    test_set = EnrichedTestSet(pd.DataFrame({"label": [0, 1, 0, 1], "subject": list("abcd")}), 0.5, draws=20)
    table = tables.reliability(test_set, np.array([0.01, 0.03, 0.9, 1.0]))
    assert table["predicted"].tolist() == pytest.approx([0.02, 0.9, 1.0])
    assert table["observed"].tolist() == pytest.approx([0.5, 0.0, 1.0])
    assert table["weight"].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert table["scans"].tolist() == [2, 1, 1]
