"""The engine leaves a network as it found it, and what it captures does not depend on how it was asked."""

import copy
import gc

import pytest
import torch
from torch import nn
from torch.nn import functional

from xiqa.saliency.methods import ALL, METHODS, explain_classes, register
from xiqa.saliency.modes import explain


def state(model):
    """Everything of a network that a call could disturb."""
    modules = [
        (
            name,
            id(module),
            module.training,
            getattr(module, "inplace", None),
            id(module.forward.__func__),
            "forward" in vars(module),
            [len(hooks) for key, hooks in vars(module).items() if key.endswith("_hooks")],
        )
        for name, module in model.named_modules()
    ]
    tensors = [
        (name, tensor.clone(), tensor.requires_grad, None if tensor.grad is None else tensor.grad.clone())
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]
    ]
    return modules, tensors


def assert_same(one, other):
    assert one[0] == other[0]
    for (name, *before), (_, *after) in zip(one[1], other[1], strict=True):
        for a, b in zip(before, after, strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, name


@pytest.fixture
def disturbed(resnet18):
    """A network with uneven flags: partly in training mode, partly frozen, with a gradient here and there."""
    resnet18.train()
    resnet18.layer3.eval()
    resnet18.conv1.requires_grad_(False)
    resnet18.fc.weight.grad = torch.ones_like(resnet18.fc.weight)
    return resnet18


def test_the_network_is_left_as_it_was(disturbed, pictures):
    before = state(disturbed)
    images = pictures.clone()
    explain(disturbed, images, [*ALL, "integrated_gradients"])
    assert_same(before, state(disturbed))
    assert torch.equal(images, pictures)
    assert not images.requires_grad


@pytest.mark.parametrize(
    "broken",
    [
        {"layers": {"single": ["layer9"], "combined": ["layer2.0"]}},
        {"layers": {"single": ["fc"], "combined": ["layer2.0"]}},
        {"target": 3},
        {"methods": "fails"},
    ],
)
def test_the_network_is_left_as_it_was_after_an_exception(disturbed, pictures, broken):
    @register("fails", guided=True)
    def fails(c):
        raise ValueError("on purpose")

    before = state(disturbed)
    try:
        with pytest.raises(ValueError, match=r"layer9|fc|target|on purpose"):
            explain(disturbed, pictures, **broken)
    finally:
        del METHODS["fails"]
    assert_same(before, state(disturbed))


def test_an_exception_inside_the_network_restores_it(disturbed, pictures):
    before = state(disturbed)
    with pytest.raises(RuntimeError):
        explain(disturbed, pictures[:, :2])
    assert_same(before, state(disturbed))


def test_calling_twice_gives_the_same_and_logits_stay(resnet18, pictures):
    logits = resnet18(pictures)
    first, second = explain(resnet18, pictures), explain(resnet18, pictures)
    assert all(torch.equal(first[name], second[name]) for name in ALL)
    assert torch.equal(logits, resnet18(pictures))


def test_a_batch_equals_a_loop_and_a_network_in_training_mode_equals_one_in_evaluation(resnet18, pictures):
    targets = torch.tensor([0, 2, 1])
    batch = explain(resnet18.train(), pictures, target=targets)
    resnet18.eval()
    for index in range(3):
        one = explain(resnet18, pictures[index : index + 1], target=int(targets[index]))
        for name in ALL:
            torch.testing.assert_close(one[name][0], batch[name][index], atol=1e-10, rtol=1e-10, msg=name)


def test_several_classes_of_one_forward_pass_equal_each_alone(resnet18, pictures):
    logits, found = explain_classes(resnet18, pictures, [0, None, 1, 0])
    assert torch.equal(logits, resnet18(pictures))
    for target, maps in zip([0, None, 1, 0], found, strict=True):
        alone = explain(resnet18, pictures, target=target)
        assert all(torch.equal(maps[name], alone[name]) for name in ALL)


def test_no_target_means_the_predicted_class(resnet18, pictures):
    predicted = resnet18(pictures).argmax(1)
    ours, theirs = explain(resnet18, pictures), explain(resnet18, pictures, target=predicted)
    assert all(torch.equal(ours[name], theirs[name]) for name in ALL)


def test_in_place_equals_not_in_place(resnet18, pictures):
    plain = copy.deepcopy(resnet18)
    for module in plain.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    # Block outputs, and outputs of layers that an in-place ReLU or an in-place addition follows.
    deep = {"single": ["layer4.1.bn1"], "combined": ["bn1", "layer2.0.bn1", "layer3.1.bn2", "layer4.1"]}
    for layers in (resnet18.saliency_layers, deep):
        ours, theirs = explain(resnet18, pictures, layers=layers), explain(plain, pictures, layers=layers)
        for name in ALL:
            torch.testing.assert_close(ours[name], theirs[name], atol=1e-12, rtol=1e-12, msg=name)


class Functional(nn.Module):
    """A network of given activations, called as functions or as modules, and some of them twice."""

    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(0)
        self.convolutions = nn.ModuleList([nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 3), nn.Conv2d(5, 5, 3)])
        self.head = nn.Linear(5, 2)
        self.activation = activation

    def forward(self, x):
        for convolution in self.convolutions:
            x = self.activation(convolution(x))
        return self.head(x.mean((2, 3)))


