import filecmp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xiqa.data.arrays.grids import resize, to_original
from xiqa.data.arrays.images import Prepared, _covered
from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.lvot import read_dataset as read_lvot
from xiqa.data.object_cxr import read_dataset
from xiqa.data.prepare_images import RECORDS, prepare
from xiqa.data.shapes import Shape
from xiqa.errors import BadInput

FILES = ["notes.txt", "problems.csv", "records.csv", "test.npy", "train.npy", "val.npy"]


@pytest.fixture
def root(tmp_path, lay_out, entries):
    rows = {"train": entries(100), "val": entries(4, 100), "test": entries(6, 104)}
    rows["test"][1] = (rows["test"][1][0], "0 -5 6 20 18;1 30 20 40 39;2 0 0 9 0 9 9")
    return lay_out(tmp_path / "data", rows, "challenge")


@pytest.fixture
def prepared(root, tmp_path):
    def make(size=32):
        folder = tmp_path / f"prepared-{size}"
        folder.mkdir()
        prepare(folder, root, size)
        return Prepared(folder)

    return make


def test_arrays_and_records_stand_in_the_same_order(root, prepared):
    ready = prepared()
    assert sorted(path.name for path in ready.folder.iterdir()) == FILES
    for name, split in read_dataset(root).items():
        images, records = ready.images(name), ready.records(name)
        assert isinstance(images, np.memmap)
        assert images.dtype == np.uint8
        assert images.shape == (len(split), 32, 32)
        assert list(records["image"]) == [record.name for record in split]
        assert list(records["label"]) == [record.label for record in split]
        assert list(records["annotation"]) == [record.annotation for record in split]
        assert set(zip(records["height"], records["width"], strict=True)) == {(40, 48)}
        for image, path in zip(images, records["path"], strict=True):
            np.testing.assert_array_equal(image, resize(load_radiograph(root / path).array, 32))
        assert list(records["unit"]) == list(records["image"])
        assert ready.located(name).tolist() == np.flatnonzero(records["label"]).tolist()
        assert ready.has_truth(name)
    assert list(records.columns) == RECORDS


def test_nothing_depends_on_where_the_data_lie(root, prepared, tmp_path):
    (root / "train" / "00004.png").write_bytes(b"")
    first = prepared().folder
    root.rename(tmp_path / "moved")
    (tmp_path / "again").mkdir()
    prepare(tmp_path / "again", tmp_path / "moved", 32)
    assert filecmp.cmpfiles(first, tmp_path / "again", FILES, shallow=False) == (FILES, [], [])
    assert str(tmp_path) not in (first / "problems.csv").read_text()


def test_damaged_files_are_left_out_and_listed(root, prepared):
    (root / "train" / "00004.png").write_bytes(b"")
    (root / "train" / "extra.png").write_bytes(b"")
    (root / "test" / "00104.png").unlink()
    ready = prepared()
    assert len(ready.images("train")) == 99
    assert "00004.png" not in set(ready.records("train")["image"])
    assert list(ready.problems.columns) == ["split", "path", "line", "reason", "status", "message"]
    assert ready.problems.values.tolist() == [
        ["train", "train.csv", "6", "empty_file", "error",
         "train.csv, line 6: train/00004.png has no content (0 bytes): copy or download it again"],
        ["train", "train/extra.png", "", "no_row", "warning",
         "train/extra.png has no row in train.csv and is not used: add one, or move the file away"],
        ["test", "test.csv", "2", "missing", "error",
         "test.csv, line 2: test/00104.png does not exist: check the name, or copy the file there"],
        ["test", "test.csv", "3", "partly_outside", "warning",
         "test.csv, line 3: 00105.png: object 1 with the box -5 6 20 18 reaches beyond the image of 48 x 40 pixels "
         "and is cut off there: check it"],
    ]  # fmt: skip
    summary = ready.summary().set_index("split")
    assert summary.loc["train"].to_dict() == {
        "images": 99, "units": 99, "positive": 50, "objects": 50, "left out": 1, "warnings": 1,
    }  # fmt: skip
    assert summary.loc["test"].to_dict() == {
        "images": 5, "units": 5, "positive": 3, "objects": 5, "left out": 1, "warnings": 1,
    }  # fmt: skip


