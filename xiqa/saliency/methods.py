r"""The saliency methods, their registry, and maps by all of them from one forward pass.

A new method is one function and one line::

    @register("gradient")
    def gradient(c: Captured) -> Tensor:
        return absolute(c.input_gradient)

It returns non-negative maps (B, *size), or `combine`'s pair of maps and counts; if it uses ``c.guided_gradient`` it
registers with ``guided=True``. Any method of captum fits, as `integrated_gradients` shows.

With :math:`a(u)` the activation of a layer at position u (channels) and :math:`g(u)` the gradient of the class logit
with respect to it, NormGrad (Rebuffi, Fong, Ji, Vedaldi, CVPR 2020) is the norm of the summand that position u adds to
the weight gradient of a virtual identity layer: bias :math:`\|g\|`; scaling :math:`\|a \odot g\|`; 1 x 1 convolution
:math:`\|g a^T\|_F = \|a\|\,\|g\|`; 3 x 3 convolution :math:`\|g\,p(a)^T\|_F = \|p(a)\|\,\|g\|`, where p(a) is the
zero-padded patch of activations, whose squared norm is a box sum of :math:`\|a\|^2`. Neither outer products nor patches
are formed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from xiqa.models.states import evaluating
from xiqa.saliency.engine import SILU_RULES, Captured, Forward, Layers, Methods, Target

Maps = Tensor | tuple[Tensor, Tensor]
LayerMap = Callable[[Captured, str], Tensor]
SLOW = ("integrated_gradients",)  # 33 passes an image: explained by name only
# A map whose range is below this share of its maximum is constant: what is left is rounding in float64.
ROUNDING = 1e-12


class Method(NamedTuple):
    """A registered method: its function, and whether it needs the guided backward pass."""

    function: Callable[[Captured], Maps]
    guided: bool


METHODS: dict[str, Method] = {}


def register(name: str, guided: bool = False) -> Callable:
    """Make a function of `Captured` a method of `explain` under this name."""

    def add(function: Callable[[Captured], Maps]) -> Callable[[Captured], Maps]:
        METHODS[name] = Method(function, guided)
        return function

    return add


def absolute(gradient: Tensor) -> Tensor:
    """Sum of absolute values over the input channels, (B, C, *size) -> (B, *size)."""
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32)).abs().sum(1)


def resize(maps: Tensor, size: Iterable[int]) -> Tensor:
    """Maps (B, *grid) to (B, *size), bilinear or trilinear, ``align_corners=False``; a constant map stays constant."""
    space = tuple(range(1, maps.dim()))
    high, low = maps.amax(space, keepdim=True), maps.amin(space, keepdim=True)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[maps.dim() - 1]
    resized = functional.interpolate(maps[:, None], tuple(size), mode=mode, align_corners=False)[:, 0]
    # The weights of an interpolation add up to one only within rounding, which a min-max would blow up.
    return torch.where(high - low <= ROUNDING * high, high, resized)


def combine(maps: Iterable[Tensor], size: Iterable[int]) -> tuple[Tensor, Tensor]:
    """Unweighted product over layers of maps resized to the input and scaled to [0, 1] per image.

    There is no epsilon, since activations may be as small as 1e-13, and everything is float64, since ten factors are
    multiplied. Returns the product (B, *size) float64 in [0, 1] and the number of layers (B,) int64 whose map was
    constant: these contribute the factor 1.
    """
    product, constant = None, 0
    for layer in maps:
        resized = resize(layer.double(), size)
        space = tuple(range(1, resized.dim()))
        low = resized.amin(space, keepdim=True)
        span = resized.amax(space, keepdim=True) - low
        flat = span == 0
        factor = torch.where(flat, 1.0, resized.sub_(low).div_(span))
        product = factor if product is None else product.mul_(factor)
        constant = constant + flat.flatten().long()
    return product, constant


def cam(c: Captured, layer: str) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): ReLU of the activations weighted by their mean gradient, (B, *grid) float64."""
    activation, gradient = c.activations[layer].double(), c.gradients[layer].double()
    return torch.einsum("bc,bc...->b...", gradient.flatten(2).mean(2), activation).relu()


@register("gradcam")
def gradcam(c: Captured) -> Tensor:
    """Grad-CAM of the single layer."""
    return resize(cam(c, c.single), c.size)


@register("gradcam_combined")
def gradcam_combined(c: Captured) -> Maps:
    """Grad-CAM multiplied over the layers NormGrad is multiplied over (ours: separates the effect of the layers)."""
    return combine((cam(c, layer) for layer in c.combined), c.size)


@register("guided_gradcam", guided=True)
def guided_gradcam(c: Captured) -> Tensor:
    """Guided Backprop times Grad-CAM of the single layer (Selvaraju et al. 2017)."""
    return absolute(c.guided_gradient) * gradcam(c)


@register("input_x_gradient")
def input_x_gradient(c: Captured) -> Tensor:
    """Input times gradient (Shrikumar et al. 2016) on the normalised input."""
    return absolute(c.images * c.input_gradient)


@register("guided_backprop", guided=True)
def guided_backprop(c: Captured) -> Tensor:
    """Guided Backprop (Springenberg et al. 2015)."""
    return absolute(c.guided_gradient)


