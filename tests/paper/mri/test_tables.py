import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper import products
from xiqa.paper.mri import convergence, referral, review, tables


def test_referral_begins_with_all_clean_and_ends_with_the_published_row(ways):
    table, _ = tables.referral(ways, products.published())
    first, last = table.iloc[0], table.iloc[-1]
    assert (first["review by"], first["accuracy of kept %"]) == ("all clean", "98.0 [98.0, 98.0]")
    assert (first["missed %"], first["F1 of kept"]) == ("100.0 [100.0, 100.0]", "0.000 [0.000, 0.000]")
    shown = ["accuracy of kept %", "F1 of kept", "caught %", "referred %", "missed %"]
    assert last[shown].tolist() == ["99.5", "0.834", "44.6", "51.8", "3.6"]
    per_budget = len(ways.ways(referral.YOUDEN, 0.1))
    assert len(table) == 2 + len(referral.THRESHOLDS) * (1 + len(recipes.REVIEW_SHARES) * per_budget)
    assert not table.isna().any().any()


def test_a_row_of_referral_is_the_mean_over_networks(ways):
    table = tables.referral(ways, products.published())[0].set_index(["threshold", "budget", "review by"])
    made = ways.ways("best F1", 0.25)["predictive entropy"]
    row = table.loc[("best F1", "25 %", "predictive entropy")]
    each = [ways.test_set.refer(way.flagged, way.kept) for way in made]
    for part, column in (("caught", "caught %"), ("accuracy_kept", "accuracy of kept %")):
        assert row[column].startswith(f"{50 * sum(values[part][0] for values in each):.1f} [")
    assert row["AUGRC"] == f"{np.mean([tables.quality(ways.test_set, way)['AUGRC'] for way in made]):.4f}"
    assert table.loc[("best F1", "-", "no referral"), tables.ERRORS] == "-"


def test_quality_of_an_uncertainty_that_is_high_for_errors_only(ways):
    test_set, flagged = ways.test_set, ways.first.test["probability"].to_numpy() > 0.5
    error = (flagged != (test_set.labels == 1)).astype(float)
    quality = tables.quality(test_set, referral.Referral(flagged, error < 0.5, error))
    assert quality[tables.ERRORS][0] == 1
    assert quality["AURC"] == metrics.aurc(error, error, test_set.weight)
    other = ways.first.test["variance"].to_numpy()
    area = sk.roc_auc_score(error, other, sample_weight=test_set.weight)
    own = tables.quality(test_set, referral.Referral(flagged, error < 0.5, other))
    assert own[tables.ERRORS][0] == pytest.approx(area)


def test_the_answer_has_the_numbers_of_the_table(ways):
    text = tables.answer(ways, products.published())
    table = tables.referral(ways, products.published())[0].set_index(["threshold", "budget", "review by"])
    for name in ("predictive entropy", "mutual information"):
        row = table.loc[(referral.YOUDEN, "25 %", name)]
        assert f"{row['F1 of kept']} by {name} ({row['caught %']} %" in text


def test_review_compares_every_order_with_the_highest_p(ways):
    scores = review.orders(ways)
    table = tables.review(ways, scores, (0.1, 0.3))[0].set_index("order of review")
    assert table.loc[review.RANDOM, "remaining % after 10 %"] == "90.0 [90.0, 90.0]"
    difference = table["difference to highest p"]
    assert difference[referral.HIGHEST] == "-"
    gap = 75 - 100 * review.area_values(ways.test_set, scores[referral.HIGHEST])[0]
    assert float(difference[review.RANDOM].split()[0]) == pytest.approx(gap, abs=0.051)
    value = review.remaining_values(ways.test_set, scores[referral.HIGHEST], [0.3])[0, 0]
    assert table.loc[referral.HIGHEST, "remaining % after 30 %"].startswith(f"{100 * value:.1f} [")


def test_detection_has_sensitivity_and_false_alarms(ways):
    table = tables.detection(ways)[0].set_index(["", "by", "group"])
    flagged = ways.first.keep_all().flagged
    for part, label in (("artifacts detected", 1), ("clean scans flagged", 0)):
        own = ways.test_set.labels == label
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
