"""The embedded hearts on disk: layout, sidecars, counterfactuals."""

import numpy as np
import pytest
from PIL import Image

from tests.synthetic.conftest import SPECS, contents
from xiqa.synthetic.heart import files, read_about, without, write

SPEC = SPECS["lvot"]


@pytest.fixture(scope="module")
def folder(written):
    return written("lvot")


def lines(folder, split):
    return [line.split(" ") for line in (folder / "labels" / f"{split}.txt").read_text().splitlines()]


def test_layout(folder):
    for split in files.SPLITS:
        listed = lines(folder, split)
        assert len(listed) == SPEC[split] * SPEC["frames"]
        assert len({path for path, _ in listed}) == len(listed)
        for path, label in listed:
            with Image.open(folder / path) as picture:
                assert (picture.mode, picture.size) == ("L", (32, 32))
            mask = folder / f"{split}_segm" / path.rsplit("/", 1)[1]
            assert mask.is_file() == (label == "1")
            if mask.is_file():
                values = np.asarray(Image.open(mask))
                assert set(np.unique(values)) <= {0, 255}
                assert (values > 127).any()
    written = {p.name for p in folder.rglob("*.png") if not p.stem.endswith("_without")}
    assert len(list((folder / "images").rglob("*.png"))) == len(written)  # the masks bear no name of their own


def test_sidecars_name_every_frame(folder):
    for split in files.SPLITS:
        labels = dict(lines(folder, split))
        for path in (folder / "derivatives" / split).glob("*.json"):
            about = read_about(folder, split, path.stem)
            assert {"tilt_degrees", "offset_mm"} == set(about["planning"])
            for frame in about["frames"]:
                assert labels.pop(frame["image"]) == str(frame["label"])
                assert (frame["area_mm2"] >= about["threshold_mm2"]) == bool(frame["label"])
        assert not labels


def test_patients_of_splits_are_apart(folder):
    patients = [{path.split("/")[1] for path, _ in lines(folder, split)} for split in files.SPLITS]
    assert len(set.union(*patients)) == sum(map(len, patients))
    assert files.plan(SPEC).subject.is_unique


def test_half_of_the_patients_show_the_tract_at_random_places():
    table = files.plan({**SPEC, "train": 551, "val": 69, "test": 70})
    for _, rows in table.groupby("split"):
        assert abs(rows.shows.mean() - 0.5) < 0.04
        assert abs(np.corrcoef(np.arange(len(rows)), rows.shows)[0, 1]) < 0.25
    assert abs(table.shows.mean() - 8682 / (8682 + 8522)) < 0.01
    assert table.patient.is_unique


def test_the_size_of_one_split_changes_nothing_in_another_and_not_its_own_first_patients():
    table, other = files.plan(SPEC), files.plan({**SPEC, "train": 40})
    for split in files.SPLITS:
        few, many = (t[t.split == split].values.tolist() for t in (table, other))
        assert few == many[: len(few)]


def test_positive_frames_of_the_test_split_have_counterfactuals(folder):
    for split in files.SPLITS:
        for path, label in lines(folder, split):
            pair = without(folder, split, path)
            assert (pair is not None) == (split == "test" and label == "1")
            if pair:
                assert pair == folder / "derivatives" / split / f"{path.rsplit('/', 1)[1][:-4]}_without.png"
                with Image.open(pair) as picture, Image.open(folder / path) as seen:
                    assert (picture.mode, picture.size) == (seen.mode, seen.size)
                    assert (np.asarray(picture) != np.asarray(seen)).any()
                about = read_about(folder, split, path.split("/")[1])
                frame = next(f for f in about["frames"] if f["image"] == path)
                assert folder / frame["without"] == pair
                assert frame["without_planning"]["tilt_degrees"] == 0


def test_pairs_of_the_first_patients_of_any_split(tmp_path):
    spec = {**SPEC, "train": 5, "val": 0, "test": 3, "frames": 1, "pairs": {"train": 3}}
    write(tmp_path, spec, workers=1)
    table = files.plan(spec)
    assert table.pairs.tolist() == [True] * 3 + [False] * 5
    for row in table.itertuples():
        pair = without(tmp_path, row.split, f"{row.patient}_f00.png")
        assert (pair is not None) == (row.pairs and row.shows)
    before = contents(tmp_path)
    write(tmp_path, {**spec, "pairs": {"train": 5}}, workers=1)  # more of them are added, nothing else changes
    after = contents(tmp_path)
    assert {name for name in before if before[name] != after[name]} <= {
        f"derivatives/train/{patient}.json" for patient in table.patient
    }
    for row in table[table.split == "train"].itertuples():
        assert (without(tmp_path, "train", f"{row.patient}_f00.png") is not None) == row.shows


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"scanner": "newest"}, "unknown scanner"), ({"pairs": {"exam": 1}}, "pairs are asked of exam")],
)
def test_an_unknown_spec_is_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path, SPEC | wrong)
    assert not list(tmp_path.iterdir())


def test_scanner_of_a_spec_reaches_the_pictures(folder, tmp_path):
    write(tmp_path, {**SPEC, "train": 1, "val": 0, "test": 1, "scanner": "other"}, workers=1)
    for split, patient in (("train", "p0001"), ("test", "p8001")):
        usual, other = read_about(folder, split, patient), read_about(tmp_path, split, patient)
        assert (usual["scanner"], other["scanner"]) == ("usual", "other")
        assert usual["planning"] == other["planning"]
        image = usual["frames"][0]["image"]
        assert (folder / image).read_bytes() != (tmp_path / image).read_bytes()


def test_order_of_lines_is_shuffled(folder):
    paths = [path for path, _ in lines(folder, "train")]
    assert paths != sorted(paths)
