import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xiqa import models, uncertainty
from xiqa.data.arrays import drawn
from xiqa.paper.mri import sample
from xiqa.uncertainty import sampling

SHAPE = (32, 32, 32)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = models.build("vggnet3d", shape=SHAPE)
    with torch.no_grad():  # batch statistics other than those of a fresh network
        network.head[3].running_mean.normal_()
        network.head[3].running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def volumes():
    return torch.randn(3, 1, *SHAPE, generator=torch.Generator().manual_seed(1))


def full_passes(model, volume, samples, seed):
    """The plain way: the whole network T times, its dropouts in training mode."""
    torch.manual_seed(seed)
    dropouts = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    for module in dropouts:
        module.train()
    with torch.no_grad():
        passes = [model(volume[None]).float().softmax(1) for _ in range(samples)]
    for module in dropouts:
        module.eval()
    return torch.stack(passes)


class TestMonteCarloDropout:
    @pytest.mark.parametrize("half", [False, True])
    def test_it_equals_full_passes_of_one_volume_exactly(self, model, volumes, half):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            mc = uncertainty.mc_dropout(model, volumes[:1], 6, 5)
            expected = full_passes(model, volumes[0], 6, 5)
        assert torch.equal(mc, expected)
        assert mc.std(dim=0).min() > 1e-3

    def test_alexnet_too(self):
        torch.manual_seed(0)
        model = models.build("alexnet3d", shape=(57, 57, 48)).eval()
        volume = torch.randn(1, 1, 57, 57, 48)
        assert torch.equal(uncertainty.mc_dropout(model, volume, 3, 4), full_passes(model, volume[0], 3, 4))

    def test_it_equals_heads_with_masks_of_the_same_generator(self, model, volumes):
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            features = model.trunk(volumes[:1]).flatten(1)
            expected = []
            for _ in range(4):
                first = torch.empty_like(features).bernoulli_(0.75, generator=generator) / 0.75
                hidden = model.head[4](model.head[3](model.head[2](features * first)))
                second = torch.empty_like(hidden).bernoulli_(0.5, generator=generator) / 0.5
                expected.append(model.head[6](hidden * second).softmax(1))
        mc = uncertainty.mc_dropout(model, volumes[:1], 8, 9)
        assert torch.equal(mc[:4], torch.stack(expected))  # fewer samples are the first of more

    def test_a_volume_of_a_batch_is_answered_as_if_alone(self, model, volumes):
        together = uncertainty.mc_dropout(model, volumes, 5, 3)
        others = torch.cat([torch.randn(1, 1, *SHAPE), volumes[1:2], 9 * torch.ones(1, 1, *SHAPE)])
        assert torch.equal(together[:, 1], uncertainty.mc_dropout(model, others, 5, 3)[:, 1])
        assert torch.equal(together, uncertainty.mc_dropout(model, volumes.flip(0), 5, 3).flip(1))
        seeds = torch.tensor([5, 6, 7])
        together = uncertainty.mc_dropout(model, volumes, 5, seeds)
        alone = [uncertainty.mc_dropout(model, v[None], 5, int(s)) for v, s in zip(volumes, seeds, strict=True)]
        assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-6)

    def test_other_seeds_give_other_samples(self, model, volumes):
        same = uncertainty.mc_dropout(model, volumes[:1].expand(2, -1, -1, -1, -1), 5, torch.tensor([1, 2]))
        assert not torch.equal(same[:, 0], same[:, 1])

    def test_probabilities_sum_to_one_and_take_part_in_further_work(self, model, volumes):
        mc = uncertainty.mc_dropout(model, volumes, 5, 0)
        assert torch.allclose(mc.sum(-1), torch.ones(5, 3))
        assert not mc.is_inference()
        assert not mc.requires_grad

    def test_without_dropout_all_samples_are_the_plain_answer(self, model, volumes):
        model = copy.deepcopy(model)
        for module in model.head:
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        with torch.no_grad():
            plain = model(volumes[:1]).softmax(1)
        assert torch.equal(uncertainty.mc_dropout(model, volumes[:1], 3, 0), plain.expand(3, -1, -1))

    @pytest.mark.parametrize("training", [False, True])
    def test_the_model_is_left_as_it_was(self, volumes, training):
        model = models.build("vggnet3d", shape=SHAPE).train(training)
        model.trunk.block1.eval()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        flags = [m.training for m in model.modules()]
        state = torch.get_rng_state()
        uncertainty.mc_dropout(model, volumes, 2, 0)
        uncertainty.flips(model, volumes[:1])
        with pytest.raises(RuntimeError):
            uncertainty.mc_dropout(model, torch.zeros(1, 2, *SHAPE), 2, 0)
        assert [m.training for m in model.modules()] == flags
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert all(p.grad is None and p.requires_grad for p in model.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
        assert torch.equal(torch.get_rng_state(), state)

    def test_what_cannot_be_sampled_is_refused(self, model, volumes):
        noisy = models.build("vggnet3d", shape=SHAPE)
        noisy.trunk.add_module("drop", nn.Dropout3d(0.1))
        for network, samples, seed, message in (
            (model, 0, 0, "at least one sample"),
            (model, 1, torch.tensor([1, 2]), "3 ints"),
            (model, 1, torch.zeros(3), "3 ints"),
            (nn.Linear(2, 2), 1, 0, "sequential head"),
            (noisy, 1, 0, "trunk"),
        ):
            with pytest.raises(ValueError, match=message):
                uncertainty.mc_dropout(network, volumes, samples, seed)


class TestFlips:
    def test_identity_first_and_every_combination_once(self, model, volumes):
        answers = uncertainty.flips(model, volumes)
        assert uncertainty.FLIPS[0] == ()
        assert len(set(uncertainty.FLIPS)) == len(answers) == 8
        assert (uncertainty.FLIP_NAMES[0], uncertainty.FLIP_NAMES[7]) == ("as it is", "xyz")
        with torch.no_grad():
            assert torch.allclose(answers[0], model(volumes).softmax(1))
            assert torch.allclose(answers[7], model(volumes.flip(2, 3, 4)).softmax(1))
        turned = uncertainty.flips(model, volumes.flip(3))  # the same set of answers
        assert torch.allclose(answers[..., 1].sort(dim=0).values, turned[..., 1].sort(dim=0).values, atol=1e-6)

    def test_dropout_is_off_even_for_a_network_in_training(self, volumes):
        model = models.build("vggnet3d", shape=SHAPE).train()
        assert torch.equal(uncertainty.flips(model, volumes), uncertainty.flips(model, volumes))


class Volumes:
    """What the store function reads of a prepared data set."""

    shape = SHAPE

    def __init__(self, folder):
        self.names = ["a", "b", "c"] if folder == "all" else ["c"]

    def records(self, split):
        return pd.DataFrame({"image": self.names})

    def volumes(self, split):
        every = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float16)
        return every[[["a", "b", "c"].index(name) for name in self.names]]


