"""Pictures prepared once for everything that follows: resized, in one array a split, with their records.

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

from xiqa.data import lvot, object_cxr
from xiqa.data.images import resize
from xiqa.data.masks import centres, outlines, read_mask, resize_mask
from xiqa.data.shapes import Shape, parse_annotation
from xiqa.data.splits import Split
from xiqa.data.tables import SPLITS
from xiqa.runner.store import write_bytes, write_frame

BATCH = 64
READERS = {"object_cxr": object_cxr.read_dataset, "lvot": lvot.read_dataset}
RECORDS = ["split", "image", "unit", "path", "label", "located", "annotation", "height", "width"]
PROBLEMS = ["split", "path", "line", "reason", "status", "message"]


def prepare(folder: Path, root: Path, size: int, dataset: str = "object_cxr") -> None:
    """Decode every image of a data set once, and write it resized to (size, size) into ``folder``.

    Writes ``train.npy``, ``val.npy``, ``test.npy`` (uint8 (N, size, size)), ``records.csv`` (rows in the same order,
    paths below ``root``), ``problems.csv`` and ``notes.txt``; where ground truth is masks also ``train_masks.npy`` and
    so on, bits packed to uint8 (N, ceil(size * size / 8)).

    Parameters
    ----------
    dataset : ``object_cxr`` or ``lvot``: whose reader reads ``root``. Errors as its ``read_dataset``.

    """
    folder = Path(folder)
    scratch = folder / "scratch.bin"
    try:
        with _Scratch(scratch, size) as pile:
            splits = READERS[dataset](root, use=pile.add)
        for name, split in splits.items():
            pile.write(folder / f"{name}.npy", [record.path for record in split])
            if dataset == "lvot":
                _write_masks(folder / f"{name}_masks.npy", split, size)
    finally:
        scratch.unlink(missing_ok=True)
    write_frame(pd.DataFrame(_record_rows(splits), columns=RECORDS), folder / "records.csv")
    write_frame(pd.DataFrame(_problem_rows(splits), columns=PROBLEMS), folder / "problems.csv")
    notes = [f"{name}: {note}" for name, split in splits.items() for note in split.notes]
    write_bytes(folder / "notes.txt", "".join(f"{note}\n" for note in notes).encode())


def _write_masks(path: Path, split: Split, size: int) -> None:
    """Resized masks of a split; all false where a frame has none."""
    packed = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(split), -(-size * size // 8)))
    for row, record in zip(packed, split, strict=True):
        if record.mask is not None:
            row[:] = np.packbits(resize_mask(read_mask(record.mask)[0], size))
    packed.flush()


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
        (name, record.name, unit, record.path.relative_to(split.root).as_posix(), record.label, located, annotation,
         record.height, record.width)
        for name, split in dataset.items()
        for record in split
        for unit, located, annotation in [_truth_of(record)]
    ]  # fmt: skip


def _truth_of(record: object_cxr.Record | lvot.Record) -> tuple[str, int, str]:
    """Independent unit, whether ground truth says where the object is, and the annotation."""
    if isinstance(record, lvot.Record):
        return record.patient, int(record.mask is not None), ""
    return record.name, record.label, record.annotation


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
        text = dict.fromkeys(("split", "image", "unit", "path", "annotation"), str)
        records = pd.read_csv(self.folder / "records.csv", dtype=text, keep_default_na=False)
        self._records = {split: records[records["split"] == split].reset_index(drop=True) for split in SPLITS}
        self.problems = pd.read_csv(self.folder / "problems.csv", dtype=str, keep_default_na=False)
        self.notes = (self.folder / "notes.txt").read_text().splitlines()
        self.size = int(self.images(SPLITS[0]).shape[1])

    def images(self, split: str) -> np.memmap:
        """Images of a split, uint8 (N, size, size), read from disk as they are asked for."""
        return np.load(self.folder / f"{split}.npy", mmap_mode="r")

    def records(self, split: str) -> pd.DataFrame:
        """Records of a split in the order of its images.

        Returns
        -------
        DataFrame with the columns split, image, unit (the independent one: the radiograph itself, the patient of a
        frame), path, label, located (1 where ground truth says where the object is, else 0), annotation, height, width.

        """
        return self._records[split].copy()

    def located(self, split: str) -> NDArray[np.intp]:
        """Rows that the pointing game can be played on: an object, and ground truth that says where it is."""
        return np.flatnonzero(self._records[split]["located"].to_numpy())

    def has_truth(self, split: str) -> bool:
        """Whether the pointing game can be played on a split at all."""
        return bool(self.located(split).size)

    def shapes(self, split: str, row: int) -> list[Shape]:
        """What is annotated in one image, in pixels of the prepared image, whole numbers at pixel centres.

        Masks come as polygons around them.
        """
        if self.has_masks(split):
            return outlines(self.truth(split, [row])[0])
        record = self._records[split].iloc[row]
        sx, sy = self.size / record["width"], self.size / record["height"]
        return [
            shape.scaled(sx, sy).moved((sx - 1) / 2, (sy - 1) / 2) for shape in parse_annotation(record["annotation"])
        ]

    def truth(self, split: str, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.bool_]:
        """Ground truth of the pointing game, bool (n, size, size): mask, or union of the boxes of an image's shapes.

        ``rows`` are positions in ``records(split)``.
        A pixel belongs if the original pixel at its centre does (nearest), so at the original size this is the mask, or
        the boxes' own. What is too thin to hold any centre gets the one pixel that is nearest: to a mask, to the middle
        of a box.
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
        """A row a split: images, units, positive (images with an object), objects, left out (rows or files), warnings.

        ``objects`` are annotated ones, or masks.
        """
        rows = []
        for split in SPLITS:
            records, problems = self._records[split], self.problems[self.problems["split"] == split]
            drawn = sum(len(parse_annotation(text)) for text in records["annotation"])
            rows.append(
                {
                    "split": split,
                    "images": len(records),
                    "units": records["unit"].nunique(),
                    "positive": int(records["label"].sum()),
                    "objects": len(self.located(split)) if self.has_masks(split) else drawn,
                    "left out": int((problems["status"] == "error").sum()),
                    "warnings": int((problems["status"] == "warning").sum()),
                }
            )
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
