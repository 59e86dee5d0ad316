import warnings

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score
from torch.nn import functional

from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import geometry
from xiqa.paper.appendix.explained_mri import observe, tables, truth
from xiqa.paper.appendix.explained_mri.truth import mask_file


def test_a_mask_lies_where_geometry_puts_its_scan(root, prepared, world):
    rows, found = truth.masks(prepared, root, "test")
    assert rows["image"].to_list() == [f"{name}.nii.gz" for name in world.TEST[:2]]
    assert rows["artifact"].to_list() == ["zipper", "spike"]
    assert found.dtype == bool
    assert found.shape == (2, *world.SHAPE)
    lie = geometry(load_volume(root / f"{world.TEST[0]}.nii.gz"), world.SHAPE)
    assert lie.axes == (1, 2, 0)
    assert (rows[mri_explained.truth.FILLED].to_numpy() == lie.zoomed).all()
    nearest = np.floor(lie.to_scan(np.argwhere(np.ones(world.SHAPE))) + 0.5).astype(int)
    inside = (np.argwhere(np.ones(world.SHAPE)) < lie.zoomed).all(1)
    wanted = np.zeros(len(nearest), bool)
    wanted[inside] = world.cube()[tuple(nearest[inside].T)]
    np.testing.assert_array_equal(found[0], wanted.reshape(world.SHAPE))


@pytest.mark.parametrize("shape", [(48, 48, 36), (33, 34, 32), (36, 32, 32)])
def test_a_mask_is_resized_as_torch_does_by_nearest(root, tmp_path, shape, world):
    drawn = (np.random.default_rng(1).random(world.SCAN) < 0.3).astype(np.uint8)
    mask_file(tmp_path, "x.nii.gz").parent.mkdir(parents=True)
    world.write_mask(tmp_path, "x", drawn)
    (tmp_path / "x.nii.gz").write_bytes((root / f"{world.TEST[0]}.nii.gz").read_bytes())
    found, filled = mri_explained.truth._on_grid(tmp_path, "x.nii.gz", shape)
    turned = torch.from_numpy(drawn.transpose(1, 2, 0).astype(np.float32))
    wanted = functional.interpolate(turned[None, None], filled, mode="nearest-exact")[0, 0].numpy() > 0
    np.testing.assert_array_equal(found[tuple(map(slice, filled))], wanted)
    assert found.sum() == wanted.sum()


def test_missing_and_empty_masks_are_left_out_and_wrong_ones_named(other_root, prepared, world):
    world.write_mask(other_root, world.TEST[0], np.zeros(world.SCAN, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert truth.masks(prepared, other_root, "test")[0]["image"].to_list() == [f"{world.TEST[1]}.nii.gz"]
    mask_file(other_root, f"{world.TEST[0]}.nii.gz").write_bytes(b"no scan")
    with pytest.warns(UserWarning, match=f"{world.TEST[0]}_mask"):
        assert len(truth.masks(prepared, other_root, "test")[0]) == 1
    world.write_mask(other_root, world.TEST[0], world.cube().transpose(2, 1, 0))
    with pytest.warns(UserWarning, match="not on the grid"):
        assert len(truth.masks(prepared, other_root, "test")[0]) == 1
    world.write_mask(other_root, world.TEST[0], world.cube(), np.diag([5.0, 4, 4, 1]))
    with pytest.warns(UserWarning, match="not on the grid"):
        assert len(truth.masks(prepared, other_root, "test")[0]) == 1


def test_a_mask_stored_in_another_order_of_axes_is_the_same(other_root, root, prepared, world):
    image = nib.Nifti1Image(world.cube(), world.AFFINE)
    flipped = image.as_reoriented(nib.orientations.axcodes2ornt("LPS"))
    nib.save(flipped, mask_file(other_root, f"{world.TEST[0]}.nii.gz"))
    found = truth.masks(prepared, other_root, "test")[1]
    np.testing.assert_array_equal(found, truth.masks(prepared, root, "test")[1])


def test_a_split_without_masks_gives_empty_tables(root, prepared, weights, world):
    rows, found = truth.masks(prepared, root, "val")
    assert (len(rows), found.shape) == (0, (0, *world.SHAPE))
    given = {"prepared": prepared, "split": "val", "root": root}
    observed = observe.observe(weights=weights, network="vggnet3d", seed=0, methods=["gradcam"], batch=2, **given)
    assert len(observed) == len(observe.rivals(**given)) == 0
    assert {"hit", "chance", "seed", "method", "image"} <= set(observed.columns)
    assert tables.table(observed).empty


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 3.5))
def test_a_score_is_what_brute_force_finds(seed, tolerance):
    rng = np.random.default_rng(seed)
    heat, mask = np.round(rng.random((4, 5, 3)), 1), rng.random((4, 5, 3)) < 0.15
    mask[tuple(rng.integers((4, 5, 3)))] = True
    found = truth.score(heat, truth.distances(mask), tolerance)
    peak = next(place for place in np.ndindex(heat.shape) if heat[place] == heat.max())
    away = cdist(np.argwhere(np.ones(heat.shape)), np.argwhere(mask)).min(1).reshape(heat.shape)
    assert (found["x"], found["y"], found["z"]) == peak
    assert found["distance"] == pytest.approx(away[peak])
    assert found["hit"] == (away[peak] < tolerance)
    tied = heat == heat.max()
    assert found["tied"] == tied.sum()
    assert found["hit_tied"] == pytest.approx((away[tied] < tolerance).mean())
    assert found["chance"] == pytest.approx((away < tolerance).mean())
    assert found["share"] == pytest.approx(mask.mean())
    assert found["average_precision"] == pytest.approx(average_precision_score(mask.ravel(), heat.ravel()))
    assert found["energy"] == pytest.approx(heat[mask].sum() / heat.sum())


def test_the_tolerance_is_strict_and_a_constant_map_has_no_verdict():
    mask, heat = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3))
    mask[0, 0, 0], heat[0, 0, 1] = True, 1
    away = truth.distances(mask)
    assert truth.score(heat, away, 1)["hit"] == 0
    assert truth.score(heat, away, 1.01)["hit"] == 1
    flat = truth.score(np.ones((3, 3, 3)), away)
    assert flat["degenerate"]
    assert np.isnan([flat["hit"], flat["hit_tied"], flat["distance"], flat["average_precision"], flat["energy"]]).all()
    assert (flat["x"], flat["y"], flat["z"]) == (-1, -1, -1)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="empty"):
        truth.distances(np.zeros((2, 2, 2), bool))
    with pytest.raises(ValueError, match="shape"):
        truth.score(np.ones((2, 3, 2)), np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="positive"):
        truth.score(np.ones((2, 2, 2)), np.zeros((2, 2, 2)), 0)
