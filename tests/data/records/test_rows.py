"""Rows that cannot be used, as a reader of the whole split meets them: file, line, reason, and the rest goes on."""

import pytest
from PIL import Image

from xiqa.data.object_cxr import read_split
from xiqa.errors import BadInput


@pytest.fixture
def read(tmp_path, film, encoded):
    """Write a test split of good films a.png ... d.png (48 x 40) with the given rows, and read it."""

    def reader(*rows, files=None):
        images = tmp_path / "images"
        images.mkdir(exist_ok=True)
        for seed, name in enumerate("abcd"):
            (images / f"{name}.png").write_bytes(encoded(film(seed), "PNG"))
        for name, content in (files or {}).items():
            (images / name).write_bytes(content)
        (tmp_path / "test.csv").write_text("\n".join(["image_name,annotation", *rows]))
        return read_split(tmp_path, "test")

    return reader


GOOD = ("a.png,0 1 2 30 30", "b.png,", "c.png,1 1 2 30 30", "d.png,")


def only(split, status="error"):
    (problem,) = split.problems
    assert problem.status == status
    assert problem.path == split.table
    assert problem.message.startswith(f"test.csv, line {problem.line}: ")
    assert "\n" not in problem.message
    assert str(split.root) not in problem.message
    return problem


def names(split):
    return [record.name for record in split]


def test_good_rows_have_no_problems(read):
    split = read(*GOOD)
    assert (names(split), split.problems, split.notes) == (["a.png", "b.png", "c.png", "d.png"], [], [])
    assert [record.label for record in split] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("7 1 2 3 4", "unknown_shape"),
        ("0 48 1 60 9", "outside_image"),
        ("2 -9 -9 -5 -9 -5 -2", "outside_image"),
        ("0 1 2 3 4;0 100 100 120 120", "outside_image"),
    ],
)
def test_a_bad_annotation_leaves_out_its_row(read, annotation, reason):
    split = read(GOOD[0], f"b.png,{annotation}", *GOOD[2:])
    problem = only(split)
    assert (problem.line, problem.reason) == (3, reason)
    assert "b.png" in problem.message
    assert names(split) == ["a.png", "c.png", "d.png"]


@pytest.mark.parametrize("annotation", ["0 -4 2 9 9", "1 1 2 60 9", "2 1 1 9 1 9 45"])
def test_a_shape_partly_outside_is_kept_with_a_warning(read, annotation):
    split = read(GOOD[0], f"b.png,{annotation}", *GOOD[2:])
    problem = only(split, "warning")
    assert (problem.line, problem.reason) == (3, "partly_outside")
    assert split[1].label == 1
    assert split[1].shapes[0].mask(40, 48).any()


def test_an_edge_along_the_border_of_the_image_is_fine(read):
    assert read("a.png,0 0 0 48 40", *GOOD[1:]).problems == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("e.png", "bad_row"),
        (",0 1 2 3 4", "missing_name"),
        ("../../etc/passwd.png,", "outside_root"),
        ("/etc/passwd.png,", "outside_root"),
    ],
)
def test_a_row_that_names_no_image(read, row, reason):
    problem = only(read(row, *GOOD))
    assert (problem.line, problem.reason) == (2, reason)


def test_an_image_that_is_missing_on_disk(read):
    split = read(*GOOD, "e.png,")
    problem = only(split)
    assert (problem.line, problem.reason) == (6, "missing")
    assert "images/e.png does not exist" in problem.message
    assert len(split) == 4


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("e.png", lambda good: b"", "empty_file"),
        ("e.jpg", lambda good: b"<html>not found</html>", "not_an_image"),
        ("e.png", lambda good: good[:20], "truncated"),
        ("e.png", lambda good: good[: len(good) * 2 // 3], "truncated"),
    ],
)
def test_a_damaged_image(read, film, encoded, name, make, reason):
    split = read(*GOOD, f"{name},", files={name: make(encoded(film(), "PNG"))})
    assert (only(split).line, only(split).reason) == (6, reason)
    assert len(split) == 4


@pytest.mark.parametrize("row", ["a.png,0  1 2 30 30 ", "images/a.png,0 1 2 30 30"])
def test_equal_rows_of_an_image_count_once(read, row):
    split = read(*GOOD, row)
    problem = only(split, "warning")
    assert (problem.line, problem.reason) == (6, "duplicate_row")
    assert names(split) == ["a.png", "b.png", "c.png", "d.png"]


def test_contradicting_rows_are_all_left_out(read):
    split = read(*GOOD, "a.png,")
    assert [(problem.line, problem.reason, problem.status) for problem in split.problems] == [
        (2, "conflicting_rows", "error"),
        (6, "conflicting_rows", "error"),
    ]
    assert names(split) == ["b.png", "c.png", "d.png"]


def test_images_without_a_row(read):
    split = read(*GOOD[:3], files={"notes.txt": b"", ".hidden.png": b""})
    (problem,) = split.problems
    assert (problem.reason, problem.status, problem.line) == ("no_row", "warning", None)
    assert problem.path == split.root / "images" / "d.png"
    assert problem.message.startswith("images/d.png has no row in test.csv")


def test_many_images_without_a_row_are_summed_up(read):
    split = read(*GOOD, files={f"{k:02d}.png": b"" for k in range(25)})
    assert len(split.problems) == 11
    assert split.problems[-1].message.startswith("15 more images have no row in test.csv")


def test_a_folder_of_images_that_splits_share_is_not_searched(read, tmp_path):
    (tmp_path / "train.csv").write_text("image_name,annotation\nd.png,\n")
    assert read(*GOOD[:3]).problems == []


def test_problems_come_in_the_order_of_the_table(read):
    split = read("x.png,", "a.png,9", "b.png,", "y.png,", "c.png")
    assert [problem.line for problem in split.problems] == [2, 3, 5, 6, None, None]


@pytest.mark.parametrize("rows", [(), ("x.png,", "y.png,0 1 2 3 4")])
def test_nothing_usable_is_refused(read, rows):
    with pytest.raises(BadInput, match="leaves no usable image") as caught:
        read(*rows)
    assert caught.value.reason == "empty_split"
    assert not rows or "x.png does not exist" in str(caught.value)


def test_an_annotation_counts_in_the_picture_as_shown(read, tmp_path, film):
    exif = Image.Exif()
    exif[0x0112] = 6
    read(*GOOD)
    Image.fromarray(film(9, height=40, width=48)).save(tmp_path / "images" / "a.png", exif=exif)
    split = read_split(tmp_path, "test")
    assert (split[0].height, split[0].width) == (48, 40)
    assert split.notes == ["1 image: turned upright by its EXIF orientation"]
