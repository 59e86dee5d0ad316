"""Randomisation of a trained network, block by block (Adebayo et al. 2018): which maps depend on what it learned?

Blocks are re-initialised from the head downwards, in the end all of them (`cascade`), or one at a time (`independent`),
and the maps are compared with those of the trained network. Three choices:

- Parameters and buffers of a block (`blocks`) become those of a new network of the same name, so batch normalisation
  starts anew, and a cascade ends in the fully random network of its seed (:func:`xiqa.models.network`).
- The class explained is the one that the *trained* network predicted, at every step; with the class of the new network
  two things would change at once. How often that class differs is counted (``flipped``).
- A map without a peak (constant or not finite) has no similarity: NaN, and it is counted (``degenerate``).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from xiqa import models, saliency
from xiqa.models.states import drawing, evaluating
from xiqa.saliency.engine import Forward, Methods, Target
from xiqa.saliency.methods import METHODS, checked, maps_of
from xiqa.sanity import similarity

COLUMNS = [
    "method", "step", "layer", "image", "spearman", "spearman_signed", "ssim", "hog", "flipped", "degenerate",
]  # fmt: skip
# Gradient maps before the absolute value is taken; Grad-CAM and NormGrad have no sign.
SIGNED = {
    "input_x_gradient": lambda c: (c.images * c.input_gradient).sum(1),
    "guided_backprop": lambda c: c.guided_gradient.sum(1),
    "guided_gradcam": lambda c: c.guided_gradient.sum(1) * METHODS["gradcam"].function(c),
}


def blocks(model: nn.Module) -> dict[str, list[str]]:
    """Blocks of a network from the head to the input: name -> names of its modules.

    Every parameter and buffer is in exactly one block. ResNets: head, layer4 ... layer1, stem; EfficientNet-B0: head,
    features.8 ... features.0; three-dimensional networks: head, then their blocks; others raise ValueError.
    """
    name = getattr(model, "name", None)
    if name in models.RESNETS:
        return {"head": ["fc"], **{f"layer{i}": [f"layer{i}"] for i in (4, 3, 2, 1)}, "stem": ["conv1", "bn1"]}
    if name == "efficientnet_b0":
        return {"head": ["classifier"], **{f"features.{i}": [f"features.{i}"] for i in range(8, -1, -1)}}
    if name in models.NETWORKS_3D:
        trunk = [child for child, _ in model.trunk.named_children() if child.startswith("block")]
        return {"head": ["head"], **{child: [f"trunk.{child}"] for child in reversed(trunk)}}
    raise ValueError(f"the blocks of {type(model).__name__} are unknown: pass a network of xiqa.models.build")


def cascade(
    model: nn.Module,
    images: Tensor,
    methods: Methods = saliency.ALL,
    target: Target = None,
    seed: int = 0,
    silu: str = "clamp",
    batch: int = 8,
) -> pd.DataFrame:
    """Similarity to the trained network's maps while blocks are re-initialised from the head downwards, cumulatively.

    A copy of the network is changed, in evaluation mode and on its device. ``images`` are normalised inputs
    (N, 3, H, W) or (N, 1, X, Y, Z), at least 32 px a side; ``target`` is the class explained at every step, int or (N,)
    ints, None for the class that ``model`` predicts; ``seed`` is that of the new parameters; ``methods`` and ``silu``
    are as in :func:`xiqa.saliency.explain`; ``batch`` images are explained together.

    A row an image, method and step: method, step (0: nothing randomised), layer (block re-initialised last; "none" at
    step 0), image (index), spearman, spearman_signed (of gradient maps summed over channels with their sign; NaN for
    other methods), ssim, hog (NaN for volumes), all as in :mod:`xiqa.sanity.similarity`; flipped (the predicted class
    differs from that of ``model``), degenerate (one of the two maps has no peak: every similarity is NaN). ValueError:
    unknown network, method or rule, target out of range, images too small.
    """
    return _randomise(True, model, images, methods, target, seed, silu, batch)


def independent(
    model: nn.Module,
    images: Tensor,
    methods: Methods = saliency.ALL,
    target: Target = None,
    seed: int = 0,
    silu: str = "clamp",
    batch: int = 8,
) -> pd.DataFrame:
    """As `cascade`, with one block (``layer``) re-initialised at a time and all others as trained; no step 0."""
    return _randomise(False, model, images, methods, target, seed, silu, batch)


def randomised(
    model: nn.Module, shape: Sequence[int] | None = None, seed: int = 0, cumulative: bool = True
) -> Iterator[tuple[int, str, nn.Module]]:
    """Steps of a randomisation: (step, block re-initialised last, network), the first being (0, "none", a copy).

    The copy changes from step to step: use it before the next one. ``shape`` (X, Y, Z) is that of input volumes.
    """
    with drawing(seed):
        new = models.build(model.name, models.head_of(model).out_features, shape=shape)
    work = copy.deepcopy(model).eval()
    yield 0, "none", work
    for step, (block, names) in enumerate(blocks(model).items(), start=1):
        _put(new, work, names)
        yield step, block, work
        if not cumulative:
            _put(model, work, names)


class SignedMaps(NamedTuple):
    """Maps of N images on the CPU, and their classes.

    ``maps`` by method are (N, *size), non-negative; ``signed`` maps of gradient methods are summed over channels with
    the sign; ``target`` and ``predicted`` (N,) are the explained and the predicted classes.
    """

    maps: dict[str, Tensor]
    signed: dict[str, Tensor]
    target: Tensor
    predicted: Tensor


def signed_maps(
    model: nn.Module, images: Tensor, methods: Sequence[str], target: Target = None, silu: str = "clamp"
) -> SignedMaps:
    """Maps of :func:`xiqa.saliency.explain` of one batch, with the signed maps and the predicted class of that pass."""
    methods, layers = checked(model, images, methods, None, silu)
    dtype = torch.promote_types(images.dtype, torch.float32)
    with evaluating(model):
        forward = Forward(model, images, layers, any(METHODS[name].guided for name in methods), silu)
        captured = forward.captured(target)
        maps = {name: values.cpu() for name, values in maps_of(captured, methods).items()}
        with torch.autocast(images.device.type, enabled=False):
            signed = {name: SIGNED[name](captured).detach().to("cpu", dtype) for name in methods if name in SIGNED}
    return SignedMaps(maps, signed, captured.target, captured.logits.argmax(1).cpu())


def compare(
    first: SignedMaps, second: SignedMaps, features: dict[str, similarity.Features] | None = None
) -> pd.DataFrame:
    """Similarity of two networks' maps of the same images and class: a row an image and method, as in `cascade`.

    ``features`` are those of the first maps, by method, where they are computed already.
    """
    features = features or {name: similarity.features(maps) for name, maps in first.maps.items()}
    flipped = (first.predicted != second.predicted).numpy()
    parts = []
    for name, values in features.items():
        rows = similarity.compare_features(values, similarity.features(second.maps[name]))
        signed = similarity.spearman(first.signed[name], second.signed[name]) if name in first.signed else float("nan")
        rows.insert(2, "spearman_signed", signed)
        parts.append(rows.assign(method=name, flipped=flipped))
    return pd.concat(parts, ignore_index=True)


def _randomise(
    cumulative: bool,
    model: nn.Module,
    images: Tensor,
    methods: Methods,
    target: Target,
    seed: int,
    silu: str,
    batch: int,
) -> pd.DataFrame:
    blocks(model)  # An unknown network is refused before any work.
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    parts = []
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        classes = target[start : start + batch] if isinstance(target, Tensor) and target.dim() else target
        for step, block, network in randomised(model, images.shape[2:], seed, cumulative):
            maps = signed_maps(network, some, methods, classes, silu)
            if step == 0:
                trained, classes = maps, maps.target
                features = {name: similarity.features(values) for name, values in trained.maps.items()}
                if not cumulative:
                    continue
            rows = compare(trained, maps, features).assign(step=step, layer=block)
            parts.append(rows.assign(image=rows["image"] + start))
    frame = pd.concat(parts, ignore_index=True)
    order = np.lexsort((frame["image"], frame["method"].map(methods.index), frame["step"]))
    return frame.iloc[order].reset_index(drop=True)[COLUMNS]


def _put(source: nn.Module, target: nn.Module, names: Sequence[str]) -> None:
    """Copy parameters and buffers of the named modules; device and precision stay the target's."""
    for name in names:
        target.get_submodule(name).load_state_dict(source.get_submodule(name).state_dict())
