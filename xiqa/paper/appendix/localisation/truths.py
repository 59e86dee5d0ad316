"""Ground truth of embedded data beyond the annotation.

Embedded films come with the pixels of the object itself (``silhouette``), of metal without annotation
(``distractors``), and those that cause the label (``causal``): where a film differs from its counterfactual, which was
drawn with the same random numbers but without the object.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xiqa.data.arrays.grids import resize, resize_mask
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import load_picture
from xiqa.store.files import write_bytes
from xiqa.synthetic import catalogue

# The counterfactual of a cine frame is another plane through the same heart: 17 % of the pixels differ.
SAME_SCENE = ("object_cxr",)  # data sets whose counterfactual differs from the picture by the object alone
SMOOTHING = 1.0  # px, standard deviation
SHARE = 0.25  # of the largest difference


def write_truths(folder: Path, prepared: Path, root: Path, dataset: str, split: str) -> None:
    """Store function: masks of the located images of a split, at the prepared size, packed to bits.

    ``usual`` is the annotated truth, and the only one of real data and of cine frames. Embedded radiographs also have
    ``silhouette`` and ``distractors``, resized by nearest, and ``causal``, the `difference` from the counterfactual
    (empty for a film without one). :class:`xiqa.paper.appendix.localisation.observe.Truths` reads them.
    """
    data = Prepared(prepared)
    rows, paths = data.located(split), data.records(split)["path"]
    masks = {"usual": data.truth(split, rows)}
    if dataset in SAME_SCENE:
        masks |= _drawn(root, split, paths[rows], data.size, dataset)
        masks |= _causal(data, root, split, rows, dataset)
    for name, values in masks.items():
        np.save(folder / f"{name}.npy", np.packbits(values.reshape(len(values), -1), axis=1))
    about = {"names": list(masks), "split": split, "size": data.size, "rows": rows.tolist()}
    write_bytes(folder / "truths.json", json.dumps(about).encode())


def difference(image: NDArray[np.uint8], without: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels in which an image (H, W) differs from its counterfactual, bool (H, W); empty if they are equal.

    The absolute difference is smoothed by a Gaussian of 1 px, which closes gaps in thin wires; a pixel belongs to the
    mask if a quarter of the largest difference is left. At a quarter the masks of the embedded films kept every object
    (intersection over union with the silhouette 0.76 at 160 px, 0.83 at 600 px). From a third on, and with Otsu's
    threshold, faint second objects are lost; at a tenth the mask has almost twice the area of the object.
    """
    smooth = ndimage.gaussian_filter(np.abs(image.astype(np.float64) - without), SMOOTHING)
    return (smooth > 0) & (smooth >= SHARE * smooth.max())


def _drawn(root: Path, split: str, paths: Iterable[str], size: int, dataset: str) -> dict[str, NDArray[np.bool_]]:
    """Silhouettes and distractors, if the masks of the generator lie in the folder."""
    files = [root / "derivatives" / split / f"{Path(path).stem}_masks.png" for path in paths]
    if not files or not all(file.is_file() for file in files):
        return {}
    masks = [catalogue.generator(dataset).read_masks(file) for file in files]
    kinds = {"silhouette": "silhouettes", "distractors": "distractors"}
    return {name: np.stack([resize_mask(mask[kind], size) for mask in masks]) for name, kind in kinds.items()}


def _causal(data: Prepared, root: Path, split: str, rows: NDArray, dataset: str) -> dict[str, NDArray[np.bool_]]:
    """Differences from the counterfactuals, if the folder has any."""
    paths, images = data.records(split)["path"], data.images(split)
    bare = [catalogue.without(dataset, root, split, paths[row]) for row in rows]
    if not any(bare):
        return {}
    masks = np.zeros((len(rows), data.size, data.size), dtype=bool)
    for mask, row, path in zip(masks, rows, bare, strict=True):
        if path is not None:
            mask[:] = difference(images[row], resize(load_picture(path).array, data.size))
    return {"causal": masks}
