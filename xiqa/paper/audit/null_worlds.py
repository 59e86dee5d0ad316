"""The embedded data without the cause of their labels, as entries like those of `prepare` and `prepare_volumes`.

What predicts the labels in such a *null world* is a shortcut of the simulator. The generators write the counterfactual
items beside the data; ``root`` is the folder of the data set, ``prepared`` its entry.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from xiqa.data.arrays import drawn
from xiqa.data.arrays.grids import resize
from xiqa.data.arrays.images import Prepared
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.data.files.pictures import load_picture
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import halved
from xiqa.data.names import PROBLEMS, SPLITS
from xiqa.store.files import write_bytes, write_frame
from xiqa.synthetic import catalogue

MOST = 2000  # scans that a null world keeps of a split
CLEAN_FOR_ONE = 2  # clean scans that a null world keeps for each artifact in training and validation


def null_films(folder: Path, root: Path, prepared: Path) -> None:
    """Store function: the films that have a counterfactual, without the objects; labels stay, nothing is annotated."""
    data, parts = Prepared(prepared), []
    for split in SPLITS:
        records = data.records(split)
        paths = [catalogue.without("object_cxr", root, split, path) for path in records["path"]]
        kept = np.flatnonzero([path is not None for path in paths])
        images = (resize(load_picture(paths[row]).array, data.size) for row in kept)
        _write(folder / f"{split}.npy", images, (len(kept), data.size, data.size), np.uint8)
        parts.append(records.iloc[kept].assign(located=0, annotation=""))
    _describe(folder, parts, "counterfactuals: what the labels are about is not there")


def null_frames(folder: Path, prepared: Path, seed: int = 0) -> None:
    """Store function: the cine frames with the labels of other patients.

    A patient's frames all get the label of one other patient (the more frequent one of that patient's frames), so that
    nothing in a picture can predict it; of a training patient the first frame is enough.
    """
    data, parts = Prepared(prepared), []
    for number, split in enumerate(SPLITS):
        records = data.records(split)
        kept = np.flatnonzero(~records["unit"].duplicated()) if split == "train" else np.arange(len(records))
        _write(folder / f"{split}.npy", data.images(split)[kept], (len(kept), data.size, data.size), np.uint8)
        own = (records.groupby("unit")["label"].mean() >= 0.5).astype(int)
        moved = np.random.default_rng([seed, number]).permutation(own.to_numpy())
        labels = records["unit"].map(dict(zip(own.index, moved, strict=True)))
        parts.append(records.assign(label=labels, located=0, annotation="").iloc[kept])
    _describe(folder, parts, "patients bear the labels of other patients")


def null_volumes(folder: Path, root: Path, prepared: Path, intensity: str) -> None:
    """Store function: the brain scans at severity 0; labels stay.

    Of training and validation it keeps the scans labelled artifact and twice as many clean ones, of test all, but of
    none more than ``MOST``.
    """
    data, parts = drawn.read_volumes(prepared), []
    for split in SPLITS:
        records = data.records(split)
        artifacts = np.flatnonzero(records["label"] == 1)[: MOST // 2]
        clean = np.flatnonzero(records["label"] == 0)[: MOST - len(artifacts)]
        few = clean if split == "test" else clean[: CLEAN_FOR_ONE * len(artifacts)]
        kept = np.sort(np.concatenate([artifacts, few]))
        volumes = (_bare(data, root, split, records["path"][row], row, intensity) for row in kept)
        _write(folder / f"{split}.npy", volumes, (len(kept), *data.shape), np.float16)
        parts.append(records.iloc[kept])
    _describe(folder, parts, "no scan bears an artifact")


def _bare(data: PreparedVolumes, root: Path, split: str, path: str, row: int, intensity: str) -> NDArray[np.float16]:
    """A scan at severity 0: its counterfactual, or the scan itself where it bears no artifact."""
    if isinstance(data, drawn.DrawnVolumes):
        return data.volumes(split, without=True)[row]
    bare = catalogue.without("mri", root, split, path)
    return data.volumes(split)[row] if bare is None else halved(load_volume(bare), data.shape, intensity)


def _write(path: Path, arrays: Iterable[NDArray], shape: tuple[int, ...], kind: type) -> None:
    images = open_memmap(path, mode="w+", dtype=kind, shape=shape)
    for image, array in zip(images, arrays, strict=True):
        image[:] = array
    images.flush()


def _describe(folder: Path, parts: list[pd.DataFrame], note: str) -> None:
    write_frame(pd.concat(parts, ignore_index=True), folder / "records.csv")
    write_frame(pd.DataFrame(columns=PROBLEMS), folder / "problems.csv")
    write_bytes(folder / "notes.txt", f"null world: {note}\n".encode())
