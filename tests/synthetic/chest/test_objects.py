"""Foreign objects: every kind, and lists of one distribution."""

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from xiqa.synthetic.chest import objects, things


def test_lists_of_different_subjects_are_of_one_distribution():
    lists = [things(0, subject) for subject in range(600)]
    labels = np.random.default_rng(1).permutation(600) < 300
    table = pd.crosstab(
        [bool(labels[i]) for i in range(600) for _ in lists[i]], [thing.kind for found in lists for thing in found]
    )
    assert set(table.columns) == set(objects.KINDS)
    assert chi2_contingency(table).pvalue > 0.001
    assert 4 < np.mean([len(found) for found in lists]) < 6
    assert min(len(found) for found in lists) >= 3


def test_every_kind_can_be_made_and_has_its_size():
    rng = np.random.default_rng(0)
    for kind in objects.KINDS:
        for material in ("metal", "plastic"):
            wide, high = objects.make(kind, material, rng).size()
            assert 3 < max(wide, high) < 130
