import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score

from xiqa.paper.appendix.explained_mri.score import distances, score


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 3.5))
def test_a_score_is_what_brute_force_finds(seed, tolerance):
    rng = np.random.default_rng(seed)
    heat, mask = np.round(rng.random((4, 5, 3)), 1), rng.random((4, 5, 3)) < 0.15
    mask[tuple(rng.integers((4, 5, 3)))] = True
    scores = score(heat, distances(mask), tolerance)
    peak = next(place for place in np.ndindex(heat.shape) if heat[place] == heat.max())
    away = cdist(np.argwhere(np.ones(heat.shape)), np.argwhere(mask)).min(1).reshape(heat.shape)
    assert (scores["x"], scores["y"], scores["z"]) == peak
    assert scores["distance"] == pytest.approx(away[peak])
    assert scores["hit"] == (away[peak] < tolerance)
    tied = heat == heat.max()
    assert scores["tied"] == tied.sum()
    assert scores["hit_tied"] == pytest.approx((away[tied] < tolerance).mean())
    assert scores["chance"] == pytest.approx((away < tolerance).mean())
    assert scores["share"] == pytest.approx(mask.mean())
    assert scores["average_precision"] == pytest.approx(average_precision_score(mask.ravel(), heat.ravel()))
    assert scores["energy"] == pytest.approx(heat[mask].sum() / heat.sum())


def test_the_tolerance_is_strict_and_a_constant_map_has_no_verdict():
    mask, heat = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3))
    mask[0, 0, 0], heat[0, 0, 1] = True, 1
    away = distances(mask)
    assert score(heat, away, 1)["hit"] == 0
    assert score(heat, away, 1.01)["hit"] == 1
    flat = score(np.ones((3, 3, 3)), away)
    assert flat["degenerate"]
    assert np.isnan([flat["hit"], flat["hit_tied"], flat["distance"], flat["average_precision"], flat["energy"]]).all()
    assert (flat["x"], flat["y"], flat["z"]) == (-1, -1, -1)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="empty"):
        distances(np.zeros((2, 2, 2), bool))
    with pytest.raises(ValueError, match="shape"):
        score(np.ones((2, 3, 2)), np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="positive"):
        score(np.ones((2, 2, 2)), np.zeros((2, 2, 2)), 0)
