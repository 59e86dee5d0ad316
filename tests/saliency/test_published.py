"""Each defect of the published programs against a reference of its own, written out in numpy and PIL."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from xiqa import saliency
from xiqa.saliency import published
from xiqa.saliency.engine import Forward, GuidedRule
from xiqa.saliency.methods import ALL
from xiqa.saliency.modes import explain

GRADIENT = ("guided_backprop", "input_x_gradient", "guided_gradcam")


def gradients(model, images, of=None):
    """Gradient at the input of the sum of the predicted logits, or of ``of`` (a function of the logits)."""
    leaf = images.clone().requires_grad_()
    logits = model(leaf)
    score = logits.max(1).values.sum() if of is None else of(logits)
    return torch.autograd.grad(score, leaf)[0]


def close(a, b, tolerance=1e-9):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    assert np.abs(a - b).max() <= tolerance * np.abs(b).max()


def chain_pass(model, images):
    """The network with the last block run as a chain: output of its last convolution, gradient there, logits."""
    x = model.maxpool(model.relu(model.bn1(model.conv1(images.clone().requires_grad_()))))
    x = model.layer3(model.layer2(model.layer1(x)))
    *others, last = model.layer4
    for block in others:
        x = block(x)
    for name, child in last.named_children():
        x = child(x)
        if name == ("conv3" if hasattr(last, "conv3") else "conv2"):
            kept = x
            x = x.clone()
    logits = model.fc(model.avgpool(x).flatten(1))
    gradient = torch.autograd.grad(logits.max(1).values.sum(), kept)[0]
    return kept.detach(), gradient, logits.detach()


def weighted(activation, gradient):
    return (activation * gradient.mean((2, 3), keepdim=True)).sum(1)


def test_s1_guided_backprop_is_the_plain_gradient(resnet18, pictures):
    maps = explain(resnet18, pictures, defects=["S1"])
    plain = gradients(resnet18, pictures).abs().sum(1)
    close(maps["guided_backprop"], plain)
    close(maps["guided_gradcam"], plain * maps["gradcam"])


def test_s1_midl_only_the_stem_is_guided(resnet18, pictures):
    leaf = pictures.clone().requires_grad_()
    stem = resnet18.relu(resnet18.bn1(resnet18.conv1(leaf)))
    stem.register_hook(lambda gradient: gradient.clamp(min=0))
    x = resnet18.layer4(resnet18.layer3(resnet18.layer2(resnet18.layer1(resnet18.maxpool(stem)))))
    logits = resnet18.fc(resnet18.avgpool(x).flatten(1))
    expected = torch.autograd.grad(logits.max(1).values.sum(), leaf)[0].abs().sum(1)
    found = explain(resnet18, pictures, "guided_backprop", defects=["S1_midl"])["guided_backprop"]
    close(found, expected)
    assert not torch.allclose(found, explain(resnet18, pictures, "guided_backprop", defects=["S1"])["guided_backprop"])


def test_s2_gradcam_explains_a_network_without_the_skip_connection(either_resnet, pictures):
    activation, gradient, logits = chain_pass(either_resnet, pictures)
    assert not torch.allclose(logits, either_resnet(pictures).detach())
    expected = functional.interpolate(weighted(activation, gradient).relu()[:, None], (64, 96), mode="bilinear")[:, 0]
    close(explain(either_resnet, pictures, "gradcam", defects=["S2"])["gradcam"], expected)


def test_s2_leaves_a_block_without_a_skip_connection_alone(efficientnet):
    images = torch.randn(2, 3, 64, 64)
    right, wrong = (explain(efficientnet, images, "gradcam", defects=d)["gradcam"] for d in ((), ["S2"]))
    assert torch.equal(right, wrong)


def test_s2_refuses_a_block_that_downsamples(resnet18, pictures):
    with pytest.raises(ValueError, match="downsamples"):
        explain(resnet18, pictures, "gradcam", layers={"single": ["layer4.0"]}, defects=["S2"])
    assert "forward" not in resnet18.layer4[0].__dict__


def test_s3_transposes_drawn_masks_and_no_boxes():
    masks = np.zeros((1, 4, 4), bool)
    masks[0, 0, 3] = True
    assert published.truth(masks, {"S3"}, drawn=True)[0, 3, 0]
    assert published.truth(masks, {"S3"}, drawn=False) is masks
    assert published.truth(masks, {"S1"}, drawn=True) is masks
    with pytest.raises(ValueError, match="not square"):
        published.truth(masks[:, :3], {"S3"}, drawn=True)


def test_s4_explains_the_sum_of_all_logits_unless_a_target_is_given(resnet18, pictures):
    both = gradients(resnet18, pictures, of=lambda logits: logits.sum())
    found = explain(resnet18, pictures, GRADIENT, defects=["S4", "S1"])
    close(found["guided_backprop"], both.abs().sum(1))
    close(found["input_x_gradient"], (both * pictures).abs().sum(1))
    named = explain(resnet18, pictures, GRADIENT, target=1, defects=["S4"])
    right = explain(resnet18, pictures, GRADIENT, target=1)
    assert all(torch.allclose(named[name], right[name]) for name in GRADIENT)


def test_s4_is_guided_where_the_hooks_are_not_lost(resnet18, pictures):
    found = explain(resnet18, pictures, "guided_backprop", defects=["S4"])["guided_backprop"]
    leaf = pictures.clone().requires_grad_()
    rule = GuidedRule(None)
    with rule:
        logits = resnet18(leaf)
    rule.reach = 10**6
    close(found, torch.autograd.grad(logits.sum(), leaf)[0].abs().sum(1))


def reference_product(maps, size):
    """Their combination in numpy, single precision."""
    product = None
    for layer in maps:
        resized = functional.interpolate(layer[None, None].float(), size, mode="bilinear")[0, 0].numpy()
        out = (resized - resized.min()) / (resized.max() - resized.min() + np.float32(1e-8))
        product = out if product is None else product * out
    return (product - product.min()) / (product.max() - product.min() + np.float32(1e-8))


def test_s5_is_an_absolute_guard_in_single_precision(resnet18, pictures):
    found = explain(resnet18, pictures, "normgrad_conv1x1_combined", defects=["S5"])["normgrad_conv1x1_combined"]
    captured = Forward(resnet18, pictures, resnet18.saliency_layers, False, None).captured(None)
    for i in range(len(pictures)):
        layers = [
            (captured.activations[n][i].norm(dim=0) * captured.gradients[n][i].norm(dim=0)) for n in captured.combined
        ]
        close(found[i], reference_product(layers, (64, 96)), 1e-5)


def test_s5_flattens_a_randomly_initialised_efficientnet(efficientnet):
    images = torch.randn(2, 3, 64, 64)
    name = "normgrad_conv1x1_combined"
    right, wrong = (explain(efficientnet, images, name, defects=d)[name] for d in ((), ["S5"]))
    assert not saliency.degenerate(right).any()
    assert saliency.degenerate(wrong).all()


def test_s5_midl_has_no_guard():
    flat = torch.full((1, 3, 3), 2.0)
    assert published.combine(iter([flat]), (3, 3), {"S5_midl"}).isnan().all()


def test_s6_gradcam_in_eight_bits(resnet18, pictures):
    captured = Forward(resnet18, pictures, resnet18.saliency_layers, False, None).captured(None)
    cams = (1 + weighted(captured.activations["layer4.1"], captured.gradients["layer4.1"])).relu().float().numpy()
    found = explain(resnet18, pictures, "gradcam", defects=["S6"])["gradcam"].numpy()
    for cam, one in zip(cams, found, strict=True):
        bytes_ = np.uint8((cam - cam.min()) / (cam.max() - cam.min()) * 255)
        expected = np.asarray(Image.fromarray(bytes_).resize((96, 64), Image.Resampling.LANCZOS)) / 255
        assert np.abs(one - expected).max() <= 1.01 / 255
        assert (one == one.max()).sum() > 1  # the ties that it makes


def test_s6_gradient_maps_are_cut_and_tie(resnet18, pictures):
    found = explain(resnet18, pictures, GRADIENT, defects=["S6", "S1"])
    plain = gradients(resnet18, pictures).abs().sum(1).numpy()
    for grey, one in zip(plain, found["guided_backprop"].numpy(), strict=True):
        high, low = np.percentile(grey, 99), grey.min()
        close(one, np.clip((grey - low) / (high - low), 0, 1), 1e-6)
        assert (one == 1).sum() >= grey.size // 100


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_s7_a_zero_layer_resets_the_product(zero):
    generator = torch.Generator().manual_seed(0)
    layers = [torch.rand(1, 4, 4, generator=generator) for _ in range(3)]
    layers[zero] = torch.ones(1, 4, 4)
    scaled = [(m - m.min()) / (m.max() - m.min()) for m in layers]
    after = [scaled[i] for i in range(zero + 1, 3)]
    expected = torch.stack([torch.ones(1, 4, 4), *after]).prod(0)
    close(published.combine(iter(layers), (4, 4), {"S7"}), expected, 1e-6)
    others = torch.stack([scaled[i] for i in range(3) if i != zero]).prod(0)
    close(published.combine(iter(layers), (4, 4), ()), others, 1e-6)


def test_s8_multiplies_by_the_red_gradient(resnet18, pictures):
    red = gradients(resnet18, pictures)[:, :1]
    close(
        explain(resnet18, pictures, "input_x_gradient", defects=["S8"])["input_x_gradient"],
        (red * pictures).abs().sum(1),
    )


def test_the_positive_part(resnet18, pictures):
    found = explain(resnet18, pictures, "guided_backprop", defects=["S1", "positive"])["guided_backprop"]
    close(found, gradients(resnet18, pictures).clamp(min=0).sum(1))


@pytest.mark.parametrize("defect", saliency.DEFECTS)
def test_a_defect_changes_its_methods_and_no_other(resnet18, pictures, defect):
    right = explain(resnet18, pictures)
    wrong = explain(resnet18, pictures, defects=[defect])
    for name in ALL:
        if not published.affected(name, [defect]):
            assert torch.equal(right[name], wrong[name]), name
    changed = [name for name in ALL if not torch.allclose(right[name], wrong[name].to(right[name]), rtol=1e-4)]
    # S7 needs a layer that is zero everywhere, which only the bias variant has here.
    assert bool(changed) == (defect != "S3")
    assert set(changed) <= set(published.ACTS_ON[defect])


@pytest.mark.parametrize("mode", ["published", "published_midl"])
def test_a_mode_is_its_defects_together(resnet18, pictures, mode):
    whole = explain(resnet18, pictures, mode=mode)
    parts = explain(resnet18, pictures, defects=saliency.MODES[mode])
    assert list(whole) == list(ALL)
    for name in ALL:
        assert torch.equal(whole[name].nan_to_num(-1), parts[name].nan_to_num(-1)), name


def test_batch_equals_loop_and_nothing_is_left_on_the_network(resnet18, pictures):
    before = [module.__dict__.get("forward") for module in resnet18.modules()]
    logits = resnet18(pictures).detach()
    whole = explain(resnet18, pictures, mode="published")
    for i in range(len(pictures)):
        alone = explain(resnet18, pictures[i : i + 1], mode="published")
        for name in ALL:
            close(whole[name][i].nan_to_num(-1), alone[name][0].nan_to_num(-1), 1e-4)
    assert before == [module.__dict__.get("forward") for module in resnet18.modules()]
    assert all(parameter.grad is None for parameter in resnet18.parameters())
    assert torch.equal(resnet18(pictures).detach(), logits)


def test_one_set_of_passes_serves_every_set_of_defects(resnet18, pictures):
    passes = published.Passes(resnet18, pictures, None, resnet18.saliency_layers, None, guided=True)
    for defects in ((), ("S1",), ("S2", "S6"), saliency.MODES["published"]):
        found = passes.maps(ALL, defects)
        alone = explain(resnet18, pictures, defects=defects)
        assert all(torch.equal(found[name].nan_to_num(-1), alone[name].nan_to_num(-1)) for name in ALL), defects


def test_published_maps_need_no_rule_for_silu(efficientnet):
    images = torch.randn(1, 3, 64, 64)
    maps = explain(efficientnet, images, GRADIENT, mode="published")
    assert torch.isfinite(maps["guided_backprop"]).all()
    with pytest.raises(ValueError, match="SiLU"):
        explain(efficientnet, images, GRADIENT, defects=["S4"])
