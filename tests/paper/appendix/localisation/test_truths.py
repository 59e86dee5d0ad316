import numpy as np

from xiqa import pointing_game
from xiqa.data.arrays.grids import resize_mask
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.prepare_images import prepare
from xiqa.paper.appendix.localisation.observe import Truths
from xiqa.paper.appendix.localisation.truths import difference, write_truths
from xiqa.synthetic import catalogue
from xiqa.synthetic.chest.files import read_masks
from xiqa.synthetic.heart import files


def test_embedded_films_have_four_truths(prepared, truths):
    data, stored = Prepared(prepared), Truths(truths)
    assert stored.names == ("usual", "silhouette", "distractors", "causal")
    assert stored.rows.tolist() == data.located("test").tolist()
    for name in stored.names:
        assert stored.masks(name).shape == (len(stored.rows), data.size, data.size)
        assert stored.masks(name).dtype == bool
        np.testing.assert_array_equal(stored.masks(name, slice(1, 3)), stored.masks(name)[1:3])
    np.testing.assert_array_equal(stored.masks("usual"), data.truth("test", stored.rows))


def test_drawn_masks_are_those_of_the_film(films, prepared, truths):
    records, stored = Prepared(prepared).records("test"), Truths(truths)
    silhouettes, distractors = stored.masks("silhouette"), stored.masks("distractors")
    for i, row in enumerate(stored.rows):
        name = records["image"][row].replace(".png", "_masks.png")
        drawn = read_masks(films / "derivatives" / "test" / name)
        np.testing.assert_array_equal(silhouettes[i], resize_mask(drawn["silhouettes"], 64))
        np.testing.assert_array_equal(distractors[i], resize_mask(drawn["distractors"], 64))
    assert silhouettes.any((1, 2)).all()


def test_causal_pixels_lie_on_the_object(truths):
    stored = Truths(truths)
    usual, causal, silhouettes = stored.masks("usual"), stored.masks("causal"), stored.masks("silhouette")
    for near, cause, drawn in zip(pointing_game._dilated(usual, 3), causal, silhouettes, strict=True):
        assert (cause & ~near).sum() == 0
        assert (cause & drawn).sum() > 0.3 * (cause | drawn).sum()


def test_a_difference_outlines_what_was_taken_off():
    rng = np.random.default_rng(0)
    without = rng.integers(50, 90, (40, 40)).astype(np.uint8)
    image = without.copy()
    image[10:18, 20:30] += 100
    image[30:33, 5:8] += 40  # fainter, and result as well
    result = difference(image, without)
    expected = np.zeros((40, 40), bool)
    expected[10:18, 20:30] = expected[30:33, 5:8] = True
    assert result[expected].mean() > 0.9
    assert not result[~next(pointing_game._dilated(expected[None], 2.5))].any()


def test_one_grey_value_up_is_not_255_down():
    without = np.full((20, 20), 9, np.uint8)
    image = without.copy()
    image[5:8, 5:8], image[12:15, 12:15] = 8, 109
    assert not difference(image, image).any()
    assert difference(image, without)[13, 13]
    assert not difference(image, without)[6, 6]


def written(folder, prepared, root, dataset="object_cxr", split="test"):
    folder.mkdir()
    write_truths(folder, prepared, root, dataset, split)
    return Truths(folder)


def test_a_film_without_a_counterfactual_has_no_cause(films, prepared, tmp_path, monkeypatch):
    original, first = catalogue.without, Prepared(prepared).located("test")[0]
    path = Prepared(prepared).records("test")["path"][first]
    monkeypatch.setattr(catalogue, "without", lambda d, r, s, p: None if p == path else original(d, r, s, p))
    stored = written(tmp_path / "truths", prepared, films)
    assert stored.masks("causal").any((1, 2)).tolist() == [False] + [True] * 3


def test_real_films_have_the_usual_truth_only(prepared, tmp_path):
    assert written(tmp_path / "truths", prepared, tmp_path / "real").names == ("usual",)


def test_a_split_whose_films_have_no_counterfactual(films, prepared, tmp_path):
    stored = written(tmp_path / "truths", prepared, films, split="val")
    assert stored.names == ("usual", "silhouette", "distractors")


def test_cine_frames_have_the_usual_truth_only(tmp_path):
    root, folder = tmp_path / "cines", tmp_path / "prepared"
    folder.mkdir()
    files.write(root, {"train": 8, "val": 8, "test": 8, "frames": 1, "size": 64, "seed": 0}, workers=1)
    prepare(folder, root, 64, dataset="lvot")
    stored, data = written(tmp_path / "truths", folder, root, "lvot"), Prepared(folder)
    assert stored.names == ("usual",)
    np.testing.assert_array_equal(stored.masks("usual"), data.truth("test", data.located("test")))
    assert len(stored.rows) > 0


def test_masks_of_a_size_that_fills_no_byte(prepared, films, tmp_path):
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepare(folder, films, 45)
    stored, data = written(tmp_path / "truths", folder, films), Prepared(folder)
    np.testing.assert_array_equal(stored.masks("usual"), data.truth("test", stored.rows))


def test_films_differ_from_their_counterfactuals_by_nothing_else(films):
    film = load_radiograph(films / "object-CXR_test" / "images" / "09001.png").array
    bare = load_radiograph(films / "derivatives" / "test" / "09001_without.png").array
    assert (film == bare).mean() > 0.9
