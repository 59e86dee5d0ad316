from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from xiqa.data.files.volumes import load_volume
from xiqa.data.mri import read_dataset
from xiqa.errors import BadInput

AFFINE = np.diag([3.0, 3, 4, 1])


def head(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, (8, 9, 6)).astype(np.int16)


@pytest.fixture
def lay_out(tmp_path):
    """Write a BIDS folder: rows are (subject, split, label); each scan has content of its own."""

    def make(rows, header="image\tsubject\tsplit\tlabel\tartifact_type\tcontrast"):
        lines = [header]
        for number, (subject, split, label) in enumerate(rows):
            name = f"sub-{subject}/anat/sub-{subject}_run-{number}_T1w.nii.gz"
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(head(number), AFFINE), path)
            path.with_name(path.name.replace(".nii.gz", ".json")).write_text("{}")
            kind = "motion" if label == "artifact" else ""
            lines.append(f"{name}\tsub-{subject}\t{split}\t{label}\t{kind}\tT1w")
        (tmp_path / "scans.tsv").write_text("\n".join(lines) + "\n")
        (tmp_path / "dataset_description.json").write_text("{}")
        (tmp_path / "derivatives" / "truth").mkdir(parents=True)
        (tmp_path / "derivatives" / "truth" / "mask.nii.gz").touch()
        return tmp_path

    return make


def usual(train=8, val=4, test=4):
    """So many subjects of one scan each, every second with an artifact."""
    counts = {"train": train, "val": val, "test": test}
    return [
        (f"{split[:2]}{k:02d}", split, ("clean", "artifact")[k % 2]) for split, n in counts.items() for k in range(n)
    ]


def scan(root: Path, number: int) -> Path:
    return next(root.rglob(f"*_run-{number}_T1w.nii.gz"))


def problems_of(split):
    return [(problem.line, problem.reason, problem.status) for problem in split.problems]


def test_a_bids_folder_becomes_records(lay_out):
    root = lay_out(usual())
    dataset = read_dataset(root)
    assert {name: len(split) for name, split in dataset.items()} == {"train": 8, "val": 4, "test": 4}
    assert list(dataset) == ["train", "val", "test"]
    assert not any(split.problems or split.notes for split in dataset.values())
    record = dataset["val"][1]
    assert (record.subject, record.label, record.artifact_type, record.contrast) == ("sub-va01", 1, "motion", "T1w")
    assert record.name == "sub-va01/anat/sub-va01_run-9_T1w.nii.gz"
    assert record.path == root / record.name
    assert [record.label for record in dataset["train"]] == [0, 1] * 4
    np.testing.assert_array_equal(load_volume(record.path).array, head(9))


def test_use_gets_every_volume_once_and_an_error_in_it_is_the_scans_own(lay_out):
    root, volumes = lay_out(usual()), []

    def use(path, volume):
        if path == scan(root, 2):
            raise BadInput("constant", f"{path} is flat")
        volumes.append((path, volume.array.shape))

    dataset = read_dataset(root, use)
    assert sorted(volumes) == sorted((record.path, (8, 9, 6)) for split in dataset.values() for record in split)
    assert problems_of(dataset["train"]) == [(4, "constant", "error")]


def test_damaged_volumes_of_every_kind_never_stop_the_rest(lay_out):
    root = lay_out(usual(train=30))
    save = {
        0: np.zeros((5, 5, 5), np.int16),
        2: np.full((5, 5, 5), np.nan, np.float32),
        4: head(4)[:, :, :1, None].repeat(25, 3),
        6: head(6)[..., None].repeat(2, 3),
        8: head(8)[..., None],
        10: np.where(np.arange(432).reshape(8, 9, 6) < 3, np.nan, head(10)),
        12: head(12).astype(np.complex64),
    }
    for number, array in save.items():
        nib.save(nib.Nifti1Image(array, AFFINE), scan(root, number))
    scan(root, 14).write_bytes(scan(root, 14).read_bytes()[:200])
    scan(root, 16).write_bytes(b"<html>")
    scan(root, 18).unlink()
    scan(root, 20).unlink()
    (root / "sub-tr20" / "anat" / "sub-tr20_run-20_T1w.nii.gz").mkdir()
    nib.save(nib.Nifti1Image(head(22), None), scan(root, 22))
    dataset = read_dataset(root)
    assert problems_of(dataset["train"]) == [
        (2, "constant", "error"),
        (4, "not_finite", "error"),
        (6, "not_3d", "error"),
        (8, "several_volumes", "error"),
        (10, "squeezed", "warning"),
        (12, "not_finite", "warning"),
        (14, "complex", "warning"),
        (16, "truncated", "error"),
        (18, "not_nifti", "error"),
        (20, "missing", "error"),
        (22, "directory", "error"),
        (24, "no_orientation", "warning"),
    ]
    assert len(dataset["train"]) == 30 - 8
    for problem in dataset["train"].problems:
        assert problem.message.startswith(f"scans.tsv, line {problem.line}: sub-tr")
        assert problem.path == root / "scans.tsv"
        assert str(root) not in problem.message
    assert not dataset["val"].problems