def norms(c: Captured, layer: str) -> tuple[Tensor, Tensor]:
    """Norms over channels of activation and gradient of a layer, each (B, *grid) float64, computed once."""
    if layer not in c.cache:
        both = c.activations[layer], c.gradients[layer]
        c.cache[layer] = tuple(torch.linalg.vector_norm(tensor, dim=1, dtype=torch.float64) for tensor in both)
    return c.cache[layer]


def _register_normgrad(layer_map: LayerMap) -> LayerMap:
    """Register the map of a layer for the single and for the combined layers."""
    name = layer_map.__name__
    register(f"{name}_single")(lambda c: resize(layer_map(c, c.single), c.size))
    register(f"{name}_combined")(lambda c: combine((layer_map(c, layer) for layer in c.combined), c.size))
    return layer_map


@_register_normgrad
def normgrad_bias(c: Captured, layer: str) -> Tensor:
    """Norm of the gradient."""
    return norms(c, layer)[1]


@_register_normgrad
def normgrad_scaling(c: Captured, layer: str) -> Tensor:
    """Norm of the product, channel by channel."""
    return torch.linalg.vector_norm(c.activations[layer].double() * c.gradients[layer], dim=1)


@_register_normgrad
def normgrad_conv1x1(c: Captured, layer: str) -> Tensor:
    """Norm of activation times norm of gradient."""
    activation, gradient = norms(c, layer)
    return activation * gradient


@_register_normgrad
def normgrad_conv3x3(c: Captured, layer: str) -> Tensor:
    """Norm of the 3 x 3 (x 3) patch of activations times norm of gradient."""
    activation, gradient = norms(c, layer)
    pool = {3: functional.avg_pool2d, 4: functional.avg_pool3d}[activation.dim()]
    # Padded by hand: avg_pool3d refuses a grid of two cells, whatever its padding.
    padded = functional.pad(activation[:, None] ** 2, [1, 1] * (activation.dim() - 1))
    return pool(padded, 3, stride=1, divisor_override=1)[:, 0].sqrt() * gradient


# The rows of the papers' tables. Methods registered below are computed only if they are named.
ALL = tuple(METHODS)


@register("integrated_gradients")
def integrated_gradients(c: Captured) -> Tensor:
    """Integrated Gradients (Sundararajan et al. 2017) from the mean picture, 32 steps, by captum."""
    from captum.attr import IntegratedGradients

    integrated = IntegratedGradients(c.model)
    return absolute(integrated.attribute(c.images, target=c.target, n_steps=32, internal_batch_size=len(c.images)))


def degenerate(maps: Tensor) -> Tensor:
    """Which maps (B, ...) have no peak: constant (within rounding of their type) or not finite; bool (B,)."""
    flat = maps.flatten(1) if maps.is_floating_point() else maps.flatten(1).float()
    low, high = flat.amin(1), flat.amax(1)
    rounding = 4 * torch.finfo(flat.dtype).eps * torch.maximum(low.abs(), high.abs())
    # NaN and infinite values make the difference of the extremes infinite or NaN.
    return ~(high - low).isfinite() | (high - low <= rounding)


def tabulated() -> list[str]:
    """Methods of the paper's tables: every registered one that is not slow, in the order of registration."""
    return [name for name in METHODS if name not in SLOW]


def explain_classes(
    model: nn.Module,
    images: Tensor,
    targets: Sequence[Target],
    methods: Methods = ALL,
    layers: Layers | None = None,
    silu: str | None = None,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Logits (B, K) and, for each of ``targets``, the maps of `explain`; one forward pass serves all of them."""
    methods, layers = checked(model, images, methods, layers, silu)
    with evaluating(model):
        forward = Forward(model, images, layers, any(METHODS[name].guided for name in methods), silu)
        last = len(targets) - 1
        maps = [maps_of(forward.captured(target, last=i == last), methods) for i, target in enumerate(targets)]
    return forward.logits.detach(), maps


def maps_of(captured: Captured, methods: Sequence[str]) -> dict[str, Tensor]:
    """Maps by method from one captured backward pass, in full precision also under autocast."""
    dtype = torch.promote_types(captured.images.dtype, torch.float32)
    maps = {}
    with torch.autocast(captured.images.device.type, enabled=False):
        for name in methods:
            values = METHODS[name].function(captured)
            maps[name] = (values[0] if isinstance(values, tuple) else values).detach().to(dtype)
    return maps


def checked(
    model: nn.Module, images: Tensor, methods: Methods, layers: Layers | None, silu: str | None
) -> tuple[tuple[str, ...], Layers]:
    """Methods and layers with their defaults; ValueError for unknown methods, SiLU rules or wrong images."""
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    if unknown := [name for name in methods if name not in METHODS]:
        raise ValueError(f"no saliency method {', '.join(map(repr, unknown))}: there are {', '.join(METHODS)}")
    if silu is not None and silu not in SILU_RULES:
        raise ValueError(f"silu must be None or one of {', '.join(SILU_RULES)}, and is {silu!r}")
    if not images.is_floating_point() or images.dim() not in (4, 5):
        shape = tuple(images.shape)
        raise ValueError(f"images must be normalised floats (B, C, *size), not {images.dtype} of shape {shape}")
    return methods, getattr(model, "saliency_layers", {}) if layers is None else layers
