import matplotlib as mpl
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models
from xiqa.data.geometry import Volume
from xiqa.paper.appendix.explained_mri import truth
from xiqa.paper.appendix.explained_mri.figure import Explained, choose, draw, explain, title

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
    path = truth.mask_file(tmp_path, "b.nii.gz")
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(mask, np.diag([4.0, 4, 6, 1])), path)
    return tmp_path


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.build("vggnet3d", shape=SHAPE).eval()


def scans(*labels, **columns):
    given = {"path": [f"{name}.nii.gz" for name in "abc"], "label": labels, "probability": [0.99, 0.6, 0.2]}
    return pd.DataFrame(given | {"artifact": ""} | columns)


def test_the_surest_artifact_with_a_mask_and_the_surest_clean_scan(root):
    test = scans(1, 1, 0)
    assert choose(test, root) == [1, 2]
    assert choose(test.assign(path="elsewhere.nii.gz"), root) == [0, 2]
    assert choose(scans(1, 1, 1), root) == [1]
    assert choose(scans(0, 0, 0), root) == [2]
    assert choose(test.iloc[:0], root) == []


def test_one_scan_of_each_local_kind_those_that_change_least_first(root):
    for name, side in (("a", 20), ("c", 2)):
        mask = np.zeros((30, 28, 20), np.uint8)
        mask[:side] = 1
        nib.save(nib.Nifti1Image(mask, np.diag([4.0, 4, 6, 1])), truth.mask_file(root, f"{name}.nii.gz"))
    test = scans(1, 1, 1, artifact=["ghosting", "zipper", "spike"])
    assert choose(test, root) == [1, 2, 0]  # shares 0.02, 0.07, 0.67
    assert choose(test, root, families=2) == [1, 2]
    assert choose(test.assign(artifact="spike"), root) == [0]  # the surest of its kind


def test_maps_masks_and_peaks_stand_in_the_voxels_of_the_scan(root, model):
    found = explain(model, root, "b.nii.gz", SHAPE)
    assert found.heat.shape == found.mask.shape == found.volume.array.shape == (30, 28, 20)
    assert found.heat[found.peak] == found.heat.max()
    assert found.hit == float(found.mask[found.peak])
    assert found.chance == pytest.approx(400 / (30 * 28 * 20))
    without = explain(model, root, "a.nii.gz", SHAPE)
    assert without.mask is None
    assert np.isnan([without.hit, without.chance]).all()


def test_a_constant_map_has_no_peak(root, model):
    constant = models.build("vggnet3d", shape=SHAPE).eval()
    torch.nn.init.zeros_(constant.head[-1].weight)
    found = explain(constant, root, "b.nii.gz", SHAPE)
    assert found.degenerate
    assert np.isnan(found.hit)


def explained(heat_at, mask_at):
    """A map and a mask of single voxels in a scan of 2 x 1 x 3 mm voxels."""
    scan = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    heat, mask = np.zeros(scan.shape, np.float32), np.zeros(scan.shape, bool)
    heat[heat_at] = 1
    for place in mask_at:
        mask[place] = True
    volume = Volume(scan, np.diag([2.0, 1, 3, 1]), ())
    return Explained(volume, heat, mask if mask_at else None, heat_at, degenerate=False)


def test_a_miss_is_told_in_millimetres_and_planes_go_through_what_was_changed():
    found = explained((1, 1, 1), [(1, 5, 1), (1, 1, 3), (7, 7, 7)])
    assert found.distance == pytest.approx(4)  # four voxels of 1 mm, not two of 3 mm
    assert found.verdict.startswith("miss by 4 mm (chance 0 %")
    assert found.at in [(1, 5, 1), (1, 1, 3), (7, 7, 7)]
    line = explained((0, 0, 0), [(k, 4, 4) for k in range(7)])
    assert line.at == (3, 4, 4)
    assert explained((2, 4, 4), [(2, 4, 4)]).verdict.startswith("hit")
    unknown = explained((2, 4, 4), [])
    assert np.isnan(unknown.distance)
    assert (unknown.at, unknown.verdict) == ((2, 4, 4), "")


def test_a_title_says_what_the_scan_is_and_whether_the_map_hits():
    record = {"artifact": "dropped_slices", "artifact_type": "intensity", "label": 1, "contrast": "T1"}
    record |= {"probability": 0.876}
    found = title(pd.Series(record), explained((2, 4, 4), [(2, 4, 4)]))
    assert found == "dropped slices, T1; p(artifact) = 0.88; hit (chance 0 %)"
    clean = pd.Series(record | {"label": 0, "artifact": "", "artifact_type": "", "contrast": ""})
    assert title(clean, explained((2, 4, 4), [])) == "clean, contrast not known; p(artifact) = 0.88"
    mild = pd.Series(record | {"label": 0})
    assert title(mild, explained((2, 4, 4), [])).startswith("clean to the rater (mild dropped slices), T1")
    real = pd.Series(record | {"artifact": ""})
    assert title(real, explained((2, 4, 4), [])).startswith("intensity, T1")


def test_two_rows_of_three_planes_a_scan(root, model):
    scans = [explain(model, root, f"{name}.nii.gz", SHAPE) for name in "bab"]
    figure = draw(scans, ["artifact", "clean", "artifact"])
    assert [len(part.axes) for part in figure.subfigs] == [6, 6, 6, 0]  # two by two
    assert len(draw(scans[:1], ["artifact"]).subfigs) == 1
    plt.close("all")


def test_the_cross_is_the_peak_and_the_outline_surrounds_the_mask():
    scan = explained((1, 2, 3), [(k, 4, 5) for k in range(3, 6)])
    axes = draw([scan], [""]).subfigs[0].axes
    crosses = [tuple(np.ravel(ax.lines[0].get_data())) for ax in axes]
    assert crosses == [(2, 3), (1, 3), (1, 2)] * 2
    assert [ax.lines[0].get_alpha() == 1 for ax in axes] == [False] * 6
    hit = draw([explained((4, 4, 2), [(4, 4, 5)])], [""]).subfigs[0].axes
    assert [ax.lines[0].get_alpha() == 1 for ax in hit] == [True, True, False] * 2
    outlines = [ax.collections[0].get_paths()[0].vertices for ax in axes]
    assert len(outlines) == 6
    np.testing.assert_allclose(outlines[1].min(0), (2.5, 4.5))  # coronal: x from 3 to 5, z 5
    np.testing.assert_allclose(outlines[1].max(0), (5.5, 5.5))
    plt.close("all")
