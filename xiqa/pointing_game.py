"""The pointing game (Zhang et al. 2018): does the maximum of a saliency map lie on the object?

A map hits if its maximum is closer than the tolerance to a true pixel (Euclidean distance, strict). Beside the scores
stand chance, baselines that see no network, and the score of the best possible map on a layer's grid. Masks and maps
are indexed [image, row, column].
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from xiqa.saliency.methods import degenerate

TIES = ("first", "all", "mean")
# Up to so many tied peaks their distances are computed one by one; beyond, a distance transform is cheaper.
_FEW = 16


def play(maps: Tensor | np.ndarray, masks: ArrayLike, tolerance: float, ties: str = "first") -> pd.DataFrame:
    """Score maps (B, H, W) against bool masks (B, H, W) of the true pixels.

    Parameters
    ----------
    tolerance : pixels; a distance below it counts (strict).
    ties : rule for pixels that share the maximum. "first": the first in raster order counts (the papers' rule). "all":
        every one of them must hit. "mean": the score is the share that hits, and more than half of them make a hit.

    Returns
    -------
    A row an image. ``row``, ``column``: the first maximum in raster order; -1 for a degenerate map. ``tied``: the
    number of pixels at the maximum. ``distance``: pixels from the peak (for "all" the farthest, for "mean" the median,
    upper of two) to the nearest true pixel: ``distance < t`` is the outcome at any tolerance t. ``score``: in [0, 1].
    ``outcome``: "hit", "miss", "no_object" (empty mask) or "degenerate" (map constant or not finite); the last two have
    neither distance nor score (NaN) and belong in no denominator. ValueError: shapes that differ, an unknown tie rule,
    a tolerance that is not positive.
    """
    masks = _masks(masks)
    if isinstance(maps, np.ndarray):
        maps = torch.from_numpy(maps if maps.flags.writeable else maps.copy())
    if tuple(maps.shape) != masks.shape:
        raise ValueError(f"maps of shape {tuple(maps.shape)} and masks of shape {masks.shape} differ: give one of each")
    if ties not in TIES:
        raise ValueError(f"ties must be one of {', '.join(TIES)}, and is {ties!r}")
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be a positive number of pixels, and is {tolerance}")
    rows = [_play_one(one, mask, tolerance, ties) for one, mask in zip(maps, masks, strict=True)]
    return pd.DataFrame(rows, columns=["row", "column", "tied", "distance", "score", "outcome"])


def _play_one(saliency: Tensor, mask: np.ndarray, tolerance: float, ties: str) -> tuple:
    if degenerate(saliency[None]).item():
        tied = saliency.numel() if torch.isfinite(saliency).all() else 0
        return -1, -1, tied, np.nan, np.nan, "degenerate" if mask.any() else "no_object"
    values = saliency.detach().cpu().flatten()
    peaks = (values == values.max()).nonzero().flatten().numpy()
    row, column = divmod(int(peaks[0]), mask.shape[1])
    if not mask.any():
        return row, column, len(peaks), np.nan, np.nan, "no_object"
    distances = np.sort(_squared_distances(peaks[:1] if ties == "first" else peaks, mask)) ** 0.5
    hits = distances < tolerance
    decisive = {"first": 0, "all": -1, "mean": len(distances) // 2}[ties]
    score = hits.mean() if ties == "mean" else float(hits[decisive])
    outcome = "hit" if hits[decisive] else "miss"
    return row, column, len(peaks), float(distances[decisive]), float(score), outcome


def _squared_distances(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Squared distance of each flat pixel index to the nearest true pixel of a mask that has one."""
    rows, columns = np.divmod(pixels, mask.shape[1])
    if len(pixels) > _FEW:
        return np.rint(ndimage.distance_transform_edt(~mask)[rows, columns] ** 2)
    true_rows, true_columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    nearest = [((true_rows - r) ** 2 + (true_columns - c) ** 2).min() for r, c in zip(rows, columns, strict=True)]
    return np.array(nearest, float)


def smooth(maps: Tensor, sigma: float = 1.0, size: int = 11) -> Tensor:
    """Gaussian smoothing of maps (B, H, W) or (B, X, Y, Z) before the pointing game, as in the papers.

    The kernel has ``size`` (odd) samples and ``sigma`` pixels, cut off and normalised; reflect padding (the edge is not
    repeated). A constant map stays constant.
    """
    reach = size // 2
    if size % 2 == 0 or min(maps.shape[1:]) <= reach:
        raise ValueError(f"the kernel needs an odd size and maps longer than {reach} pixels, not {tuple(maps.shape)}")
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.softmax(-0.5 * (offsets / sigma) ** 2, 0).tolist()
    maps = maps if maps.is_floating_point() else maps.float()
    # One map at a time stays in the cache, which is worth a factor of ten.
    return torch.stack([_convolve(one, kernel) for one in maps])


def _convolve(one: Tensor, kernel: list[float]) -> Tensor:
    """One map convolved along every axis with a symmetric kernel, reflect padding."""
    # Weights add up to one only within rounding: without its minimum a constant map is zero, which stays zero.
    low, reach = one.min(), len(kernel) // 2
    smoothed = functional.pad((one - low)[None, None], [reach] * 2 * one.dim(), mode="reflect")[0, 0]
    for axis in range(one.dim()):
        length = smoothed.shape[axis] - 2 * reach
        total = smoothed.narrow(axis, reach, length) * kernel[reach]
        for step in range(1, reach + 1):
            total.add_(smoothed.narrow(axis, reach - step, length), alpha=kernel[reach - step])
            total.add_(smoothed.narrow(axis, reach + step, length), alpha=kernel[reach + step])
        smoothed = total
    return smoothed + low


def chance(masks: ArrayLike, tolerance: float) -> np.ndarray:
    """Probability that a pixel drawn at random hits: share of pixels closer than `tolerance` to the mask, (B,)."""
    return np.array([dilated.mean() for dilated in _dilated(_masks(masks), tolerance)])


def grid_ceiling(
    masks: ArrayLike, tolerance: float, grid: tuple[int, int], smoothing: int | None = None
) -> tuple[float, np.ndarray]:
    """Score of the best possible map on a layer's grid of (h, w) cells, ties going to the first maximum.

    A map resized bilinearly (``align_corners=False``) is linear between the centres of its cells and constant outside.
    So its first maximum is a pixel next to a centre, or the first one of a constant border, and every combination of
    such a row and column is reached. For the tie rule "all" this is an upper bound; for a product of layers it does not
    hold. ``smoothing`` is the size of the kernel of `smooth`, which moves the maximum by up to half a kernel.

    Returns the share of images with an object that some map hits (NaN without objects), and the distances (B,) in
    pixels from the nearest reachable peak to the mask (NaN where it is empty).
    """
    masks = _masks(masks)
    reach = 0 if smoothing is None else smoothing // 2
    across, down = (
        np.abs(np.arange(size)[:, None] - reachable(cells, size, reach)).min(1)
        for cells, size in zip(reversed(grid), reversed(masks.shape[1:]), strict=True)
    )
    table = np.hypot(down[:, None], across[None, :])
    distances = np.array([table[mask].min() if mask.any() else np.nan for mask in masks])
    with_object = distances[~np.isnan(distances)]
    return float((with_object < tolerance).mean()) if len(with_object) else np.nan, distances


def reachable(cells: int, size: int, reach: int = 0) -> np.ndarray:
    """Pixels of a line that can be the first maximum of `cells` values resized to `size`; see `grid_ceiling`."""
    centres = (np.arange(cells) + 0.5) * size / cells - 0.5
    before, behind = np.floor(centres).astype(int), np.ceil(centres).astype(int)
    inner = [np.arange(low - reach, high + reach + 1) for low, high in zip(before[1:-1], behind[1:-1], strict=True)]
    # The constant borders: all their pixels tie, and the first one is taken.
    last = min(behind[-1] + reach, size - 1) if cells > 1 else 0
    return np.unique(np.clip(np.concatenate([[0, last], *inner]), 0, size - 1))


def baselines(
    images: Tensor | np.ndarray, train_masks: ArrayLike, tolerance: float = 15.0, seed: int = 0
) -> dict[str, Tensor]:
    """Maps (B, H, W) float32 of baselines that see no network, to be scored by `play` like any method.

    ``constant_point``: the pixel that hits most training masks (N, H, W); ``centre`` of the image; ``random``: a pixel
    an image, drawn with `seed`; ``difference_of_gaussians`` and ``gradient_magnitude`` of the images, (B, H, W) or
    (B, C, H, W) in any unit.
    """
    images = torch.as_tensor(images).detach().cpu().float()
    grey = (images.mean(1) if images.dim() == 4 else images).numpy()
    count, height, width = grey.shape
    best = constant_point(train_masks, tolerance, (height, width))
    drawn = np.random.default_rng(seed).integers(height * width, size=count)
    random = torch.zeros(count, height * width)
    random[torch.arange(count), torch.from_numpy(drawn)] = 1
    return {
        "constant_point": _point(best, grey.shape),
        "centre": _point((height // 2, width // 2), grey.shape),
        "random": random.reshape(grey.shape),
        "difference_of_gaussians": dog_peak(grey),
        "gradient_magnitude": gradient_magnitude(grey),
    }


def constant_point(train_masks: ArrayLike, tolerance: float, size: tuple[int, int]) -> tuple[int, int]:
    """(row, column) that is closer than `tolerance` to the most training masks; of several, the middle one."""
    train_masks = _masks(train_masks)
    if train_masks.shape[1:] != tuple(size):
        raise ValueError(f"training masks of {train_masks.shape[1:]} pixels do not fit images of {tuple(size)}")
    votes = np.zeros(size, np.int32)
    for dilated in _dilated(train_masks, tolerance):
        votes += dilated
    best = np.argwhere(votes == votes.max())
    nearest = np.square(best - best.mean(0)).sum(1).argmin()
    return int(best[nearest, 0]), int(best[nearest, 1])


def dog_peak(grey: np.ndarray) -> Tensor:
    """Absolute difference of two Gaussians of images (B, H, W) float32: the response to bright and dark blobs.

    Standard deviations are 0.01 of the height (6 px at 600) and 1.6 times that (Marr and Hildreth 1980).
    """
    sigma = 0.01 * grey.shape[1]
    narrow, wide = (ndimage.gaussian_filter(grey, (0, s, s), mode="nearest") for s in (sigma, 1.6 * sigma))
    return torch.from_numpy(np.abs(narrow - wide))


def gradient_magnitude(grey: np.ndarray) -> Tensor:
    """Gradient magnitude of images (B, H, W) float32 after a Gaussian of 0.005 of the height (3 px at 600)."""
    sigma = 0.005 * grey.shape[1]
    return torch.from_numpy(
        np.stack([ndimage.gaussian_gradient_magnitude(image, sigma, mode="nearest") for image in grey])
    )


def _masks(masks: ArrayLike) -> np.ndarray:
    masks = masks.detach().cpu().numpy() if isinstance(masks, Tensor) else np.asarray(masks)
    if masks.ndim != 3 or masks.dtype != bool:
        raise ValueError(f"masks must be bool (B, H, W), not {masks.dtype} of shape {masks.shape}")
    return masks


def _point(position: tuple[int, int], shape: tuple[int, int, int]) -> Tensor:
    """The same map with a single peak for every image, (B, H, W)."""
    one = torch.zeros(shape[1:])
    one[position] = 1
    return one.expand(shape)


def _dilated(masks: np.ndarray, tolerance: float) -> Iterator[np.ndarray]:
    """Each mask with all pixels closer than `tolerance` to it, computed in the object's surroundings only."""
    margin = int(np.ceil(tolerance))
    for mask in masks:
        dilated = np.zeros_like(mask)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            window = tuple(slice(max(i[0] - margin, 0), i[-1] + margin + 1) for i in (rows, columns))
            dilated[window] = ndimage.distance_transform_edt(~mask[window]) < tolerance
        yield dilated
