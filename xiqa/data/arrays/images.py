"""Prepared images: what networks of images see."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.arrays.folder import PreparedFolder
from xiqa.data.arrays.grids import centres, outlines
from xiqa.data.names import SPLITS
from xiqa.data.shapes import Shape, parse_annotation


class Prepared(PreparedFolder):
    """What ``prepare`` wrote into a folder; ``size`` is the side of the images in pixels."""

    def __init__(self, folder: str | Path):
        super().__init__(folder, text=("split", "image", "unit", "path", "annotation"))
        self.size = int(self.images(SPLITS[0]).shape[1])

    def images(self, split: str) -> np.memmap:
        """Images of a split, uint8 (N, size, size), read from disk when they are indexed."""
        return np.load(self.folder / f"{split}.npy", mmap_mode="r")

    def records(self, split: str) -> pd.DataFrame:
        """Records of a split in the order of its images.

        Columns: split, image, unit (the independent one: the radiograph itself, the patient of a frame), path, label,
        located (1 where ground truth locates the object, else 0), annotation, height, width.
        """
        return self._records[split].copy()

    def located(self, split: str) -> NDArray[np.intp]:
        """Rows with an object and its location, that is, those of the pointing game."""
        return np.flatnonzero(self._records[split]["located"].to_numpy())

    def has_truth(self, split: str) -> bool:
        """Whether a split has any located object."""
        return bool(self.located(split).size)

    def shapes(self, split: str, row: int) -> list[Shape]:
        """Annotated shapes, or polygons around the mask, in pixels of a prepared image, whole numbers at centres."""
        if self.has_masks(split):
            return outlines(self.truth(split, [row])[0])
        record = self._records[split].iloc[row]
        sx, sy = self.size / record["width"], self.size / record["height"]
        shapes = parse_annotation(record["annotation"])
        return [shape.scaled(sx, sy).moved((sx - 1) / 2, (sy - 1) / 2) for shape in shapes]

    def truth(self, split: str, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.bool_]:
        """Ground truth of the pointing game, bool (n, size, size): mask, or union of the boxes of an image's shapes.

        ``rows`` are positions in ``records(split)``. A pixel belongs if the original pixel at its centre does
        (nearest). What is too thin to hold any centre gets the one pixel nearest to a mask, or to the middle of a box.
        """
        rows = np.asarray(rows, dtype=np.intp)
        if self.has_masks(split):
            packed = np.load(self.folder / f"{split}_masks.npy", mmap_mode="r")[rows]
            bits = np.unpackbits(packed, axis=1, count=self.size * self.size)
            return bits.astype(bool).reshape(-1, self.size, self.size)
        records = self._records[split].iloc[rows]
        truth = np.zeros((len(records), self.size, self.size), dtype=bool)
        for mask, record in zip(truth, records.itertuples(), strict=True):
            for shape in parse_annotation(record.annotation):
                x1, y1, x2, y2 = shape.box
                down, across = _covered(y1, y2, self.size, record.height), _covered(x1, x2, self.size, record.width)
                mask[np.ix_(down, across)] = True
        return truth

    def summary(self) -> pd.DataFrame:
        """A row a split: images, units, positive (with an object), objects (or masks), left out (rows), warnings."""
        rows = []
        for split in SPLITS:
            records = self._records[split]
            annotated = sum(len(parse_annotation(text)) for text in records["annotation"])
            objects = len(self.located(split)) if self.has_masks(split) else annotated
            counts = {
                "images": len(records),
                "units": records["unit"].nunique(),
                "positive": int(records["label"].sum()),
            }
            rows.append({"split": split, **counts, "objects": objects, **self.left_out(split)})
        return pd.DataFrame(rows)

    def has_masks(self, split: str) -> bool:
        """Whether the ground truth of a split is drawn masks; it is the boxes of shapes otherwise."""
        return (self.folder / f"{split}_masks.npy").is_file()


def _covered(low: float, high: float, size: int, length: int) -> NDArray[np.intp]:
    """Indices along an axis of ``size`` pixels whose centres fall on original pixels ``low`` to ``high``."""
    original = centres(size, length)
    covered = np.flatnonzero((original >= low) & (original <= high))
    if covered.size:
        return covered
    middle = (min(max(low, 0), length - 1) + min(max(high, 0), length - 1)) / 2
    return np.array([min(int((middle + 0.5) * size / length), size - 1)])
