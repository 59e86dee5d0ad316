"""The folder: layout, sidecars, counterfactuals; and the same scans without a disk."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from tests.synthetic.conftest import SPECS
from xiqa.data import mri
from xiqa.synthetic.head import KINDS, files, plan, scan_at, without, write

SPEC = SPECS["mri"]


@pytest.fixture(scope="module")
def folder(written) -> Path:
    return written("mri")


@pytest.fixture(scope="module")
def table(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "scans.tsv", sep="\t", keep_default_na=False)


# --- the folder -------------------------------------------------------------------------------------------------------


def test_layout_is_what_the_readers_read(folder, table):
    assert table.columns.tolist() == files.COLUMNS
    assert set(table["label"]) == {"clean", "artifact"}
    assert set(table.loc[table["label"] == "artifact", "artifact_type"]) <= {"intensity", "motion", "coverage"}
    assert set(table.loc[table["label"] == "clean", "artifact_type"]) == {"n/a"}
    for row in table.itertuples():
        assert row.image.startswith(f"{row.subject}/anat/{row.subject}_run-")
        image = nib.load(folder / row.image)
        array = np.asarray(image.dataobj)
        assert array.dtype == np.int16
        assert array.ndim == 3
        assert array.std() > 50
        np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-3)
        np.testing.assert_allclose(image.get_sform(), image.affine, atol=1e-6)
        np.testing.assert_allclose(image.header.get_zooms(), nib.affines.voxel_sizes(image.affine), rtol=1e-5)
    for name in ("dataset_description.json", "derivatives/truth/dataset_description.json"):
        assert json.loads((folder / name).read_text())["BIDSVersion"]


def test_sidecars_record_the_simulation(folder, table):
    for row in table.itertuples():
        about = json.loads(files.sidecar(folder, row.image).read_text())
        assert about["label"] == row.label
        assert about["seed"] == SPEC["seed"]
        assert about["sequence"]["contrast"] == row.contrast
        assert {"axis", "severity", "unit", "damage", "rater_probability", "base_subject", "version"} <= set(about)
        if row.label == "artifact":
            assert KINDS[about["artifact"]].family == row.artifact_type == about["family"]
            assert about["severity"] > 0
        mask = files.mask_path(folder, row.image)
        assert mask.is_file() == about["mask"]
        if mask.is_file():
            image = nib.load(mask)
            assert image.shape == nib.load(folder / row.image).shape
            np.testing.assert_allclose(image.affine, nib.load(folder / row.image).affine)
            assert set(np.unique(image.dataobj)) <= {0, 1}


def test_size_of_a_file_follows_from_its_header(folder, table):
    extra = set()
    for row in table.itertuples():
        image = nib.load(folder / row.image)
        extra.add((folder / row.image).stat().st_size - 2 * int(np.prod(image.shape)))
    assert max(extra) - min(extra) <= 64


# --- counterfactuals --------------------------------------------------------------------------------------------------


def test_scans_with_an_artifact_have_a_counterfactual_and_others_none(folder, table):
    found = 0
    for row in table.itertuples():
        about = json.loads(files.sidecar(folder, row.image).read_text())
        path = without(folder, row.split, row.image)
        assert (path is not None) == (row.split == "test" and about["artifact"] is not None)
        if path is None:
            continue
        found += 1
        assert path == without(folder, row.split, str(folder / row.image))
        scan, plain = nib.load(folder / row.image), nib.load(path)
        assert scan.header.binaryblock == plain.header.binaryblock
        assert path.stat().st_size == (folder / row.image).stat().st_size
        assert not np.array_equal(scan.dataobj, plain.dataobj)
    assert found >= 3


def test_mild_artifacts_that_passed_have_one_too(tmp_path, monkeypatch):
    monkeypatch.setattr("xiqa.synthetic.head.compose.PASSED", 1.0)
    spec = {"shape": [32, 32, 32], "train": [6, 0], "val": [0, 0], "test": [0, 0], "seed": 4, "pairs": {"train": "all"}}
    write(tmp_path, spec, workers=1)
    for image in plan(spec)["image"]:
        about = json.loads(files.sidecar(tmp_path, image).read_text())
        assert (without(tmp_path, "train", image) is not None) == (about["artifact"] is not None)
    assert len(list(tmp_path.rglob("*_without.nii.gz"))) >= 2


def test_the_reader_takes_no_derivative_for_a_scan(folder, table):
    dataset = mri.read_dataset(folder)
    assert sum(len(split) for split in dataset.values()) == len(table)
    assert not [problem for split in dataset.values() for problem in split.problems]
    assert not any("derivatives" in str(record.path) for split in dataset.values() for record in split)


# --- without a disk ---------------------------------------------------------------------------------------------------


def test_scans_without_a_disk_are_those_of_the_folder(folder, table):
    for split, index in (("train", 0), ("train", 21), ("val", 5), ("test", 2), ("test", 0)):
        row = table[table["split"] == split].iloc[index]
        array, affine, record = scan_at(SPEC, split, index)
        image = nib.load(folder / row["image"])
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, np.asarray(image.dataobj))
        np.testing.assert_array_equal(affine, image.affine)
        sidecar = json.loads(files.sidecar(folder, row["image"]).read_text())
        assert json.loads(json.dumps(record)) == {**row.to_dict(), **sidecar}


def test_counterfactuals_without_a_disk_are_those_of_the_folder(folder, table):
    for index, row in enumerate(table[table["split"] == "test"].itertuples()):
        path = without(folder, "test", row.image) or folder / row.image
        np.testing.assert_array_equal(scan_at(SPEC, "test", index, without=True)[0], np.asarray(nib.load(path).dataobj))


def test_rows_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="split must be one of"):
        scan_at(SPEC, "exam", 0)
    for index in (-1, 7):
        with pytest.raises(IndexError, match="test has 7 scans"):
            scan_at(SPEC, "test", index)
