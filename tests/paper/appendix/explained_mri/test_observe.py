import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, saliency
from xiqa.paper.appendix.explained_mri import observe, tables, truth


@pytest.fixture(scope="module")
def masks(root, prepared, tmp_path_factory):
    """Function that writes the entry of masks of a split."""

    def write(split="test", root=root):
        folder = tmp_path_factory.mktemp("masks")
        truth.masks(folder, prepared, root, split)
        return folder

    return write


@pytest.fixture(scope="module")
def observed(prepared, masks, weights):
    methods = ["normgrad_scaling_combined", "gradcam"]
    return observe.observe(prepared, masks(), weights, "vggnet3d", 3, "test", methods, 2)


def test_a_network_that_looks_for_brightness_finds_the_cube(observed):
    assert observed["method"].to_list() == ["normgrad_scaling_combined", "gradcam"] * 2
    assert set(observed["seed"]) == {3}
    combined = observed[observed["method"] == "normgrad_scaling_combined"]
    assert (combined["hit"] == 1).all()
    assert (combined["distance"] == 0).all()
    assert (combined["average_precision"] > 2 * combined["share"]).all()
    assert (combined["chance"] == combined["share"]).all()
    assert (combined["probability"] > 0.5).all()


def test_a_transposed_mask_is_missed(other_root, prepared, masks, weights, world):
    for name in world.TEST[:2]:
        turned = np.zeros(world.SCAN, np.uint8)
        turned[4:12, 14:22, 22:30] = 1
        world.write_mask(other_root, name, turned)
    entry = masks(root=other_root)
    rows = observe.observe(prepared, entry, weights, "vggnet3d", 0, "test", ["normgrad_scaling_combined"], 8)
    assert (rows["hit"] == 0).all()
    assert (rows["distance"] > 1).all()


def test_rows_are_those_of_explain_scan_by_scan(observed, prepared, weights, world):
    model = models.build("vggnet3d", weights=weights, shape=world.SHAPE).eval()
    test = np.load(prepared / "test.npy")[:2].astype(np.float32)
    for method in ("normgrad_scaling_combined", "gradcam"):
        rows = observed[observed["method"] == method]
        for row, volume in zip(rows.itertuples(), test, strict=True):
            heat = saliency.explain(model, torch.from_numpy(volume)[None, None], [method], target=1)[method][0]
            heat = heat[:36, :34, :26].numpy()
            assert (row.x, row.y, row.z) == np.unravel_index(heat.argmax(), heat.shape)


def test_baselines_use_the_scan_and_no_network(prepared, masks):
    rows = observe.baselines(prepared, masks(), "test")
    assert rows["method"].to_list() == list(observe.BASELINES) * 2
    assert rows["probability"].isna().all()
    centre = rows[rows["method"] == "centre"]
    assert (centre[["x", "y", "z"]].to_numpy() == (18, 17, 13)).all()  # of the scan, not of the padded input
    edge = rows[rows["method"] == "gradient_magnitude"]
    assert (edge["distance"] < 2).all()
    pd.testing.assert_frame_equal(rows, observe.baselines(prepared, masks(), "test"))
    random = rows[rows["method"] == "random"]
    assert len(random[["x", "y", "z"]].drop_duplicates()) == 2
    assert random["average_precision"].to_numpy() == pytest.approx(random["share"].to_numpy(), rel=0.3)


def test_without_weights_the_network_is_drawn_from_its_seed(prepared, masks):
    arguments = {"weights": None, "network": "vggnet3d", "split": "test", "batch": 2}
    arguments |= {"prepared": prepared, "masks": masks(), "methods": ["normgrad_scaling_combined"]}
    torch.manual_seed(5)
    first = observe.observe(seed=0, **arguments)
    state = torch.random.get_rng_state()
    torch.manual_seed(6)
    pd.testing.assert_frame_equal(first, observe.observe(seed=0, **arguments))
    other = observe.observe(seed=1, **arguments)
    assert (first["probability"] != other["probability"]).all()
    assert set(first["state"]) == {observe.UNTRAINED}
    torch.manual_seed(5)
    assert torch.equal(state, torch.random.get_rng_state())  # the global generator is left as it was


def test_a_split_without_masks_gives_empty_tables(prepared, masks, weights):
    entry = masks("val")
    observed = observe.observe(prepared, entry, weights, "vggnet3d", 0, "val", ["gradcam"], 2)
    assert len(observed) == len(observe.baselines(prepared, entry, "val")) == 0
    assert {"hit", "chance", "seed", "method", "image"} <= set(observed.columns)
    assert tables.summary(observed).empty
