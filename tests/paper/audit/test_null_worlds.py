import numpy as np
import pytest
from PIL import Image

from xiqa.data.arrays.images import Prepared
from xiqa.paper.audit import null_worlds
from xiqa.synthetic import catalogue


@pytest.fixture
def cines(entry, noise):
    """Twelve patients with two frames each, in every split."""
    units = [f"p{i // 2}" for i in range(24)]
    labels = [i // 2 % 2 for i in range(24)]
    return entry({split: (noise(24), labels, units) for split in ("train", "val", "test")})


@pytest.fixture
def null(cines, tmp_path):
    """Function of a seed: the null world of the cines."""

    def make(seed=0):
        folder = tmp_path / f"null{seed}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        null_worlds.null_frames(folder, cines, seed)
        return Prepared(folder)

    return make


def test_patients_bear_the_labels_of_other_patients_and_a_training_patient_is_shown_once(cines, null):
    world, real = null(), Prepared(cines)
    for split in ("val", "test"):
        records = world.records(split)
        assert (records.groupby("unit")["label"].nunique() == 1).all()
        assert records["label"].sum() == real.records(split)["label"].sum()
        assert (records["label"] != real.records(split)["label"]).any()
        np.testing.assert_array_equal(world.images(split), real.images(split))
    assert not world.has_truth("test")
    assert world.records("train")["unit"].is_unique
    np.testing.assert_array_equal(world.images("train"), real.images("train")[::2])


def test_the_same_seed_gives_the_same_world(null):
    labels = [null(seed).records("test")["label"].tolist() for seed in (1, 1, 2)]
    assert labels[0] == labels[1] != labels[2]


def test_films_are_replaced_by_their_counterfactuals(entry, noise, tmp_path, monkeypatch):
    films = entry({split: (noise(4), [0, 1, 0, 1], list("abcd")) for split in ("train", "val", "test")})
    other = noise(4, seed=9)

    def without(dataset, root, split, path):
        number = int(path.split("/")[-1][0])
        Image.fromarray(other[number]).save(tmp_path / f"{number}.png")
        return tmp_path / f"{number}.png" if split == "test" or number < 2 else None

    monkeypatch.setattr(catalogue, "without", without)
    (tmp_path / "null").mkdir()
    null_worlds.null_films(tmp_path / "null", tmp_path, films)
    null = Prepared(tmp_path / "null")
    np.testing.assert_array_equal(null.images("test"), other)
    np.testing.assert_array_equal(null.images("train"), other[:2])
    assert null.records("test")["label"].tolist() == [0, 1, 0, 1]
    assert null.records("train")["unit"].tolist() == ["a", "b"]
    assert not null.has_truth("test")
