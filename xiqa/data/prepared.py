"""Radiographs prepared once for everything that follows: resized, in one array a split, with their records.

Geometry: whole numbers stand at pixel centres and the outer edges of original and resized picture coincide
(``xiqa.data.images.to_original``), which is what bilinear resampling does. So a peak at (row, column) of a prepared
image goes back to the original's pixels, and ground truth made here lies on what the network saw.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from xiqa.data.images import resize
from xiqa.data.object_cxr import Split, read_dataset
from xiqa.data.shapes import Shape, parse_annotation
from xiqa.data.tables import SPLITS
from xiqa.runner.store import write_bytes, write_frame

BATCH = 64
RECORDS = ["split", "image", "path", "label", "annotation", "height", "width"]
PROBLEMS = ["split", "path", "line", "reason", "status", "message"]


def prepare(folder: Path, root: Path, size: int) -> None:
    """Decode every image of a data set once, and write it resized to (size, size) into ``folder``.

    Writes ``train.npy``, ``val.npy``, ``test.npy`` (uint8 (N, size, size)), ``records.csv`` (rows in the same order,
    paths below ``root``), ``problems.csv`` and ``notes.txt``. Errors as ``read_dataset``.
    """
    folder = Path(folder)
    scratch = folder / "scratch.bin"
    try:
        with _Scratch(scratch, size) as pile:
            dataset = read_dataset(root, use=pile.add)
        for name, split in dataset.items():
            pile.write(folder / f"{name}.npy", [record.path for record in split])
    finally:
        scratch.unlink(missing_ok=True)
    write_frame(pd.DataFrame(_record_rows(dataset), columns=RECORDS), folder / "records.csv")
    write_frame(pd.DataFrame(_problem_rows(dataset), columns=PROBLEMS), folder / "problems.csv")
    notes = [f"{name}: {note}" for name, split in dataset.items() for note in split.notes]
    write_bytes(folder / "notes.txt", "".join(f"{note}\n" for note in notes).encode())


class _Scratch:
    """Resized images in the order they happen to be decoded: which of them a split keeps is known only afterwards."""

    def __init__(self, path: Path, size: int):
        self.path, self.size = path, size
        self.places: dict[Path, int] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> "_Scratch":
        self.handle = open(self.path, "wb")
        return self

    def __exit__(self, *_) -> None:
        self.handle.close()

    def add(self, path: Path, array: NDArray[np.float32]) -> None:
        small = resize(array, self.size)
        with self.lock:
            self.places[path] = len(self.places)
            self.handle.write(small.tobytes())

    def write(self, path: Path, order: list[Path]) -> None:
        """Write the images of a split in the order of its records, a batch at a time."""
        pile = np.memmap(self.path, dtype=np.uint8, mode="r").reshape(-1, self.size, self.size)
        images = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(order), self.size, self.size))
        for start in range(0, len(order), BATCH):
            images[start : start + BATCH] = pile[[self.places[each] for each in order[start : start + BATCH]]]
        images.flush()


def _record_rows(dataset: dict[str, Split]) -> list[tuple]:
    return [
        (name, record.name, record.path.relative_to(split.root).as_posix(), record.label, record.annotation,
         record.height, record.width)
        for name, split in dataset.items()
        for record in split
    ]  # fmt: skip


def _problem_rows(dataset: dict[str, Split]) -> list[tuple]:
    return [
        (name, problem.path.relative_to(split.root).as_posix(), problem.line or "", problem.reason, problem.status,
         problem.message)
        for name, split in dataset.items()
        for problem in split.problems
    ]  # fmt: skip


class Prepared:
    """What ``prepare`` wrote into a folder.

    Attributes
    ----------
    size : side of the images in pixels.
    problems : DataFrame (split, path below the data set's folder, line, reason, status, message).
    notes : list of phrases on how the data were read.

    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        # Names such as "00001" are text, and no annotation is empty text.
        text = dict.fromkeys(("split", "image", "path", "annotation"), str)
        records = pd.read_csv(self.folder / "records.csv", dtype=text, keep_default_na=False)
        self._records = {split: records[records["split"] == split].reset_index(drop=True) for split in SPLITS}
        self.problems = pd.read_csv(self.folder / "problems.csv", dtype=str, keep_default_na=False)
        self.notes = (self.folder / "notes.txt").read_text().splitlines()
        self.size = int(self.images(SPLITS[0]).shape[1])

    def images(self, split: str) -> np.memmap:
        """Images of a split, uint8 (N, size, size), read from disk as they are asked for."""
        return np.load(self.folder / f"{split}.npy", mmap_mode="r")

    def records(self, split: str) -> pd.DataFrame:
        """Records of a split in the order of its images (image, path, label, annotation, height, width)."""
        return self._records[split].copy()

    def shapes(self, split: str, row: int) -> list[Shape]:
        """Annotated objects of one image in pixels of the prepared image, whole numbers at pixel centres."""
        record = self._records[split].iloc[row]
        sx, sy = self.size / record["width"], self.size / record["height"]
        return [
            shape.scaled(sx, sy).moved((sx - 1) / 2, (sy - 1) / 2) for shape in parse_annotation(record["annotation"])
        ]

    def truth(self, split: str, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.bool_]:
        """Ground truth of the pointing game, bool (n, size, size): union of the bounding boxes of each image's shapes.

        ``rows`` are positions in ``records(split)``.
        A pixel belongs to a box if the original pixel at its centre does (nearest), so at the original size this is the
        box's own mask. A box too thin to hold any centre gets the pixel nearest to its middle.
        """
        records = self._records[split].iloc[list(rows)]
        truth = np.zeros((len(records), self.size, self.size), dtype=bool)
        for mask, record in zip(truth, records.itertuples(), strict=True):
            for shape in parse_annotation(record.annotation):
                x1, y1, x2, y2 = shape.box
                down, across = _covered(y1, y2, self.size, record.height), _covered(x1, x2, self.size, record.width)
                mask[np.ix_(down, across)] = True
        return truth

    def summary(self) -> pd.DataFrame:
        """A row a split: images, positive (images with objects), objects, left out (rows or files), warnings."""
        rows = []
        for split in SPLITS:
            records, problems = self._records[split], self.problems[self.problems["split"] == split]
            rows.append(
                {
                    "split": split,
                    "images": len(records),
                    "positive": int(records["label"].sum()),
                    "objects": sum(len(parse_annotation(text)) for text in records["annotation"]),
                    "left out": int((problems["status"] == "error").sum()),
                    "warnings": int((problems["status"] == "warning").sum()),
                }
            )
        return pd.DataFrame(rows)


def _covered(low: float, high: float, size: int, length: int) -> NDArray[np.intp]:
    """Indices along an axis of ``size`` pixels whose centres fall on original pixels ``low`` to ``high``."""
    original = (np.arange(size) * 2 + 1) * length // (2 * size)
    covered = np.flatnonzero((original >= low) & (original <= high))
    if covered.size:
        return covered
    middle = (min(max(low, 0), length - 1) + min(max(high, 0), length - 1)) / 2
    return np.array([min(int((middle + 0.5) * size / length), size - 1)])
