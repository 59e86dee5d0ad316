"""The plan: counts, splits, mix, pairs; only the picture predicts the label."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from xiqa.synthetic.head import KINDS, plan, plans
from xiqa.synthetic.head.plans import SPLITS

SPEC = {"shape": [40, 40, 32], "train": [13, 9], "val": [4, 2], "test": [4, 3], "seed": 3}
LARGE = {"shape": [64, 64, 32], "train": [800, 200], "val": [90, 10], "test": [300, 100], "seed": 1}


def test_counts_and_prevalence_are_as_requested():
    planned = plan(LARGE)
    for split in SPLITS:
        part = planned[planned["split"] == split]
        assert (len(part) - part["label"].sum(), part["label"].sum()) == tuple(LARGE[split])
    assert planned["image"].is_unique
    assert ((planned["artifact"] == "") == (planned["label"] == 0)).all()


def test_splits_are_by_subject_and_contrasts_differ_within_one():
    planned = plan(LARGE)
    assert (planned.groupby("subject")["split"].nunique() == 1).all()
    assert (planned.groupby("subject")["base_subject"].nunique() == 1).all()
    assert (planned.groupby("base_subject")["subject"].nunique() == 1).all()
    assert not planned.duplicated(["subject", "contrast"]).any()
    assert planned.groupby("subject").size().between(1, 4).all()


def test_labels_and_families_are_even_within_contrasts():
    planned = plan(LARGE)
    for _, part in planned.groupby(["split", "contrast"]):
        share = LARGE[part["split"].iloc[0]][1] / sum(LARGE[part["split"].iloc[0]])
        assert abs(part["label"].sum() - share * len(part)) <= 2
    bad = planned[planned["label"] == 1]
    families = bad["artifact"].map(lambda name: KINDS[name].family)
    for family, share in (("intensity", 0.27), ("motion", 0.56), ("coverage", 0.17)):
        assert (families == family).mean() == pytest.approx(share, abs=0.03)
    assert chi2_contingency(pd.crosstab(bad["contrast"], families)).pvalue > 0.3


def test_numbers_and_order_do_not_predict_the_label():
    part = plan(LARGE)
    part = part[part["split"] == "train"].reset_index(drop=True)
    for column in (part.index.to_series(), part["scan"], part["subject"].str[4:].astype(int)):
        assert abs(np.corrcoef(column, part["label"])[0, 1]) < 0.08


def test_one_split_does_not_change_another():
    tables = plan(LARGE), plan({**LARGE, "train": [8, 2]})
    for split in ("val", "test"):
        both = [table[table["split"] == split].reset_index(drop=True) for table in tables]
        pd.testing.assert_frame_equal(*both)


@pytest.mark.parametrize("size", [0.1, 0.5])
def test_a_smaller_split_is_the_beginning_of_a_larger_one(size):
    small = plan({**LARGE, **{split: [int(size * n) for n in LARGE[split]] for split in SPLITS}})
    large = plan(LARGE)
    for split in SPLITS:
        parts = [table[table["split"] == split].reset_index(drop=True) for table in (small, large)]
        same = len(parts[0]) - 12  # the last ones make the counts exact
        if same > 0:
            pd.testing.assert_frame_equal(parts[0].head(same), parts[1].head(same))


def test_places_of_artifacts_are_irregular():
    """Neither every n-th scan, nor always the same scan of a subject."""
    part = plan({**LARGE, "train": [980, 20]})
    gaps = np.diff(np.flatnonzero(part.loc[part["split"] == "train", "label"]))
    assert gaps.std() > 10
    others = plan({**LARGE, "train": [980, 20], "seed": 2})
    assert not part["label"].equals(others["label"])


@pytest.mark.parametrize("share", [Fraction(1, 50), Fraction(1, 3), Fraction(7, 10), Fraction(1)])
def test_spread_labels_have_their_share_everywhere(share):
    label = plans.spread(400, share, np.random.default_rng(0))
    sums = np.concatenate([[0], np.cumsum(label)])
    assert np.abs(sums - np.arange(401) * float(share)).max() < 2


def test_families_are_the_requested_ones():
    for families in (["coverage"], ["intensity", "motion"]):
        planned = plan({**LARGE, "families": families})
        found = {KINDS[name].family for name in planned["artifact"] if name}
        assert found == set(families)
        columns = ["subject", "contrast", "label", "image"]
        pd.testing.assert_frame_equal(planned[columns], plan(LARGE)[columns])


def test_pairs_are_the_first_of_a_split():
    assert plan(LARGE).groupby("split")["pair"].agg(["sum", "all"]).loc["test"].tolist() == [400, True]
    planned = plan({**LARGE, "pairs": {"train": 7, "val": "all"}})
    train = planned.loc[planned["split"] == "train", "pair"]
    assert train.sum() == train.head(7).sum() == 7
    assert planned.groupby("split")["pair"].sum().to_dict() == {"train": 7, "val": 100, "test": 0}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scanner": "mine"}, "scanner must be one of"),
        ({"families": ["blur"]}, "families must be"),
        ({"pairs": {"exam": 3}}, "pairs must give"),
        ({"pairs": {"test": -1}}, "pairs must give"),
        ({"pairs": {"test": 1.5}}, "pairs must give"),
    ],
)
def test_unknown_options_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        plan({**LARGE, **wrong})