def test_a_split_of_one_class_stops_and_leaves_no_scratch(root, tmp_path):
    for name in ("00101.png", "00103.png"):
        (root / "dev" / name).unlink()
    with pytest.raises(BadInput, match="both classes are needed"):
        prepare(tmp_path, root, 32)
    assert not (tmp_path / "scratch.bin").exists()


def test_notes_name_their_split(tmp_path, lay_out, entries):
    lay_out(tmp_path / "data", {"train": entries(16), "val": entries(4, 16)}, "challenge")
    prepare(tmp_path, tmp_path / "data", 32)
    ready = Prepared(tmp_path)
    assert [note.partition(":")[0] for note in ready.notes] == ["val", "test"]
    assert ready.size == 32
    assert list(ready.summary()["images"]) == [14, 2, 4]


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 399), st.integers(0, 399))
def test_truth_is_the_nearest_original_pixel(size, length, low, extent):
    for edges in ((3, 7), (3.5, 7.2), (-4, 2), (30, 99)):
        box = Shape("rectangle", tuple((edge, 0) for edge in edges))
        np.testing.assert_array_equal(_covered(*edges, 40, 40), np.flatnonzero(box.mask(1, 40)[0]))
    low = low % length
    high = min(low + extent, length - 1)
    axis = np.zeros(length, bool)
    axis[low : high + 1] = True
    centres = np.array([int((k + 0.5) * length / size) for k in range(size)])
    brute = np.flatnonzero(axis[np.minimum(centres, length - 1)])
    covered = _covered(low, high, size, length)
    if brute.size:
        np.testing.assert_array_equal(covered, brute)
    else:
        # Too thin: the one pixel whose extent holds the middle of the box.
        assert covered.shape == (1,)
        back = to_original(covered[0], 0, size, length, 1)[0]
        assert abs(back - (low + high) / 2) <= length / size / 2 + 1e-9


def test_truth_is_the_union_of_boxes(prepared):
    ready = prepared(size=20)
    truth = ready.truth("test", [1, 0, 3])
    assert (truth.dtype, truth.shape) == (bool, (3, 20, 20))
    assert not truth[1].any()
    whole = np.zeros((40, 48), bool)
    for rows, columns in ((slice(6, 19), slice(0, 21)), (slice(20, 40), slice(30, 41)), (slice(0, 10), slice(0, 10))):
        whole[rows, columns] = True
    nearest = whole[np.ix_(((np.arange(20) + 0.5) * 2).astype(int), ((np.arange(20) + 0.5) * 2.4).astype(int))]
    np.testing.assert_array_equal(truth[0], nearest)
    assert ready.truth("test", []).shape == (0, 20, 20)
    np.testing.assert_array_equal(ready.truth("test", np.array([3]))[0], truth[2])


def test_shapes_lie_where_their_pixels_went(prepared):
    ready = prepared(size=20)
    shapes = ready.shapes("test", 1)
    assert [shape.kind for shape in shapes] == ["rectangle", "ellipse", "polygon"]
    original = Shape("ellipse", ((30, 20), (40, 39)))
    rows, columns = np.mgrid[:20, :20]
    y, x = to_original(rows, columns, 20, 40, 48)
    np.testing.assert_array_equal(shapes[1].contains(columns, rows), original.contains(x, y))
    assert ready.shapes("test", 0) == []


