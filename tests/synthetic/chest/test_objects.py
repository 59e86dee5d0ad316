"""Foreign objects: every kind, and the same distribution of lists for both labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency
from sklearn.metrics import roc_auc_score

from xiqa.synthetic.chest import designated, objects, things


def test_lists_of_different_subjects_are_of_one_distribution():
    lists = [things(0, subject) for subject in range(600)]
    labels = np.random.default_rng(1).permutation(600) < 300
    rows = [(labels[i], thing.kind, thing.material) for i in range(600) for thing in lists[i]]
    frame = pd.DataFrame(rows, columns=["label", "kind", "material"])
    assert set(frame.kind) == set(objects.KINDS)
    for column in ("kind", "material"):
        assert chi2_contingency(pd.crosstab(frame.label, frame[column])).pvalue > 0.001
    assert abs(roc_auc_score(labels, [len(found) for found in lists]) - 0.5) < 0.09


def test_the_number_of_objects_outside_the_lungs_hardly_predicts_the_label():
    """In a positive film the designated things are missing outside: they are few against the spread of all others."""
    worn = np.array([len(things(0, subject)) for subject in range(600)])
    moved = np.array([designated(0, subject) for subject in range(600)])
    assert min(worn - moved) >= 3
    assert set(moved) == {1, 2, 3}
    assert np.mean(moved == 1) > 0.6
    counted = np.concatenate([worn, worn - moved])
    assert roc_auc_score(np.repeat([1, 0], 600), counted) <= 0.62


@pytest.mark.parametrize("scanner", ["usual", "other"])
def test_every_kind_can_be_made_and_has_its_size(scanner):
    rng = np.random.default_rng(0)
    for kind in objects.MAKERS[scanner]:
        for material in ("metal", "plastic"):
            wide, high = objects.make(kind, material, rng, scanner).size()
            assert 3 < max(wide, high) < 130


def test_the_other_scanner_shows_none_of_the_usual_kinds():
    usual, other = (
        {thing.kind for subject in range(80) for thing in things(0, subject, s)} for s in ("usual", "other")
    )
    assert len(other) >= 5
    assert not usual & other
