"""Volumes drawn on the fly are those of the written data set, and networks learn from them in the same way."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from xiqa import recipes
from xiqa.data.arrays import drawn
from xiqa.data.arrays.drawn import read_volumes
from xiqa.data.prepare_volumes import prepare_drawn, prepare_volumes
from xiqa.synthetic import catalogue, embedded
from xiqa.training.volumes import train_volumes

SHAPE = (32, 32, 32)
SPEC = {"shape": list(SHAPE), "train": [5, 3], "val": [3, 2], "test": [4, 2], "seed": 3, "stored": False}


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """The same data set twice: written and prepared, and drawn on the fly."""
    folder = tmp_path_factory.mktemp("heads")
    for name in ("written", "stored", "drawn"):
        (folder / name).mkdir()
    catalogue.generator("mri").write(folder / "written", SPEC, workers=1)
    prepare_volumes(folder / "stored", folder / "written", SHAPE, "log")
    prepare_drawn(folder / "drawn", SPEC, SHAPE, "log")
    return folder / "stored", folder / "drawn"


def test_both_hold_the_same_to_the_last_bit(entries):
    on_disk, simulated = (read_volumes(folder) for folder in entries)
    assert on_disk.shape == simulated.shape == SHAPE
    for split in ("train", "val", "test"):
        columns = ["split", "image", "path", "subject", "label", "artifact_type", "contrast"]
        left, right = (
            data.records(split)[columns].sort_values("image", ignore_index=True) for data in (on_disk, simulated)
        )
        pd.testing.assert_frame_equal(left, right)
        order = [simulated.records(split)["image"].tolist().index(name) for name in on_disk.records(split)["image"]]
        np.testing.assert_array_equal(simulated.volumes(split)[order], on_disk.volumes(split))


def test_it_is_indexed_as_an_array(entries):
    volumes = read_volumes(entries[1]).volumes("train")
    every = np.stack(list(volumes))
    assert volumes.shape == every.shape == (len(volumes), *SHAPE)
    assert every.dtype == volumes.dtype
    mask = np.arange(8) % 3 == 0
    for index in (2, -1, slice(1, 4), slice(6, 20), [3, 0, 3], np.array([5]), mask):
        np.testing.assert_array_equal(volumes[index], every[index])
    assert len(volumes[[]]) == 0
    with pytest.raises(IndexError):
        volumes[8]


def test_volumes_in_memory_are_limited(entries, monkeypatch):
    monkeypatch.setattr(drawn, "KEPT", 2)
    volumes = read_volumes(entries[1]).volumes("train")
    first = volumes[0].copy()
    assert volumes[[1, 2, 3]].shape[0] == 3
    assert len(volumes.seen) == 2
    np.testing.assert_array_equal(volumes[0], first)


def test_counterfactuals_differ_where_there_is_an_artifact(entries):
    data = read_volumes(entries[1])
    labels = data.records("test")["label"].to_numpy()
    same = [np.array_equal(a, b) for a, b in zip(data.volumes("test"), data.volumes("test", True), strict=True)]
    assert not any(np.array(same)[labels == 1])
    assert any(np.array(same)[labels == 0])


def test_a_short_recipe_of_the_paper_profile_learns_alike(entries, tmp_path):
    """The paper's recipe on few and small volumes: the same weights, whether volumes are stored or drawn."""
    recipe = recipes.recipe("paper", "mri-vggnet3d-baseline-s0")
    short = asdict(replace(recipe, shape=SHAPE, steps=3, batch=4, precision="32"))
    histories = []
    for name, entry in zip(("stored", "drawn"), entries, strict=True):
        (tmp_path / name).mkdir()
        train_volumes(tmp_path / name, short, entry, None)
        histories.append(pd.read_csv(tmp_path / name / "history.csv"))
    pd.testing.assert_frame_equal(*histories)


def test_single_scans_are_written_when_a_person_wants_to_see_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XIQA_DATA", str(tmp_path))
    plan = catalogue.generator("mri").plan(SPEC)
    wanted = plan["image"].iloc[[0, 3]].tolist()
    folder = embedded.fetch("mri", "paper", SPEC, wanted)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.glob("sub-*/anat/*")) == sorted(wanted)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("sub-*/anat/*")}
    assert embedded.fetch("mri", "paper", SPEC, wanted[:1]) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.glob("sub-*/anat/*")} == before
