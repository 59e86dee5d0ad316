"""Pictures prepared once for everything that follows: resized, in one array a split, with their records.

Geometry: whole numbers stand at pixel centres and the outer edges of original and resized picture coincide
(``xiqa.data.arrays.grids.to_original``), which is what bilinear resampling does. So a peak at (row, column) of a prepared
image goes back to the original's pixels, and ground truth made here lies on what the network saw.
"""

import threading
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from xiqa.data import lvot, object_cxr
from xiqa.data.arrays.grids import resize, resize_mask
from xiqa.data.arrays.images import PROBLEMS
from xiqa.data.records.masks import read_mask
from xiqa.data.records.splits import Split
from xiqa.store.files import write_bytes, write_frame

BATCH = 64
READERS = {"object_cxr": object_cxr.read_dataset, "lvot": lvot.read_dataset}
RECORDS = ["split", "image", "unit", "path", "label", "located", "annotation", "height", "width"]


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
