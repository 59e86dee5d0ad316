import copy

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, saliency, sanity
from xiqa.models import states
from xiqa.sanity import randomise, similarity

NETWORKS = [
    ("resnet18", (3, 48, 48), None),
    ("resnet50", (3, 48, 48), None),
    ("efficientnet_b0", (3, 48, 48), None),
    ("alexnet3d", (1, 57, 57, 48), (57, 57, 48)),
    ("vggnet3d", (1, 32, 32, 32), (32, 32, 32)),
]
FEW = ("gradcam", "guided_gradcam", "input_x_gradient", "normgrad_scaling_combined")
MEASURED = ["spearman", "ssim", "hog"]


def compare(first, second):
    return similarity.compare_features(similarity.features(first), similarity.features(second))


def trained(name, shape=None):
    """A network as if trained: no parameter and no statistic is where a new one starts."""
    torch.manual_seed(3)
    model = models.build(name, shape=shape).eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1.1).add_(0.01 * torch.rand(tensor.shape))
            else:
                tensor.fill_(7)
    return model


@pytest.fixture(scope="module")
def resnet():
    return trained("resnet18")


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def whole(resnet, images):
    return sanity.cascade(resnet, images)


class TestBlocks:
    @pytest.mark.parametrize(("name", "_", "shape"), NETWORKS)
    def test_every_parameter_and_buffer_is_in_one_block(self, name, _, shape):
        model = models.build(name, shape=shape)
        modules = [module for names in sanity.blocks(model).values() for module in names]
        owners = {key: sum(key.startswith(f"{module}.") for module in modules) for key in model.state_dict()}
        assert set(owners.values()) == {1}
        assert next(iter(sanity.blocks(model))) == "head"
        assert models.head_of(model) in list(model.get_submodule(modules[0]).modules())

    def test_they_go_from_the_head_to_the_input(self):
        assert list(sanity.blocks(models.build("resnet34"))) == ["head", "layer4", "layer3", "layer2", "layer1", "stem"]
        assert list(sanity.blocks(models.build("efficientnet_b0"))) == [
            "head",
            *(f"features.{i}" for i in range(8, -1, -1)),
        ]
        assert list(sanity.blocks(models.build("vggnet3d", shape=(32, 32, 32))))[1:] == [
            f"block{i}" for i in (5, 4, 3, 2, 1)
        ]

    def test_another_network_is_refused(self, images):
        with pytest.raises(ValueError, match=r"xiqa\.models\.build"):
            sanity.cascade(torch.nn.Linear(2, 2), images)


class TestRandomised:
    @pytest.mark.parametrize(("name", "_", "shape"), NETWORKS)
    def test_a_cascade_ends_in_a_new_network(self, name, _, shape):
        model = trained(name, shape)
        state, changed = model.state_dict(), 0
        for _, block, network in sanity.randomised(model, shape, seed=4):
            now = network.state_dict()
            differ = {key for key in state if not torch.equal(now[key], state[key])}
            owned = {key for key in state for at in sanity.blocks(model).get(block, []) if key.startswith(f"{at}.")}
            assert owned <= differ
            changed += len(owned)
            assert len(differ) == changed
        assert differ == set(state)
        with torch.random.fork_rng(devices=[]), states.drawing(4):
            new = models.build(name, shape=shape).state_dict()
        assert all(torch.equal(now[key], new[key]) for key in new)

    def test_its_end_is_the_fully_random_network_of_the_seed(self, resnet):
        *_, (_, _, last) = sanity.randomised(resnet, seed=2)
        new = models.network("resnet18", "fully_random", 2)
        assert all(
            torch.equal(a, b) for a, b in zip(last.state_dict().values(), new.state_dict().values(), strict=True)
        )

    def test_one_at_a_time_changes_that_block_alone(self, resnet):
        state = resnet.state_dict()
        for _, block, network in sanity.randomised(resnet, seed=2, cumulative=False):
            differ = {key for key, value in network.state_dict().items() if not torch.equal(value, state[key])}
            assert differ == {
                key for key in state for at in sanity.blocks(resnet).get(block, []) if key.startswith(f"{at}.")
            }

    def test_statistics_start_anew_with_their_block(self, resnet):
        steps = iter(sanity.randomised(resnet))
        next(steps), next(steps)
        _, block, network = next(steps)
        assert block == "layer4"
        assert (network.layer4[0].bn1.running_mean == 0).all()
        assert (network.layer4[0].bn1.running_var == 1).all()
        assert torch.equal(network.layer3[0].bn1.running_var, resnet.layer3[0].bn1.running_var)

    def test_a_training_of_the_same_seed_did_not_start_there(self):
        """A head hardly moves in training: drawn from the same number it would come back."""
        torch.manual_seed(0)
        start = models.build("resnet18")
        _, (_, _, network), *_ = sanity.randomised(start, seed=0)
        assert not torch.equal(network.fc.weight, start.fc.weight)

    def test_precision_and_number_of_classes_stay(self):
        model = models.build("resnet18", num_classes=5).double()
        *_, (_, _, last) = sanity.randomised(model)
        assert last.fc.weight.shape == (5, 512)
        assert last.conv1.weight.dtype == torch.float64


