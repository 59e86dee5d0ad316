"""Every method against an independent implementation: outer products, captum, or the definition."""

import captum.attr
import pytest
import torch
from torch import nn
from torch.nn import functional

from xiqa.saliency.engine import Forward
from xiqa.saliency.methods import ALL, METHODS, combine, degenerate, register, resize
from xiqa.saliency.modes import explain

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks", "ignore:Input Tensor 0 did not already")

KINDS = ("bias", "scaling", "conv1x1", "conv3x3")


def activation_and_gradient(model, layer, image, target):
    """Output of a layer and the gradient of the logit there, by a route of their own."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, args, output: kept.append(output))
    logit = model(image[None].clone().requires_grad_())[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(logit, kept)
    return kept[0][0].detach(), gradient[0]


def outer_product_map(kind, activation, gradient):
    """Norm, at every position, of the summand of the weight gradient, written out."""
    channels, height, width = activation.shape
    g = gradient.flatten(1).T
    a = activation.flatten(1).T
    if kind == "bias":
        summands = g
    elif kind == "scaling":
        summands = a * g
    elif kind == "conv1x1":
        summands = torch.einsum("ui,uj->uij", g, a)
    else:
        patches = functional.unfold(activation[None], 3, padding=1)[0].T
        assert patches.shape == (height * width, 9 * channels)
        summands = torch.einsum("ui,uj->uij", g, patches)
    return summands.flatten(1).pow(2).sum(1).sqrt().reshape(height, width)


def reference_normgrad(model, kind, layers, image, target, combined):
    product = torch.ones(image.shape[1:], dtype=torch.float64)
    for layer in layers:
        grid = outer_product_map(kind, *activation_and_gradient(model, layer, image, target))
        full = functional.interpolate(grid[None, None], image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
        if not combined:
            return full
        if (grid - grid[0, 0]).abs().max() > 1e-12 * grid.max():
            product = product * (full - full.min()) / (full.max() - full.min())
    return product


@pytest.mark.parametrize("which", ["single", "combined"])
@pytest.mark.parametrize("kind", KINDS)
def test_normgrad_is_the_norm_of_the_outer_products(resnet18, pictures, kind, which):
    name = f"normgrad_{kind}_{which}"
    targets = torch.tensor([2, 0, 1])
    ours = explain(resnet18, pictures, [name], target=targets)[name]
    for index, image in enumerate(pictures):
        layers = resnet18.saliency_layers[which]
        theirs = reference_normgrad(resnet18, kind, layers, image, targets[index], which == "combined")
        assert (ours[index] - theirs).abs().max() <= 1e-10 * theirs.max()
        assert (ours[index] - theirs).abs().max() <= 1e-10


def test_the_summands_add_up_to_the_weight_gradient_of_a_virtual_layer(resnet18, pictures):
    """What the formulas rest on: insert the identity convolution, and its weight gradient is the sum of summands."""
    image = pictures[:1]
    virtual = nn.Conv2d(128, 128, 3, padding=1).double()
    nn.init.dirac_(virtual.weight)
    nn.init.zeros_(virtual.bias)
    a, g = activation_and_gradient(resnet18, "layer2.0", image[0], 1)
    resnet18.layer2[0] = nn.Sequential(resnet18.layer2[0], virtual)
    weight, bias = torch.autograd.grad(resnet18(image)[0, 1], [virtual.weight, virtual.bias])
    patches = functional.unfold(a[None], 3, padding=1)[0]
    torch.testing.assert_close(weight.flatten(1), g.flatten(1) @ patches.T)
    torch.testing.assert_close(bias, g.sum((1, 2)))


def test_gradient_methods_equal_captum(either_resnet, pictures):
    model, (layer,) = either_resnet, either_resnet.saliency_layers["single"]
    module, target = model.get_submodule(layer), torch.tensor([1, 0, 2])
    cam = captum.attr.LayerGradCam(model, module).attribute(pictures, target, relu_attributions=True)
    guided = captum.attr.GuidedBackprop(model).attribute(pictures.clone(), target)
    # captum's own Guided Grad-CAM, with the interpolation of the papers instead of its default
    both = captum.attr.GuidedGradCam(model, module).attribute(pictures.clone(), target, interpolate_mode="bilinear")
    reference = {
        "gradcam": captum.attr.LayerAttribution.interpolate(cam, (64, 96), "bilinear")[:, 0],
        "guided_backprop": guided.abs().sum(1),
        "guided_gradcam": both.abs().sum(1),
        "input_x_gradient": captum.attr.InputXGradient(model).attribute(pictures.clone(), target).abs().sum(1),
    }
    ours = explain(model, pictures, reference, target=target)
    for name, theirs in reference.items():
        assert theirs.max() > 0, name
        assert (ours[name] - theirs).abs().max() <= 1e-6 * theirs.max(), name
    plain = captum.attr.Saliency(model).attribute(pictures.clone(), target).sum(1)
    assert (ours["guided_backprop"] - plain).abs().max() > 0.1 * plain.max(), "the guided rule changed nothing"


def test_the_combined_gradcam_multiplies_the_layers(resnet18, pictures):
    product = 1
    for layer in resnet18.saliency_layers["combined"]:
        cam = explain(resnet18, pictures, ["gradcam"], 0, {"single": [layer]})["gradcam"]
        low, high = cam.amin((1, 2), keepdim=True), cam.amax((1, 2), keepdim=True)
        product = product * torch.where(high > low, (cam - low) / (high - low), 1)
    ours = explain(resnet18, pictures, "gradcam_combined", 0)["gradcam_combined"]
    torch.testing.assert_close(ours, product, atol=1e-12, rtol=0)


def test_all_rows_of_the_tables_in_order(efficientnet, pictures):
    names = ["gradcam", "gradcam_combined", "guided_gradcam", "input_x_gradient", "guided_backprop"]
    names += [f"normgrad_{kind}_{which}" for kind in KINDS for which in ("single", "combined")]
    maps = explain(efficientnet, pictures.float(), silu="clamp")
    assert list(maps) == list(ALL) == names
    for name, saliency in maps.items():
        assert saliency.shape == (3, 64, 96), name
        assert saliency.dtype == torch.float32, name
        assert not saliency.requires_grad, name
        assert saliency.min() >= 0, name
        assert "combined" not in name or saliency.max() <= 1, name


def test_a_randomly_initialised_efficientnet_keeps_its_maps(efficientnet, pictures):
    """Its activations are near 1e-13, which any absolute epsilon in the scaling flattens."""
    maps = explain(efficientnet, pictures.float(), [name for name in ALL if "normgrad" in name])
    assert maps["normgrad_conv1x1_single"].max() < 1e-9
    for name, saliency in maps.items():
        assert degenerate(saliency).all() == (name == "normgrad_bias_single"), name
        assert saliency.max() > 1e-4 or "single" in name, name


def test_the_scale_of_the_network_does_not_matter(resnet18, pictures):
    """Combined maps are scaled by layer: a head that is 1e-30 times as large changes nothing."""
    names = [name for name in ALL if "combined" in name]
    before = explain(resnet18, pictures, names, 1)
    with torch.no_grad():
        resnet18.fc.weight.mul_(1e-30)
    for name, saliency in explain(resnet18, pictures, names, 1).items():
        torch.testing.assert_close(saliency, before[name], atol=1e-12, rtol=0)


def test_the_constant_bias_map_of_the_last_layer_is_counted(resnet18, pictures):
    """Global average pooling spreads the gradient evenly, so the last layer's bias map says nothing."""
    layers, last = resnet18.saliency_layers, resnet18.saliency_layers["single"]
    for images in (pictures, pictures.float()):
        for combined, nothing in ((layers["combined"], False), (last, True)):
            forward = Forward(resnet18.to(images.dtype), images, {"single": last, "combined": combined}, False, None)
            captured = forward.captured(None)
            assert degenerate(METHODS["normgrad_bias_single"].function(captured)).all()
            product, constant = METHODS["normgrad_bias_combined"].function(captured)
            assert degenerate(product).all() == nothing
            assert constant.tolist() == [1, 1, 1]


