"""Films on disk: layout, counterfactuals, sizes."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import ks_2samp

from tests.synthetic.conftest import SPECS, contents
from xiqa.data.object_cxr import parse_annotation
from xiqa.synthetic.chest import draw, draw_pair, files, read_masks, without, write

SPEC = SPECS["object_cxr"]


@pytest.fixture(scope="module")
def folder(written):
    return written("object_cxr")


def test_written_layout(folder):
    table = files.plan(SPEC)
    assert table.subject.is_unique
    for split, name, first in (("train", "train", "00001"), ("val", "dev", "08001"), ("test", "test", "09001")):
        records = pd.read_csv(folder / f"object-CXR_{split}" / f"{name}.csv", keep_default_na=False)
        assert list(records) == ["image_name", "annotation"]
        assert len(records) == SPEC[split]
        assert records.image_name[0] == f"{first}.png"
        assert ((records.annotation != "") == (table[table.split == split].label == 1).to_numpy()).all()
        for image, annotation in records.itertuples(index=False):
            assert Image.open(folder / f"object-CXR_{split}" / "images" / image).size == (64, 64)
            beside = folder / "derivatives" / split
            about = json.loads((beside / image.replace(".png", ".json")).read_text())
            assert about["annotation"] == annotation
            masks = read_masks(beside / image.replace(".png", "_masks.png"))
            film = draw(SPEC["seed"], about["subject"], about["label"], 64)
            for mask in masks:
                np.testing.assert_array_equal(masks[mask], getattr(film, mask))


def test_counterfactuals_are_written_for_the_test_split_or_as_requested(folder, tmp_path):
    for name in ("09001.png", "09004.png"):
        about = json.loads((folder / "derivatives" / "test" / name.replace(".png", ".json")).read_text())
        film, bare = draw_pair(SPEC["seed"], about["subject"], about["label"], 64)
        np.testing.assert_array_equal(np.asarray(Image.open(without(folder, "test", name))), bare.image)
        found = Image.open(folder / "object-CXR_test" / "images" / name)
        np.testing.assert_array_equal(np.asarray(found), film.image)
        assert sum(thing["designated"] for thing in about["objects"]) > 0
    assert without(folder, "train", "00001.png") is None
    write(tmp_path, {**SPEC, "pairs": {"train": 1}}, workers=1)
    given = {path.name for path in tmp_path.rglob("*_without.png")}
    assert given == {"00001_without.png"}
    same = contents(folder)
    shared = {name: found for name, found in contents(tmp_path).items() if name in same}
    assert shared == {name: same[name] for name in shared}


def test_unknown_specifications_are_refused(tmp_path):
    for given in ({"scanner": "mine"}, {"pairs": {"exam": 3}}):
        with pytest.raises(ValueError, match=r"choose one|the splits are"):
            write(tmp_path, {**SPEC, **given})


def test_the_other_scanner_keeps_the_layout(tmp_path, folder):
    write(tmp_path, {**SPEC, "train": 2, "val": 0, "test": 2, "scanner": "other"}, workers=1)
    few = {name for name in contents(folder) if name.split("/")[-1][:5] in ("00001", "00002", "09001", "09002")}
    assert {name for name in contents(tmp_path) if not name.endswith(".csv")} == few


def test_films_at_their_own_sizes(tmp_path):
    spec = {"original_sizes": True, "train": 300, "val": 0, "test": 0, "seed": 3}
    table = files.plan(spec)
    assert table["size"].between(800, 3000).all()
    assert table["size"].nunique() > 200
    assert table.image.str.endswith(".jpg").all()
    assert ks_2samp(table["size"][table.label == 0], table["size"][table.label == 1]).pvalue > 0.01


def test_a_film_at_its_own_size_is_annotated_in_its_own_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SIDES", (420, 460))
    spec = {"original_sizes": True, "train": 0, "val": 0, "test": 2, "pairs": {}, "seed": 3, "positive_share": 1.0}
    write(tmp_path, spec, workers=1)
    for image, annotation in pd.read_csv(tmp_path / "object-CXR_test" / "test.csv").itertuples(index=False):
        with Image.open(tmp_path / "object-CXR_test" / "images" / image) as film:
            side = film.size[0]
        masks = read_masks(tmp_path / "derivatives" / "test" / image.replace(".jpg", "_masks.png"))
        assert 420 <= side <= 460
        assert masks["silhouettes"].shape == (side, side)
        drawn = np.any([shape.mask(side, side) for shape in parse_annotation(annotation)], axis=0)
        assert drawn[masks["silhouettes"]].mean() > 0.97


def test_labels_are_shuffled_and_splits_share_no_subject():
    table = files.plan({"size": 160, "train": 9000, "val": 900, "test": 700, "seed": 0, "positive_share": 0.3})
    assert table.image.is_unique
    assert table.subject.is_unique
    assert table.groupby("split").label.sum().to_dict() == {"train": 2700, "val": 270, "test": 210}
    train = table[table.split == "train"]
    assert abs(np.corrcoef(np.arange(9000), train.label)[0, 1]) < 0.05
    smaller = files.plan({"size": 160, "train": 91, "val": 900, "test": 700, "seed": 0, "positive_share": 0.3})
    for split in ("train", "val", "test"):
        few, many = (t[t.split == split].reset_index(drop=True) for t in (smaller, table))
        pd.testing.assert_frame_equal(many[: len(few)], few)


def test_large_films_are_jpeg_of_a_quality_blind_to_the_label():
    image = draw(0, 0, 1, 64).image
    row = {"image": "1.jpg", "subject": 7, "label": 0}
    assert files.encode(image, row, 0) == files.encode(image, {**row, "label": 1}, 0)
    assert files.plan({**SPEC, "size": 600}).image.str.endswith(".jpg").all()
