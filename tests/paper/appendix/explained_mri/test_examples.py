import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models
from xiqa.data.geometry import Volume
from xiqa.paper.appendix.explained_mri import examples
from xiqa.paper.appendix.explained_mri.examples import Example, choose
from xiqa.paper.appendix.explained_mri.truth import mask_file

SHAPE = (32, 32, 32)
AFFINE = np.diag([4.0, 4, 6, 1])


@pytest.fixture
def folder(tmp_path):
    """Two scans, a without and b with a mask."""
    mask = np.zeros((30, 28, 20), np.uint8)
    mask[10:20, 5:15, 8:12] = 1
    for number, name in enumerate("ab"):
        scan = np.random.default_rng(number).normal(size=mask.shape).astype(np.float32) + 5 * mask
        nib.save(nib.Nifti1Image(scan, AFFINE), tmp_path / f"{name}.nii.gz")
    path = mask_file(tmp_path, "b.nii.gz")
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(mask, AFFINE), path)
    return tmp_path


def explained(folder, tmp_path_factory, names, constant=False):
    torch.manual_seed(0)
    model = models.build("vggnet3d", shape=SHAPE)
    if constant:
        torch.nn.init.zeros_(model.head[-1].weight)
    entry, paths = tmp_path_factory.mktemp("entry"), [f"{name}.nii.gz" for name in names]
    models.save(model, entry / "weights.pt")
    examples.explain(entry, entry / "weights.pt", "vggnet3d", SHAPE, "log", paths, folder)
    return examples.read(entry, paths, folder)


def test_maps_masks_and_peaks_lie_in_the_voxels_of_the_scan(folder, tmp_path_factory):
    masked, bare = explained(folder, tmp_path_factory, "ba")
    assert masked.heat.shape == masked.mask.shape == masked.volume.array.shape == (30, 28, 20)
    assert masked.heat[masked.peak] == masked.heat.max()
    assert masked.hit == float(masked.mask[masked.peak])
    assert masked.chance == pytest.approx(400 / (30 * 28 * 20))
    assert bare.mask is None
    assert np.isnan([bare.hit, bare.chance, bare.distance]).all()


def test_a_constant_map_has_no_peak(folder, tmp_path_factory):
    (example,) = explained(folder, tmp_path_factory, "b", constant=True)
    assert example.degenerate
    assert np.isnan(example.hit)
    assert example.peak == (15, 14, 10)


def test_distances_are_millimetres_and_planes_go_through_the_changed_voxels():
    def example(peak, changed):
        heat, mask = np.zeros((8, 9, 10), np.float32), np.zeros((8, 9, 10), bool)
        heat[peak] = 1
        for place in changed:
            mask[place] = True
        return Example(Volume(heat, np.diag([2.0, 1, 3, 1])), heat, mask if changed else None)

    miss = example((1, 1, 1), [(1, 5, 1), (1, 1, 3), (7, 7, 7)])
    assert miss.distance == pytest.approx(4)  # four voxels of 1 mm, not two of 3 mm
    assert miss.planes in [(1, 5, 1), (1, 1, 3), (7, 7, 7)]
    assert example((0, 0, 0), [(k, 4, 4) for k in range(7)]).planes == (3, 4, 4)
    assert example((2, 4, 4), [(2, 4, 4)]).hit == 1
    assert example((2, 4, 4), []).planes == (2, 4, 4)


def scans(*labels, **columns):
    frame = {"image": list("abc"), "label": labels, "probability": [0.99, 0.6, 0.2], "artifact": ""}
    return pd.DataFrame(frame | columns)


def masks(**changed):
    return pd.DataFrame({"image": list(changed), "changed": list(changed.values())})


def test_the_artifact_of_highest_and_the_clean_scan_of_lowest_probability():
    assert choose(scans(1, 1, 0), masks(b=0.1)) == [1, 2]
    assert choose(scans(1, 1, 0), masks()) == [0, 2]
    assert choose(scans(1, 1, 1), masks(b=0.1)) == [1]
    assert choose(scans(0, 0, 0), masks()) == [2]
    assert choose(scans(1, 1, 0).iloc[:0], masks()) == []


def test_one_scan_of_each_local_kind_those_that_change_least_first(monkeypatch):
    test = scans(1, 1, 1, artifact=["ghosting", "zipper", "spike"])
    changed = masks(a=0.67, b=0.02, c=0.07)
    assert choose(test, changed) == [1, 2, 0]
    assert choose(test.assign(artifact="spike"), changed) == [0]
    monkeypatch.setattr(examples, "FAMILIES", 2)
    assert choose(test, changed) == [1, 2]
