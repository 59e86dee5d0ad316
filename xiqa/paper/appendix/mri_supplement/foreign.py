"""Volumes that are no head of the training kind: turned, inverted, without a head, a bottle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.arrays import drawn
from xiqa.data.names import PROBLEMS, SPLITS
from xiqa.store.files import write_bytes, write_frame

FEW = 2  # scans of training and validation, which nobody reads


def turned(volume: NDArray, rng: np.random.Generator) -> NDArray:
    """The head turned by a right angle in the plane of the slices."""
    return np.rot90(volume, axes=(0, 1))


def inverted(volume: NDArray, rng: np.random.Generator) -> NDArray:
    """Dark and bright exchanged."""
    return volume.max() + volume.min() - volume


def shuffled(volume: NDArray, rng: np.random.Generator) -> NDArray:
    """The voxels in random order: the intensities of the scan, and nothing else."""
    return rng.permutation(volume.ravel()).reshape(volume.shape)


def bottle(volume: NDArray, rng: np.random.Generator) -> NDArray:
    """A bottle of water in the air of the scan: an even cylinder along the slice axis, with noise."""
    low, dark, bright = np.percentile(volume, (1, 5, 90))
    plane = np.meshgrid(*(np.linspace(-1, 1, side) for side in volume.shape[:2]), indexing="ij")
    inside = (np.hypot(*plane) < rng.uniform(0.4, 0.7))[:, :, None]
    return np.where(inside, bright, dark) + rng.normal(0, abs(dark - low) / 2, volume.shape)


KINDS: dict[str, Callable] = {
    "heads turned by 90 degrees": turned,
    "heads with inverted contrast": inverted,
    "voxels in random order": shuffled,
    "bottle of water": bottle,
}


def foreign(folder: Path, prepared: Path, count: int, seed: int = 0) -> None:
    """Store function: the first clean test scans changed in each way of ``KINDS``, as an entry like `prepare_volumes`'.

    ``count`` scans of different subjects a kind; the kind stands in the column ``artifact`` of the records.
    """
    data, parts = drawn.read_volumes(prepared), []
    for split in SPLITS:
        records = data.records(split)
        clean = records[records["label"] == 0].drop_duplicates("subject").head(count if split == "test" else FEW)
        volumes = data.volumes(split)
        made = []
        for kind, change in KINDS.items() if split == "test" else [("", lambda volume, rng: volume)]:
            for row in clean.index:
                volume = np.asarray(volumes[row], dtype=np.float32)
                made.append(change(volume, np.random.default_rng([seed, row])).astype(np.float16))
            images = [f"{kind} {image}" for image in clean["image"]]
            parts.append(clean.assign(image=images, artifact=kind))
        np.save(folder / f"{split}.npy", np.stack(made))
    write_frame(pd.concat(parts, ignore_index=True), folder / "records.csv")
    write_frame(pd.DataFrame(columns=PROBLEMS), folder / "problems.csv")
    write_bytes(folder / "notes.txt", b"test: no heads of the training kind\n")
