"""Saliency maps: where a network looks, by every method of the explainability papers, in two shared passes.

``explain`` is the whole of it. ``ALL`` names the papers' methods, ``METHODS`` holds these and every other one that is
registered, and ``register`` adds one (see `xiqa.saliency.methods`).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from xiqa.saliency import published
from xiqa.saliency.engine import SILU_RULES, Captured, Forward, evaluating
from xiqa.saliency.methods import ALL, METHODS, absolute, combine, register, resize
from xiqa.saliency.published import DEFECTS, MODES

__all__ = [
    "ALL",
    "DEFECTS",
    "METHODS",
    "MODES",
    "SILU_RULES",
    "Captured",
    "absolute",
    "combine",
    "degenerate",
    "explain",
    "explain_classes",
    "explain_with_notes",
    "register",
    "resize",
]


def explain(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str = ALL,
    target: int | Tensor | None = None,
    layers: Mapping[str, Sequence[str]] | None = None,
    mode: str = "corrected",
    defects: Sequence[str] = (),
    silu: str | None = None,
) -> dict[str, Tensor]:
    """Saliency maps of a batch, by name of the method.

    One forward pass and one backward pass serve all methods; Guided Backprop and Guided Grad-CAM add one backward
    pass. The network is put in evaluation mode for the call and left as it was found.

    Parameters
    ----------
    model : a network that returns logits (B, K), on the device of `images`.
    images : normalised inputs (B, C, H, W) or (B, C, X, Y, Z), any floating type; autocast is respected.
    methods : names out of ``METHODS``; by default the papers' (``ALL``).
    target : the class explained: None for the one the network predicts, an int, or one int an image.
    layers : ``{"single": [name], "combined": [name, ...]}`` with dotted module names; by default
        ``model.saliency_layers``, which networks of `xiqa.models.build` have.
    mode : "corrected", or "published" and "published_midl": the authors' two programs with their defects.
    defects : further defects by name, each acting alone or with those of the mode; see ``DEFECTS``.
    silu : how guided methods treat SiLU: "clamp" (negative output gradients zeroed), "relu_rule" (also where the
        output is <= 0), "plain"; without a choice a network with SiLU raises.

    Returns
    -------
    dict of (B, H, W) or (B, X, Y, Z) maps, float32 (float64 for float64 inputs), non-negative. Combined maps lie in
    [0, 1]; the others are raw. `degenerate` tells which maps carry no position.

    Raises
    ------
    ValueError : unknown method, layer, mode or rule, target out of range, SiLU without a rule.

    """
    return explain_with_notes(model, images, methods, target, layers, mode, defects, silu)[0]


def explain_with_notes(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str = ALL,
    target: int | Tensor | None = None,
    layers: Mapping[str, Sequence[str]] | None = None,
    mode: str = "corrected",
    defects: Sequence[str] = (),
    silu: str | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """`explain`, and for each combined method the number of layers (B,) that were constant and contributed nothing."""
    methods, layers = _checked(model, images, methods, layers, silu)
    wrong = published.resolve(mode, defects)
    with evaluating(model):
        if wrong:
            return published.explain(model, images, methods, target, layers, wrong, silu)
        return _maps(_forward(model, images, methods, layers, silu).captured(target), methods)


def explain_classes(
    model: nn.Module,
    images: Tensor,
    targets: Sequence[int | Tensor | None],
    methods: Sequence[str] | str = ALL,
    layers: Mapping[str, Sequence[str]] | None = None,
    silu: str | None = None,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Logits (B, K) and, for each of ``targets``, what `explain` gives: one forward pass serves all of them."""
    methods, layers = _checked(model, images, methods, layers, silu)
    with evaluating(model):
        forward = _forward(model, images, methods, layers, silu)
        found = [_maps(forward.captured(t, last=i == len(targets) - 1), methods)[0] for i, t in enumerate(targets)]
    return forward.logits.detach(), found


def _forward(model: nn.Module, images: Tensor, methods: Sequence[str], layers: Mapping, silu: str | None) -> Forward:
    return Forward(model, images, layers, any(METHODS[name].guided for name in methods), silu)


def _maps(captured: Captured, methods: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
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


def _checked(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str,
    layers: Mapping[str, Sequence[str]] | None,
    silu: str | None,
) -> tuple[tuple[str, ...], Mapping[str, Sequence[str]]]:
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    _check(images, methods, silu)
    return methods, getattr(model, "saliency_layers", {}) if layers is None else layers


def degenerate(maps: Tensor) -> Tensor:
    """Which maps (B, ...) have no peak: constant (within rounding of their type) or not finite; bool (B,)."""
    flat = maps.flatten(1) if maps.is_floating_point() else maps.flatten(1).float()
    low, high = flat.amin(1), flat.amax(1)
    rounding = 4 * torch.finfo(flat.dtype).eps * torch.maximum(low.abs(), high.abs())
    # A NaN anywhere makes both extremes NaN, and an infinite value their difference infinite or NaN.
    return ~(high - low).isfinite() | (high - low <= rounding)


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
