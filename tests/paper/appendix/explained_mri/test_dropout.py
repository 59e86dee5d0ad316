import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from xiqa import models, saliency, uncertainty
from xiqa.paper.appendix.explained_mri import dropout
from xiqa.paper.mri import sample
from xiqa.uncertainty import sampling


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


def test_without_dropout_every_peak_is_that_of_the_plain_map():
    model, inputs = small(), volumes()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    plain = saliency.explain(model, inputs, [dropout.SAMPLED], target=1)[dropout.SAMPLED].numpy()
    found = dropout.dropout_peaks(model, inputs, 12, [1, 2])
    for b in range(2):
        peak = np.unravel_index(plain[b].astype(np.float32).argmax(), plain[b].shape)
        assert (found.peaks[:, b] == peak).all()
    assert (found.spread == 0).all()
    np.testing.assert_allclose(found.mean, plain, rtol=1e-9)


@pytest.mark.parametrize("method", ["normgrad_scaling_single", "gradcam"])
def test_samples_are_full_passes_with_dropout_on(method):
    model, inputs = small(1), volumes(1)
    found = dropout.dropout_peaks(model, inputs, 3, [5], method)
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


class Fixed(nn.Module):
    """A dropout whose mask is given."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, values):
        return values * self.mask


def test_a_sample_is_explained_as_a_network_with_its_masks_fixed():
    model, inputs, samples = small(4), volumes(1), 4
    found = dropout.dropout_peaks(model, inputs, samples, [9])
    places = [k for k, module in enumerate(model.head) if isinstance(module, nn.Dropout)]
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        before = model.head[: places[0]](model.trunk(inputs)).shape
        sizes = [before, model.head[: places[1]](model.trunk(inputs)).shape]
    rates, total = [model.head[k].p for k in places], 0
    for t in range(samples):
        for k, rate, size in zip(places, rates, sizes, strict=True):
            kept = torch.empty(size, dtype=torch.float64).bernoulli_(1 - rate, generator=generator)
            model.head[k] = Fixed(kept / (1 - rate))
        heat = saliency.explain(model, inputs, [dropout.SAMPLED], target=1)[dropout.SAMPLED][0]
        assert tuple(found.peaks[t, 0]) == np.unravel_index(heat.argmax().item(), heat.shape)
        total = total + heat.double().numpy()
    np.testing.assert_allclose(found.mean[0], total / samples, rtol=1e-6)
    assert len(np.unique(found.peaks[:, 0], axis=0)) > 1  # masks that differ, or the test shows nothing


def test_batch_mates_change_nothing_and_the_network_is_left_as_it_was(monkeypatch):
    model, inputs, seeds = small(2), volumes(2), [4, 5]
    model.train()
    together = dropout.dropout_peaks(model, inputs, 4, seeds)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    for b in range(2):
        alone = dropout.dropout_peaks(model, inputs[b : b + 1], 4, seeds[b : b + 1])
        np.testing.assert_array_equal(alone.peaks[:, 0], together.peaks[:, b])
        np.testing.assert_array_equal(alone.mean[0], together.mean[b])
        assert alone.spread[0] == together.spread[b]
    monkeypatch.setattr(mri_explained.dropout, "CHUNK", 3)
    longer = dropout.dropout_peaks(model, inputs, 7, seeds)
    np.testing.assert_array_equal(longer.peaks[:4], together.peaks)
    drawn = uncertainty.mc_dropout(model, inputs, 4, torch.tensor(seeds))[..., 1].numpy()
    np.testing.assert_allclose(together.probability, drawn, rtol=1e-6)


def test_spread_is_the_mean_distance_to_the_mean_peak():
    model = small(3)
    found = dropout.dropout_peaks(model, volumes(1), 20, [0], filled=[[20, 30, 64]])
    own = found.peaks[:, 0]
    assert (own < (20, 30, 64)).all()
    assert len(np.unique(own, axis=0)) > 1
    by_hand = sum(sum((p - m) ** 2 for p, m in zip(peak, own.mean(0), strict=True)) ** 0.5 for peak in own) / 20
    assert found.spread[0] == pytest.approx(by_hand)
    nn.init.zeros_(model.head[-1].weight)
    flat = dropout.dropout_peaks(model, volumes(1), 3, [0])
    assert np.isnan(flat.peaks).all()
    assert np.isnan(flat.spread).all()


def test_seeds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one seed a volume"):
        dropout.dropout_peaks(small(), volumes(), 2, [0])
    with pytest.raises(ValueError, match="0 samples"):
        dropout.dropout_peaks(small(), volumes(), 0, [0, 1])


def test_spread_of_a_split_reads_the_stored_samples_of_its_scans(root, prepared, weights, tmp_path, world):
    sample.sample(tmp_path, weights, prepared, "test", 6, 2)
    mc = np.load(tmp_path / "mc.npy")
    found = dropout.spread(prepared, weights, "vggnet3d", 2, "test", 6, tmp_path, root)
    assert found["image"].to_list() == [f"{name}.nii.gz" for name in world.TEST[:2]]
    assert found["probability"].to_numpy() == pytest.approx(mc[:, :2, 1].mean(0), rel=1e-6)
    model = models.build("vggnet3d", weights=weights, shape=world.SHAPE).eval()
    inputs = torch.from_numpy(np.load(prepared / "test.npy")[:2].astype(np.float32))[:, None]
    seeds = sampling.scan_seeds(found["image"], 2)
    peaks = dropout.dropout_peaks(model, inputs, 6, seeds, filled=[[36, 34, 26]] * 2)
    np.testing.assert_allclose(peaks.probability, mc[:, :2, 1], rtol=1e-5)  # the very samples
    assert found["spread"].to_numpy() == pytest.approx(peaks.spread, nan_ok=True)
    assert found["degenerate_samples"].to_numpy() == pytest.approx(np.isnan(peaks.peaks[..., 0]).mean(0))


def test_scans_without_a_mask_wander_as_those_with_one(root, prepared, tmp_path, world):
    torch.manual_seed(1)
    weights = tmp_path / "weights.pt"  # of a network that sees more than brightness: its scans differ
    models.save(models.build("vggnet3d", shape=world.SHAPE), weights)
    sample.sample(tmp_path, weights, prepared, "test", 6, 2)
    given = (prepared, weights, "vggnet3d", 2, "test", 5, tmp_path)
    names = [f"{name}.nii.gz" for name in world.TEST]
    found = dropout.wander(*given, names[1:], root)
    assert found["image"].to_list() == names[1:]
    assert found["label"].to_list() == [1, 1, 0]
    assert found["spread"].nunique() == 3
    masked = dropout.spread(*given, root)
    for column in ("spread", "probability", "mutual_information", "degenerate_samples"):
        np.testing.assert_allclose(found[column].iloc[0], masked[column].iloc[1])
    none = dropout.wander(*given, [], root)
    assert len(none) == 0
    assert set(found.columns) == set(none.columns)
