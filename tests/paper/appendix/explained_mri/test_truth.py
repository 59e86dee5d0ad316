import warnings

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.nn import functional

from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import geometry
from xiqa.paper.appendix.explained_mri import FILLED
from xiqa.paper.appendix.explained_mri.observe import masked
from xiqa.paper.appendix.explained_mri.truth import _on_grid, mask_file, masks


@pytest.fixture
def changed(prepared, tmp_path_factory):
    """Function that gives rows and masks of a split of a folder."""

    def read(root, split="test"):
        folder = tmp_path_factory.mktemp("masks")
        masks(folder, prepared, root, split)
        return masked(folder), np.load(folder / "masks.npy")

    return read


def test_a_mask_lies_where_geometry_puts_its_scan(root, changed, world):
    rows, laid = changed(root)
    assert rows["image"].to_list() == [f"{name}.nii.gz" for name in world.TEST[:2]]
    assert rows["artifact"].to_list() == ["zipper", "spike"]
    assert rows["changed"].to_list() == pytest.approx([world.cube().mean()] * 2)
    assert laid.dtype == bool
    assert laid.shape == (2, *world.SHAPE)
    lie = geometry(load_volume(root / f"{world.TEST[0]}.nii.gz"), world.SHAPE)
    assert lie.axes == (1, 2, 0)
    assert (rows[FILLED].to_numpy() == lie.zoomed).all()
    nearest = np.floor(lie.to_scan(np.argwhere(np.ones(world.SHAPE))) + 0.5).astype(int)
    inside = (np.argwhere(np.ones(world.SHAPE)) < lie.zoomed).all(1)
    wanted = np.zeros(len(nearest), bool)
    wanted[inside] = world.cube()[tuple(nearest[inside].T)]
    np.testing.assert_array_equal(laid[0], wanted.reshape(world.SHAPE))


@pytest.mark.parametrize("shape", [(48, 48, 36), (33, 34, 32), (36, 32, 32)])
def test_a_mask_is_resized_as_torch_does_by_nearest(root, tmp_path, shape, world):
    drawn = (np.random.default_rng(1).random(world.SCAN) < 0.3).astype(np.uint8)
    mask_file(tmp_path, "x.nii.gz").parent.mkdir(parents=True)
    world.write_mask(tmp_path, "x", drawn)
    (tmp_path / "x.nii.gz").write_bytes((root / f"{world.TEST[0]}.nii.gz").read_bytes())
    laid, filled, share = _on_grid(tmp_path, "x.nii.gz", shape)
    turned = torch.from_numpy(drawn.transpose(1, 2, 0).astype(np.float32))
    wanted = functional.interpolate(turned[None, None], filled, mode="nearest-exact")[0, 0].numpy() > 0
    np.testing.assert_array_equal(laid[tuple(map(slice, filled))], wanted)
    assert laid.sum() == wanted.sum()
    assert share == pytest.approx(drawn.mean())


def test_missing_and_empty_masks_are_left_out_and_wrong_ones_named(other_root, changed, world):
    first, second = (f"{name}.nii.gz" for name in world.TEST[:2])
    world.write_mask(other_root, world.TEST[0], np.zeros(world.SCAN, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert changed(other_root)[0]["image"].to_list() == [second]
    mask_file(other_root, first).write_bytes(b"no scan")
    with pytest.warns(UserWarning, match=f"{world.TEST[0]}_mask"):
        assert len(changed(other_root)[0]) == 1
    for mask, affine in (
        (world.cube().transpose(2, 1, 0), world.AFFINE),
        (world.cube(), np.diag([5.0, 4, 4, 1])),
    ):
        world.write_mask(other_root, world.TEST[0], mask, affine)
        with pytest.warns(UserWarning, match="not on the grid"):
            assert len(changed(other_root)[0]) == 1


def test_a_mask_stored_in_another_order_of_axes_is_the_same(other_root, root, changed, world):
    image = nib.Nifti1Image(world.cube(), world.AFFINE)
    flipped = image.as_reoriented(nib.orientations.axcodes2ornt("LPS"))
    nib.save(flipped, mask_file(other_root, f"{world.TEST[0]}.nii.gz"))
    np.testing.assert_array_equal(changed(other_root)[1], changed(root)[1])


def test_a_split_without_masks_gives_no_rows(root, changed, world):
    rows, laid = changed(root, "val")
    assert (len(rows), laid.shape) == (0, (0, *world.SHAPE))