def test_table_problems_stand_with_their_split(lay_out):
    root = lay_out(usual())
    with open(root / "scans.tsv", "a") as handle:
        handle.write("x.nii\ts\ttest\tgood\t\t\ny.nii\ts\tdev\tclean\t\t\n")
    (root / "extra.nii").touch()
    dataset = read_dataset(root)
    assert problems_of(dataset["test"]) == [(18, "unknown_label", "error")]
    assert problems_of(dataset["train"]) == [(19, "unknown_split", "error"), (None, "no_row", "warning")]


def test_a_subject_in_two_splits_is_left_out_of_the_earlier(lay_out):
    rows = usual()
    rows += [("te01", "train", "clean"), ("te01", "val", "clean"), ("va00", "train", "artifact")]
    root = lay_out(rows)
    # BIDS writes subjects with and without "sub-".
    (root / "scans.tsv").write_text((root / "scans.tsv").read_text().replace("\tsub-te01\ttrain", "\tte01\ttrain"))
    dataset = read_dataset(root)
    assert [len(split) for split in dataset.values()] == [8, 4, 4]
    for split, subjects in (("train", ["sub-te01", "sub-va00"]), ("val", ["sub-te01"])):
        problems = dataset[split].problems
        assert [problem.reason for problem in problems] == ["in_two_splits"] * len(subjects)
        for problem, subject in zip(problems, subjects, strict=True):
            assert f"{subject}_run" in problem.message
            assert f"left out of {split}" in problem.message
            assert problem.status == "error"
    assert not {r.subject for r in dataset["train"]} & {r.subject for r in dataset["test"]}


def test_a_copied_file_is_left_out_of_the_earlier_split(lay_out):
    root = lay_out(usual())
    scan(root, 0).write_bytes(scan(root, 12).read_bytes())
    (problem,) = read_dataset(root)["train"].problems
    assert problem.reason == "in_two_splits"
    assert "same image" in problem.message


def test_a_missing_validation_split_is_drawn_by_subject(lay_out):
    rows = [(f"tr{k // 2:02d}", "train", "artifact" if k // 2 % 4 == 0 and k % 2 else "clean") for k in range(64)]
    root = lay_out(rows + usual(0, 0, 4))
    dataset = read_dataset(root)
    val, train = ({record.subject for record in dataset[name]} for name in ("val", "train"))
    assert (len(val), len(train)) == (4, 28)  # an eighth of the 8 with and of the 24 without an artifact
    assert not val & train
    assert sorted(record.label for record in dataset["val"]) == [0] * 7 + [1]
    assert dataset["val"].notes == [
        "no validation split in this folder: 8 images of 4 subjects drawn from train (seed 0)"
    ]
    header, *lines = (root / "scans.tsv").read_text().splitlines()
    (root / "scans.tsv").write_text("\n".join([header, *reversed(lines)]))
    assert {record.subject for record in read_dataset(root)["val"]} == val


def test_a_damaged_validation_split_is_not_taken_for_a_missing_one(lay_out, reason_of):
    root = lay_out(usual())
    text = (root / "scans.tsv").read_text()
    (root / "scans.tsv").write_text(
        text.replace("\tval\tclean", "\tval\tgood").replace("\tval\tartifact", "\tval\tbad")
    )
    assert reason_of(read_dataset, root) == "empty_split"


@pytest.mark.parametrize("split", ["train", "test"])
def test_train_and_test_are_needed(lay_out, split, reason_of):
    assert reason_of(read_dataset, lay_out([row for row in usual() if row[1] != split])) == "missing_split"


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("only", ["clean", "artifact"])
def test_one_class_is_refused(lay_out, split, only):
    root = lay_out([(s, name, only if name == split else label) for s, name, label in usual()])
    with pytest.raises(BadInput, match=f"'{split}'") as caught:
        read_dataset(root)
    assert caught.value.reason == "one_class"


def test_a_split_of_unreadable_files_is_refused(lay_out):
    root = lay_out(usual())
    for number in range(12, 16):
        scan(root, number).write_bytes(b"")
    with pytest.raises(BadInput, match="test") as caught:
        read_dataset(root)
    assert caught.value.reason == "empty_split"
