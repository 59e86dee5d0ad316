from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa import metrics

few = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=6)
many = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=60)


@given(few)
@settings(max_examples=60, deadline=None)
def test_areas_are_the_means_over_all_orderings_of_ties(rows):
    errors, uncertainty = (np.array(column) for column in zip(*rows, strict=True))
    orders = [list(order) for order in permutations(range(len(errors)))]
    risks = [errors[order].cumsum() for order in orders if (np.diff(uncertainty[order]) >= 0).all()]
    k = np.arange(1, len(errors) + 1)
    assert metrics.aurc(errors, uncertainty) == pytest.approx(np.mean([lost / k for lost in risks]))
    assert metrics.augrc(errors, uncertainty) == pytest.approx(np.mean([lost / k[-1] for lost in risks]))


def test_all_right_and_all_wrong():
    u = [0.1, 0.1, 0.5, 0.9]
    assert metrics.aurc(np.zeros(4), u) == 0 == metrics.augrc(np.zeros(4), u)
    assert metrics.aurc(np.ones(4), u) == 1
    assert metrics.augrc(np.ones(4), u) == pytest.approx(5 / 8)
    assert metrics.balanced_aurc(np.ones(4), u, [0, 1, 0, 1]) == 1
    assert metrics.balanced_aurc(np.zeros(4), u, [0, 1, 0, 1]) == 0


@given(many, st.randoms())
def test_the_order_of_the_rows_means_nothing(rows, random):
    columns = [np.array(part).T for part in (rows, random.sample(rows, len(rows)))]
    for area in (metrics.aurc, metrics.augrc):
        first, second = (area(errors, uncertainty) for errors, uncertainty, _ in columns)
        assert first == pytest.approx(second)
    for area in (metrics.balanced_aurc, metrics.balanced_augrc):
        first, second = (area(*parts) for parts in columns)
        assert first == pytest.approx(second)


@given(many)
def test_only_the_ranks_of_uncertainty_count_and_equal_weights_change_nothing(rows):
    errors, uncertainty, labels = np.array(rows).T
    ranks = np.unique(uncertainty, return_inverse=True)[1]
    for area in (metrics.aurc, metrics.augrc):
        expected = pytest.approx(area(errors, uncertainty))
        assert 0 <= area(errors, 10.0 * ranks - 3) <= 1
        assert area(errors, 10.0 * ranks - 3) == expected
        assert area(errors, uncertainty, np.full(len(errors), 2.5)) == expected
    balanced = metrics.balanced_aurc(errors, uncertainty, labels)
    assert metrics.balanced_augrc(errors, uncertainty, labels) <= balanced + 1e-12


def test_balanced_risk_by_hand():
    # Ends of tie groups: {clean right, clean wrong}, then {artifact wrong}, then {clean right}.
    errors, u, labels = [0, 1, 1, 0], [0.1, 0.1, 0.2, 0.3], [0, 0, 1, 0]
    risks = np.array([1 / 2, (1 / 2 + 1) / 2, (1 / 3 + 1) / 2])
    assert metrics.balanced_aurc(errors, u, labels) == pytest.approx((risks * [2, 1, 1]).sum() / 4)
    assert metrics.balanced_augrc(errors, u, labels) == pytest.approx((risks * [2 * 0.5, 0.75, 1]).sum() / 4)


def test_flagged_and_missed_scans_of_the_stored_matrix():
    """Their ramp network on validation: 5257 of 6958 scans kept, tn 5165, fn 5, fp 25, tp 62; 139 artifacts in all."""
    labels = np.repeat([0, 1, 0, 1, 1, 0], [5165, 5, 25, 62, 72, 1629])
    answers = np.repeat(["clean", "clean", "artifact", "artifact", "review", "review"], [5165, 5, 25, 62, 72, 1629])
    assert len(labels) == 6958
    assert metrics.dffmr(labels, answers) == pytest.approx(25.7, abs=0.05)
    assert metrics.udm(labels, answers) == pytest.approx(100 * 5 / 6958)
    # With weights
    assert metrics.dffmr([0, 1], ["clean", "artifact"], [98, 2]) == 2
    assert metrics.udm([0, 1], ["clean", "clean"], [98, 2]) == 2


@pytest.mark.parametrize("bad", [([0, 1], [0.1]), ([0, np.nan], [0.1, 0.2]), ([0, 1], [0.1, np.nan])])
def test_missing_values_are_refused(bad):
    with pytest.raises(ValueError, match="uncertainty"):
        metrics.aurc(*bad)


def test_nothing_has_no_area_and_no_weight_does_not_count():
    assert np.isnan([metrics.aurc([], []), metrics.augrc([], [])]).all()
    assert metrics.aurc([1, 0, 1], [0, 1, 2], [0, 1, 1]) == pytest.approx(metrics.aurc([0, 1], [1, 2]))
