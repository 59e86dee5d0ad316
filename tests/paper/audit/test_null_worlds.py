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


def test_patients_bear_the_labels_of_other_patients(cines, tmp_path):
    (tmp_path / "null").mkdir()
    null_worlds.null_frames(tmp_path / "null", cines)
    null, real = Prepared(tmp_path / "null"), Prepared(cines)
    for split in ("val", "test"):
        records = null.records(split)
        assert (records.groupby("unit")["label"].nunique() == 1).all()
        assert records["label"].sum() == real.records(split)["label"].sum()
        assert (records["label"] != real.records(split)["label"]).any()
        np.testing.assert_array_equal(null.images(split), real.images(split))
    assert not null.has_truth("test")


def test_a_training_patient_is_shown_once(cines, tmp_path):
    (tmp_path / "null").mkdir()
    null_worlds.null_frames(tmp_path / "null", cines)
    null = Prepared(tmp_path / "null")
    assert null.records("train")["unit"].is_unique
    np.testing.assert_array_equal(null.images("train"), Prepared(cines).images("train")[::2])


def test_the_same_seed_gives_the_same_world(cines, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        null_worlds.null_frames(tmp_path / name, cines, seed)
    labels = [Prepared(tmp_path / name).records("test")["label"].tolist() for name in "abc"]
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
