r"""How alike two saliency maps are: Spearman, SSIM and HOG, each of which sees what another overlooks.

The three of the sanity checks of Adebayo et al. (2018). None has a zero that means "nothing in common": two maps of
different images of the same anatomy are alike too, so that a similarity is read beside `chance_line` (Arun et al. 2021)
and beside the similarity of two trained networks.

- **spearman**, in [-1, 1]: Pearson correlation of the ranks of all pixels (ties share their mean rank). Sees the order,
  not the shape.
- **ssim**, in [-1, 1]: mean structural similarity (Wang et al. 2004), windows of 5 pixels a side, of maps scaled to
  [-1, 1] by their own minimum and maximum; :math:`C_1 = (0.01 \cdot 2)^2`, :math:`C_2 = (0.03 \cdot 2)^2`. Where both
  maps are flat and low it is near 1, so a sparse map is like any other sparse map: here the chance line matters most.
  It was made for brightness, which has no sign: on [-1, 1] a map and its inverse differ in the sign of the mean and of
  the covariance, and the product of both is positive. Only Spearman tells an inverse.
- **hog**, in [-1, 1]: Spearman of histograms of oriented gradients (Dalal and Triggs 2005): nine orientations, cells of
  16 x 16 pixels, blocks of 3 x 3 cells. Sees edges, wherever in the range they lie. Two-dimensional maps only.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from skimage.feature import hog
from skimage.metrics import structural_similarity

from xiqa.saliency.methods import degenerate

MEASURES = ("spearman", "ssim", "hog")
WINDOW = 5  # pixels a side of an SSIM window
CELL = 16  # pixels a side of a HOG cell
SMALLEST = 2 * CELL  # pixels; one cell alone has no neighbour to be normalised with
DECIMALS = 6  # of maps before HOG: the slope of a plateau would be rounding, and HOG gives it a direction


class Features(NamedTuple):
    """What is computed once for each of N maps, however many others they are compared with.

    Attributes
    ----------
    scaled : (N, *size), each map from -1 to 1.
    ranks : (N, pixels), ranks with mean 0 and norm 1.
    edges : (N, features), the same for the HOG features; None for volumes.
    degenerate : (N,) bool, maps without a peak (constant or not finite), which are like nothing.

    """

    scaled: NDArray[np.float64]
    ranks: NDArray[np.float64]
    edges: NDArray[np.float64] | None
    degenerate: NDArray[np.bool_]


def compare(first: ArrayLike, second: ArrayLike) -> pd.DataFrame:
    """Similarity of maps pair by pair: ``first[i]`` with ``second[i]``.

    Parameters
    ----------
    first, second : (N, H, W) or (N, X, Y, Z), tensors or arrays, any range.

    Returns
    -------
    DataFrame with the columns image (0 .. N - 1), spearman, ssim, hog, degenerate. Where one of the two maps is
    degenerate every similarity is NaN; ``hog`` is NaN for volumes too.

    Raises
    ------
    ValueError : shapes that differ or that are no maps, sides below 32 pixels (5 voxels for volumes).

    """
    first, second = torch.as_tensor(first), torch.as_tensor(second)
    if first.shape != second.shape:
        raise ValueError(f"maps of {tuple(first.shape)} cannot be compared with maps of {tuple(second.shape)}")
    return compare_features(features(first), features(second))


def features(maps: ArrayLike) -> Features:
    """What `compare_features` needs of maps (N, H, W) or (N, X, Y, Z); errors as `compare`."""
    maps = torch.as_tensor(maps)
    _check(maps)
    flat = degenerate(maps).cpu().numpy()
    # Zeros keep the libraries quiet about maps whose similarities are NaN anyway.
    values = np.where(flat.reshape(-1, *[1] * (maps.dim() - 1)), 0, maps.detach().cpu().double().numpy())
    scaled = np.stack([_scaled(each) for each in values])
    edges = _ranks(np.stack([_edges(each) for each in scaled.round(DECIMALS)])) if maps.dim() == 3 else None
    return Features(scaled, _ranks(values.reshape(len(values), -1)), edges, flat)


def compare_features(first: Features, second: Features) -> pd.DataFrame:
    """`compare` of maps whose features are known."""
    bad = first.degenerate | second.degenerate
    ssim = [
        structural_similarity(a, b, win_size=WINDOW, data_range=2)
        for a, b in zip(first.scaled, second.scaled, strict=True)
    ]
    hogs = np.nan if first.edges is None else (first.edges * second.edges).sum(1)
    found = {"spearman": (first.ranks * second.ranks).sum(1), "ssim": np.array(ssim), "hog": hogs}
    alike = {name: np.where(bad, np.nan, values) for name, values in found.items()}
    return pd.DataFrame({"image": range(len(bad)), **alike, "degenerate": bad})


def spearman(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Spearman correlation of maps pair by pair, (N,); NaN where a map is degenerate. For signed maps."""
    pairs = [torch.as_tensor(maps) for maps in (first, second)]
    bad = np.logical_or(*(degenerate(maps).cpu().numpy() for maps in pairs))
    ranks = [_ranks(np.nan_to_num(maps.detach().cpu().double().flatten(1).numpy())) for maps in pairs]
    return np.where(bad, np.nan, (ranks[0] * ranks[1]).sum(1))


