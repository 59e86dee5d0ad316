"""Do maps depend on what the network learned? Networks that cannot know the task, and networks made to forget it.

*Networks that cannot know the task.* In prose these are the "untrained network" and the "pretrained backbone, untrained
head"; the papers call them FR (fully random) and SR (semi-random). Without ImageNet weights the backbone is the
pretext's and the row is called SR*, since it cannot be compared with the published one. `network` builds them.

*Networks made to forget* (Adebayo et al. 2018). A trained network loses its blocks to a new draw, from the head
downwards and all of them in the end (`cascade`), or one at a time (`independent`), and each map is compared with that
of the trained network. Three choices matter and are fixed here:

- The unit is a block (`blocks`): parameters and buffers of a block are those of a new network of the same name, drawn
  from ``seed`` as the library draws it (apart from the draw that a training of that seed started from). So batch
  normalisation starts anew with its block (scale 1, shift 0, running mean 0, running variance 1: in evaluation mode it
  normalises nothing), and the end of a cascade is the fully random network of that seed.
- The class explained is the one that the *trained* network predicted, at every step. Explaining the new network's class
  would mix a change of map with a change of question; how often that class differs is reported (``flipped``).
- A map without a peak is like nothing: its similarity is NaN and it is counted (``degenerate``), never a silent 0.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from xiqa import models, saliency
from xiqa.models.states import _drawing, evaluating
from xiqa.saliency.engine import Captured, capture
from xiqa.saliency.methods import METHODS
from xiqa.sanity import similarity

COLUMNS = [
    "method", "step", "layer", "image", "spearman", "spearman_signed", "ssim", "hog", "flipped", "degenerate",
]  # fmt: skip


def blocks(model: nn.Module) -> dict[str, list[str]]:
    """Blocks of a network from the head down to the input: name -> names of the modules that belong to it.

    Every parameter and buffer is in exactly one block. ResNets: head, layer4 ... layer1, stem; EfficientNet-B0: head,
    features.8 ... features.0; three-dimensional networks: head, then their blocks.

    Raises
    ------
    ValueError : not a network of :func:`xiqa.models.build`.

    """
    name = getattr(model, "name", None)
    if name in models.RESNETS:
        return {"head": ["fc"], **{f"layer{i}": [f"layer{i}"] for i in (4, 3, 2, 1)}, "stem": ["conv1", "bn1"]}
    if name == "efficientnet_b0":
        return {"head": ["classifier"], **{f"features.{i}": [f"features.{i}"] for i in range(8, -1, -1)}}
    if name in models.NETWORKS_3D:
        trunk = [child for child, _ in model.trunk.named_children() if child.startswith("block")]
        return {"head": ["head"], **{child: [f"trunk.{child}"] for child in reversed(trunk)}}
    raise ValueError(f"the blocks of {type(model).__name__} are not known: give a network of xiqa.models.build")


def cascade(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str = saliency.ALL,
    target: int | Tensor | None = None,
    seed: int = 0,
    silu: str = "clamp",
    batch: int = 8,
) -> pd.DataFrame:
    """Similarity to the trained network's maps while blocks are re-initialised from the head downwards, cumulatively.

    The network is not touched: everything happens to a copy of it, in evaluation mode, on its device.

    Parameters
    ----------
    model : a trained network of :func:`xiqa.models.build`.
    images : normalised inputs (N, 3, H, W) or (N, 1, X, Y, Z) on the network's device, at least 32 px a side.
    methods : names out of ``saliency.METHODS``; by default the papers'.
    target : the class explained at every step: None for the one the network as given predicts, an int, or one an image.
    seed : of the new parameters.
    silu : how guided methods treat SiLU, as in :func:`xiqa.saliency.explain`.
    batch : images explained together; fixed, so that numbers repeat.

    Returns
    -------
    DataFrame, a row an image, method and step, with the columns method, step (0: nothing randomised), layer (the block
    re-initialised last; "none" at step 0), image (index), spearman (of the map, which is absolute), spearman_signed
    (of the sum over channels with its sign, for the gradient maps; NaN for methods without a sign), ssim, hog (NaN for
    volumes): see :mod:`xiqa.sanity.similarity`; flipped (whether the network now predicts another class than as given),
    degenerate (whether one of the two maps has no peak: every similarity is NaN then).

    Raises
    ------
    ValueError : unknown network, method or rule, target out of range, images too small.

    """
    return _forget(model, images, methods, target, seed, silu, batch, cumulative=True)


def independent(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str = saliency.ALL,
    target: int | Tensor | None = None,
    seed: int = 0,
    silu: str = "clamp",
    batch: int = 8,
) -> pd.DataFrame:
    """As `cascade`, with one block re-initialised at a time and all others as trained; ``layer`` is the one."""
    return _forget(model, images, methods, target, seed, silu, batch, cumulative=False)


def randomised(
    model: nn.Module, shape: Sequence[int] | None = None, seed: int = 0, cumulative: bool = True
) -> Iterator[tuple[int, str, nn.Module]]:
    """Steps of a randomisation: (step, block re-initialised last, network), the first being (0, "none", a copy).

    It is one copy of ``model`` that changes from step to step; use it before asking for the next. ``shape`` (X, Y, Z)
    is that of the inputs, for three-dimensional networks.
    """
    with _drawing(seed):
        new = models.build(model.name, models.head_of(model).out_features, shape=shape)
    work = copy.deepcopy(model).eval()
    yield 0, "none", work
    for step, (block, names) in enumerate(blocks(model).items(), start=1):
        _put(new, work, names)
        yield step, block, work
        if not cumulative:
            _put(model, work, names)


class Explained(NamedTuple):
    """Maps of some images by several methods, on the CPU.

    Attributes
    ----------
    maps : by method, (N, *size), non-negative.
    signed : by method, those of gradient methods summed over channels with their sign.
    target : (N,) the class explained.
    predicted : (N,) the class the network predicts.

    """

    maps: dict[str, Tensor]
    signed: dict[str, Tensor]
    target: Tensor
    predicted: Tensor


def explained(
    model: nn.Module, images: Tensor, methods: Sequence[str], target: int | Tensor | None = None, silu: str = "clamp"
) -> Explained:
    """`saliency.explain` of one batch, with the signs and the predicted class that the same passes give."""
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValueError(f"no saliency method {', '.join(map(repr, unknown))}: there are {', '.join(METHODS)}")
    guided = any(METHODS[name].guided for name in methods)
    dtype = torch.promote_types(images.dtype, torch.float32)
    maps, signed = {}, {}
    with evaluating(model):
        captured = capture(model, images, target, model.saliency_layers, guided, silu)
        with torch.autocast(images.device.type, enabled=False):
            for name in methods:
                made = METHODS[name].function(captured)
                maps[name] = (made[0] if isinstance(made, tuple) else made).detach().to("cpu", dtype)
                if name in SIGNED:
                    signed[name] = SIGNED[name](captured).detach().to("cpu", dtype)
    return Explained(maps, signed, captured.target, captured.logits.argmax(1).cpu())


def alike(first: Explained, second: Explained) -> pd.DataFrame:
    """Similarity of two networks' maps of the same images and class: a row an image and method, as in `cascade`."""
    known = {name: similarity.features(maps) for name, maps in first.maps.items()}
    return _alike(first, known, second)


