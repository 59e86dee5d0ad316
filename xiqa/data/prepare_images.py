"""Prepare pictures: resized, in one array a split, with their records.

Whole numbers stand at pixel centres and the outer edges of original and resized picture coincide, as in bilinear
resampling. `xiqa.data.arrays.grids.to_original` maps a peak of a prepared image to pixels of the original.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from xiqa.data import lvot, object_cxr
from xiqa.data.arrays.grids import resize, resize_mask
from xiqa.data.records.masks import read_mask
from xiqa.data.records.splits import Split
from xiqa.data.scratch import Scratch, write_findings
from xiqa.store.files import write_frame

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
    with Scratch(folder / "scratch.bin", (size, size), np.uint8) as scratch:
        splits = READERS[dataset](root, use=lambda path, array: scratch.add(path, resize(array, size)))
        for name, split in splits.items():
            scratch.write(folder / f"{name}.npy", [record.path for record in split])
            if dataset == "lvot":
                _write_masks(folder / f"{name}_masks.npy", split, size)
    write_frame(pd.DataFrame(_record_rows(splits), columns=RECORDS), folder / "records.csv")
    write_findings(folder, splits)


def _write_masks(path: Path, split: Split, size: int) -> None:
    """Resized masks of a split; all false where a frame has none."""
    packed = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(split), -(-size * size // 8)))
    for row, record in zip(packed, split, strict=True):
        if record.mask is not None:
            row[:] = np.packbits(resize_mask(read_mask(record.mask)[0], size))
    packed.flush()


def _record_rows(dataset: dict[str, Split]) -> list[tuple]:
    return [
        (name, record.name, unit, record.path.relative_to(split.root).as_posix(), record.label, located, annotation,
         record.height, record.width)
        for name, split in dataset.items()
        for record in split
        for unit, located, annotation in [_truth_of(record)]
    ]  # fmt: skip


def _truth_of(record: object_cxr.Record | lvot.Record) -> tuple[str, int, str]:
    """Independent unit, whether ground truth locates the object, and the annotation."""
    if isinstance(record, lvot.Record):
        return record.patient, int(record.mask is not None), ""
    return record.name, record.label, record.annotation
