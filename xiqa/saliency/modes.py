"""`explain`: saliency maps of a batch in a corrected or a published mode."""

from collections.abc import Sequence

from torch import Tensor, nn

from xiqa.models.states import evaluating
from xiqa.saliency import published
from xiqa.saliency.engine import Layers, Methods, Target
from xiqa.saliency.methods import ALL, METHODS, checked, explain_classes


def explain(
    model: nn.Module,
    images: Tensor,
    methods: Methods = ALL,
    target: Target = None,
    layers: Layers | None = None,
    mode: str = "corrected",
    defects: Sequence[str] = (),
    silu: str | None = None,
) -> dict[str, Tensor]:
    """Saliency maps of a batch, by name of the method.

    One forward and one backward pass serve all methods; guided methods add one backward pass. The network is in
    evaluation mode during the call and left as it was.

    Parameters
    ----------
    model : a network that returns logits (B, K), on the device of `images`.
    images : normalised inputs (B, C, H, W) or (B, C, X, Y, Z), any floating type; autocast is respected.
    methods : names out of ``METHODS``; by default the papers' (``ALL``).
    target : the class explained: None for the predicted one, an int, or one int an image.
    layers : ``{"single": [name], "combined": [name, ...]}`` with dotted module names; by default
        ``model.saliency_layers``, which networks of `xiqa.models.build` have.
    mode : "corrected", or "published" and "published_midl": the authors' two programs with their defects.
    defects : further defects by name, each acting alone or with those of the mode; see ``DEFECTS``.
    silu : rule of guided methods for SiLU: "clamp" (negative output gradients zeroed), "relu_rule" (also where the
        output is <= 0), "plain"; without a rule a network with SiLU raises.

    Returns
    -------
    Maps (B, H, W) or (B, X, Y, Z), float32 (float64 for float64 inputs), non-negative. Combined maps lie in [0, 1], the
    others are raw. `degenerate` finds the maps without a peak.

    Raises
    ------
    ValueError : unknown method, layer, mode or rule, target out of range, SiLU without a rule.
    """
    methods, layers = checked(model, images, methods, layers, silu)
    wrong = published.resolve(mode, defects)
    if not wrong:
        return explain_classes(model, images, [target], methods, layers, silu)[1][0]
    guided = any(METHODS[name].guided and not ("S1" in wrong and name in published.GUIDED) for name in methods)
    with evaluating(model):
        return published.Passes(model, images, target, layers, silu, guided).maps(methods, wrong)
