"""What the two preparations write alike: arrays in the order of the records, problems and notes."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from xiqa.data.names import PROBLEMS
from xiqa.data.records.splits import Split
from xiqa.store.files import write_bytes, write_frame


class Scratch:
    """A file of arrays of one shape in the order of their decoding, since which of them a split keeps is clear later.

    The file is deleted at the end.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: DTypeLike):
        self.path, self.shape, self.dtype = path, tuple(shape), np.dtype(dtype)
        self.places: dict[Path, int] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> "Scratch":
        self.handle = open(self.path, "wb")
        return self

    def __exit__(self, *_) -> None:
        self.handle.close()
        self.path.unlink()

    def add(self, path: Path, array: NDArray) -> None:
        """Append the array of one file; safe from several threads."""
        with self.lock:
            self.places[path] = len(self.places)
            self.handle.write(array.tobytes())

    def write(self, path: Path, order: Sequence[Path]) -> None:
        """Write the arrays of these files as one array (N, *shape) in NumPy's format, one at a time."""
        self.handle.flush()
        arrays = np.memmap(self.path, self.dtype, "r", shape=(len(self.places), *self.shape))
        out = open_memmap(path, mode="w+", dtype=self.dtype, shape=(len(order), *self.shape))
        for row, file in enumerate(order):
            out[row] = arrays[self.places[file]]
        out.flush()


def write_findings(folder: Path, dataset: dict[str, Split]) -> None:
    """Write ``problems.csv`` and ``notes.txt`` of a data set, paths below its folder."""
    rows = []
    for name, split in dataset.items():
        for problem in split.problems:
            path = problem.path.relative_to(split.root).as_posix()
            rows.append((name, path, problem.line or "", problem.reason, problem.status, problem.message))
    write_frame(pd.DataFrame(rows, columns=PROBLEMS), folder / "problems.csv")
    notes = [f"{name}: {note}" for name, split in dataset.items() for note in split.notes]
    write_bytes(folder / "notes.txt", "".join(f"{note}\n" for note in notes).encode())
