import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper import numbers, products
from xiqa.paper.mri import arms, convergence, referral, tables


def side(count, artifacts, seed):
    """Made-up answers: noisy logits around a value that knows the label."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [count, artifacts]))
    z = 2.0 * (2 * labels - 1) + rng.normal(size=len(labels))
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(z))) / (0.5 + np.abs(z)))))
    about = pd.DataFrame({"label": labels, "subject": np.arange(len(labels)) // 2, "plain": 1 / (1 + np.exp(-z))})
    return pd.concat([about, uncertainty.decompose(np.stack([1 - p, p], -1))], axis=1)


@pytest.fixture(scope="module")
def study():
    val, test = side(120, 30, 0), side(240, 60, 1)
    return val, test, enriched.Bench(test, draws=200)


def way_of(study, column="mutual_information"):
    val, test, bench = study
    theta = uncertainty.youden(val["label"], val["probability"])
    return referral.referral(bench, val, test, column, theta, 0.10, column)


class TestReferralTable:
    def test_it_begins_with_the_row_that_calls_everything_clean(self, study):
        bench, way = study[2], way_of(study)
        ways = [referral.no_referral(study[1], way.theta), way, *referral.rivals(bench, study[1], way.theta, 0.1)]
        table = tables.referral_table(bench, ways)
        first = table.iloc[0]
        assert (first["review by"], first["accuracy of kept %"]) == ("all clean", "98.0 [98.0, 98.0]")
        assert (first["missed %"], first["F1 of kept"]) == ("100.0 [100.0, 100.0]", "0.000 [0.000, 0.000]")
        assert len(table) == 6
        assert not table.isna().any().any()
        assert table["eta"].tolist()[-1] == "at that budget"

    def test_every_share_has_its_interval(self, study):
        table = tables.referral_table(study[2], [way_of(study)])
        for column in table.columns[table.columns.str.endswith("%")]:
            assert table[column].str.contains(r"\[").all(), column

    def test_the_uncertainty_of_a_network_that_knows_its_errors(self, study):
        bench, test = study[2], study[1]
        flagged = test["probability"].to_numpy() > 0.5
        error = (flagged != (bench.labels == 1)).astype(float)
        way = referral.Referral("oracle", 0.5, 0.5, flagged, error < 0.5, error)
        found = tables.knows_errors(bench, way)
        assert found["AUROC u: error"].startswith("1.000")
        table = tables.selective_table(bench, [way, referral.no_referral(test, 0.5)]).iloc[0]
        assert len(tables.selective_table(bench, [way, referral.no_referral(test, 0.5)])) == 1
        assert table["excess AURC"] == pytest.approx(0)
        assert table["risk at 80% coverage"] == 0
        assert table["AURC"] == metrics.aurc(error, error, bench.weight)


def test_an_experiment_has_two_rows_and_its_numbers_are_scikit_learns(study):
    val, test, bench = study
    table = arms.experiment(bench, val, test)
    assert table["threshold by"].tolist() == ["Youden", "best F1"]
    theta = uncertainty.youden(val["label"], val["plain"])
    flagged = test["plain"] >= theta
    given = {"sample_weight": bench.weight}
    row = table.iloc[0]
    assert row["AP"].startswith(f"{sk.average_precision_score(bench.labels, test['plain'], **given):.3f} [")
    assert row["MCC"].startswith(f"{sk.matthews_corrcoef(bench.labels, flagged, **given):.3f} [")
    tn, fp, fn, tp = sk.confusion_matrix(bench.labels, flagged).ravel()
    assert [row[name] for name in ("tp", "fn", "fp", "tn")] == [tp, fn, fp, tn]


def test_the_trivial_row_has_the_same_columns(study):
    val, test, bench = study
    row, table = arms.all_clean(bench), arms.experiment(bench, val, test)
    assert set(row) == set(table.columns)
    assert row["AP"].startswith("0.020")
    assert row["Brier skill"].startswith("0.000")
    assert row["of 1,000 scans: flagged / rightly / missed"] == "0.0 / 0.0 / 20.0"


def test_a_headline_row_of_the_kept_scans_leaves_the_others_out(study):
    _, test, bench = study
    way = way_of(study)
    row = arms.headline_row(bench, [(test["probability"].to_numpy(), way.flagged, way.kept)])
    kept = way.kept
    given = {"sample_weight": bench.weight[kept]}
    assert row["F1"].startswith(f"{sk.f1_score(bench.labels[kept], way.flagged[kept], **given):.3f}")
    expected = sk.average_precision_score(bench.labels[kept], test["probability"][kept], **given)
    assert row["AP"].startswith(f"{expected:.3f}")


def test_a_headline_row_of_several_seeds_is_their_mean_and_says_whether_it_beats_a_rival(study):
    _, test, bench = study
    p = test["probability"].to_numpy()
    good, bad = np.where(bench.labels == 1, 0.9, 0.1), np.where(bench.labels == 1, 0.1, 0.9)
    row = arms.headline_row(bench, [(good, good > 0.5, 1.0), (bad, bad > 0.5, 1.0)], rival=p)
    assert (row["seeds"], row["accuracy %"]) == (2, "50.0 [50.0, 50.0]")
    ap = [sk.average_precision_score(bench.labels, each, sample_weight=bench.weight) for each in (good, bad, p)]
    assert row["AP less that of the histogram"].startswith(f"{(ap[0] + ap[1]) / 2 - ap[2]:.3f} [")
    alone = [arms.headline_row(bench, [(each, each > 0.5, 1.0)], p) for each in (good, bad)]
    assert alone[0]["AP less that of the histogram"].endswith(": above")
    assert alone[1]["AP less that of the histogram"].endswith(": not surely above")


def test_the_convergence_table_says_which_row_lacks_samples(study):
    bench, rng = study[2], np.random.default_rng(0)
    mc = rng.dirichlet([1, 1], (20, 300))
    found = uncertainty.convergence(mc, bench.labels, convergence.SIZES, repeats=3)
    table = convergence.convergence_table(found, 20, products.published()).set_index("samples")
    assert table.index.tolist() == [1, 10, 20, 50, 100]
    assert table.loc[20, "SSE"] == "not run: needs 40 samples, there are 20"
    assert table.loc[1, "published NMSE %"] == "1.350 (0.629)"
    assert table.loc[100, "published AUC"] == "0.938 (0.001)"
    printed = convergence.published_convergence(products.published()).set_index("samples")
    assert printed.loc[10, "nmse"] == pytest.approx(0.157)


def test_reliability_by_hand():
    frame = pd.DataFrame({"label": [0, 1, 0, 1], "subject": list("abcd")})
    bench = enriched.Bench(frame, prevalence=0.5, draws=20)
    found = tables.reliability(bench, np.array([0.01, 0.03, 0.9, 1.0]))
    assert found["stated"].tolist() == pytest.approx([0.02, 0.9, 1.0])
    assert found["observed"].tolist() == pytest.approx([0.5, 0.0, 1.0])
    assert found["weight"].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert found["scans"].tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5, 0.4, 0.6], "0.500 [0.405, 0.595]"),
        ([np.nan, 0.1], "-"),
        ([-1e-9, -1e-9, 1e-9], "0.000 [0.000, 0.000]"),
        ([0.25], "0.250"),
    ],
)
def test_cells(values, text):
    assert numbers.number(np.array(values)) == text


def test_percents():
    assert numbers.percents(np.array([0.5, 0.5, 0.5])) == "50.0 [50.0, 50.0]"


def test_cells_of_an_estimate():
    assert numbers.cell((0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert numbers.cell((0.5, np.nan, np.nan)) == "0.500"
    assert numbers.cell((np.nan, np.nan, np.nan)) == "-"
    assert numbers.cell((-0.0001, -0.0002, 0.9), 100, 1) == "0.0 [0.0, 90.0]"
