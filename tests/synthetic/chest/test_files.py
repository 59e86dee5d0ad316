"""What is written to disk."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xiqa.synthetic.chest import draw, files, read_masks, write

SPEC = {"size": 64, "train": 10, "val": 4, "test": 4, "seed": 3}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    write(folder, SPEC, workers=1)
    return folder


def test_written_layout(written):
    table = files.plan(SPEC)
    assert table.subject.is_unique
    for split, name, first in (("train", "train", "00001"), ("val", "dev", "08001"), ("test", "test", "09001")):
        records = pd.read_csv(written / f"object-CXR_{split}" / f"{name}.csv", keep_default_na=False)
        assert list(records) == ["image_name", "annotation"]
        assert len(records) == SPEC[split]
        assert records.image_name[0] == f"{first}.png"
        assert ((records.annotation != "") == (table[table.split == split].label == 1).to_numpy()).all()
        for image, annotation in records.itertuples(index=False):
            assert Image.open(written / f"object-CXR_{split}" / "images" / image).size == (64, 64)
            beside = written / "derivatives" / split
            about = json.loads((beside / image.replace(".png", ".json")).read_text())
            assert about["annotation"] == annotation
            masks = read_masks(beside / image.replace(".png", "_masks.png"))
            film = draw(SPEC["seed"], about["subject"], about["label"], 64)
            for mask in masks:
                np.testing.assert_array_equal(masks[mask], getattr(film, mask))


def test_writing_does_not_depend_on_the_number_of_workers(written, tmp_path):
    write(tmp_path, SPEC, workers=2)
    assert contents(tmp_path) == contents(written)


def test_interrupted_writing_resumes(written, tmp_path, monkeypatch):
    seen = []

    def failing(*given, **named):
        if len(seen) == 7:
            raise KeyboardInterrupt
        seen.append(given)
        return draw(*given, **named)

    monkeypatch.setattr(files, "draw", failing)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, SPEC, workers=1)
    assert not list(tmp_path.rglob("*.csv"))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert len(kept) == 14
    monkeypatch.setattr(files, "draw", draw)
    write(tmp_path, SPEC, workers=1)
    assert contents(tmp_path) == contents(written)
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())


def test_labels_are_shuffled_and_splits_share_no_subject():
    table = files.plan({"size": 160, "train": 9000, "val": 900, "test": 700, "seed": 0, "positive_share": 0.3})
    assert table.image.is_unique
    assert table.subject.is_unique
    assert table.groupby("split").label.sum().to_dict() == {"train": 2700, "val": 270, "test": 210}
    train = table[table.split == "train"]
    assert abs(np.corrcoef(np.arange(9000), train.label)[0, 1]) < 0.05
    smaller = files.plan({"size": 160, "train": 90, "val": 900, "test": 700, "seed": 0, "positive_share": 0.3})
    for split in ("val", "test"):
        pd.testing.assert_series_equal(
            table[table.split == split].subject, smaller[smaller.split == split].subject, check_index=False
        )


def test_large_films_are_jpeg_of_a_quality_blind_to_the_label():
    image = draw(0, 0, 1, 64).image
    row = {"image": "1.jpg", "subject": 7, "label": 0}
    assert files.encode(image, row, 0) == files.encode(image, {**row, "label": 1}, 0)
    assert files.plan({**SPEC, "size": 600}).image.str.endswith(".jpg").all()
