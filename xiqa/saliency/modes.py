"""`explain`: saliency maps of a batch in a corrected or a published mode."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from xiqa.models.states import evaluating
from xiqa.saliency import published
from xiqa.saliency.core import checked, forward_of, maps_of
from xiqa.saliency.methods import ALL


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
    methods, layers = checked(model, images, methods, layers, silu)
    wrong = published.resolve(mode, defects)
    with evaluating(model):
        if wrong:
            return published.explain(model, images, methods, target, layers, wrong, silu)
        return maps_of(forward_of(model, images, methods, layers, silu).captured(target), methods)