class TestCascade:
    def test_a_row_for_each_image_method_and_step(self, whole):
        assert list(whole) == randomise.COLUMNS
        assert len(whole) == 3 * len(saliency.ALL) * 7
        assert not whole.duplicated(["method", "step", "image"]).any()
        assert whole.drop_duplicates("step")["layer"].tolist() == [
            "none",
            "head",
            *(f"layer{i}" for i in (4, 3, 2, 1)),
            "stem",
        ]

    def test_nothing_randomised_is_the_same_map(self, whole):
        start = whole[(whole["step"] == 0) & ~whole["degenerate"]]
        np.testing.assert_allclose(start[MEASURED], 1, atol=1e-12)
        assert not whole.loc[whole["step"] == 0, "flipped"].any()

    def test_everything_randomised_is_a_new_networks_maps(self, resnet, images, whole):
        """By the public call on two networks, without the cascade."""
        with torch.no_grad():
            target = resnet(images).argmax(1)
        new = models.network("resnet18", "fully_random", 0)
        maps = [saliency.explain(model, images, target=target, silu="clamp") for model in (resnet, new)]
        last = whole[whole["step"] == 6]
        for method in saliency.ALL:
            expected = compare(maps[0][method], maps[1][method])
            result = last[last["method"] == method].reset_index(drop=True)
            np.testing.assert_allclose(result[MEASURED], expected[MEASURED], atol=1e-9)
            assert result["degenerate"].tolist() == expected["degenerate"].tolist()
        with torch.no_grad():
            flipped = (new(images).argmax(1) != target).tolist()
        assert result["flipped"].tolist() == flipped

    def test_signs_are_compared_where_there_are_signs(self, resnet, images, whole):
        signed = whole[whole["spearman_signed"].notna()]["method"].unique()
        assert set(signed) == {"guided_backprop", "guided_gradcam", "input_x_gradient"}
        inputs = images.clone().requires_grad_()
        seen = []
        with torch.no_grad():
            target = resnet(images).argmax(1)
        for model in (resnet, models.network("resnet18", "fully_random", 0)):
            (gradient,) = torch.autograd.grad(model(inputs).gather(1, target[:, None]).sum(), inputs)
            seen.append((gradient * images).sum(1))
        last = whole[(whole["step"] == 6) & (whole["method"] == "input_x_gradient")]
        np.testing.assert_allclose(last["spearman_signed"], similarity.spearman(*seen), atol=1e-9)

    def test_a_constant_map_is_counted_and_not_scored(self, whole):
        """The bias map of the last block is constant in space: global average pooling."""
        constant = whole[whole["method"] == "normgrad_bias_single"]
        assert constant["degenerate"].all()
        assert constant[MEASURED].isna().all().all()

    def test_maps_of_the_last_blocks_activations_do_not_depend_on_the_head(self, whole):
        """NormGrad 1 x 1 there is the activation's norm times a constant, so a new head changes nothing."""
        rows = whole[(whole["method"] == "normgrad_conv1x1_single") & (whole["step"] == 1)]
        np.testing.assert_allclose(rows[MEASURED], 1, atol=1e-4)

    def test_a_batch_is_a_loop(self, resnet, images):
        """In double precision: in single, batches of other sizes round otherwise, and ranks show it (about 0.001)."""
        model, images, target = copy.deepcopy(resnet).double(), images[:2].double(), torch.tensor([0, 1])
        together = sanity.cascade(model, images, FEW, target, batch=2)
        alone = [sanity.cascade(model, images[i : i + 1], FEW, target[i : i + 1]).assign(image=i) for i in range(2)]
        keys = ["step", "method", "image"]
        frames = (frame.sort_values(keys, ignore_index=True) for frame in (together, pd.concat(alone)))
        pd.testing.assert_frame_equal(*frames, atol=1e-6, rtol=0)

    def test_the_class_is_the_trained_networks_at_every_step(self, resnet, images, whole):
        with torch.no_grad():
            target = resnet(images).argmax(1)
        explicit = sanity.cascade(resnet, images, ["gradcam"], target)
        expected = whole[whole["method"] == "gradcam"].reset_index(drop=True)
        np.testing.assert_allclose(explicit[MEASURED], expected[MEASURED], atol=1e-9)

    def test_seeds_repeat_and_differ(self, resnet, images):
        first, again, other = (sanity.cascade(resnet, images[:1], ["gradcam"], seed=seed) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(first, again)
        assert not np.allclose(first["spearman"], other["spearman"])

    @pytest.mark.parametrize(("name", "size", "shape"), NETWORKS[2:])
    def test_every_network_has_its_cascade(self, name, size, shape):
        model, inputs = trained(name, shape), torch.randn(1, *size)
        # The same code runs for both; the slow network goes one way only.
        ways = ((sanity.cascade, 0), (sanity.independent, 1))[: 1 if name == "alexnet3d" else 2]
        for function, first in ways:
            result = function(model, inputs, ["gradcam", "guided_backprop"])
            assert result["step"].min() == first
            assert result["layer"].nunique() == len(sanity.blocks(model)) + 1 - first
            assert result.loc[~result["degenerate"], ["spearman", "ssim"]].notna().all().all()
            assert result["hog"].isna().all() == (shape is not None)

    def test_independent_has_no_step_of_nothing_and_begins_as_the_cascade(self, resnet, images, whole):
        result = sanity.independent(resnet, images)
        assert result["step"].min() == 1
        np.testing.assert_allclose(
            result.loc[result["step"] == 1, MEASURED], whole.loc[whole["step"] == 1, MEASURED], atol=1e-9
        )


class TestUntouched:
    def snapshot(self, model):
        return (
            {key: value.clone() for key, value in model.state_dict(keep_vars=False).items()},
            [(name, id(module), module.training, len(module._forward_hooks)) for name, module in model.named_modules()],
            [(id(p), p.requires_grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()],
        )

    def same(self, one, two):
        assert all(torch.equal(one[0][key], two[0][key]) for key in one[0])
        assert one[1] == two[1]
        for (a, flag, grad), (b, other, after) in zip(one[2], two[2], strict=True):
            assert (a, flag) == (b, other)
            assert (grad is None and after is None) or torch.equal(grad, after)

    @pytest.fixture
    def odd(self):
        """Half in training mode, half frozen, with gradients of the caller's."""
        model = trained("resnet18")
        model.layer2.train()
        model.layer3.requires_grad_(False)
        model.fc.weight.grad = torch.ones_like(model.fc.weight)
        return model

    @pytest.mark.parametrize("function", [sanity.cascade, sanity.independent])
    def test_the_network_and_the_generator(self, odd, images, function):
        before, state = self.snapshot(odd), torch.get_rng_state()
        function(odd, images[:1], FEW)
        self.same(before, self.snapshot(odd))
        assert torch.equal(torch.get_rng_state(), state)

    @pytest.mark.parametrize("function", [sanity.cascade, sanity.independent])
    def test_nor_after_an_exception(self, odd, images, function, monkeypatch):
        before, state, calls = self.snapshot(odd), torch.get_rng_state(), []

        def failing(captured):
            calls.append(1)
            if len(calls) == 3:
                raise RuntimeError("in the middle")
            return captured.images.abs().sum(1)

        monkeypatch.setitem(saliency.METHODS, "failing", saliency.methods.Method(failing, guided=False))
        with pytest.raises(RuntimeError, match="in the middle"):
            function(odd, images[:1], "failing")
        self.same(before, self.snapshot(odd))
        assert torch.equal(torch.get_rng_state(), state)

    def test_wrong_arguments_are_refused(self, resnet, images):
        with pytest.raises(ValueError, match="no saliency method 'nonsense'"):
            sanity.cascade(resnet, images, "nonsense")
        with pytest.raises(ValueError, match="too small"):
            sanity.cascade(resnet, images[:, :, :31, :31], "gradcam")
        with pytest.raises(ValueError, match="target"):
            sanity.cascade(resnet, images, "gradcam", target=2)
