import filecmp
import json

import nibabel as nib
import numpy as np
import pytest

from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import preprocess
from xiqa.data.mri import read_dataset
from xiqa.data.prepare_volumes import prepare_volumes
from xiqa.errors import BadInput

FILES = ["notes.txt", "problems.csv", "records.csv", "test.npy", "train.npy", "val.npy"]
SHAPE = (10, 8, 6)


@pytest.fixture
def root(tmp_path):
    folder, lines = tmp_path / "data", ["image\tsubject\tsplit\tlabel\tartifact_type\tcontrast"]
    number = 0
    for split, count in (("train", 9), ("val", 4), ("test", 4)):
        for k in range(count):
            name = f"sub-{number:04d}/anat/sub-{number:04d}_run-1_T1w.nii.gz"
            (folder / name).parent.mkdir(parents=True)
            array = np.random.default_rng(number).integers(0, 900, (12, 9, 7)).astype(np.int16)
            nib.save(nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1])), folder / name)
            lines.append(f"{name}\t{number:04d}\t{split}\t{('clean', 'artifact')[k % 2]}\t{'motion' * (k % 2)}\tT1w")
            number += 1
    (folder / "scans.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def prepared(root, tmp_path):
    def make(name="prepared"):
        folder = tmp_path / name
        folder.mkdir()
        prepare_volumes(folder, root, SHAPE, "log")
        return PreparedVolumes(folder)

    return make


def test_arrays_and_records_stand_in_the_same_order(root, prepared):
    ready = prepared()
    assert sorted(path.name for path in ready.folder.iterdir()) == FILES
    assert ready.shape == SHAPE
    for name, split in read_dataset(root).items():
        volumes, records = ready.volumes(name), ready.records(name)
        assert isinstance(volumes, np.memmap)
        assert volumes.dtype == np.float16
        assert volumes.shape == (len(split), *SHAPE)
        assert list(records["image"]) == [record.name for record in split]
        assert list(records["subject"]) == [record.subject for record in split]
        assert list(records["label"]) == [record.label for record in split]
        assert set(records["artifact_type"]) == {"", "motion"}
        assert records["severity"].isna().all()
        assert records["rater_probability"].isna().all()
        for volume, path in zip(volumes, records["path"], strict=True):
            wanted = preprocess(load_volume(root / path), SHAPE)[0].astype(np.float16)
            np.testing.assert_array_equal(volume, wanted)
    assert records["subject"].iloc[0] == "0013"


def test_preparing_twice_or_elsewhere_writes_the_same_bytes(root, prepared, tmp_path):
    (root / "sub-0002/anat/sub-0002_run-1_T1w.nii.gz").write_bytes(b"")
    first = prepared().folder
    root.rename(tmp_path / "moved")
    (tmp_path / "again").mkdir()
    prepare_volumes(tmp_path / "again", tmp_path / "moved", list(SHAPE), "log")
    assert filecmp.cmpfiles(first, tmp_path / "again", FILES, shallow=False) == (FILES, [], [])
    assert str(tmp_path) not in (first / "problems.csv").read_text()


def test_what_a_simulator_noted_stands_in_the_records(root, prepared):
    truth = root / "derivatives" / "truth"
    for number, content in (
        (9, json.dumps({"severity": 2.5, "rater_probability": 0.875, "artifact": "ghosting"})),
        (10, json.dumps({"severity": None, "rater_probability": 0.02, "artifact": None})),
        (11, "not json"),
        (12, "[1, 2]"),
    ):
        path = truth / f"sub-{number:04d}/anat/sub-{number:04d}_run-1_T1w.json"
        path.parent.mkdir(parents=True)
        path.write_text(content)
    ready = prepared()
    records = ready.records("val")
    assert records["severity"].iloc[0] == 2.5
    assert records["rater_probability"].tolist()[:2] == [0.875, 0.02]
    assert records["artifact"].tolist() == ["ghosting", "", "", ""]
    assert records["severity"].isna().tolist() == [False, True, True, True]
    assert ready.problems.empty


def test_damaged_files_are_left_out_and_listed(root, prepared):
    (root / "sub-0002/anat/sub-0002_run-1_T1w.nii.gz").write_bytes(b"")
    path = root / "sub-0014/anat/sub-0014_run-1_T1w.nii.gz"
    nib.save(nib.Nifti1Image(load_volume(path).array[..., None], np.eye(4)), path)
    (root / "extra.nii").touch()
    ready = prepared()
    assert ready.problems.values.tolist() == [
        ["train", "scans.tsv", "4", "not_nifti", "error",
         "scans.tsv, line 4: sub-0002/anat/sub-0002_run-1_T1w.nii.gz has no content (0 bytes): give the scan as .nii, "
         ".nii.gz or .mnc, or copy it again"],
        ["train", "extra.nii", "", "no_row", "warning",
         "extra.nii has no row in scans.tsv and is not used: add one, or move the file away"],
        ["test", "scans.tsv", "16", "squeezed", "warning",
         "scans.tsv, line 16: sub-0014/anat/sub-0014_run-1_T1w.nii.gz: the file holds 12 x 9 x 7 x 1 voxels, and its "
         "single volume was taken"],
    ]  # fmt: skip
    summary = ready.summary().set_index("split")
    assert summary.loc["train"].to_dict() == {"scans": 8, "subjects": 8, "artifact": 4, "left out": 1, "warnings": 1}
    assert summary.loc["test"].to_dict() == {"scans": 4, "subjects": 4, "artifact": 2, "left out": 0, "warnings": 1}


def test_notes_are_kept(root, prepared):
    text = (root / "scans.tsv").read_text()
    (root / "scans.tsv").write_text(text.replace("\tval\t", "\ttrain\t"))
    assert prepared().notes == [
        "val: no validation split in this folder: 2 images of 2 subjects drawn from train (seed 0)"
    ]


def test_a_lone_bright_voxel_stays_finite(root, prepared):
    path = root / "sub-0003/anat/sub-0003_run-1_T1w.nii.gz"
    array = np.zeros((60, 60, 60), np.float32)
    array[0, 0, 0] = 1
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    assert np.isfinite(prepared().volumes("train")[3]).all()


def test_a_data_set_that_cannot_be_used_leaves_no_scratch(root, tmp_path):
    for number in (14, 16):
        (root / f"sub-{number:04d}/anat/sub-{number:04d}_run-1_T1w.nii.gz").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInput) as caught:
        prepare_volumes(tmp_path / "out", root, SHAPE, "log")
    assert caught.value.reason == "one_class"
    assert not list((tmp_path / "out").iterdir())
