"""What the readers of pictures share: a split's records and problems, decoding in parallel, leaks, classes."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xiqa.data.files.pictures import load_radiograph, radiograph_size
from xiqa.data.names import SPLITS
from xiqa.data.records.rows import below
from xiqa.errors import BadInput, Problem
from xiqa.store.digests import file_digest

Use = Callable[[Path, NDArray[np.float32]], None]


@dataclass
class Split(Sequence):
    """Usable records of one split in the order of its table, and what was found wrong with the others."""

    root: Path
    split: str
    table: Path
    records: list = field(repr=False)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of all records, (N,)."""
        return np.array([record.label for record in self.records], dtype=np.int64)


def in_threads(function: Callable, items: Iterable) -> list:
    """Results in the order of the items; Pillow decodes and resizes without Python's lock."""
    # More threads than that only take memory.
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def look(path: Path, decode: bool = True, use: Use | None = None) -> tuple[int, int, list[str]] | BadInput:
    """(height, width, notes) of an image, or what is wrong with it; ``use`` gets path and array where it is decoded."""
    try:
        if not decode:
            return *radiograph_size(path), []
        radiograph = load_radiograph(path)
    except BadInput as error:
        return error
    if use is not None:
        use(path, radiograph.array)
    return *radiograph.array.shape, radiograph.notes


def gathered(notes: Iterable[list[str]]) -> list[str]:
    """Notes of many images, each kind once with its count."""
    kinds = Counter(note.partition(" (")[0] for each in notes for note in each)
    return [f"{count} image{'s' * (count > 1)}: {kind}" for kind, count in sorted(kinds.items())]


def leave_out_copies(dataset: dict[str, Split]) -> None:
    """Leave an image out whose content also stands in a later split."""
    # Only files of equal size can be equal: nearly all need not be read.
    sizes = Counter(record.path.stat().st_size for split in dataset.values() for record in split)
    later: dict[str, str] = {}
    for name in reversed(SPLITS):
        split, here, kept = dataset[name], {}, []
        for record in split:
            content = file_digest(record.path) if sizes[record.path.stat().st_size] > 1 else None
            if content in later:
                message = (
                    f"{below(split.root, record.path)} is the same image as {later[content]} "
                    f"and is left out of {name}: keep it in one split only"
                )
                split.problems.append(Problem(record.path, None, "in_two_splits", message, "error"))
                continue
            kept.append(record)
            if content:
                here[content] = f"{below(split.root, record.path)} ({name})"
        split.records = kept
        later |= here


def check_left(table: Path, records: Sequence, total: int, problems: Sequence[Problem]) -> None:
    """Refuse a table that leaves no usable image, and name the first reason."""
    if not records:
        why = f", first of all {problems[0].message}" if problems else ""
        raise BadInput("empty_split", f"{table} leaves no usable image of {total} rows{why}")


def check_classes(split: Split, what: str) -> None:
    """Refuse a split that lacks images with, or without, what the task is about."""
    if not split.records:
        why = f", last of all {split.problems[-1].message}" if split.problems else ""
        raise BadInput(
            "empty_split", f"{split.table} leaves no usable image for the split '{split.split}'{why}: add images"
        )
    if len(set(split.labels)) < 2:
        missing = "with" if split.labels[0] == 0 else "without"
        raise BadInput(
            "one_class",
            f"{split.table} leaves no image {missing} {what} for the split '{split.split}' "
            f"({len(split)} usable, {len(split.problems)} problems): both classes are needed",
        )
