import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import image as mpl_image

from xiqa import models, uncertainty
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import Volume, preprocess
from xiqa.score import volumes
from xiqa.score.volumes import VolumeClassifier, explain_volume

SHAPE = (32, 32, 32)
AFFINE = np.array([[2.0, 0, 0, -40], [0, 2, 0, -30], [0, 0, 3, -20], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.build("vggnet3d", shape=SHAPE).eval()


@pytest.fixture
def volume():
    return Volume(np.random.default_rng(0).normal(100, 20, (40, 30, 24)).astype(np.float32), AFFINE, [])


def test_probability_and_uncertainty_are_those_of_monte_carlo_dropout(model, volume, tmp_path):
    row = explain_volume(volume, Path("scan.nii"), tmp_path / "scan", VolumeClassifier(model, SHAPE, "test"))
    inputs = torch.from_numpy(preprocess(volume, SHAPE))[None]
    wanted = uncertainty.decompose(uncertainty.mc_dropout(model, inputs, volumes.SAMPLES, 0).numpy()).iloc[0]
    assert row["status"] == "ok"
    assert row["probability"] == round(wanted["probability"], 4)
    assert row["uncertainty"] == round(wanted["mutual_information"], 4)
    assert row["predicted"] == ("artifact" if wanted["probability"] > 0.5 else "clean")
    answer = pd.read_csv(tmp_path / "scan" / "answer.csv").iloc[0]
    for name in wanted.index:
        assert answer[name] == pytest.approx(wanted[name])
    voxel = np.linalg.solve(AFFINE, [answer["peak_x_mm"], answer["peak_y_mm"], answer["peak_z_mm"], 1])[:3]
    np.testing.assert_allclose(voxel, np.rint(voxel), atol=1e-6)
    assert ((voxel >= 0) & (voxel < volume.array.shape)).all()
    assert mpl_image.imread(tmp_path / "scan" / "planes.png").shape[1] > 800


@pytest.mark.parametrize(("limit", "reviewed"), [(None, False), (0.0, True), (0.7, False)])
def test_a_scan_goes_to_review_above_the_limit_only(model, volume, tmp_path, limit, reviewed):
    row = explain_volume(volume, Path("a.nii"), tmp_path, VolumeClassifier(model, SHAPE, "test", limit))
    assert (row["predicted"] == "review") is reviewed


def test_notes_on_the_file_make_a_warning(model, tmp_path):
    array = np.random.default_rng(1).normal(0, 1, (20, 20, 20)).astype(np.float32)
    noted = Volume(array, np.eye(4), ["affine_singular: it maps nothing", "complex: magnitude"])
    row = explain_volume(noted, Path("a.nii"), tmp_path, VolumeClassifier(model, SHAPE, "test"))
    assert (row["status"], row["reason"]) == ("warning", "affine_singular")
    assert row["message"] == "affine_singular: it maps nothing; complex: magnitude"


def test_a_constant_map_has_no_maximum(model, volume, tmp_path, monkeypatch):
    flat = {volumes.METHOD: torch.zeros(1, *SHAPE)}
    monkeypatch.setattr("xiqa.saliency.explain", lambda *_, **__: flat)
    explain_volume(volume, Path("a.nii"), tmp_path, VolumeClassifier(model, SHAPE, "test"))
    assert pd.read_csv(tmp_path / "answer.csv")[["peak_x_mm", "peak_y_mm", "peak_z_mm"]].isna().all(axis=None)
    assert (tmp_path / "planes.png").is_file()


REAL = Path(os.environ.get("XIQA_REAL_DATA", "missing")) / "mri"


@pytest.mark.skipif(not REAL.is_dir(), reason="XIQA_REAL_DATA names no folder with mri")
@pytest.mark.parametrize("name", ["ch2", "chris_PD"])
def test_real_heads_are_scored_and_pictured(model, tmp_path, name):
    volume = load_volume(REAL / f"{name}.nii.gz")
    row = explain_volume(volume, Path(name), tmp_path, VolumeClassifier(model, SHAPE, "test"))
    assert row["status"] == "ok"
    assert 0 <= row["probability"] <= 1
    assert (tmp_path / "planes.png").stat().st_size > 50_000