def test_combine_leaves_constant_layers_out_and_counts_them_by_image():
    generator = torch.Generator().manual_seed(0)
    varied, constant = torch.rand(2, 3, 5, generator=generator), torch.full((2, 4, 4), 0.1)
    constant[1, 2, 2] = 0.7
    product, count = combine([varied, constant], (32, 48))
    alone, none = combine([varied], (32, 48))
    assert count.tolist() == [1, 0]
    assert none.tolist() == [0, 0]
    torch.testing.assert_close(product[0], alone[0])
    assert not torch.allclose(product[1], alone[1])


def test_combine_multiplies_tiny_factors_without_losing_them():
    ramp = torch.linspace(0, 1, 8).expand(1, 8, 8) ** 40 * 1e-200
    product, _ = combine([ramp.double()] * 10, (8, 8))
    assert (product > 0).sum() > 8


def test_a_layer_with_nan_makes_a_degenerate_map():
    broken = torch.rand(2, 4, 4)
    broken[0, 1, 1] = torch.nan
    product, _ = combine([torch.rand(2, 4, 4), broken], (8, 8))
    assert degenerate(product).tolist() == [True, False]


def test_resize_keeps_constants_exact_at_odd_sizes():
    resized = resize(torch.full((1, 19, 19), 0.1, dtype=torch.float64), (600, 601))
    assert resized.min() == resized.max() == 0.1


