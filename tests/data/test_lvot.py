"""Lists, frames and masks as a reader of the whole data set meets them: file, line, reason, and the rest goes on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xiqa.data.lvot import read_dataset
from xiqa.errors import BadInput

NUMBERS = {"train": range(8), "val": range(8, 11), "test": range(11, 14)}


class Folder:
    """A small data set: patients with two frames, the second one with a visible tract; or parts of one."""

    def __init__(self, root: Path, film, encoded):
        self.root, self.film, self.encoded, self.count = root, film, encoded, 0

    def frame(self, name: str, content: bytes | None = None) -> str:
        self.count += 1
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.encoded(self.film(self.count), "PNG") if content is None else content)
        return name

    def mask(self, name: str, height: int = 40, width: int = 48, value: int = 255) -> Path:
        values = np.zeros((height, width), np.uint8)
        values[10:20, 12:25] = value
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
        return path

    def listed(self, split: str, *lines: str, raw: bytes | None = None) -> Path:
        path = self.root / "labels" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(f"{line}\n" for line in lines).encode() if raw is None else raw)
        return path

    def patients(self, split: str, numbers, masks: bool = True) -> list[str]:
        lines = []
        for number in numbers:
            for frame, label in enumerate((0, 1)):
                name = self.frame(f"images/p{number:02d}/p{number:02d}_{frame}.png")
                lines.append(f"{name} {label}")
                if label and masks:
                    self.mask(f"{split}_segm/{Path(name).name}")
        self.listed(split, *lines)
        return lines


@pytest.fixture
def folder(tmp_path, film, encoded):
    return Folder(tmp_path / "data", film, encoded)


@pytest.fixture
def whole(folder):
    for split, numbers in NUMBERS.items():
        folder.patients(split, numbers)
    return folder


@pytest.fixture
def four(folder):
    """Four good test frames a.png ... d.png in ``images``, labels 1 0 1 0, with masks; and two for each other split."""
    names = [folder.frame(f"images/{name}.png") for name in "abcd"]
    for name in "ac":
        folder.mask(f"test_segm/{name}.png")
    folder.lines = [f"{name} {label}" for name, label in zip(names, (1, 0, 1, 0), strict=True)]
    folder.listed("test", *folder.lines)
    for split in ("train", "val"):
        folder.listed(split, *(f"{folder.frame(f'images/{split}{label}.png')} {label}" for label in (0, 1)))
    return folder


def read(folder):
    return read_dataset(folder.root)["test"]


def stems(split):
    return [record.path.stem for record in split]


def only(split, status="error"):
    (problem,) = split.problems
    assert problem.status == status
    assert "\n" not in problem.message
    assert str(split.root) not in problem.message
    return problem


def test_a_good_split(four):
    split = read(four)
    assert (stems(split), split.problems) == (["a", "b", "c", "d"], [])
    assert [record.label for record in split] == [1, 0, 1, 0]
    first, second = split[:2]
    assert (first.name, first.width, first.height, first.label) == ("images/a.png", 48, 40, 1)
    assert first.mask == four.root / "test_segm" / "a.png"
    assert second.mask is None
    assert [record.patient for record in split] == ["a", "b", "c", "d"]
    assert split.notes == [
        "4 patients in 4 images, recognised by nothing (every image counts as a patient of its own: lay frames in a "
        "folder for each patient)"
    ]


def test_a_good_data_set(whole):
    dataset = read_dataset(whole.root)
    assert {name: len(split) for name, split in dataset.items()} == {"train": 16, "val": 6, "test": 6}
    assert not any(split.problems for split in dataset.values())
    assert dataset["test"].notes == ["3 patients in 6 images, recognised by the folder they lie in"]
    assert dataset["val"][0].patient == "p08"
    assert all((record.mask is not None) == record.label for split in dataset.values() for record in split)


def test_use_gets_every_image_once(four, film):
    images = {}
    dataset = read_dataset(four.root, use=lambda path, image: images.update({path: image}))
    assert set(images) == {record.path for split in dataset.values() for record in split}
    np.testing.assert_array_equal(images[dataset["test"][2].path].array, film(3).astype(np.float32) / 255)


def test_reading_with_a_damaged_frame_is_deterministic(whole):
    whole.frame("images/p00/p00_0.png", b"")
    first, second = read_dataset(whole.root), read_dataset(whole.root)
    assert (only(first["train"]).reason, only(first["train"]).line) == ("empty_file", 1)
    for split in first:
        assert first[split].records == second[split].records
        assert first[split].problems == second[split].problems


class TestList:
    def test_missing_folder_or_list(self, four, tmp_path, reason_of):
        assert reason_of(read_dataset, tmp_path / "nowhere") == "missing"
        assert reason_of(read_dataset, four.root / "labels" / "test.txt") == "not_a_directory"
        for split in ("test", "train"):
            (four.root / "labels" / f"{split}.txt").unlink()
            with pytest.raises(BadInput, match=rf"labels/{split}.txt does not exist: list the frames") as caught:
                read_dataset(four.root)
            assert caught.value.reason == "missing_table"

    @pytest.mark.parametrize("content", [b"", b"\n  \n\r\n", b"\xef\xbb\xbf"])
    def test_empty_list(self, four, content, reason_of):
        four.listed("test", raw=content)
        assert reason_of(read, four) == "empty_split"

    def test_nothing_usable_names_the_first_reason(self, four):
        four.listed("test", "images/x.png 1", "images/a.png 7")
        with pytest.raises(BadInput, match=r"no usable image of 2 rows, first of all .*line 1: images/x.png") as caught:
            read(four)
        assert caught.value.reason == "empty_split"

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            *((line, "missing_label") for line in ("images/x.png", "my images/x.png", "1", "images/x.png,1")),
            *((f"images/x.png {label}", "bad_label") for label in ("2", "-1", "1.0", "good", "01", "¹")),
            *((f"{name} 1", "outside_root") for name in ("../../x.png", "/etc/x.png", "images/../../../x.png")),
            ("images/x.png 1", "missing"),
        ],
    )
    def test_a_line_that_cannot_be_used(self, four, line, reason):
        four.listed("test", "", *four.lines, "  ", line)
        split = read(four)
        assert (only(split).reason, only(split).line) == (reason, 7)
        assert only(split).path == four.root / "labels" / "test.txt"
        assert only(split).message.startswith("labels/test.txt, line 7: ")
        assert stems(split) == ["a", "b", "c", "d"]

    @pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("gap", [b" ", b"\t", b"  \t "])
    def test_line_endings_byte_order_mark_and_gaps(self, four, ending, start, gap):
        lines = [line.replace(" ", "?").encode().replace(b"?", gap) for line in four.lines]
        four.listed("test", raw=start + b" " + ending.join(lines))
        split = read(four)
        assert (stems(split), split.problems) == (["a", "b", "c", "d"], [])

    def test_not_utf8(self, four):
        four.frame("images/é.png")
        four.listed("test", raw="\n".join([*four.lines, "images/é.png 0"]).encode("latin-1"))
        split = read(four)
        assert stems(split)[-1] == "é"
        assert split.notes[0] == "test.txt is not UTF-8 and was read as Latin-1"

    def test_paths_with_spaces_and_absolute_ones(self, four):
        four.frame("my images/frame 1 of 2.png")
        four.listed("test", f"{four.root}/images/a.png 1", *four.lines[1:], "my images/frame 1 of 2.png   0")
        split = read(four)
        assert split[-1].name == "my images/frame 1 of 2.png"
        assert (len(split), split.problems) == (5, [])

    @pytest.mark.parametrize("again", ["images/a.png 1", "images/../images/a.png 1", "./images/a.png\t1"])
    def test_the_same_line_twice_is_a_warning(self, four, again):
        four.listed("test", *four.lines, again)
        split = read(four)
        assert (only(split, "warning").reason, only(split, "warning").line) == ("duplicate_row", 5)
        assert len(split) == 4

    def test_contradicting_lines_are_an_error(self, four):
        four.listed("test", *four.lines, "images/a.png 0")
        split = read(four)
        assert [(p.reason, p.line, p.status) for p in split.problems] == [
            ("conflicting_rows", 1, "error"),
            ("conflicting_rows", 5, "error"),
        ]
        assert stems(split) == ["b", "c", "d"]


class TestImages:
    def test_kinds_of_files_are_read_and_noted(self, four, film):
        Image.fromarray(film(7).astype(np.uint16) * 9).save(four.root / "images" / "a.png")
        Image.fromarray(film(8)).convert("P").save(four.root / "images" / "b.png")
        Image.fromarray(film(9)).convert("CMYK").save(four.root / "images" / "c.png", format="JPEG")
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(film(6, 48, 40)).save(four.root / "images" / "d.png", format="JPEG", exif=exif)
        split = read(four)
        assert split.problems == []
        assert {(record.height, record.width) for record in split} == {(40, 48)}
        assert sum(note.startswith("1 image: ") for note in split.notes) == 4

    def test_on_disk_without_a_line(self, four):
        for name in ("images/extra.png", "other/deep/extra.jpg", "derivatives/test/extra.png", "images/.hidden.png"):
            four.frame(name)
        dataset = read_dataset(four.root)
        assert [(problem.reason, problem.status) for problem in dataset["train"].problems] == [
            ("no_row", "warning")
        ] * 2
        assert dataset["train"].problems[0].message == (
            "images/extra.png has no line in labels/ and is not used: add one, or move the file away"
        )
        for number in range(11):
            four.frame(f"images/more{number:02d}.png")
        dataset = read_dataset(four.root)
        assert len(dataset["train"].problems) == 11
        assert dataset["train"].problems[-1].message == "3 more images have no line in labels/ and are not used"
        assert not dataset["val"].problems + dataset["test"].problems


class TestMasks:
    def test_a_positive_without_a_mask_and_a_split_without_masks(self, four):
        (four.root / "test_segm" / "a.png").unlink()
        split = read(four)
        assert (only(split, "warning").reason, only(split, "warning").line) == ("no_mask", 1)
        assert [record.mask is None for record in split] == [True, True, False, True]
        shutil.rmtree(four.root / "test_segm")
        split = read(four)
        assert split.problems == []
        assert split.notes[0] == (
            "no masks (there is no folder test_segm): the pointing game cannot be played on these frames"
        )

    def test_another_size_than_the_image(self, four):
        four.mask("test_segm/c.png", 48, 40)
        split = read(four)
        assert only(split).reason == "mask_size"
        assert only(split).message == (
            "labels/test.txt, line 3: images/c.png: its mask test_segm/c.png has 40 x 48 pixels and the image 48 x 40: "
            "give the mask of this image, at its size"
        )
        assert stems(split) == ["a", "b", "d"]

    @pytest.mark.parametrize(
        ("name", "content", "reason", "words"),
        [
            *(("a", value, "empty_mask", f"the largest is {value}") for value in (0, 1, 127)),
            ("b", 255, "unexpected_mask", "test_segm/b.png is not empty although the label is 0"),
            *(("a", content, "bad_mask", "its mask cannot be used (test_segm/a.png")
              for content in (b"", b"<html>", b"\x89PNG\r\n\x1a\n")),
        ],
    )  # fmt: skip
    def test_a_mask_that_cannot_be_used_is_a_warning(self, four, name, content, reason, words):
        four.mask("test_segm/d.png", value=0)
        if isinstance(content, int):
            four.mask(f"test_segm/{name}.png", value=content)
        else:
            (four.root / "test_segm" / f"{name}.png").write_bytes(content)
        split = read(four)
        problem = only(split, "warning")
        assert (problem.reason, problem.line) == (reason, "abcd".index(name) + 1)
        assert words in problem.message
        assert [record.mask is None for record in split] == [name == "a", True, False, True]

    def test_jpeg_masks_of_png_frames(self, four):
        path = four.mask("test_segm/a.png")
        Image.open(path).save(path.with_suffix(".jpg"), quality=80)
        path.unlink()
        split = read(four)
        assert (split[0].mask, split.problems) == (path.with_suffix(".jpg"), [])

    def test_one_mask_for_two_frames_is_used_for_none(self, four):
        four.frame("more/a.png")
        four.listed("test", *four.lines, "more/a.png 1")
        split = read(four)
        assert sorted(problem.reason for problem in split.problems) == ["ambiguous_mask", "no_mask", "no_mask"]
        assert split[0].mask is split[-1].mask is None


class TestSplits:
    def test_the_same_image_in_two_splits(self, whole):
        content = (whole.root / "images/p11/p11_0.png").read_bytes()
        whole.frame("images/p00/p00_0.png", content)
        dataset = read_dataset(whole.root)
        problem = only(dataset["train"])
        assert problem.reason == "in_two_splits"
        assert problem.message.startswith("images/p00/p00_0.png is the same image as images/p11/p11_0.png (test)")
        assert [len(split) for split in dataset.values()] == [15, 6, 6]

    def test_the_same_patient_in_two_splits_is_left_out_of_the_earlier_one(self, whole):
        lines = (whole.root / "labels/train.txt").read_text().splitlines()
        whole.listed(
            "train", *lines, f"{whole.frame('images/p11/p11_2.png')} 0", f"{whole.frame('images/p08/x.png')} 0"
        )
        lines = (whole.root / "labels/val.txt").read_text().splitlines()
        whole.listed("val", *lines, f"{whole.frame('images/p12/p12_2.png')} 0")
        dataset = read_dataset(whole.root)
        assert [problem.message for problem in dataset["train"].problems] == [
            "images/p11/p11_2.png is of the same patient as images/p11/p11_0.png (test) and is left out of train: "
            "keep a patient in one split only",
            "images/p08/x.png is of the same patient as images/p08/p08_0.png (val) and is left out of train: "
            "keep a patient in one split only",
        ]
        assert only(dataset["val"]).reason == "patient_in_two_splits"
        assert [len(split) for split in dataset.values()] == [16, 6, 6]
        patients = [{record.patient for record in split} for split in dataset.values()]
        assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]

    def test_a_split_by_frames_is_a_leak_throughout(self, folder):
        for split, frame in (("train", 0), ("val", 1), ("test", 2)):
            lines = [f"{folder.frame(f'images/p{n}_{frame}.png')} {n % 2}" for n in range(6)]
            folder.listed(split, *lines)
        with pytest.raises(BadInput, match=r"same patient as .*test") as caught:
            read_dataset(folder.root)
        assert caught.value.reason == "empty_split"

    @pytest.mark.parametrize("split", ["train", "val", "test"])
    def test_one_class_is_refused(self, whole, split):
        path = whole.root / "labels" / f"{split}.txt"
        path.write_text(path.read_text().replace(".png 1", ".png 0"))
        with pytest.raises(BadInput, match="no image with the outflow tract for the split") as caught:
            read_dataset(whole.root)
        assert caught.value.reason == "one_class"

    def test_a_validation_split_is_drawn_by_patients(self, folder):
        folder.patients("train", range(16))
        folder.patients("test", range(16, 19))
        dataset = read_dataset(folder.root)
        assert [len(split) for split in dataset.values()] == [28, 4, 6]
        assert not {r.patient for r in dataset["train"]} & {r.patient for r in dataset["val"]}
        assert sorted(record.label for record in dataset["val"]) == [0, 0, 1, 1]
        assert dataset["val"].notes[0] == (
            "no validation split in this folder: 4 images of 2 patients drawn from train (seed 0)"
        )
        path = folder.root / "labels" / "train.txt"
        path.write_text("\n".join(reversed(path.read_text().splitlines())))
        again = read_dataset(folder.root)
        assert {r.name for r in again["val"]} == {r.name for r in dataset["val"]}