def guided_by_hand(model, image, derivative, rule):
    """Guided Backprop of `Functional`, backwards layer by layer."""
    inputs = [image]
    before = []
    for convolution in model.convolutions:
        before.append(convolution(inputs[-1]).detach())
        inputs.append(model.activation(before[-1].clone()).detach())
    gradient = model.head.weight[1][None, :, None, None].detach().expand_as(inputs[-1]) / inputs[-1][0, 0].numel()
    for convolution, x, y in zip(model.convolutions[::-1], before[::-1], inputs[:0:-1], strict=True):
        gradient = rule(gradient, y) * derivative(x)
        gradient = functional.conv_transpose2d(gradient, convolution.weight.detach())
    return gradient.abs().sum(1)


RELUS = {
    "one module": nn.ReLU(),
    "one module in place": nn.ReLU(inplace=True),
    "functional.relu": functional.relu,
    "functional.relu in place": lambda x: functional.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
}


@pytest.mark.parametrize("activation", RELUS.values(), ids=RELUS)
def test_the_guided_rule_meets_every_way_to_call_relu(activation):
    model = Functional(activation).double()
    image = torch.randn(1, 3, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    ours = explain(model, image, "guided_backprop", target=1)["guided_backprop"]
    theirs = guided_by_hand(model, image, lambda x: (x > 0).double(), lambda g, y: g.clamp(min=0))
    torch.testing.assert_close(ours, theirs)


SILU_RULES = {
    "clamp": lambda g, y: g.clamp(min=0),
    "relu_rule": lambda g, y: g.clamp(min=0) * (y > 0),
    "plain": lambda g, y: g,
}


@pytest.mark.parametrize("activation", [nn.SiLU(inplace=True), functional.silu], ids=["module in place", "function"])
@pytest.mark.parametrize("rule", SILU_RULES)
def test_the_three_rules_for_silu(rule, activation):
    model = Functional(activation).double()
    image = torch.randn(1, 3, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    ours = explain(model, image, "guided_backprop", target=1, silu=rule)["guided_backprop"]

    def derivative(x):
        return x.sigmoid() * (1 + x * (1 - x.sigmoid()))

    torch.testing.assert_close(ours, guided_by_hand(model, image, derivative, SILU_RULES[rule]))


def test_silu_without_a_choice_raises_only_for_guided_methods(efficientnet, pictures):
    images = pictures[:1].float()
    before = state(efficientnet)
    for name in ("guided_backprop", "guided_gradcam"):
        with pytest.raises(ValueError, match=r"(?s)clamp.*relu_rule.*plain"):
            explain(efficientnet, images, name)
    assert_same(before, state(efficientnet))
    assert explain(efficientnet, images, ["gradcam", "input_x_gradient"])


def test_a_target_made_in_inference_mode_is_as_good_as_any(resnet18, pictures):
    with torch.inference_mode():
        predicted = resnet18(pictures).argmax(1)
    found = explain(resnet18, pictures, ["gradcam"], target=predicted)["gradcam"]
    assert torch.equal(found, explain(resnet18, pictures, ["gradcam"])["gradcam"])


def test_frozen_parameters_and_contexts_without_gradients_make_no_difference(resnet18, pictures):
    free = explain(resnet18, pictures)
    resnet18.requires_grad_(False)
    with torch.no_grad():
        frozen = explain(resnet18, pictures)
    with torch.inference_mode():
        inference = explain(resnet18, pictures.clone())
    for name in ALL:
        assert torch.equal(free[name], frozen[name]), name
        assert torch.equal(free[name], inference[name]), name


def test_precisions(resnet18, pictures):
    full = explain(resnet18, pictures, target=0)
    assert all(saliency.dtype == torch.float64 for saliency in full.values())
    single = explain(resnet18.float(), pictures.float(), target=0)
    with torch.autocast("cpu", torch.bfloat16):
        half = explain(resnet18, pictures.float(), target=0)
    for name in ALL:
        assert single[name].dtype == half[name].dtype == torch.float32
        if name != "normgrad_bias_single":
            peak = full[name].max()
            assert (single[name] - full[name]).abs().max() < 1e-3 * peak, name
            assert (half[name] - full[name]).abs().mean() < 0.1 * peak, name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same(resnet18, pictures):
    here = explain(resnet18, pictures)
    there = explain(resnet18.cuda(), pictures.cuda())
    for name in ALL:
        assert there[name].is_cuda
        torch.testing.assert_close(there[name].cpu(), here[name], atol=1e-9, rtol=1e-9, msg=name)


def test_nothing_is_kept_between_calls(resnet18, pictures):
    model, images = resnet18.float(), pictures[:1, :, :32, :32].float()

    def tensors():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    explain(model, images)
    before = tensors()
    for _ in range(10):
        explain(model, images)
    assert tensors() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"methods": ["gradcamm"]}, "gradcamm"),
        ({"mode": "printed"}, "published_midl, and is 'printed'"),
        ({"defects": ("S12",)}, "no defect 'S12'"),
        ({"mode": "published", "defects": ("S1_midl",)}, "exclude each other"),
        ({"silu": "guess"}, "guess"),
        ({"target": torch.tensor([0, 1])}, "3 ints"),
        ({"target": -1}, "0..2"),
        ({"target": 0.5}, "int"),
        ({"layers": {}, "methods": "gradcam"}, "'single'"),
        ({"layers": {"single": ["layer4.1"]}}, "'combined'"),
        ({"layers": {"single": ["avgpool", "layer1"]}, "methods": "gradcam"}, "one layer"),
    ],
)
def test_what_cannot_be_done_is_said(resnet18, pictures, arguments, words):
    with pytest.raises(ValueError, match=words):
        explain(resnet18, pictures, **arguments)


def test_bytes_and_single_pictures_are_refused(resnet18, pictures):
    for images in (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), pictures[0]):
        with pytest.raises(ValueError, match="normalised floats"):
            explain(resnet18, images)


def test_layers_off_the_path_to_the_logits_are_refused(pictures):
    class Detour(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle, self.never = (nn.Conv2d(3, 2, 3) for _ in range(3))

        def forward(self, x):
            self.idle(x)
            return self.used(x).mean((2, 3))

    model = Detour().double()
    with pytest.raises(ValueError, match="do not depend on the output of layer 'idle'"):
        explain(model, pictures, "gradcam", layers={"single": ["idle"]})
    with pytest.raises(ValueError, match="does not call layer 'never'"):
        explain(model, pictures, "gradcam", layers={"single": ["never"]})
