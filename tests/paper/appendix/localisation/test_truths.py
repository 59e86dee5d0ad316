import numpy as np
import pytest
import torch

from xiqa import pointing_game
from xiqa.data.arrays.grids import resize_mask
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import load_radiograph
from xiqa.data.prepare_images import prepare
from xiqa.paper.appendix.localisation.truths import Truths, difference, hits, on_distractor, write_truths
from xiqa.synthetic.chest.files import read_masks
from xiqa.synthetic.heart import files


def test_embedded_films_know_four_truths(prepared, truths):
    data, known = Prepared(prepared), Truths(truths)
    assert known.names() == ("usual", "silhouette", "distractors", "causal")
    assert known.rows.tolist() == data.located("test").tolist()
    for name in known.names():
        assert known.masks(name).shape == (len(known.rows), data.size, data.size)
        assert known.masks(name).dtype == bool
        np.testing.assert_array_equal(known.masks(name, slice(1, 3)), known.masks(name)[1:3])
    np.testing.assert_array_equal(known.masks("usual"), data.truth("test", known.rows))


def test_drawn_masks_are_those_of_the_film(films, prepared, truths):
    records, known = Prepared(prepared).records("test"), Truths(truths)
    silhouettes, distractors = known.masks("silhouette"), known.masks("distractors")
    for i, row in enumerate(known.rows):
        name = records["image"][row].replace(".png", "_masks.png")
        drawn = read_masks(films / "derivatives" / "test" / name)
        np.testing.assert_array_equal(silhouettes[i], resize_mask(drawn["silhouettes"], 64))
        np.testing.assert_array_equal(distractors[i], resize_mask(drawn["distractors"], 64))
    assert silhouettes.any((1, 2)).all()


def test_causal_pixels_lie_on_the_object(truths):
    known = Truths(truths)
    usual, causal, silhouettes = known.masks("usual"), known.masks("causal"), known.masks("silhouette")
    for near, cause, drawn in zip(pointing_game._dilated(usual, 3), causal, silhouettes, strict=True):
        assert (cause & ~near).sum() == 0
        assert (cause & drawn).sum() > 0.3 * (cause | drawn).sum()


def test_a_difference_outlines_what_was_taken_off():
    rng = np.random.default_rng(0)
    without = rng.integers(50, 90, (40, 40)).astype(np.uint8)
    image = without.copy()
    image[10:18, 20:30] += 100
    image[30:33, 5:8] += 40  # fainter, and found as well
    found = difference(image, without)
    expected = np.zeros((40, 40), bool)
    expected[10:18, 20:30] = expected[30:33, 5:8] = True
    assert found[expected].mean() > 0.9
    assert not found[~next(pointing_game._dilated(expected[None], 2.5))].any()


def test_one_grey_value_up_is_not_255_down():
    without = np.full((20, 20), 9, np.uint8)
    image = without.copy()
    image[5:8, 5:8], image[12:15, 12:15] = 8, 109
    assert difference(image, without)[13, 13]
    assert not difference(image, without)[6, 6]


def test_pictures_that_do_not_differ_have_no_cause():
    same = np.full((9, 9), 7, np.uint8)
    assert not difference(same, same).any()


def test_a_film_without_a_counterfactual_has_no_cause(films, prepared, tmp_path, monkeypatch):
    from xiqa.synthetic import embedded

    original, first = embedded.without, Prepared(prepared).located("test")[0]
    path = Prepared(prepared).records("test")["path"][first]
    monkeypatch.setattr(embedded, "without", lambda d, r, s, p: None if p == path else original(d, r, s, p))
    write_truths(tmp_path, prepared, films, "object_cxr", "test")
    assert Truths(tmp_path).masks("causal").any((1, 2)).tolist() == [False] + [True] * 3


def test_real_films_know_the_usual_truth_only(prepared, tmp_path):
    folder, root = tmp_path / "truths", tmp_path / "real"
    folder.mkdir()
    root.mkdir()
    write_truths(folder, prepared, root, "object_cxr", "test")
    assert Truths(folder).names() == ("usual",)
    with pytest.raises(ValueError, match="no truth 'causal'"):
        Truths(folder).masks("causal")


def test_a_split_whose_films_have_no_counterfactual(films, prepared, tmp_path):
    write_truths(tmp_path, prepared, films, "object_cxr", "val")
    assert Truths(tmp_path).names() == ("usual", "silhouette", "distractors")


def test_cine_frames_know_the_usual_truth_only(tmp_path):
    root, folder = tmp_path / "cines", tmp_path / "prepared"
    folder.mkdir()
    files.write(root, {"train": 8, "val": 8, "test": 8, "frames": 1, "size": 64, "seed": 0}, workers=1)
    prepare(folder, root, 64, dataset="lvot")
    (tmp_path / "truths").mkdir()
    write_truths(tmp_path / "truths", folder, root, "lvot", "test")
    known, data = Truths(tmp_path / "truths"), Prepared(folder)
    assert known.names() == ("usual",)
    np.testing.assert_array_equal(known.masks("usual"), data.truth("test", data.located("test")))
    assert len(known.rows) > 0


def test_masks_survive_a_size_that_fills_no_byte(prepared, films, tmp_path):
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepare(folder, films, 45)
    (tmp_path / "truths").mkdir()
    write_truths(tmp_path / "truths", folder, films, "object_cxr", "test")
    known, data = Truths(tmp_path / "truths"), Prepared(folder)
    np.testing.assert_array_equal(known.masks("usual"), data.truth("test", known.rows))


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
    found = hits(maps, masks, 4)
    assert found["hit_usual"].tolist() == pytest.approx([1, 0, np.nan, np.nan], nan_ok=True)
    assert found["hit_silhouette"].tolist() == pytest.approx([1, 1, 1, np.nan], nan_ok=True)
    assert found["row"].tolist() == [5, 5, 5, -1]
    with pytest.raises(ValueError, match="at least one truth"):
        hits(maps, {}, 4)


def test_misses_on_other_metal():
    metal = squares((20, 20), (20, 20), (20, 20), (20, 20), None, (20, 20))
    truth = squares((5, 5), (5, 5), (5, 5), (5, 5), (5, 5), None)
    rows, columns = [20, 17, 16, 6, 30, 20], [26, 20, 20, 6, 30, 20]
    # In turn: 4 px right of it, 3 px above, 4 px above, on the truth, no metal, no truth.
    assert on_distractor(rows, columns, metal, truth, 4) == pytest.approx([0, 1, 0, np.nan, 0, np.nan], nan_ok=True)
    assert np.isnan(on_distractor([-1], [-1], metal[:1], truth[:1], 4)).all()


def test_a_hit_is_no_miss_even_on_metal():
    assert np.isnan(on_distractor([6], [6], squares((5, 5)), squares((6, 6)), 4)).all()


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
    found = on_distractor(peaks[:, 0], peaks[:, 1], metal, truth, 5)
    assert found == pytest.approx(expected, nan_ok=True)
    assert {0, 1} < set(np.nan_to_num(found, nan=-1))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="differ"):
        on_distractor([1, 2], [1, 2], squares((1, 1)), squares((1, 1)), 4)


def test_films_differ_from_their_counterfactuals_by_nothing_else(films):
    film = load_radiograph(films / "object-CXR_test" / "images" / "09001.png").array
    bare = load_radiograph(films / "derivatives" / "test" / "09001_without.png").array
    assert (film == bare).mean() > 0.9