def test_the_real_film_keeps_its_boxes(real_film, tmp_path, lay_out, entries):
    content = (real_film / "images" / "09361.jpg").read_bytes()
    rows = {"train": entries(4), "val": entries(4, 4), "test": entries(4, 8)}
    root = lay_out(tmp_path / "data", rows, "repository")
    folder = root / "object-CXR_test"
    (folder / "images" / "09361.jpg").write_bytes(content)
    annotation = (real_film / "test.csv").read_text().splitlines()[1]
    with open(folder / "test.csv", "a") as handle:
        handle.write(annotation + "\n")
    prepare(tmp_path, root, 600)
    truth = Prepared(tmp_path).truth("test", [4])[0]
    expected = np.zeros((600, 600), bool)
    expected[163:232, 122:178] = True
    expected[144:229, 512:576] = True
    np.testing.assert_array_equal(truth, expected)


@pytest.fixture
def cines(tmp_path, film, encoded):
    """Five patients with two frames each; the second one shows the tract, a rectangle whose place tells the patient."""
    root = tmp_path / "cines"
    for split, patients in (("train", (0, 1)), ("val", (2,)), ("test", (3, 4))):
        lines = []
        for patient in patients:
            for label in (0, 1):
                name = f"images/p{patient}/p{patient}_{label}.png"
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(encoded(film(2 * patient + label), "PNG"))
                lines.append(f"{name} {label}")
            mask = np.zeros((40, 48), np.uint8)
            mask[8 : 20 + patient, 12:30] = 255
            (root / f"{split}_segm").mkdir(exist_ok=True)
            Image.fromarray(mask).save(root / f"{split}_segm" / f"p{patient}_1.png")
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{split}.txt").write_text("\n".join(lines))
    return root


def prepared_lvot(root, folder):
    folder.mkdir()
    prepare(folder, root, 20, "lvot")
    return Prepared(folder)


def test_lvot_frames_stand_in_the_same_order_with_their_patients_and_masks(cines, tmp_path):
    ready = prepared_lvot(cines, tmp_path / "ready")
    for name, split in read_lvot(cines).items():
        records = ready.records(name)
        assert list(records["image"]) == [record.name for record in split]
        assert list(records["unit"]) == [record.patient for record in split]
        assert list(records["located"]) == list(records["label"]) == [0, 1] * (len(split) // 2)
        for image, path in zip(ready.images(name), records["path"], strict=True):
            np.testing.assert_array_equal(image, resize(load_radiograph(cines / path).array, 20))
    assert set(ready.records("test")["unit"]) == {"p3", "p4"}
    assert "test: 2 patients in 4 images, recognised by the folder they lie in" in ready.notes
    truth = ready.truth("test", [3, 0, 1])
    assert (truth.dtype, truth.shape) == (bool, (3, 20, 20))
    for row, patient in ((0, 4), (2, 3)):
        whole = np.zeros((40, 48), bool)
        whole[8 : 20 + patient, 12:30] = True
        centres = (np.arange(20) + 0.5) * 2, (np.arange(20) + 0.5) * 2.4
        np.testing.assert_array_equal(truth[row], whole[np.ix_(*(c.astype(int) for c in centres))])
    assert not truth[1].any()
    assert ready.located("test").tolist() == [1, 3]
    assert ready.truth("test", []).shape == (0, 20, 20)
    (outline,) = ready.shapes("test", 3)
    np.testing.assert_array_equal(outline.mask(20, 20), truth[0])
    assert ready.shapes("test", 0) == []


def test_lvot_without_masks_has_no_truth(cines, tmp_path):
    for path in (cines / "val_segm").iterdir():
        path.unlink()
    (cines / "val_segm").rmdir()
    ready = prepared_lvot(cines, tmp_path / "ready")
    assert [ready.has_truth(split) for split in ("train", "val", "test")] == [True, False, True]
    assert not ready.truth("val", [0, 1]).any()
    assert ready.shapes("val", 1) == []
    assert ready.summary().to_dict("records")[1] == {
        "split": "val", "images": 2, "units": 1, "positive": 1, "objects": 0, "left out": 0, "warnings": 0,
    }  # fmt: skip
