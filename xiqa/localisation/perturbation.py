"""Insertion and deletion (Petsiuk, Das and Saenko 2018, RISE): dependence of the network on pixels of high saliency.

Pixels are taken by falling saliency. Deletion replaces them by those of a baseline; insertion puts them into the
baseline. If the map marks what the network uses, the area under the probability is small in deletion and large in
insertion. Both measure the network and not the truth, on pictures unlike its training data.
"""

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from xiqa.models.states import evaluating
from xiqa.saliency.engine import Target, explained_classes
from xiqa.saliency.methods import degenerate

KINDS = ("insertion", "deletion")
# Share of the picture's height: 10 px at 224, as in Fong and Vedaldi (2017). The kernel of RISE (11 px, sigma 5) is
# narrower than the objects here and would leave them visible.
BLUR = 10 / 224
BATCH = 32  # perturbed pictures in one pass; fixed, so that numbers repeat


def insertion_deletion(
    model: nn.Module,
    images: Tensor,
    maps: Tensor | NDArray,
    target: Target = None,
    steps: int = 20,
    baseline: str | float = "blur",
) -> pd.DataFrame:
    """Softmax probability of a class while pixels are inserted and deleted by falling saliency.

    ``images`` (B, C, H, W) are normalised, ``maps`` (B, H, W); of equal values the first in raster order is taken
    first. ``target`` None is the class predicted for the intact image. There are ``steps`` equal portions of pixels.
    ``baseline`` replaces pixels: "blur" (Gaussian of 10/224 of the height, cut off at three standard deviations, edges
    reflected), "mean" (of each channel over the image), or a number in the unit of the images.

    Columns, image by image: image (number), kind ("insertion" or "deletion"), step (0..steps), share (of the pixels
    inserted or deleted), probability. Deletion at step 0 and insertion at the last step are the intact image, the other
    ends the baseline; NaN for a degenerate map. ValueError: shapes, target, steps or baseline that do not fit.
    """
    if images.dim() != 4 or not images.is_floating_point():
        raise ValueError(f"images must be normalised floats (B, C, H, W), not {images.dtype} {tuple(images.shape)}")
    if tuple(maps.shape) != (len(images), *images.shape[2:]):
        raise ValueError(f"maps of shape {tuple(maps.shape)} do not fit images of shape {tuple(images.shape)}")
    if steps < 1:
        raise ValueError(f"insertion and deletion need at least one step, not {steps}")
    maps = torch.as_tensor(np.array(maps) if isinstance(maps, np.ndarray) else maps).detach()
    probabilities = torch.full((len(images), len(KINDS), steps + 1), math.nan, dtype=torch.float64)
    with evaluating(model), torch.inference_mode():
        # One by one, so that the prediction does not depend on the other images of a batch.
        classes = explained_classes(target, torch.cat([model(image[None]) for image in images])).tolist()
        plain = _baseline(images, baseline)
        for i in (~degenerate(maps)).nonzero().flatten().tolist():
            later = _later(maps[i].to(images.device), steps)
            probabilities[i] = _curves(model, images[i], plain[i], later)[:, :, classes[i]]
    index = pd.MultiIndex.from_product([range(len(images)), KINDS, range(steps + 1)], names=["image", "kind", "step"])
    frame = pd.Series(probabilities.numpy().ravel(), index, name="probability").reset_index()
    frame.insert(3, "share", frame["step"] / steps)
    return frame


def area(frame: pd.DataFrame) -> pd.DataFrame:
    """Area under each curve of `insertion_deletion` by the trapezoidal rule, in [0, 1]; NaN for a degenerate map.

    A row (image, insertion, deletion) an image; higher insertion and lower deletion are better.
    """
    curves = frame.sort_values("step").groupby(["image", "kind"])[["probability", "share"]]
    areas = curves.apply(lambda curve: np.trapezoid(curve["probability"], curve["share"]))
    return areas.unstack("kind")[list(KINDS)].rename_axis(columns=None).reset_index()


def _baseline(images: Tensor, baseline: str | float) -> Tensor:
    if baseline == "mean":
        return images.mean((2, 3), keepdim=True).expand_as(images)
    if baseline == "blur":
        height, width = images.shape[2:]
        sigma = max(BLUR * height, 0.1)
        # Reflection is limited to the picture.
        reach = [max(min(math.ceil(3 * sigma), side - 1), 0) for side in (width, height)]
        return gaussian_blur(images, [2 * r + 1 for r in reach], [sigma, sigma])
    if isinstance(baseline, str):
        raise ValueError(f"baseline must be 'blur', 'mean' or a number, and is {baseline!r}")
    return torch.full_like(images, float(baseline))


def _later(one: Tensor, steps: int) -> Tensor:
    """Pixels that are not taken yet after each step, (steps + 1, H, W) bool."""
    taken = torch.arange(steps + 1, dtype=torch.float64).mul(one.numel() / steps).round().long()
    order = torch.argsort(one.flatten(), descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=one.device)
    return (rank >= taken.to(one.device)[:, None]).reshape(steps + 1, *one.shape)


def _curves(model: nn.Module, image: Tensor, plain: Tensor, later: Tensor) -> Tensor:
    """Probabilities (2, steps + 1, K) of one image; the two ends that both curves share are computed once."""
    later = later[:, None]
    steps = len(later) - 1
    pictures = torch.cat([torch.where(later, plain, image), torch.where(later[1:-1], image, plain)])
    # Keep the layout of the caller's images: channels_last is faster on a CPU.
    if not image.is_contiguous():
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    logits = torch.cat([model(part) for part in pictures.split(BATCH)])
    probabilities = logits.double().softmax(1).cpu()
    insertion, between = probabilities[: steps + 1], probabilities[steps + 1 :]
    return torch.stack([insertion, torch.cat([insertion[-1:], between, insertion[:1]])])
