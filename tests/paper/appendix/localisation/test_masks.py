import numpy as np
import pytest
import torch

from xiqa import pointing_game
from xiqa.paper.appendix.localisation.masks import hits, on_distractor


def squares(*places, size=40, side=3):
    masks = np.zeros((len(places), size, size), bool)
    for mask, place in zip(masks, places, strict=True):
        if place is not None:
            mask[place[0] : place[0] + side, place[1] : place[1] + side] = True
    return masks


def test_hits_are_the_pointing_game_of_each_truth():
    maps = torch.zeros(4, 40, 40)
    maps[[0, 1, 2], [5, 5, 5], [5, 20, 5]] = 1
    masks = {"usual": squares((5, 5), (5, 5), None, (5, 5)), "silhouette": squares((5, 5), (5, 18), (3, 2), (0, 0))}
    result = hits(maps, masks, 4)
    assert result["hit_usual"].tolist() == pytest.approx([1, 0, np.nan, np.nan], nan_ok=True)
    assert result["hit_silhouette"].tolist() == pytest.approx([1, 1, 1, np.nan], nan_ok=True)
    assert result["row"].tolist() == [5, 5, 5, -1]


def test_misses_on_other_metal():
    metal = squares((20, 20), (20, 20), (20, 20), (20, 20), None, (20, 20))
    truth = squares((5, 5), (5, 5), (5, 5), (5, 5), (5, 5), None)
    rows, columns = [20, 17, 16, 6, 30, 20], [26, 20, 20, 6, 30, 20]
    # In turn: 4 px right of it, 3 px above, 4 px above, on the truth, no metal, no truth.
    assert on_distractor(rows, columns, metal, truth, 4) == pytest.approx([0, 1, 0, np.nan, 0, np.nan], nan_ok=True)
    assert np.isnan(on_distractor([-1], [-1], metal[:1], truth[:1], 4)).all()


def test_it_is_the_pointing_game_s_distance():
    rng = np.random.default_rng(0)
    metal, truth = rng.random((2, 30, 20, 24)) < 0.01
    truth[:, 0, 0] = True
    peaks = rng.integers(0, 20, (30, 2))
    maps = np.zeros((30, 20, 24), np.float32)
    maps[np.arange(30), peaks[:, 0], peaks[:, 1]] = 1
    miss = pointing_game.play(maps, truth, 5)["outcome"] == "miss"
    near = pointing_game.play(maps, metal, 5)["outcome"] == "hit"
    expected = np.where(miss, near.astype(float), np.nan)
    result = on_distractor(peaks[:, 0], peaks[:, 1], metal, truth, 5)
    assert result == pytest.approx(expected, nan_ok=True)
    assert {0, 1} < set(np.nan_to_num(result, nan=-1))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="differ"):
        on_distractor([1, 2], [1, 2], squares((1, 1)), squares((1, 1)), 4)
