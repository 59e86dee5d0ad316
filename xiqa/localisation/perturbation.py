"""Insertion and deletion (Petsiuk, Das and Saenko 2018, RISE): dependence of the network on pixels of high saliency.

Pixels are taken by falling saliency. Deletion replaces them in the image by those of a baseline; insertion puts them
into the baseline. If the map marks what the network uses, the probability falls early in deletion (small area) and
rises early in insertion (large area). Both measure the network and not the truth, on pictures unlike its training data.
"""

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from xiqa.models.states import evaluating
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
    target: int | Tensor | None = None,
    steps: int = 20,
    baseline: str | float = "blur",
) -> pd.DataFrame:
    """Probability of a class while pixels are inserted and deleted by falling saliency.

    Parameters
    ----------
    model : gives logits (B, K); in evaluation mode during the call.
    images : (B, C, H, W), normalised, on the device of the model.
    maps : (B, H, W). Of equal values the first in raster order is taken first, so that numbers repeat.
    target : class, int or one int an image; None for the class predicted for the intact image.
    steps : number of equal portions of pixels, at least 1; portions are rounded to whole pixels.
    baseline : replaces pixels: "blur" (the image blurred by a Gaussian of 10/224 of its height, cut
        off at three standard deviations, edges reflected), "mean" (each channel's mean over the image), or a number in
        the unit of `images`.

    Returns
    -------
    DataFrame, image by image: image (number), kind ("insertion" or "deletion"), step (0..steps), share (of the pixels
    inserted or deleted), probability (softmax). Deletion at step 0 and insertion at the last step are the intact image,
    the other two ends are the baseline. NaN for a degenerate map (constant or not finite).

    Raises
    ------
    ValueError : shapes, target, steps or baseline that do not fit.
    """
    maps = torch.as_tensor(np.array(maps) if isinstance(maps, np.ndarray) else maps).detach()
    _check(images, maps, steps)
    count = len(images)
    probabilities = torch.full((count, len(KINDS), steps + 1), math.nan, dtype=torch.float64)
    with evaluating(model), torch.inference_mode():
        valid = ~degenerate(maps).cpu() if count else torch.zeros(0, dtype=torch.bool)
        classes = _targets(model, images, target)
        plain = _baseline(images, baseline)
        for i in valid.nonzero().flatten().tolist():
            later = _later(maps[i].to(images.device), steps)
            probabilities[i] = _curves(model, images[i], plain[i], later, classes[i], steps)
    return _frame(probabilities.numpy(), steps)


def area(frame: pd.DataFrame) -> pd.DataFrame:
    """Area under each curve of `insertion_deletion` by the trapezoidal rule.

    Returns
    -------
    DataFrame with the columns image, insertion (higher is better), deletion (lower is better), both in [0, 1]; NaN
    for a degenerate map.
    """
    areas = {
        (image, kind): np.trapezoid(part.sort_values("step")["probability"], part.sort_values("step")["share"])
        for (image, kind), part in frame.groupby(["image", "kind"])
    }
    images = sorted(frame["image"].unique())
    return pd.DataFrame({"image": images} | {kind: [areas[image, kind] for image in images] for kind in KINDS})


def _check(images: Tensor, maps: Tensor, steps: int) -> None:
    if images.dim() != 4 or not images.is_floating_point():
        raise ValueError(f"images must be normalised floats (B, C, H, W), not {images.dtype} {tuple(images.shape)}")
    if maps.shape != (len(images), *images.shape[2:]):
        raise ValueError(f"maps of shape {tuple(maps.shape)} do not fit images of shape {tuple(images.shape)}")
    if steps < 1:
        raise ValueError(f"insertion and deletion need at least one step, not {steps}")


def _targets(model: nn.Module, images: Tensor, target: int | Tensor | None) -> list[int]:
    """The class of each image."""
    if target is not None:
        classes = torch.as_tensor(target)
        if classes.is_floating_point() or classes.dtype == torch.bool or classes.shape not in ((), (len(images),)):
            raise ValueError(f"target must be None, an int or {len(images)} ints, one an image")
        return classes.expand(len(images)).tolist()
    # One by one, so that the prediction does not depend on the other images of a batch.
    return [int(model(image[None]).argmax()) for image in images]


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
    order = torch.argsort(one.flatten(), descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=one.device)
    return (rank >= _taken(one.numel(), steps).to(one.device)[:, None]).reshape(steps + 1, *one.shape)


def _taken(pixels: int, steps: int) -> Tensor:
    """Number of pixels taken after each step, (steps + 1,)."""
    return torch.arange(steps + 1, dtype=torch.float64).mul(pixels / steps).round().long()


def _curves(model: nn.Module, image: Tensor, plain: Tensor, later: Tensor, target: int, steps: int) -> Tensor:
    """Probabilities (2, steps + 1) of one image; the two ends that both curves share are computed once."""
    later = later[:, None]
    pictures = torch.cat([torch.where(later, plain, image), torch.where(later[1:-1], image, plain)])
    # Keep the layout of the caller's images: channels_last is faster on a CPU.
    if not image.is_contiguous():
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    logits = torch.cat([model(part) for part in pictures.split(BATCH)])
    if not 0 <= target < logits.shape[1]:
        raise ValueError(f"target must lie in 0..{logits.shape[1] - 1}, the classes of the network, and is {target}")
    probabilities = logits.double().softmax(1)[:, target].cpu()
    insertion, between = probabilities[: steps + 1], probabilities[steps + 1 :]
    return torch.stack([insertion, torch.cat([insertion[-1:], between, insertion[:1]])])


def _frame(probabilities: NDArray[np.float64], steps: int) -> pd.DataFrame:
    """Long form of (B, 2, steps + 1)."""
    count = len(probabilities)
    return pd.DataFrame(
        {
            "image": np.repeat(np.arange(count), len(KINDS) * (steps + 1)),
            "kind": np.tile(np.repeat(KINDS, steps + 1), count),
            "step": np.tile(np.arange(steps + 1), count * len(KINDS)),
            "share": np.tile(np.arange(steps + 1) / steps, count * len(KINDS)),
            "probability": probabilities.ravel(),
        }
    )
