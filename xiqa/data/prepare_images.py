"""Prepare pictures: resized, in one array a split, with their records.

`xiqa.data.arrays.grids.to_original` maps a peak of a prepared image to pixels of the original.
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
    so on, bits packed to uint8 (N, ceil(size * size / 8)). ``dataset``, ``object_cxr`` or ``lvot``, names the reader of
    ``root``; errors as its ``read_dataset``.
    """
    folder = Path(folder)
    with Scratch(folder / "scratch.bin", (size, size), np.uint8) as scratch:
        splits = READERS[dataset](root, use=lambda path, image: scratch.add(path, resize(image.array, size)))
        for name, split in splits.items():
            scratch.write(folder / f"{name}.npy", [record.path for record in split])
            if dataset == "lvot":
                _write_masks(folder / f"{name}_masks.npy", split, size)
    rows = [_record_row(name, record, split.root) for name, split in splits.items() for record in split]
    write_frame(pd.DataFrame(rows, columns=RECORDS), folder / "records.csv")
    write_findings(folder, splits)


def _write_masks(path: Path, split: Split, size: int) -> None:
    """Resized masks of a split; all false where a frame has none."""
    packed = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(split), -(-size * size // 8)))
    for row, record in zip(packed, split, strict=True):
        if record.mask is not None:
            row[:] = np.packbits(resize_mask(read_mask(record.mask)[0], size))
    packed.flush()


def _record_row(split: str, record: object_cxr.Record | lvot.Record, root: Path) -> tuple:
    if isinstance(record, lvot.Record):
        unit, located, annotation = record.patient, int(record.mask is not None), ""
    else:
        unit, located, annotation = record.name, record.label, record.annotation
    path = record.path.relative_to(root).as_posix()
    return split, record.name, unit, path, record.label, located, annotation, record.height, record.width
