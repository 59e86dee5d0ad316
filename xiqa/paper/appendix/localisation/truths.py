"""Ground truth beyond the annotated one, of embedded data: drawn silhouettes, other metal, and what the label is about.

A pointing game against the annotated box says where an annotator would look. Embedded data know more: the pixels of the
object itself (``silhouette``), metal that is not annotated (``distractors``), and the pixels that the label was caused
by (``causal``): those where a film differs from its counterfactual, which was drawn with the same random numbers but
without the object.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor

from xiqa import pointing_game
from xiqa.data.arrays.grids import resize, resize_mask
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import load_radiograph
from xiqa.store.files import write_bytes
from xiqa.synthetic import catalogue

# The data set whose counterfactual is the same picture but for the object. That of a cine frame is another plane
# through the same heart: every edge of the picture moves (17 % of the pixels differ, the chest wall most of all), so
# the difference outlines no object and nothing could miss it.
SAME_SCENE = ("object_cxr",)
SMOOTHING = 1.0  # px, standard deviation
SHARE = 0.25  # of the largest difference


def write_truths(folder: Path, prepared: Path, root: Path, dataset: str, split: str) -> None:
    """Store function: masks of the located images of a split, at the prepared size; see `Truths`.

    - ``usual`` : the annotated truth, :meth:`xiqa.data.arrays.images.Prepared.truth`.
    - ``silhouette``, ``distractors`` : of embedded radiographs, brought to the prepared size by nearest.
    - ``causal`` : of embedded radiographs, see `difference`; empty for a film that has no counterfactual.

    What a data set cannot tell is absent: real data have the usual truth only, and so have embedded cine frames, whose
    mask is the drawn silhouette and whose counterfactual is another plane through the heart.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepare_images.prepare`.
    root : folder of the data set.
    dataset : ``object_cxr`` or ``lvot``.

    """
    folder, data = Path(folder), Prepared(prepared)
    rows, paths = data.located(split), data.records(split)["path"]
    found = {"usual": data.truth(split, rows)}
    if dataset in SAME_SCENE:
        found |= _drawn(Path(root), split, [paths[row] for row in rows], data.size, dataset)
        found |= _causal(data, Path(root), split, rows, dataset)
    for name, masks in found.items():
        np.save(folder / f"{name}.npy", np.packbits(masks.reshape(len(masks), -1), axis=1))
    about = {"names": list(found), "split": split, "size": data.size, "rows": rows.tolist()}
    write_bytes(folder / "truths.json", json.dumps(about).encode())


def difference(image: NDArray[np.uint8], without: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where an image (H, W) differs from its counterfactual: bool (H, W), empty where they are the same.

    The absolute difference is smoothed by a Gaussian of 1 px, which closes what a thin wire leaves open, and a pixel
    belongs if it keeps a quarter of the largest difference. Both films have the same noise, so the background differs
    by nothing (its median is 0) and the share only decides how much of the object's blurred rim belongs: on the
    embedded films a quarter found every one of the objects, also the fainter of two, with an intersection over union
    with the drawn silhouette of 0.76 at 160 px and 0.83 at 600 px. From a third on faint second objects are lost; at a
    tenth the mask is almost twice the object. Otsu's threshold outlines single objects a little better (0.80 and 0.88)
    and loses second ones. What a quarter still loses is the faint shaft of a pin whose head is bright.
    """
    smooth = ndimage.gaussian_filter(np.abs(image.astype(np.float64) - without), SMOOTHING)
    return (smooth > 0) & (smooth >= SHARE * smooth.max())


def _drawn(root: Path, split: str, paths: list[str], size: int, dataset: str) -> dict[str, NDArray[np.bool_]]:
    """Silhouettes and distractors, if the folder holds the generator's masks."""
    files = [root / "derivatives" / split / f"{Path(path).stem}_masks.png" for path in paths]
    if not files or not all(file.is_file() for file in files):
        return {}
    masks = [catalogue.generator(dataset).read_masks(file) for file in files]
    return {
        name: np.stack([resize_mask(mask[kind], size) for mask in masks])
        for name, kind in (("silhouette", "silhouettes"), ("distractors", "distractors"))
    }


def _causal(data: Prepared, root: Path, split: str, rows: NDArray, dataset: str) -> dict[str, NDArray[np.bool_]]:
    """Differences from the counterfactuals, if there are any."""
    paths, images = data.records(split)["path"], data.images(split)
    bare = [catalogue.without(dataset, root, split, paths[row]) for row in rows]
    if not any(bare):
        return {}
    masks = np.zeros((len(rows), data.size, data.size), dtype=bool)
    for mask, row, path in zip(masks, rows, bare, strict=True):
        if path is not None:
            mask[:] = difference(images[row], resize(load_radiograph(path).array, data.size))
    return {"causal": masks}


class Truths:
    """What `write_truths` wrote into a folder.

    Attributes
    ----------
    split, size : of the images.
    rows : (n,) positions in ``Prepared.records(split)``, in the order of the masks.

    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        about = json.loads((self.folder / "truths.json").read_text())
        self.split, self.size = about["split"], about["size"]
        self.rows = np.array(about["rows"], dtype=np.intp)
        self._names = tuple(about["names"])

    def names(self) -> tuple[str, ...]:
        """The truths that are there: ``usual``; of embedded films also ``silhouette``, ``distractors``, ``causal``."""
        return self._names

    def masks(self, name: str, where: slice = slice(None)) -> NDArray[np.bool_]:
        """Masks of a truth, bool (n, size, size), all of them or those ``where`` says; ValueError if it is absent."""
        if name not in self._names:
            raise ValueError(f"{self.folder} holds no truth {name!r}: there are {', '.join(self._names)}")
        packed = np.load(self.folder / f"{name}.npy", mmap_mode="r")[where]
        return np.unpackbits(packed, axis=1, count=self.size**2).astype(bool).reshape(-1, self.size, self.size)


def hits(maps: Tensor | NDArray, truths: dict[str, ArrayLike], tolerance: float) -> pd.DataFrame:
    """The pointing game against several truths at once: a row an image.

    Parameters
    ----------
    maps : (B, H, W).
    truths : name -> masks (B, H, W) bool.
    tolerance : pixels, strict.

    Returns
    -------
    DataFrame with the columns row, column (the peak, -1 for a degenerate map) and hit_<name> of each truth: 1, 0, or
    NaN without a verdict.

    """
    played = {name: pointing_game.play(maps, masks, tolerance) for name, masks in truths.items()}
    if not played:
        raise ValueError("give at least one truth to play against")
    first = next(iter(played.values()))
    return first[["row", "column"]].assign(**{f"hit_{name}": one["score"] for name, one in played.items()})


def on_distractor(
    rows: ArrayLike, columns: ArrayLike, distractors: ArrayLike, truths: ArrayLike, tolerance: float
) -> NDArray[np.float64]:
    """Of peaks that miss the truth, which lie on metal that is not annotated: a miss, but not nonsense. (B,)

    Parameters
    ----------
    rows, columns : (B,) of the peaks; -1 where there is none.
    distractors, truths : (B, H, W) bool.
    tolerance : pixels; a peak that is closer to a mask lies on it (strict).

    Returns
    -------
    (B,) 1 where the peak lies on a distractor, 0 where it lies on neither, NaN where it hits the truth, where there is
    no truth and where there is no peak.

    """
    distractors, truths = np.asarray(distractors, dtype=bool), np.asarray(truths, dtype=bool)
    points = np.stack([np.asarray(rows), np.asarray(columns)], 1).astype(np.intp).reshape(-1, 2)
    if distractors.shape != truths.shape or len(points) != len(truths):
        raise ValueError(
            f"{len(points)} peaks, distractors of shape {distractors.shape} and truths of shape {truths.shape} differ: "
            "give one of each an image"
        )
    found = np.full(len(points), np.nan)
    for i, (point, metal, truth) in enumerate(zip(points, distractors, truths, strict=True)):
        if (point >= 0).all() and truth.any() and not _close(point, truth, tolerance):
            found[i] = _close(point, metal, tolerance)
    return found


def _close(point: NDArray[np.intp], mask: NDArray[np.bool_], tolerance: float) -> bool:
    return bool((np.square(np.argwhere(mask) - point).sum(1) < tolerance**2).any())
