r"""Similarity of two saliency maps: Spearman, SSIM and HOG, the three of Adebayo et al. (2018).

None of them is 0 for maps of different images: images of the same anatomy have similar maps. So read a similarity
beside `chance_line` (Arun et al. 2021) and beside the similarity of two trained networks.

- **spearman**, in [-1, 1]: Pearson correlation of the ranks of all pixels (ties share their mean rank). It depends on
  the order of the pixels alone, not on shapes.
- **ssim**, in [-1, 1]: mean structural similarity (Wang et al. 2004), windows of 5 pixels a side, of maps scaled to
  [-1, 1] by their own minimum and maximum; :math:`C_1 = (0.01 \cdot 2)^2`, :math:`C_2 = (0.03 \cdot 2)^2`. It is near 1
  where both maps are flat and low, so any two sparse maps are similar, and the chance line matters most here.
  For a map and its inverse it is positive (mean and covariance both change sign); only Spearman is negative.
- **hog**, in [-1, 1]: Spearman of histograms of oriented gradients (Dalal and Triggs 2005): nine orientations, cells of
  16 x 16 pixels, blocks of 3 x 3 cells. It compares edges, at any level of the range. Two-dimensional maps only.
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

MEASURES = ["spearman", "ssim", "hog"]
PARTNERS = 8  # other images that each is compared with for the chance line
WINDOW = 5  # pixels a side of an SSIM window
CELL = 16  # pixels a side of a HOG cell
SMALLEST = 2 * CELL  # pixels; HOG normalises a cell with its neighbours
DECIMALS = 6  # of maps before HOG, which would give rounding errors on a plateau a direction


class Features(NamedTuple):
    """Features of N maps for any number of comparisons.

    ``scaled`` (N, *size) is each map from -1 to 1, ``ranks`` (N, pixels) its ranks with mean 0 and norm 1, ``edges``
    (N, features) the same of its HOG features (None for volumes), ``degenerate`` (N,) marks maps without a peak.
    """

    scaled: NDArray[np.float64]
    ranks: NDArray[np.float64]
    edges: NDArray[np.float64] | None
    degenerate: NDArray[np.bool_]


def features(maps: ArrayLike) -> Features:
    """Features of maps (N, H, W) or (N, X, Y, Z) of any range, for `compare_features`.

    ValueError: no map, another shape, sides below 32 pixels (5 voxels for volumes).
    """
    maps = torch.as_tensor(maps)
    least = {3: SMALLEST, 4: WINDOW}.get(maps.dim())
    if least is None:
        raise ValueError(f"maps must be (N, H, W) or (N, X, Y, Z), not of shape {tuple(maps.shape)}")
    if not len(maps):
        raise ValueError("there are no maps to compare")
    if min(maps.shape[1:]) < least:
        what = f"SSIM and HOG need at least {least} pixels" if maps.dim() == 3 else f"SSIM needs {least} voxels"
        raise ValueError(f"maps of {' x '.join(map(str, maps.shape[1:]))} are too small: {what} a side")
    flat = degenerate(maps).cpu().numpy()
    # Zeros avoid warnings about maps whose similarities are NaN anyway.
    values = np.where(flat.reshape(-1, *[1] * (maps.dim() - 1)), 0, maps.detach().cpu().double().numpy())
    scaled = np.stack([_scaled(one) for one in values])
    edges = _ranks(np.stack([_edges(one) for one in scaled.round(DECIMALS)])) if maps.dim() == 3 else None
    return Features(scaled, _ranks(values.reshape(len(values), -1)), edges, flat)


def compare_features(first: Features, second: Features) -> pd.DataFrame:
    """Similarity of maps pair by pair, a row a pair: image (0 .. N - 1), spearman, ssim, hog, degenerate.

    Every similarity is NaN where one of the two maps is degenerate; ``hog`` is NaN for volumes.
    """
    bad = first.degenerate | second.degenerate
    maps = zip(first.scaled, second.scaled, strict=True)
    ssim = np.array([structural_similarity(a, b, win_size=WINDOW, data_range=2) for a, b in maps])
    hogs = np.nan if first.edges is None else (first.edges * second.edges).sum(1)
    measures = {"spearman": (first.ranks * second.ranks).sum(1), "ssim": ssim, "hog": hogs}
    measures = {name: np.where(bad, np.nan, values) for name, values in measures.items()}
    return pd.DataFrame({"image": range(len(bad)), **measures, "degenerate": bad})


def spearman(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Spearman correlation of maps (N, *size) pair by pair, (N,); NaN where a map is degenerate. For signed maps."""
    both = [torch.as_tensor(maps) for maps in (first, second)]
    bad = np.logical_or(*(degenerate(maps).cpu().numpy() for maps in both))
    ranks = [_ranks(np.nan_to_num(maps.detach().cpu().double().flatten(1).numpy())) for maps in both]
    return np.where(bad, np.nan, (ranks[0] * ranks[1]).sum(1))


def chance_line(maps: ArrayLike, seed: int = 0) -> pd.DataFrame:
    """Similarity of each map (N, H, W) or (N, X, Y, Z) of one method to maps of other images, as `compare_features`.

    Each row is the mean over the partners of `pairs`; NaN where there is none.
    """
    values = features(maps)
    left, right = pairs(len(values.degenerate), seed)
    some, others = (Features(*(None if part is None else part[i] for part in values)) for i in (left, right))
    rows = compare_features(some, others).assign(image=left)
    means = rows.groupby("image")[MEASURES].mean().reindex(range(len(values.degenerate)))
    return means.rename_axis("image").reset_index().assign(degenerate=values.degenerate)


def pairs(count: int, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of ``count`` images and of their partners: ``PARTNERS`` random others each, or all there are."""
    generator, images = np.random.default_rng(seed), np.arange(count)
    partners = ((i, generator.permutation(np.delete(images, i))[:PARTNERS]) for i in images)
    indices = [(image, other) for image, others in partners for other in others]
    left, right = np.array(indices, dtype=np.intp).reshape(-1, 2).T
    return left, right


def _scaled(one: NDArray[np.float64]) -> NDArray[np.float64]:
    low, span = one.min(), np.ptp(one)
    return 2 * ((one - low) / span) - 1 if span > 0 else np.zeros_like(one)


def _edges(one: NDArray[np.float64]) -> NDArray[np.float64]:
    # Blocks of 3 x 3 cells, or 2 x 2 in a picture of less than three cells a side.
    block = min(3, min(one.shape) // CELL)
    return hog(one, orientations=9, pixels_per_cell=(CELL, CELL), cells_per_block=(block, block))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of each row, centred and of norm 1: a product of two is Spearman's correlation. NaN for a constant row."""
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, norms, out=np.full_like(ranks, np.nan), where=norms > 0)
