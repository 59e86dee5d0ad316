import json
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn import functional

from xiqa import models, saliency, sampling
from xiqa import mri_explained as explained
from xiqa.data.mri import geometry, load_volume
from xiqa.data.prepared_mri import prepare_volumes
from xiqa.mri_saliency import mask_file

SHAPE = (36, 34, 32)  # of the network; the scans are 26 x 44 x 34, so an axis turns, one is zoomed and one is padded
SCAN = (26, 44, 34)
CUBE = (slice(14, 22), slice(4, 12), slice(22, 30))
AFFINE = np.diag([4.0, 4, 4, 1])
TEST = [f"sub-test{k}" for k in range(4)]  # zipper, spike, without a mask, clean


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Noise, and in artifacts a bright cube, which the mask of the first two artifacts of the test split shows."""
    folder, lines = tmp_path_factory.mktemp("mri"), ["image\tsubject\tsplit\tlabel\tartifact_type\tcontrast"]
    people = [(f"sub-{split}{k}", split, k != 3) for split in ("train", "val", "test") for k in range(4)]
    for number, (name, split, artifact) in enumerate(people):
        scan = np.random.default_rng(number).normal(0, 0.1, SCAN).astype(np.float32)
        scan[CUBE] += 10 * artifact
        nib.save(nib.Nifti1Image(scan, AFFINE), folder / f"{name}.nii.gz")
        kind = "intensity" if artifact else "n/a"
        lines.append(f"{name}.nii.gz\t{name}\t{split}\t{('clean', 'artifact')[artifact]}\t{kind}\tT1w")
    (folder / "scans.tsv").write_text("\n".join(lines) + "\n")
    truth = mask_file(folder, "x.nii.gz").parent
    truth.mkdir(parents=True)
    for name, family in zip(TEST, ("zipper", "spike"), strict=False):
        write_mask(folder, name, cube())
        (truth / f"{name}.json").write_text(json.dumps({"artifact": family, "severity": 0.5}))
    return folder


@pytest.fixture(scope="module")
def prepared(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare_volumes(folder, root, SHAPE)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a network that looks for brightness and for nothing else."""
    model = models.build("vggnet3d", shape=SHAPE)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                module.weight.zero_()
                module.weight[(0, 0, *[1] * (module.weight.dim() - 2))] = 1
        for linear in (model.head[2], model.head[6]):
            linear.weight.zero_()
            linear.bias.zero_()
        model.head[2].weight[0, :] = 1
        model.head[6].weight[1, 0] = 1
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    models.save(model, path)
    return path


@pytest.fixture
def other_root(root, tmp_path):
    """The same data, in which masks may be changed."""
    for path in root.rglob("*.*"):
        if path.is_file():
            (tmp_path / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(root)).write_bytes(path.read_bytes())
    return tmp_path


def cube():
    mask = np.zeros(SCAN, np.uint8)
    mask[CUBE] = 1
    return mask


def write_mask(folder, name, mask, affine=AFFINE):
    nib.save(nib.Nifti1Image(mask, affine), mask_file(folder, f"{name}.nii.gz"))


