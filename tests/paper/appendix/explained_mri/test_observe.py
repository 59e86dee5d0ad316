import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score

from xiqa import models, saliency
from xiqa.paper.appendix.explained_mri import UNTRAINED, observe, tables, truth
from xiqa.paper.appendix.explained_mri.observe import score


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
    assert rows["method"].to_list() == ["random", "centre", "gradient_magnitude"] * 2
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
    assert set(first["state"]) == {UNTRAINED}
    torch.manual_seed(5)
    assert torch.equal(state, torch.random.get_rng_state())  # the global generator is left as it was


def test_a_split_without_masks_gives_empty_tables(prepared, masks, weights):
    entry = masks("val")
    observed = observe.observe(prepared, entry, weights, "vggnet3d", 0, "val", ["gradcam"], 2)
    assert len(observed) == len(observe.baselines(prepared, entry, "val")) == 0
    assert {"hit", "chance", "seed", "method", "image"} <= set(observed.columns)
    assert len(tables.explained(observed)[0]) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_score_is_what_brute_force_finds(seed):
    rng = np.random.default_rng(seed)
    heat, mask = np.round(rng.random((4, 5, 3)), 1), rng.random((4, 5, 3)) < 0.15
    mask[tuple(rng.integers((4, 5, 3)))] = True
    scores = score(heat, mask)
    peak = next(place for place in np.ndindex(heat.shape) if heat[place] == heat.max())
    away = cdist(np.argwhere(np.ones(heat.shape)), np.argwhere(mask)).min(1).reshape(heat.shape)
    assert (scores["x"], scores["y"], scores["z"]) == peak
    assert scores["distance"] == pytest.approx(away[peak])
    assert scores["hit"] == (away[peak] < 1)
    tied = heat == heat.max()
    assert scores["tied"] == tied.sum()
    assert scores["hit_tied"] == pytest.approx((away[tied] < 1).mean())
    assert scores["chance"] == scores["share"] == pytest.approx(mask.mean())
    assert scores["average_precision"] == pytest.approx(average_precision_score(mask.ravel(), heat.ravel()))
    assert scores["energy"] == pytest.approx(heat[mask].sum() / heat.sum())


def test_a_constant_map_has_no_verdict():
    flat = score(np.ones((3, 3, 3)), np.eye(3, dtype=bool)[None].repeat(3, 0))
    assert flat["degenerate"]
    assert np.isnan([flat["hit"], flat["hit_tied"], flat["distance"], flat["average_precision"], flat["energy"]]).all()
    assert (flat["x"], flat["y"], flat["z"]) == (-1, -1, -1)


@pytest.mark.parametrize("mask", [np.zeros((2, 2, 2), bool), np.ones((3, 2, 2), bool)])
def test_an_empty_mask_and_one_of_another_shape_are_refused(mask):
    with pytest.raises(ValueError, match="give one volume of each, and a mask that is not empty"):
        score(np.ones((2, 2, 2)), mask)