def _alike(first: Explained, known: dict[str, similarity.Features], second: Explained) -> pd.DataFrame:
    flipped = (first.predicted != second.predicted).numpy()
    parts = []
    for name, ours in known.items():
        found = similarity.compare_features(ours, similarity.features(second.maps[name]))
        signed = similarity.spearman(first.signed[name], second.signed[name]) if name in first.signed else float("nan")
        found.insert(2, "spearman_signed", signed)
        parts.append(found.assign(method=name, flipped=flipped))
    return pd.concat(parts, ignore_index=True)


def _forget(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[str] | str,
    target: int | Tensor | None,
    seed: int,
    silu: str,
    batch: int,
    cumulative: bool,
) -> pd.DataFrame:
    blocks(model)  # An unknown network is refused before any work.
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    parts = []
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        wanted = target[start : start + batch] if isinstance(target, Tensor) and target.dim() else target
        for step, block, network in randomised(model, images.shape[2:], seed, cumulative):
            found = explained(network, some, methods, wanted, silu)
            if step == 0:
                trained, wanted = found, found.target
                known = {name: similarity.features(maps) for name, maps in trained.maps.items()}
                if not cumulative:
                    continue
            rows = _alike(trained, known, found).assign(step=step, layer=block)
            parts.append(rows.assign(image=rows["image"] + start))
    frame = pd.concat(parts, ignore_index=True)
    order = np.lexsort((frame["image"], frame["method"].map(methods.index), frame["step"]))
    return frame.iloc[order].reset_index(drop=True)[COLUMNS]


def _put(source: nn.Module, target: nn.Module, names: Sequence[str]) -> None:
    """Copy parameters and buffers of the named modules; device and precision stay the target's."""
    for name in names:
        target.get_submodule(name).load_state_dict(source.get_submodule(name).state_dict())


def _signed_guided(c: Captured) -> Tensor:
    return c.guided_gradient.sum(1)


# The gradient maps before the absolute value is taken; Grad-CAM and NormGrad have no sign.
SIGNED: dict[str, Callable[[Captured], Tensor]] = {
    "input_x_gradient": lambda c: (c.images * c.input_gradient).sum(1),
    "guided_backprop": _signed_guided,
    "guided_gradcam": lambda c: _signed_guided(c) * METHODS["gradcam"].function(c),
}
