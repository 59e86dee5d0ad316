import numpy as np
import pandas as pd
import pytest

from xiqa import metrics
from xiqa.paper.audit import proofs
from xiqa.paper.audit.proofs import NOT, PART, SHOULD, Proof

SCORES = pd.DataFrame({"unit": range(40), "label": [0, 1] * 20, "score": np.random.default_rng(0).random(40)})


def proof(kind, dataset="mri", scores=SCORES, **bounds):
    return Proof(dataset, kind, "predictor", scores, **bounds)


@pytest.mark.parametrize(
    ("kind", "bounds", "interval", "expected", "verdict"),
    [
        (NOT, {}, (0.51, 0.43, 0.59), "0.5", "holds"),
        (NOT, {}, (0.55, 0.49, 0.61), "0.5", "no difference detected"),
        (NOT, {}, (0.45, 0.39, 0.51), "0.5", "no difference detected"),
        (NOT, {}, (0.54, 0.51, 0.57), "0.5", "fails"),
        (NOT, {}, (0.56, 0.51, 0.61), "0.5", "fails"),
        (NOT, {}, (0.44, 0.39, 0.49), "0.5", "fails"),
        (PART, {"most": 0.7}, (0.70, 0.6, 0.8), "at most 0.70", "holds"),
        (PART, {"most": 0.7}, (0.71, 0.6, 0.8), "at most 0.70", "fails"),
        (SHOULD, {"least": 0.95}, (0.96, 0.9, 0.99), "at least 0.95", "holds"),
        (SHOULD, {"least": 0.95}, (0.94, 0.9, 0.99), "at least 0.95", "fails"),
        (SHOULD, {}, (0.6, 0.5, 0.7), "-", "-"),
        (NOT, {}, (np.nan, np.nan, np.nan), "0.5", "not testable"),
    ],
)
def test_verdict(kind, bounds, interval, expected, verdict):
    assert proof(kind, **bounds).expected == expected
    assert proof(kind, **bounds).verdict(*interval) == verdict


def test_intervals_are_adjusted_for_the_number_of_proofs_and_kinds_are_sorted():
    frame = proofs.verdicts([proof(SHOULD), proof(NOT), proof(NOT, "lvot"), proof(PART, most=0.7)])
    assert frame["kind"].to_list() == [NOT, NOT, PART, SHOULD]
    assert frame["dataset"].to_list() == ["mri", "lvot", "mri", "mri"]
    for row, confidence in zip(frame.itertuples(), (0.975, 0.975, 0.95, 0.95), strict=True):
        bounds = metrics.auc(SCORES["label"], SCORES["score"], SCORES["unit"], confidence)
        assert (row.auc, row.low, row.high) == pytest.approx(bounds)
    assert (frame[["positives", "negatives"]] == 20).all(axis=None)


def test_one_class_only_is_not_testable():
    frame = proofs.verdicts([proof(NOT, scores=SCORES.assign(label=1))])
    assert frame["verdict"].to_list() == ["not testable"]


def test_cells_of_the_table():
    row = {"dataset": "mri", "kind": NOT, "predictor": "p", "expected": "0.5", "auc": 0.5012, "low": 0.4, "high": 0.6}
    cells = proofs.table(pd.DataFrame([row | {"positives": 3, "negatives": 5, "verdict": "holds"}]))[0].iloc[0]
    assert cells["AUC"] == "0.501 [0.400, 0.600]"
    assert cells["data set"] == "brain volumes"
    assert cells["positive / negative"] == "3 / 5"
