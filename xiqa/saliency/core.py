"""Saliency maps by every method from one forward pass."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from xiqa.models.states import evaluating
from xiqa.saliency.engine import SILU_RULES, Captured, Forward
from xiqa.saliency.methods import ALL, METHODS


def explain_classes(
    model: nn.Module,
    images: Tensor,
    targets: Sequence[int | Tensor | None],
    methods: Sequence[str] | str = ALL,
    layers: Mapping[str, Sequence[str]] | None = None,
    silu: str | None = None,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Logits (B, K) and, for each of ``targets``, what `explain` gives: one forward pass serves all of them."""
    methods, layers = checked(model, images, methods, layers, silu)
    with evaluating(model):
        forward = forward_of(model, images, methods, layers, silu)
        found = [maps_of(forward.captured(t, last=i == len(targets) - 1), methods)[0] for i, t in enumerate(targets)]
    return forward.logits.detach(), found


def forward_of(model: nn.Module, images: Tensor, methods: Sequence[str], layers: Mapping, silu: str | None) -> Forward:
    """One forward pass that keeps what the methods read."""
    return Forward(model, images, layers, any(METHODS[name].guided for name in methods), silu)


def maps_of(captured: Captured, methods: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Maps by method, and for combined ones the number of constant layers, from one captured backward pass."""
    dtype = torch.promote_types(captured.images.dtype, torch.float32)
    maps, constant = {}, {}
    # The maps themselves are computed in full precision, also where the caller runs the network under autocast.
    with torch.autocast(captured.images.device.type, enabled=False):
        for name in methods:
            made = METHODS[name].function(captured)
            if isinstance(made, tuple):
                made, constant[name] = made
            maps[name] = made.detach().to(dtype)
    return maps, constant


def checked(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str,
    layers: Mapping[str, Sequence[str]] | None,
    silu: str | None,
) -> tuple[tuple[str, ...], Mapping[str, Sequence[str]]]:
    """Methods and layers, once images, methods and the rule for SiLU have been checked."""
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    _check(images, methods, silu)
    return methods, getattr(model, "saliency_layers", {}) if layers is None else layers


def _check(images: Tensor, methods: tuple[str, ...], silu: str | None) -> None:
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValueError(f"no saliency method {', '.join(map(repr, unknown))}: there are {', '.join(METHODS)}")
    if silu is not None and silu not in SILU_RULES:
        raise ValueError(f"silu must be None or one of {', '.join(SILU_RULES)}, and is {silu!r}")
    if not images.is_floating_point() or images.dim() not in (4, 5):
        raise ValueError(
            f"images must be normalised floats (B, C, H, W) or (B, C, X, Y, Z), "
            f"not {images.dtype} of shape {tuple(images.shape)}"
        )
