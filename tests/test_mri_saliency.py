import matplotlib as mpl
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, mri_saliency

mpl.use("Agg")
SHAPE = (32, 32, 32)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    mask = np.zeros((30, 28, 20), np.uint8)
    mask[10:20, 5:15, 8:12] = 1
    for name in ("a", "b", "c"):
        scan = rng.normal(size=mask.shape).astype(np.float32) + 5 * mask
        nib.save(nib.Nifti1Image(scan, np.diag([4.0, 4, 6, 1])), tmp_path / f"{name}.nii.gz")
    path = mri_saliency.mask_file(tmp_path, "b.nii.gz")
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(mask, np.diag([4.0, 4, 6, 1])), path)
    return tmp_path


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.build("vggnet3d", shape=SHAPE).eval()


def test_the_surest_artifact_with_a_mask_and_the_surest_clean_scan(root):
    test = pd.DataFrame(
        {"path": ["a.nii.gz", "b.nii.gz", "c.nii.gz"], "label": [1, 1, 0], "probability": [0.99, 0.6, 0.2]}
    )
    assert mri_saliency.choose(test, root) == [1, 2]
    assert mri_saliency.choose(test.assign(path="elsewhere.nii.gz"), root) == [0, 2]


def test_maps_masks_and_peaks_stand_in_the_voxels_of_the_scan(root, model):
    found = mri_saliency.explain(model, root, "b.nii.gz", SHAPE)
    assert found.heat.shape == found.mask.shape == found.volume.array.shape == (30, 28, 20)
    assert found.heat[found.peak] == found.heat.max()
    assert found.hit == float(found.mask[found.peak])
    assert found.chance == pytest.approx(400 / (30 * 28 * 20))
    without = mri_saliency.explain(model, root, "a.nii.gz", SHAPE)
    assert without.mask is None
    assert np.isnan([without.hit, without.chance]).all()


def test_a_constant_map_has_no_peak(root, model):
    constant = models.build("vggnet3d", shape=SHAPE).eval()
    torch.nn.init.zeros_(constant.head[-1].weight)
    found = mri_saliency.explain(constant, root, "b.nii.gz", SHAPE)
    assert found.degenerate
    assert np.isnan(found.hit)


def test_two_rows_of_three_planes_a_scan(root, model):
    scans = [mri_saliency.explain(model, root, f"{name}.nii.gz", SHAPE) for name in "ba"]
    figure = mri_saliency.draw(scans, ["artifact", "clean"])
    assert sum(len(part.axes) for part in figure.subfigs) == 12
    plt.close("all")