def chance_line(maps: ArrayLike, units: ArrayLike | None = None, partners: int = 8, seed: int = 0) -> pd.DataFrame:
    """Similarity of each map to maps of other images: what is reached without looking at this image.

    Parameters
    ----------
    maps : (N, H, W) or (N, X, Y, Z), by one method, of N images.
    units, partners, seed : as in `pairs`.

    Returns
    -------
    DataFrame as of `compare`, a row an image: the means over its partners, NaN where there is none. The line itself is
    the mean of a column.

    """
    found = features(maps)
    left, right = pairs(np.arange(len(found.degenerate)) if units is None else units, partners, seed)
    alike = compare_features(_rows(found, left), _rows(found, right)).assign(image=left)
    means = alike.groupby("image")[list(MEASURES)].mean().reindex(range(len(found.degenerate)))
    return means.rename_axis("image").reset_index().assign(degenerate=found.degenerate)


def pairs(units: ArrayLike, partners: int = 8, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Each image with random others: indices of the images, and of their partners.

    Parameters
    ----------
    units : (N,) what the images are of (patients, say); a partner is of another unit.
    partners : how many each image gets; all there are, if fewer.
    seed : of the draw.

    """
    units, generator = np.asarray(units), np.random.default_rng(seed)
    found = [
        (image, other)
        for image, unit in enumerate(units)
        for other in generator.permutation(np.flatnonzero(units != unit))[:partners]
    ]
    left, right = np.array(found, dtype=np.intp).reshape(-1, 2).T
    return left, right


def _rows(found: Features, which: NDArray[np.intp]) -> Features:
    return Features(*(None if part is None else part[which] for part in found))


def _check(maps: torch.Tensor) -> None:
    space, least = tuple(maps.shape[1:]), {2: SMALLEST, 3: WINDOW}.get(maps.dim() - 1)
    if least is None:
        raise ValueError(f"maps must be (N, H, W) or (N, X, Y, Z), not of shape {tuple(maps.shape)}")
    if not len(maps):
        raise ValueError("there are no maps to compare")
    if min(space) < least:
        what = f"SSIM and HOG need at least {least} pixels a side" if len(space) == 2 else f"SSIM needs {least} voxels"
        raise ValueError(f"maps of {' x '.join(map(str, space))} are too small to be compared: {what}")


def _scaled(each: NDArray[np.float64]) -> NDArray[np.float64]:
    low, span = each.min(), np.ptp(each)
    return 2 * ((each - low) / span) - 1 if span > 0 else np.zeros_like(each)


def _edges(each: NDArray[np.float64]) -> NDArray[np.float64]:
    # The usual blocks of 3 x 3 cells, or 2 x 2 in a picture that has no three.
    block = min(3, min(each.shape) // CELL)
    return hog(each, orientations=9, pixels_per_cell=(CELL, CELL), cells_per_block=(block, block))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of each row, centred and of norm 1: a product of two is Spearman's correlation. NaN for a constant row."""
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, norms, out=np.full_like(ranks, np.nan), where=norms > 0)
