from collections.abc import Sequence

import numpy as np
import pytest

from xiqa.data.object_cxr import read_dataset, read_split
from xiqa.data.shapes import Shape
from xiqa.errors import BadInput

LAYOUTS = ["repository", "challenge", "challenge_path"]


@pytest.fixture
def three(tmp_path, lay_out, entries):
    """A complete data set: 8 + 4 + 4 films."""
    rows = {"train": entries(8), "val": entries(4, 8), "test": entries(4, 12)}
    return lambda layout="repository": lay_out(tmp_path / "data", rows, layout)


def test_the_real_film(real_film):
    split = read_split(real_film, "test")
    assert len(split) == 1
    assert split.problems == []
    record = split[0]
    assert (record.label, record.name, record.height, record.width) == (1, "09361.jpg", 600, 600)
    assert [shape.kind for shape in record.shapes] == ["rectangle", "rectangle"]
    assert [shape.box for shape in record.shapes] == [(122, 163, 177, 231), (512, 144, 575, 228)]
    assert record.path == real_film / "images" / "09361.jpg"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts_give_the_same_records(three, layout):
    root = three(layout)
    for split, count in (("train", 8), ("val", 4), ("dev", 4), ("test", 4)):
        records = read_split(root, split)
        assert isinstance(records, Sequence)
        assert len(records) == count
        assert records.problems == []
        assert [record.label for record in records] == [0, 1] * (count // 2)
        assert records[1].shapes == (Shape("rectangle", ((5, 6), (20, 18))),)
        assert all(record.path.is_file() for record in records)
        assert {(record.height, record.width) for record in records} == {(40, 48)}
    assert records.split == "test"
    assert records.root == root
    assert records.table.name == "test.csv"


def test_one_split_alone_and_of_one_class(tmp_path, lay_out, reason_of):
    lay_out(tmp_path, {"test": [("a.png", "1 2 2 9 9")]}, "repository")
    records = read_split(tmp_path / "object-CXR_test", "test")
    assert [record.name for record in records] == ["a.png"]
    assert reason_of(read_split, tmp_path / "object-CXR_test", "train") == "missing_table"
    assert reason_of(read_split, tmp_path, "everything") == "unknown_split"


def test_use_gets_every_image_once(three, film):
    images = {}
    records = read_split(three(), "train", use=lambda path, image: images.update({path: image}))
    assert [record.name for record in records] == [f"{k:05d}.png" for k in range(8)]
    assert set(images) == {record.path for record in records}
    np.testing.assert_array_equal(images[records[3].path].array, film(3).astype(np.float32) / 255)


def test_dataset_has_three_splits_in_order(three):
    dataset = read_dataset(three())
    assert {name: len(split) for name, split in dataset.items()} == {"train": 8, "val": 4, "test": 4}
    assert list(dataset) == ["train", "val", "test"]
    assert not any(split.problems or split.notes for split in dataset.values())


def public_torrent(folder, lay_out, entries, count=32):
    return lay_out(folder, {"train": entries(count), "val": entries(4, count)}, "challenge")


def test_without_a_test_split_dev_becomes_test(tmp_path, lay_out, entries):
    dataset = read_dataset(public_torrent(tmp_path, lay_out, entries))
    assert [record.name for record in dataset["test"]] == [f"{k:05d}.png" for k in range(32, 36)]
    assert dataset["test"].split == "test"
    assert dataset["test"].notes == ["no test split in this folder: dev.csv serves as test split"]
    # An eighth of each class, since 500 would be more.
    assert sorted(record.label for record in dataset["val"]) == [0, 0, 1, 1]
    assert len(dataset["train"]) == 28
    assert not {record.path for record in dataset["train"]} & {record.path for record in dataset["val"]}
    assert dataset["val"].notes == ["no validation split in this folder: 4 images drawn from train (seed 0)"]
    header, *rows = (tmp_path / "train.csv").read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join([header, *reversed(rows)]))
    assert {record.name for record in read_dataset(tmp_path)["val"]} == {record.name for record in dataset["val"]}


def test_at_most_500_of_each_class_are_drawn(monkeypatch, tmp_path, lay_out, entries):
    monkeypatch.setattr("xiqa.data.object_cxr.VALIDATION_PER_CLASS", 1)
    dataset = read_dataset(public_torrent(tmp_path, lay_out, entries))
    assert sorted(record.label for record in dataset["val"]) == [0, 1]


def test_a_validation_split_is_drawn_where_only_that_is_missing(tmp_path, lay_out, entries):
    dataset = read_dataset(lay_out(tmp_path, {"train": entries(16), "test": entries(4, 16)}, "repository"))
    assert [len(split) for split in dataset.values()] == [14, 2, 4]
    assert dataset["test"].notes == []


def test_a_dataset_without_train_or_without_any_evaluation_is_refused(tmp_path, lay_out, entries, reason_of):
    assert reason_of(read_dataset, lay_out(tmp_path / "a", {"test": entries(4)}, "challenge")) == "missing_table"
    assert reason_of(read_dataset, lay_out(tmp_path / "b", {"train": entries(4)}, "challenge")) == "missing_table"


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_one_class_is_refused(tmp_path, lay_out, entries, split):
    rows = {"train": entries(8), "val": entries(4, 8), "test": entries(4, 12)}
    rows[split] = [(name, "") for name, _ in rows[split]]
    with pytest.raises(BadInput, match="no image with foreign objects") as caught:
        read_dataset(lay_out(tmp_path, rows, "repository"))
    assert caught.value.reason == "one_class"
    assert f"'{split}'" in str(caught.value)


def test_damage_that_leaves_one_class_or_no_table_is_refused(three, reason_of):
    root = three()
    for name in ("00009.png", "00011.png"):
        (root / "object-CXR_val" / "images" / name).write_bytes(b"")
    assert len(read_split(root, "val")) == 2
    assert reason_of(read_dataset, root) == "one_class"
    (root / "object-CXR_test" / "test.csv").write_text("name\n")
    assert reason_of(read_dataset, root) == "missing_column"


def test_an_image_in_two_splits_is_left_out_of_the_earlier_one(three):
    root = three()
    test, val, train = (root / f"object-CXR_{split}" / "images" for split in ("test", "val", "train"))
    (train / "00000.png").write_bytes((test / "00012.png").read_bytes())
    (train / "00001.png").write_bytes((val / "00009.png").read_bytes())
    dataset = read_dataset(root)
    assert [len(split) for split in dataset.values()] == [6, 4, 4]
    first, second = dataset["train"].problems
    assert {first.reason, second.reason} == {"in_two_splits"}
    assert first.status == "error"
    assert first.message == (
        "object-CXR_train/images/00000.png is the same image as object-CXR_test/images/00012.png (test) "
        "and is left out of train: keep it in one split only"
    )


def test_notes_of_many_images_are_counted(tmp_path, lay_out, entries, film):
    from PIL import Image

    root = lay_out(tmp_path, {"test": entries(4)}, "challenge")
    for k in (1, 2):
        Image.fromarray(film(k).astype(np.uint16) * (k + 3)).save(root / "test" / f"0000{k}.png")
    Image.fromarray(film(3)).convert("P").save(root / "test" / "00003.png")
    assert read_split(root, "test").notes == [
        "2 images: more than 8 bits, scaled from its own range",
        "1 image: palette, colours looked up",
    ]
