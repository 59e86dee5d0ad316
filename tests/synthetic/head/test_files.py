"""The folder: counts, splits, mix, resuming, layout; nothing beside the picture tells the label."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from xiqa.synthetic.head import KINDS, files, plan, write
from xiqa.synthetic.parallel import FEW

SPEC = {"shape": [40, 40, 32], "train": [13, 9], "val": [4, 2], "test": [4, 3], "seed": 3}
LARGE = {"shape": [64, 64, 32], "train": [800, 200], "val": [90, 10], "test": [300, 100], "seed": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("heads")
    write(target, SPEC, workers=1)
    return target


@pytest.fixture(scope="module")
def table(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "scans.tsv", sep="\t", keep_default_na=False)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_counts_and_prevalence_are_as_asked():
    planned = plan(LARGE)
    for split in files.SPLITS:
        part = planned[planned["split"] == split]
        assert (len(part) - part["label"].sum(), part["label"].sum()) == tuple(LARGE[split])
    assert planned["image"].is_unique
    assert ((planned["artifact"] == "") == (planned["label"] == 0)).all()


def test_splits_are_by_subject_and_contrasts_differ_within_one():
    planned = plan(LARGE)
    assert (planned.groupby("subject")["split"].nunique() == 1).all()
    assert (planned.groupby("subject")["base_subject"].nunique() == 1).all()
    assert (planned.groupby("base_subject")["subject"].nunique() == 1).all()
    assert not planned.duplicated(["subject", "contrast"]).any()
    assert planned.groupby("subject").size().between(1, 4).all()


def test_labels_and_families_are_even_within_contrasts():
    planned = plan(LARGE)
    for _, part in planned.groupby(["split", "contrast"]):
        share = LARGE[part["split"].iloc[0]][1] / sum(LARGE[part["split"].iloc[0]])
        assert abs(part["label"].sum() - share * len(part)) <= 2
    bad = planned[planned["label"] == 1]
    families = bad["artifact"].map(lambda name: KINDS[name].family)
    for family, share in (("intensity", 0.27), ("motion", 0.56), ("coverage", 0.17)):
        assert (families == family).mean() == pytest.approx(share, abs=0.03)
    assert chi2_contingency(pd.crosstab(bad["contrast"], families)).pvalue > 0.3


def test_numbers_and_order_say_nothing_about_the_label():
    part = plan(LARGE)
    part = part[part["split"] == "train"].reset_index(drop=True)
    for column in (part.index.to_series(), part["scan"], part["subject"].str[4:].astype(int)):
        assert abs(np.corrcoef(column, part["label"])[0, 1]) < 0.08


def test_one_split_does_not_change_another():
    smaller = plan({**LARGE, "train": [8, 2]})
    columns = ["base_subject", "scan", "contrast", "label", "artifact"]
    for split in ("val", "test"):
        both = [table.loc[table["split"] == split, columns].reset_index(drop=True) for table in (plan(LARGE), smaller)]
        pd.testing.assert_frame_equal(*both)


def test_a_split_may_be_empty():
    assert (plan({**SPEC, "val": [0, 0]})["split"] != "val").all()


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


def test_sidecars_say_what_was_done(folder, table):
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


def test_interrupted_writing_goes_on_and_workers_change_no_byte(folder, tmp_path, monkeypatch):
    calls, original = [], files.draw

    def stopping(*arguments):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(files, "draw", stopping)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, SPEC, workers=1)
    assert not (tmp_path / "scans.tsv").exists()
    monkeypatch.setattr(files, "draw", original)
    assert plan(SPEC)["subject"].nunique() > FEW + 4  # so that processes are started for what is left
    write(tmp_path, SPEC, workers=2)
    assert content(tmp_path) == content(folder)


def test_finished_folder_is_left_alone(folder, monkeypatch):
    before = content(folder)
    monkeypatch.setattr(files, "draw", None)
    write(folder, SPEC, workers=1)
    assert content(folder) == before