def test_degenerate():
    varied = torch.arange(6.0).reshape(2, 3)
    cases = [
        (varied, False),
        (varied * 1e-30, False),
        (varied * 0 + 3, True),
        (varied * 0, True),
        (varied.where(varied != 2, torch.nan), True),
        (varied.where(varied != 2, torch.inf), True),
        (1 + varied * 1e-8, True),
    ]
    assert degenerate(torch.stack([saliency for saliency, _ in cases])).tolist() == [answer for _, answer in cases]
    assert degenerate(torch.tensor([[[False, True]]])).tolist() == [False]


def test_three_dimensional_networks_get_volumes():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool3d(2), nn.Conv3d(4, 6, 3, padding=1),
        nn.ReLU(inplace=True), nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(48, 2),
    ).double()  # fmt: skip
    layers = {"single": ["4"], "combined": ["1", "3", "4"]}
    volumes = torch.randn(2, 1, 12, 10, 8, dtype=torch.float64)
    maps = explain(model, volumes, target=1, layers=layers)
    assert all(saliency.shape == (2, 12, 10, 8) for saliency in maps.values())
    assert not any(degenerate(saliency).any() for saliency in maps.values())
    # conv3x3x3 by shifting a padded volume instead of a box sum
    kept = []
    handle = model[4].register_forward_hook(lambda module, args, output: kept.append(output))
    (gradient,) = torch.autograd.grad(model(volumes)[:, 1].sum(), kept)
    handle.remove()
    padded = functional.pad(kept[0].detach(), [1] * 6)
    patches = padded.unfold(2, 3, 1).unfold(3, 3, 1).unfold(4, 3, 1)
    norm = patches.pow(2).sum((1, 5, 6, 7)).sqrt() * gradient.pow(2).sum(1).sqrt()
    theirs = functional.interpolate(norm[:, None], (12, 10, 8), mode="trilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(maps["normgrad_conv3x3_single"], theirs, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("size", [(4, 4), (8, 4), (8, 8, 4), (4, 4, 4)])
def test_grids_of_one_or_two_cells(size):
    torch.manual_seed(0)
    convolution, pool = (nn.Conv2d, nn.MaxPool2d) if len(size) == 2 else (nn.Conv3d, nn.MaxPool3d)
    model = nn.Sequential(convolution(1, 3, 3, padding=1), nn.ReLU(), pool(4), nn.Flatten(), nn.LazyLinear(2))
    images = torch.randn(2, 1, *size)
    model(images)
    for name, saliency in explain(model, images, layers={"single": ["2"], "combined": ["0", "2"]}).items():
        assert saliency.shape == (2, *size), name
        assert saliency.isfinite().all(), name


def test_integrated_gradients_of_captum_is_registered(resnet18, pictures):
    assert "integrated_gradients" in METHODS
    assert "integrated_gradients" not in ALL
    ours = explain(resnet18, pictures[:1], "integrated_gradients", target=1)["integrated_gradients"]
    theirs = captum.attr.IntegratedGradients(resnet18).attribute(pictures[:1], target=1, n_steps=32)
    torch.testing.assert_close(ours, theirs.abs().sum(1))


def test_a_new_method_is_one_function_and_one_line(resnet18, pictures):
    try:

        @register("gradient")
        def gradient(c):
            return c.input_gradient.abs().sum(1)

        maps = explain(resnet18, pictures, ["gradient", "gradcam"], target=2)
    finally:
        del METHODS["gradient"]
    theirs = captum.attr.Saliency(resnet18).attribute(pictures.clone(), target=2).sum(1)
    torch.testing.assert_close(maps["gradient"], theirs)
