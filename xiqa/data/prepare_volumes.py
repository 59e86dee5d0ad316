"""Brain volumes prepared once for everything that follows: in a network's shape, one array a split, with their records.

Geometry: ``xiqa.data.geometry.geometry(volume, shape)`` tells where each voxel of a scan went, and brings maps back.
"""

import json
import re
import threading
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from xiqa.data.arrays.volumes import TRUTH, UNSTORED
from xiqa.data.geometry import Volume, halved
from xiqa.data.mri import Record, read_dataset
from xiqa.data.records.splits import Split
from xiqa.store.files import write_bytes, write_frame
from xiqa.synthetic import catalogue

RECORDS = ["split", "image", "path", "subject", "label", "artifact_type", "contrast", "severity", "rater_probability",
           "artifact"]  # fmt: skip
PROBLEMS = ["split", "path", "line", "reason", "status", "message"]


def prepare_volumes(folder: Path, root: Path, shape: tuple[int, int, int]) -> None:
    """Decode every scan of a data set once, and write it preprocessed to ``shape`` into ``folder``.

    Writes ``train.npy``, ``val.npy``, ``test.npy`` (float16 (N, *shape), z-scores; half precision keeps three digits,
    and the networks are fed with float32 made of it), ``records.csv`` (rows in the same order, paths below ``root``),
    ``problems.csv`` and ``notes.txt``. Errors as ``read_dataset``.
    """
    folder, shape = Path(folder), tuple(int(side) for side in shape)
    scratch = folder / "scratch.bin"
    try:
        with open(scratch, "wb") as handle:
            pile = _Pile(handle, shape)
            dataset = read_dataset(root, use=pile.add)
        laid = np.memmap(scratch, dtype=np.float16, mode="r").reshape(-1, *shape)
        for name, split in dataset.items():
            volumes = open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=(len(split), *shape))
            for row, record in enumerate(split):
                volumes[row] = laid[pile.places[record.path]]
            volumes.flush()
        del laid
    finally:
        scratch.unlink(missing_ok=True)
    rows = [_row(name, split, record) for name, split in dataset.items() for record in split]
    write_frame(pd.DataFrame(rows, columns=RECORDS), folder / "records.csv")
    write_frame(pd.DataFrame(_problem_rows(dataset), columns=PROBLEMS), folder / "problems.csv")
    notes = [f"{name}: {note}" for name, split in dataset.items() for note in split.notes]
    write_bytes(folder / "notes.txt", "".join(f"{note}\n" for note in notes).encode())


def prepare_unstored(folder: Path, spec: dict, shape: tuple[int, int, int]) -> None:
    """Describe simulated scans that are drawn when they are asked for (`xiqa.data.arrays.drawn`), in ``folder``.

    What is known of a scan only once it is drawn (severity, what the rater says) stays empty in the records.

    Parameters
    ----------
    spec : what is simulated, as the generator's ``write`` takes it.

    """
    head = catalogue.generator("mri")
    plan = head.plan(spec)
    types = head.listed(plan)["artifact_type"].replace("n/a", "")
    rows = plan.assign(path=plan["image"], artifact_type=types, severity=np.nan, rater_probability=np.nan)
    write_frame(rows.reindex(columns=RECORDS), Path(folder) / "records.csv")
    write_frame(pd.DataFrame(columns=PROBLEMS), Path(folder) / "problems.csv")
    write_bytes(Path(folder) / "notes.txt", b"test: scans are drawn when they are asked for, none is stored\n")
    about = {"spec": spec, "shape": list(shape)}
    write_bytes(Path(folder) / UNSTORED, json.dumps(about, indent=1).encode())


class _Pile:
    """Volumes in the order they happen to be decoded: which of them a split keeps is known only afterwards."""

    def __init__(self, handle, shape: tuple[int, int, int]):
        self.handle, self.shape = handle, shape
        self.places: dict[Path, int] = {}
        self.lock = threading.Lock()

    def add(self, path: Path, volume: Volume) -> None:
        small = halved(volume, self.shape)
        with self.lock:
            self.places[path] = len(self.places)
            self.handle.write(small.tobytes())


def _row(name: str, split: Split, record: Record) -> dict:
    path = record.path.relative_to(split.root).as_posix()
    row = {"split": name, "image": record.name, "path": path, "subject": record.subject, "label": record.label,
           "artifact_type": record.artifact_type, "contrast": record.contrast}  # fmt: skip
    return row | _truth(split.root, path)


def _truth(root: Path, path: str) -> dict:
    """What a simulator noted of a scan beside it; NaN and empty text where nothing is."""
    stem = re.sub(r"\.(nii|mnc)(\.gz)?$", "", path, flags=re.IGNORECASE)
    try:
        told = json.loads((root / TRUTH / f"{stem}.json").read_text())
    except (OSError, ValueError):
        told = {}
    told = told if isinstance(told, dict) else {}
    numbers = {name: pd.to_numeric(told.get(name), errors="coerce") for name in ("severity", "rater_probability")}
    return numbers | {"artifact": told.get("artifact") or ""}


def _problem_rows(dataset: dict[str, Split]) -> list[tuple]:
    return [
        (name, problem.path.relative_to(split.root).as_posix(), problem.line or "", problem.reason, problem.status,
         problem.message)
        for name, split in dataset.items()
        for problem in split.problems
    ]  # fmt: skip