def small(seed=0):
    torch.manual_seed(seed)
    model = models.build("vggnet3d", shape=(32, 32, 64)).double().eval()
    for module in model.modules():  # as if trained: no two layers normalise alike
        if isinstance(module, nn.BatchNorm3d | nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return model


def volumes(count=2):
    return torch.randn(count, 1, 32, 32, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


# --- masks


def test_a_mask_lies_where_geometry_puts_its_scan(root, prepared):
    rows, found = explained.masks(prepared, root, "test")
    assert rows["image"].to_list() == [f"{name}.nii.gz" for name in TEST[:2]]
    assert rows["artifact"].to_list() == ["zipper", "spike"]
    assert found.dtype == bool
    assert found.shape == (2, *SHAPE)
    lie = geometry(load_volume(root / f"{TEST[0]}.nii.gz"), SHAPE)
    assert lie.axes == (1, 2, 0)
    assert (rows[explained.truth.FILLED].to_numpy() == lie.zoomed).all()
    nearest = np.floor(lie.to_scan(np.argwhere(np.ones(SHAPE))) + 0.5).astype(int)
    inside = (np.argwhere(np.ones(SHAPE)) < lie.zoomed).all(1)
    wanted = np.zeros(len(nearest), bool)
    wanted[inside] = cube()[tuple(nearest[inside].T)]
    np.testing.assert_array_equal(found[0], wanted.reshape(SHAPE))


@pytest.mark.parametrize("shape", [(48, 48, 36), (33, 34, 32), (36, 32, 32)])
def test_a_mask_is_resized_as_torch_does_by_nearest(root, tmp_path, shape):
    drawn = (np.random.default_rng(1).random(SCAN) < 0.3).astype(np.uint8)
    mask_file(tmp_path, "x.nii.gz").parent.mkdir(parents=True)
    write_mask(tmp_path, "x", drawn)
    (tmp_path / "x.nii.gz").write_bytes((root / f"{TEST[0]}.nii.gz").read_bytes())
    found, filled = explained.truth._on_grid(tmp_path, "x.nii.gz", shape)
    turned = torch.from_numpy(drawn.transpose(1, 2, 0).astype(np.float32))
    wanted = functional.interpolate(turned[None, None], filled, mode="nearest-exact")[0, 0].numpy() > 0
    np.testing.assert_array_equal(found[tuple(map(slice, filled))], wanted)
    assert found.sum() == wanted.sum()


def test_missing_and_empty_masks_are_left_out_and_wrong_ones_named(other_root, prepared):
    write_mask(other_root, TEST[0], np.zeros(SCAN, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert explained.masks(prepared, other_root, "test")[0]["image"].to_list() == [f"{TEST[1]}.nii.gz"]
    mask_file(other_root, f"{TEST[0]}.nii.gz").write_bytes(b"no scan")
    with pytest.warns(UserWarning, match=f"{TEST[0]}_mask"):
        assert len(explained.masks(prepared, other_root, "test")[0]) == 1
    write_mask(other_root, TEST[0], cube().transpose(2, 1, 0))
    with pytest.warns(UserWarning, match="not on the grid"):
        assert len(explained.masks(prepared, other_root, "test")[0]) == 1
    write_mask(other_root, TEST[0], cube(), np.diag([5.0, 4, 4, 1]))
    with pytest.warns(UserWarning, match="not on the grid"):
        assert len(explained.masks(prepared, other_root, "test")[0]) == 1


def test_a_mask_stored_in_another_order_of_axes_is_the_same(other_root, root, prepared):
    image = nib.Nifti1Image(cube(), AFFINE)
    flipped = image.as_reoriented(nib.orientations.axcodes2ornt("LPS"))
    nib.save(flipped, mask_file(other_root, f"{TEST[0]}.nii.gz"))
    found = explained.masks(prepared, other_root, "test")[1]
    np.testing.assert_array_equal(found, explained.masks(prepared, root, "test")[1])


def test_a_split_without_masks_gives_empty_tables(root, prepared, weights):
    rows, found = explained.masks(prepared, root, "val")
    assert (len(rows), found.shape) == (0, (0, *SHAPE))
    given = {"prepared": prepared, "split": "val", "root": root}
    observed = explained.observe(weights=weights, network="vggnet3d", seed=0, methods=["gradcam"], batch=2, **given)
    assert len(observed) == len(explained.rivals(**given)) == 0
    assert {"hit", "chance", "seed", "method", "image"} <= set(observed.columns)
    assert explained.table(observed).empty


# --- the score of one map


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 3.5))
def test_a_score_is_what_brute_force_finds(seed, tolerance):
    rng = np.random.default_rng(seed)
    heat, mask = np.round(rng.random((4, 5, 3)), 1), rng.random((4, 5, 3)) < 0.15
    mask[tuple(rng.integers((4, 5, 3)))] = True
    found = explained.score(heat, explained.distances(mask), tolerance)
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
    away = explained.distances(mask)
    assert explained.score(heat, away, 1)["hit"] == 0
    assert explained.score(heat, away, 1.01)["hit"] == 1
    flat = explained.score(np.ones((3, 3, 3)), away)
    assert flat["degenerate"]
    assert np.isnan([flat["hit"], flat["hit_tied"], flat["distance"], flat["average_precision"], flat["energy"]]).all()
    assert (flat["x"], flat["y"], flat["z"]) == (-1, -1, -1)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="empty"):
        explained.distances(np.zeros((2, 2, 2), bool))
    with pytest.raises(ValueError, match="shape"):
        explained.score(np.ones((2, 3, 2)), np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="positive"):
        explained.score(np.ones((2, 2, 2)), np.zeros((2, 2, 2)), 0)


# --- networks and rivals


@pytest.fixture(scope="module")
def observed(root, prepared, weights):
    methods = ["normgrad_scaling_combined", "gradcam"]
    return explained.observe(prepared, weights, "vggnet3d", 3, "test", methods, 2, root)


def test_a_network_that_looks_for_brightness_finds_the_cube(observed):
    assert observed["method"].to_list() == ["normgrad_scaling_combined", "gradcam"] * 2
    assert set(observed["seed"]) == {3}
    combined = observed[observed["method"] == "normgrad_scaling_combined"]
    assert (combined["hit"] == 1).all()
    assert (combined["distance"] == 0).all()
    assert (combined["average_precision"] > 2 * combined["share"]).all()
    assert (combined["chance"] == combined["share"]).all()
    assert (combined["probability"] > 0.5).all()


def test_a_transposed_mask_is_missed(other_root, prepared, weights):
    for name in TEST[:2]:
        turned = np.zeros(SCAN, np.uint8)
        turned[4:12, 14:22, 22:30] = 1
        write_mask(other_root, name, turned)
    rows = explained.observe(prepared, weights, "vggnet3d", 0, "test", ["normgrad_scaling_combined"], 8, other_root)
    assert (rows["hit"] == 0).all()
    assert (rows["distance"] > 1).all()


def test_rows_are_those_of_explain_scan_by_scan(observed, prepared, root, weights):
    model = models.build("vggnet3d", weights=weights, shape=SHAPE).eval()
    test = np.load(prepared / "test.npy")[:2].astype(np.float32)
    for method in ("normgrad_scaling_combined", "gradcam"):
        rows = observed[observed["method"] == method]
        for row, volume in zip(rows.itertuples(), test, strict=True):
            heat = saliency.explain(model, torch.from_numpy(volume)[None, None], [method], target=1)[method][0]
            heat = heat[:36, :34, :26].numpy()
            assert (row.x, row.y, row.z) == np.unravel_index(heat.argmax(), heat.shape)


def test_rivals_see_the_scan_and_no_network(root, prepared):
    found = explained.rivals(prepared, "test", root)
    assert found["method"].to_list() == list(explained.RIVALS) * 2
    assert found["probability"].isna().all()
    centre = found[found["method"] == "centre"]
    assert (centre[["x", "y", "z"]].to_numpy() == (18, 17, 13)).all()  # of the scan, not of the padded input
    edge = found[found["method"] == "gradient_magnitude"]
    assert (edge["distance"] < 2).all()
    pd.testing.assert_frame_equal(found, explained.rivals(prepared, "test", root))
    drawn = found[found["method"] == "random"]
    assert len(drawn[["x", "y", "z"]].drop_duplicates()) == 2
    assert drawn["average_precision"].to_numpy() == pytest.approx(drawn["share"].to_numpy(), rel=0.3)


# --- dropout


def test_without_dropout_every_peak_is_that_of_the_plain_map():
    model, inputs = small(), volumes()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    plain = saliency.explain(model, inputs, [explained.SAMPLED], target=1)[explained.SAMPLED].numpy()
    found = explained.dropout_peaks(model, inputs, 12, [1, 2])
    for b in range(2):
        peak = np.unravel_index(plain[b].astype(np.float32).argmax(), plain[b].shape)
        assert (found.peaks[:, b] == peak).all()
    assert (found.spread == 0).all()
    np.testing.assert_allclose(found.mean, plain, rtol=1e-9)


@pytest.mark.parametrize("method", ["normgrad_scaling_single", "gradcam"])
def test_samples_are_full_passes_with_dropout_on(method):
    model, inputs = small(1), volumes(1)
    found = explained.dropout_peaks(model, inputs, 3, [5], method)
    kept = {}
    handle = model.trunk.block5.register_forward_hook(lambda *given: kept.update(out=given[2]))
    for module in model.modules():
        module.train(isinstance(module, nn.Dropout))
    torch.manual_seed(5)
    total = 0
    for t in range(3):
        logits = model(inputs)
        gradient = torch.autograd.grad(logits[0, 1], kept["out"])[0]
        activation = kept["out"].detach()
        if method == "gradcam":
            small_map = (gradient.mean((2, 3, 4), keepdim=True) * activation).sum(1).clamp(min=0)
        else:
            small_map = (activation * gradient).square().sum(1).sqrt()
        heat = functional.interpolate(small_map[:, None], inputs.shape[2:], mode="trilinear")[0, 0]
        total = total + heat
        assert tuple(found.peaks[t, 0]) == np.unravel_index(heat.float().argmax().item(), heat.shape)
        assert found.probability[t, 0] == pytest.approx(logits.softmax(1)[0, 1].item(), rel=1e-6)
    handle.remove()
    np.testing.assert_allclose(found.mean[0], (total / 3).numpy(), rtol=1e-9)


def test_batch_mates_change_nothing_and_the_network_is_left_as_it_was(monkeypatch):
    model, inputs, seeds = small(2), volumes(2), [4, 5]
    model.train()
    together = explained.dropout_peaks(model, inputs, 4, seeds)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    for b in range(2):
        alone = explained.dropout_peaks(model, inputs[b : b + 1], 4, seeds[b : b + 1])
        np.testing.assert_array_equal(alone.peaks[:, 0], together.peaks[:, b])
        np.testing.assert_array_equal(alone.mean[0], together.mean[b])
        assert alone.spread[0] == together.spread[b]
    monkeypatch.setattr(explained.dropout, "CHUNK", 3)
    longer = explained.dropout_peaks(model, inputs, 7, seeds)
    np.testing.assert_array_equal(longer.peaks[:4], together.peaks)
    drawn = sampling.mc_dropout(model, inputs, 4, torch.tensor(seeds))[..., 1].numpy()
    np.testing.assert_allclose(together.probability, drawn, rtol=1e-6)


def test_spread_is_the_mean_distance_to_the_mean_peak():
    model = small(3)
    found = explained.dropout_peaks(model, volumes(1), 20, [0], filled=[[20, 30, 64]])
    own = found.peaks[:, 0]
    assert (own < (20, 30, 64)).all()
    assert len(np.unique(own, axis=0)) > 1
    by_hand = sum(sum((p - m) ** 2 for p, m in zip(peak, own.mean(0), strict=True)) ** 0.5 for peak in own) / 20
    assert found.spread[0] == pytest.approx(by_hand)
    nn.init.zeros_(model.head[-1].weight)
    flat = explained.dropout_peaks(model, volumes(1), 3, [0])
    assert np.isnan(flat.peaks).all()
    assert np.isnan(flat.spread).all()


def test_seeds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one seed a volume"):
        explained.dropout_peaks(small(), volumes(), 2, [0])
    with pytest.raises(ValueError, match="0 samples"):
        explained.dropout_peaks(small(), volumes(), 0, [0, 1])


def test_spread_of_a_split_reads_the_stored_samples_of_its_scans(root, prepared, weights, tmp_path):
    sampling.sample(tmp_path, weights, prepared, "test", 6, 2)
    mc = np.load(tmp_path / "mc.npy")
    found = explained.spread(prepared, weights, "vggnet3d", 2, "test", 6, tmp_path, root)
    assert found["image"].to_list() == [f"{name}.nii.gz" for name in TEST[:2]]
    assert found["probability"].to_numpy() == pytest.approx(mc[:, :2, 1].mean(0), rel=1e-6)
    model = models.build("vggnet3d", weights=weights, shape=SHAPE).eval()
    inputs = torch.from_numpy(np.load(prepared / "test.npy")[:2].astype(np.float32))[:, None]
    seeds = sampling.scan_seeds(found["image"], 2)
    peaks = explained.dropout_peaks(model, inputs, 6, seeds, filled=[[36, 34, 26]] * 2)
    np.testing.assert_allclose(peaks.probability, mc[:, :2, 1], rtol=1e-5)  # the very samples
    assert found["spread"].to_numpy() == pytest.approx(peaks.spread, nan_ok=True)
    assert found["degenerate_samples"].to_numpy() == pytest.approx(np.isnan(peaks.peaks[..., 0]).mean(0))


# --- what spread predicts, and the table


def scans(rng, count=240, effect=0.0):
    spread, p = rng.normal(size=count), rng.random(count)
    miss = rng.random(count) < 1 / (1 + np.exp(-effect * spread - 2 * p + 1))
    return pd.DataFrame(
        {"subject": np.arange(count) // 2, "hit": 1.0 - miss, "spread": spread, "probability": p,
         "mutual_information": rng.random(count)}
    )  # fmt: skip


def test_a_spread_that_tells_is_found_and_noise_is_not():
    told = explained.predicts(scans(np.random.default_rng(0), effect=2.0), draws=200)
    assert told["p"] < 1e-6
    assert told["difference"] == pytest.approx(told["auc_with"] - told["auc_without"])
    assert told["difference"] > told["low"] > 0.05
    assert told["auc_spread_low"] > 0.6
    ps = [explained.predicts(scans(np.random.default_rng(k)), draws=2)["p"] for k in range(1, 11)]
    assert 0.25 < np.mean(ps) < 0.75  # uniform: 0.5, standard error 0.09


def test_the_likelihood_ratio_is_that_of_newton_steps():
    frame = scans(np.random.default_rng(5), effect=0.4)
    miss = 1 - frame["hit"].to_numpy()

    def loglik(names):
        x = np.column_stack([np.ones(len(frame)), frame[names]])
        beta = np.zeros(x.shape[1])
        for _ in range(30):
            mu = 1 / (1 + np.exp(-x @ beta))
            beta += np.linalg.solve(x.T @ (x * (mu * (1 - mu))[:, None]), x.T @ (miss - mu))
        return (miss * np.log(mu) + (1 - miss) * np.log(1 - mu)).sum()

    short = ["probability", "mutual_information"]
    wanted = 2 * (loglik([*short, "spread"]) - loglik(short))
    assert explained.predicts(frame, draws=2)["likelihood_ratio"] == pytest.approx(wanted, abs=1e-3)


def test_too_few_misses_or_subjects_say_nothing():
    frame = scans(np.random.default_rng(0))
    few = frame.assign(hit=np.arange(len(frame)) >= 9)
    found = explained.predicts(few)
    assert (found["scans"], found["misses"]) == (240, 9)
    assert np.isnan([found["p"], found["auc_spread"], found["difference"]]).all()
    assert np.isnan(explained.predicts(frame.assign(subject="one"))["p"])
    assert explained.predicts(frame.assign(spread=np.nan))["scans"] == 0


def test_a_table_by_method_and_family_with_chance():
    rows = pd.DataFrame(
        {"image": list("abcd") * 2, "subject": list("pqrr") * 2, "label": [1, 1, 1, 0] * 2,
         "artifact": ["zipper", "zipper", "spike", "spike"] * 2, "method": ["m"] * 4 + ["n"] * 4, "seed": 0,
         "hit": [1, 0, np.nan, 1, 1, 1, 0, 0], "degenerate": [False, False, True] + [False] * 5,
         "average_precision": [0.2, 0.4, np.nan, 1, 0.1, 0.2, 0.3, 0.4], "chance": [0.1, 0.3, 0.9, 0.1] * 2,
         "share": [0.1, 0.2, 0.9, 0.1] * 2}
    )  # fmt: skip
    rows["energy"], rows["hit_tied"] = rows["average_precision"], rows["hit"] / 2
    found = explained.table(rows).set_index(["method", "artifact"])
    assert list(found.index) == [(m, a) for m in "mn" for a in ("all", "spike", "zipper")]
    first = found.loc[("m", "all")]
    assert (first["scans"], first["subjects"], first["degenerate"]) == (3, 3, 1)
    assert (first["hit"], first["chance"], first["average_precision"]) == pytest.approx((0.5, 0.2, 0.3))
    assert first["hit_tied"] == 0.25
    assert first["hit_low"] == pytest.approx(0.0945, abs=1e-4)  # Wilson, 1 of 2
    # t quantile 12.706 at one degree of freedom, standard error 0.1: cut at both ends
    assert (first["energy_low"], first["energy_high"]) == (0, 1)
    lonely = found.loc[("n", "spike")]
    assert lonely["energy"] == pytest.approx(0.3)
    assert np.isnan(lonely["energy_low"])
    assert np.isnan(found.loc[("m", "spike"), "hit"])
    assert explained.table(rows, None).set_index(["method", "artifact"]).loc[("n", "all"), "hit"] == 0.5
