"""Prepare brain volumes: in a network's shape, one array a split, with their records.

`xiqa.data.geometry.geometry(volume, shape)` maps voxels and saliency maps between scan and network.
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa.data.arrays.volumes import DRAWN, TRUTH
from xiqa.data.geometry import halved
from xiqa.data.mri import Record, read_dataset
from xiqa.data.names import PROBLEMS
from xiqa.data.records.splits import Split
from xiqa.data.scratch import Scratch, write_findings
from xiqa.store.files import write_bytes, write_frame
from xiqa.synthetic import catalogue

RECORDS = ["split", "image", "path", "subject", "label", "artifact_type", "contrast", "severity", "rater_probability",
           "artifact"]  # fmt: skip


def prepare_volumes(folder: Path, root: Path, shape: tuple[int, int, int], intensity: str) -> None:
    """Decode every scan of a data set once, and write it preprocessed to ``shape`` into ``folder``.

    Writes ``train.npy``, ``val.npy``, ``test.npy`` (float16 (N, *shape) on the intensity scale; half precision keeps
    three digits, and the networks are fed with float32 made of it), ``records.csv`` (rows in the same order, paths
    below ``root``), ``problems.csv`` and ``notes.txt``. Errors as ``read_dataset``.
    """
    folder, shape = Path(folder), tuple(int(side) for side in shape)
    with Scratch(folder / "scratch.bin", shape, np.float16) as scratch:
        dataset = read_dataset(root, use=lambda path, volume: scratch.add(path, halved(volume, shape, intensity)))
        for name, split in dataset.items():
            scratch.write(folder / f"{name}.npy", [record.path for record in split])
    rows = [_row(name, split, record) for name, split in dataset.items() for record in split]
    write_frame(pd.DataFrame(rows, columns=RECORDS), folder / "records.csv")
    write_findings(folder, dataset)


def prepare_drawn(folder: Path, spec: dict, shape: tuple[int, int, int], intensity: str) -> None:
    """Describe in ``folder`` simulated scans that are drawn when they are indexed (`xiqa.data.arrays.drawn`).

    ``spec`` is what is simulated, as the generator's ``write`` takes it. Severity and rater probability are empty in
    the records, since they depend on the drawing.
    """
    head = catalogue.generator("mri")
    plan = head.plan(spec)
    types = head.listed(plan)["artifact_type"].replace("n/a", "")
    rows = plan.assign(path=plan["image"], artifact_type=types, severity=np.nan, rater_probability=np.nan)
    write_frame(rows.reindex(columns=RECORDS), Path(folder) / "records.csv")
    write_frame(pd.DataFrame(columns=PROBLEMS), Path(folder) / "problems.csv")
    write_bytes(Path(folder) / "notes.txt", b"test: scans are drawn when they are indexed, none is stored\n")
    about = {"spec": spec, "shape": list(shape), "intensity": intensity}
    write_bytes(Path(folder) / DRAWN, json.dumps(about, indent=1).encode())


def _row(name: str, split: Split, record: Record) -> dict:
    path = record.path.relative_to(split.root).as_posix()
    row = {"split": name, "image": record.name, "path": path, "subject": record.subject, "label": record.label,
           "artifact_type": record.artifact_type, "contrast": record.contrast}  # fmt: skip
    return row | _truth(split.root, path)


def _truth(root: Path, path: str) -> dict:
    """Truth that a simulator wrote beside a scan; NaN and empty text without one."""
    stem = re.sub(r"\.(nii|mnc)(\.gz)?$", "", path, flags=re.IGNORECASE)
    try:
        truth = json.loads((root / TRUTH / f"{stem}.json").read_text())
    except (OSError, ValueError):
        truth = {}
    truth = truth if isinstance(truth, dict) else {}
    numbers = {name: pd.to_numeric(truth.get(name), errors="coerce") for name in ("severity", "rater_probability")}
    return numbers | {"artifact": truth.get("artifact") or ""}
