r"""The saliency methods, each one function of what was captured, and the registry that `explain` reads.

A new method is one function and one line::

    @register("gradient")
    def gradient(c: Captured) -> Tensor:
        return absolute(c.input_gradient)

It takes a `Captured` and returns non-negative maps (B, *size), or `combine`'s pair of maps and counts. Methods that
use ``c.guided_gradient`` register with ``guided=True``. Any method of captum fits, as `integrated_gradients` shows.

With :math:`a(u)` the activation of a layer at position u (channels) and :math:`g(u)` the gradient of the class logit
with respect to it, NormGrad (Rebuffi, Fong, Ji, Vedaldi, CVPR 2020) is the norm of the summand that position u adds to
the weight gradient of a virtual identity layer: bias :math:`\|g\|`; scaling :math:`\|a \odot g\|`; 1 x 1 convolution
:math:`\|g a^T\|_F = \|a\|\,\|g\|`; 3 x 3 convolution :math:`\|g\,p(a)^T\|_F = \|p(a)\|\,\|g\|`, where p(a) is the
zero-padded patch of activations, whose squared norm is a box sum of :math:`\|a\|^2`. Neither outer products nor patches
are formed.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from xiqa.saliency.engine import Captured

Maps = Tensor | tuple[Tensor, Tensor]
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
    return gradient.to(_at_least_single(gradient)).abs().sum(1)


def resize(maps: Tensor, size: Iterable[int]) -> Tensor:
    """Maps (B, *grid) to (B, *size), bilinear or trilinear, ``align_corners=False``; a constant map stays constant."""
    high, flat = _range(maps)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[maps.dim() - 1]
    resized = functional.interpolate(maps[:, None], tuple(size), mode=mode, align_corners=False)[:, 0]
    # The weights of an interpolation add up to one only within rounding, which a min-max would blow up.
    return torch.where(flat, high, resized)


def combine(maps: Iterable[Tensor], size: Iterable[int]) -> tuple[Tensor, Tensor]:
    """Unweighted product over layers of maps resized to the input and scaled to [0, 1] per image.

    A layer whose map is constant says nothing about where: it contributes the factor 1 and is counted. There is no
    epsilon, since activations may be as small as 1e-13, and everything is float64, since ten factors are multiplied.

    Returns
    -------
    product : (B, *size) float64 in [0, 1]; all ones where every layer is constant.
    constant : (B,) int64, how many layers were constant.
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


def _range(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum of each map, and whether the map is constant, both (B, 1, ...)."""
    space = tuple(range(1, maps.dim()))
    high, low = maps.amax(space, keepdim=True), maps.amin(space, keepdim=True)
    return high, high - low <= ROUNDING * high


def _at_least_single(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def cam(c: Captured, layer: str) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): ReLU of the activations weighted by their mean gradient, (B, *grid) float64."""
    activation, gradient = c.activations[layer].double(), c.gradients[layer].double()
    weights = gradient.flatten(2).mean(2)
    return torch.einsum("bc,bc...->b...", weights, activation).relu()


@register("gradcam")
def gradcam(c: Captured) -> Tensor:
    """Grad-CAM of the single layer."""
    return resize(cam(c, c.single), c.size)


@register("gradcam_combined")
def gradcam_combined(c: Captured) -> Maps:
    """Grad-CAM multiplied over the layers NormGrad is multiplied over (ours: tells the layers from the formula)."""
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


def normgrad_bias(c: Captured, layer: str) -> Tensor:
    """Norm of the gradient."""
    return norms(c, layer)[1]


def normgrad_scaling(c: Captured, layer: str) -> Tensor:
    """Norm of the product, channel by channel."""
    return torch.linalg.vector_norm(c.activations[layer].double() * c.gradients[layer], dim=1)


def normgrad_conv1x1(c: Captured, layer: str) -> Tensor:
    """Norm of activation times norm of gradient."""
    activation, gradient = norms(c, layer)
    return activation * gradient


def normgrad_conv3x3(c: Captured, layer: str) -> Tensor:
    """Norm of the 3 x 3 (x 3) patch of activations times norm of gradient."""
    activation, gradient = norms(c, layer)
    space = activation.dim() - 1
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[space]
    # Padded by hand: avg_pool3d refuses a grid of two cells, whatever its padding.
    padded = functional.pad(activation[:, None] ** 2, [1] * 2 * space)
    squares = pool(padded, 3, stride=1, divisor_override=1)[:, 0]
    return squares.sqrt() * gradient


def _register_normgrad(name: str, layer_map: Callable[[Captured, str], Tensor]) -> None:
    register(f"{name}_single")(lambda c: resize(layer_map(c, c.single), c.size))
    register(f"{name}_combined")(lambda c: combine((layer_map(c, layer) for layer in c.combined), c.size))


for _layer_map in (normgrad_bias, normgrad_scaling, normgrad_conv1x1, normgrad_conv3x3):
    _register_normgrad(_layer_map.__name__, _layer_map)
# The rows of the papers' tables. Methods registered from here on are asked for by name.
ALL = tuple(METHODS)


@register("integrated_gradients")
def integrated_gradients(c: Captured) -> Tensor:
    """Integrated Gradients (Sundararajan et al. 2017) from the mean picture, 32 steps, by captum."""
    from captum.attr import IntegratedGradients

    attribution = IntegratedGradients(c.model).attribute(
        c.images, target=c.target, n_steps=32, internal_batch_size=len(c.images)
    )
    return absolute(attribution)


def degenerate(maps: Tensor) -> Tensor:
    """Which maps (B, ...) have no peak: constant (within rounding of their type) or not finite; bool (B,)."""
    flat = maps.flatten(1) if maps.is_floating_point() else maps.flatten(1).float()
    low, high = flat.amin(1), flat.amax(1)
    rounding = 4 * torch.finfo(flat.dtype).eps * torch.maximum(low.abs(), high.abs())
    # A NaN anywhere makes both extremes NaN, and an infinite value their difference infinite or NaN.
    return ~(high - low).isfinite() | (high - low <= rounding)


def tabulated() -> list[str]:
    """Methods of the paper's tables: every registered one that is not slow, in the order of registration."""
    return [name for name in METHODS if name not in SLOW]