class TestSample:
    @pytest.fixture
    def entry(self, tmp_path, model, monkeypatch):
        """Files of an entry of the store function, by name."""
        monkeypatch.setattr(drawn, "read_volumes", Volumes)
        monkeypatch.setenv("XIQA_DEVICE", "cpu")
        models.save(model, tmp_path / "weights.pt")

        def entry(prepared="all", **changes):
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            recipe = {"split": "test", "samples": 4, "seed": 0, "flips": True} | changes
            sample.sample(folder, tmp_path / "weights.pt", prepared, **recipe)
            return {path.stem: np.load(path) for path in folder.glob("*.npy")}

        return entry

    def test_what_it_writes(self, entry, model):
        arrays = entry()
        assert {name: value.shape for name, value in arrays.items()} == {
            "plain": (3, 2), "mc": (4, 3, 2), "flips": (8, 3, 2),
        }  # fmt: skip
        assert all(value.dtype == np.float32 for value in arrays.values())
        layout = {"memory_format": torch.channels_last_3d}
        volumes = torch.from_numpy(Volumes("all").volumes("test").astype(np.float32))[:, None].contiguous(**layout)
        model = copy.deepcopy(model).to(**layout)
        seeds = torch.tensor(sampling.scan_seeds(["a", "b", "c"], 0))
        assert np.array_equal(arrays["mc"], uncertainty.mc_dropout(model, volumes, 4, seeds).numpy())
        with torch.no_grad():
            assert arrays["plain"] == pytest.approx(model(volumes).softmax(1).numpy(), abs=1e-6)

    def test_a_scan_is_answered_alike_whatever_else_is_in_the_split(self, entry):
        every, alone = entry(), entry("one")
        assert every["mc"][:, 2:] == pytest.approx(alone["mc"], abs=1e-6)
        assert every["plain"][2:] == pytest.approx(alone["plain"], abs=1e-6)

    def test_flips_and_half_precision_only_if_asked_for(self, entry):
        full, half = entry(flips=False), entry(flips=False, precision="bf16")
        assert set(full) == set(half) == {"plain", "mc"}
        assert not np.array_equal(full["plain"], half["plain"])
        assert full["plain"] == pytest.approx(half["plain"], abs=0.05)


def test_seeds_follow_the_name_of_the_scan():
    assert sampling.scan_seeds(["a", "b"], 0)[1:] == sampling.scan_seeds(["b"], 0)
    assert len({*sampling.scan_seeds(["a", "b"], 0), *sampling.scan_seeds(["a", "b"], 1)}) == 4


def test_gradients_of_samples_flow_to_the_features(model, volumes):
    head = sampling.sequential_head(model)
    with torch.no_grad():
        features = model.trunk(volumes[:1])
    rows = features.expand(3, *features.shape[1:]).clone().requires_grad_()
    logits = sampling.head_samples(head, rows, 3, 5)
    assert torch.allclose(logits.softmax(1), uncertainty.mc_dropout(model, volumes[:1], 3, 5)[:, 0])
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), rows)
    assert not torch.allclose(gradient[0], gradient[1])  # each sample has its own masks
    step = 1e-2 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    moved = [sampling.head_samples(head, features + sign * step, 3, 5)[:, 1] for sign in (1, -1)]
    wanted = (gradient * step).flatten(1).sum(1)
    assert torch.allclose((moved[0] - moved[1]).detach() / 2, wanted, rtol=0.1, atol=1e-3)
