"""Masks of several ground truths, and the pointing game against them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from xiqa import pointing_game


class Truths:
    """Masks that :func:`xiqa.paper.appendix.localisation.truths.write_truths` wrote into a folder.

    Attributes
    ----------
    split, size : split and side (pixels) of the images.
    rows : (n,) positions in ``Prepared.records(split)``, in the order of the masks.
    names : ``usual``; of embedded films also ``silhouette``, ``distractors``, ``causal``.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        about = json.loads((self.folder / "truths.json").read_text())
        self.split, self.size = about["split"], about["size"]
        self.rows = np.array(about["rows"], dtype=np.intp)
        self.names = tuple(about["names"])

    def masks(self, name: str, where: slice = slice(None)) -> NDArray[np.bool_]:
        """Masks of a truth, bool (n, size, size), of the images at ``where``; ValueError if there is no such truth."""
        if name not in self.names:
            raise ValueError(f"{self.folder} has no truth {name!r}, only {', '.join(self.names)}")
        packed = np.load(self.folder / f"{name}.npy", mmap_mode="r")[where]
        return np.unpackbits(packed, axis=1, count=self.size**2).astype(bool).reshape(-1, self.size, self.size)


def hits(maps: Tensor | NDArray, truths: dict[str, ArrayLike], tolerance: float) -> pd.DataFrame:
    """Pointing game against several truths: a row an image.

    Parameters
    ----------
    maps : (B, H, W).
    truths : name -> masks (B, H, W) bool.
    tolerance : pixels, strict.

    Returns
    -------
    DataFrame with the columns row, column (the peak, -1 for a degenerate map) and hit_<name> of each truth: 1, 0, or
    NaN for a degenerate map or an empty mask.
    """
    frames = {name: pointing_game.play(maps, masks, tolerance) for name, masks in truths.items()}
    first = next(iter(frames.values()))
    return first[["row", "column"]].assign(**{f"hit_{name}": frame["score"] for name, frame in frames.items()})


def on_distractor(
    rows: ArrayLike, columns: ArrayLike, distractors: ArrayLike, truths: ArrayLike, tolerance: float
) -> NDArray[np.float64]:
    """Whether peaks that miss the truth lie on metal without annotation.

    Parameters
    ----------
    rows, columns : (B,) of the peaks; -1 where there is none.
    distractors, truths : (B, H, W) bool.
    tolerance : pixels; a peak lies on a mask if it is closer than this (strict).

    Returns
    -------
    (B,) 1 for a peak on a distractor, 0 for a peak on neither, NaN for a hit of the truth and without truth or peak.
    """
    distractors, truths = np.asarray(distractors, dtype=bool), np.asarray(truths, dtype=bool)
    points = np.stack([np.asarray(rows), np.asarray(columns)], 1).astype(np.intp).reshape(-1, 2)
    if distractors.shape != truths.shape or len(points) != len(truths):
        raise ValueError(
            f"{len(points)} peaks, distractors of shape {distractors.shape} and truths of shape {truths.shape} differ: "
            "pass one of each an image"
        )
    on = np.full(len(points), np.nan)
    for i, (point, metal, truth) in enumerate(zip(points, distractors, truths, strict=True)):
        if (point >= 0).all() and truth.any() and not _close(point, truth, tolerance):
            on[i] = _close(point, metal, tolerance)
    return on


def _close(point: NDArray[np.intp], mask: NDArray[np.bool_], tolerance: float) -> bool:
    return bool((np.square(np.argwhere(mask) - point).sum(1) < tolerance**2).any())
