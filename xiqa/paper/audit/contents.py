"""Contents of the data sets: counts, images to show, where annotated pixels lie, brightness of both classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.arrays.images import Prepared
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.data.shapes import Shape
from xiqa.paper.data_sets import NAMES

COLUMNS = ["data set", "split", "images", "units", "positive", "left out", "warnings"]
ROWS = {
    ("object_cxr", 1): "object in the lung field",
    ("object_cxr", 0): "none in the lung field",
    ("lvot", 1): "outflow tract visible",
    ("lvot", 0): "four chambers",
}


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Example:
    """One image to show: (H, W) uint8, its annotated shapes in pixels of the image, its name."""

    image: NDArray[np.uint8]
    shapes: list[Shape]
    name: str


def summary(sets: Mapping[str, Prepared | PreparedVolumes], stand_in: Mapping[str, bool]) -> pd.DataFrame:
    """Images, units and positives by data set and split, with what was left out."""
    parts = []
    for name, data in sets.items():
        rows = data.summary().rename(columns={"scans": "images", "subjects": "units", "artifact": "positive"})
        simulated = " (simulated stand-in)" if stand_in[name] else ""
        parts.append(rows.assign(**{"data set": NAMES[name] + simulated})[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def examples(sets: Mapping[str, Prepared], count: int) -> dict[str, list[Example]]:
    """The first ``count`` test images of each class of each data set, by the name of their row; one of a patient."""
    rows = {}
    for (name, label), text in ROWS.items():
        data = sets[name]
        records, images = data.records("test"), data.images("test")
        if name == "lvot":
            records = records.drop_duplicates("unit")
        records = records[records["label"] == label][:count]
        names = zip(records.index, records["image"], strict=True)
        rows[text] = [Example(np.array(images[i]), data.shapes("test", i), Path(image).name) for i, image in names]
    return rows


def annotated(data: Prepared) -> NDArray[np.float64]:
    """Share of the positive training images in which a pixel is annotated, (size, size) in [0, 1]."""
    positive = np.flatnonzero(data.records("train")["label"] == 1) if data.has_truth("train") else []
    return data.truth("train", positive).mean(axis=0) if len(positive) else np.zeros((data.size, data.size))


def brightness(sets: Mapping[str, Prepared]) -> pd.DataFrame:
    """Mean grey value of each training image; columns data set, label (good or bad), mean."""
    parts = []
    for name, data in sets.items():
        labels = data.records("train")["label"].map({0: "good", 1: "bad"})
        means = [float(image.mean()) for image in data.images("train")]
        parts.append(pd.DataFrame({"data set": NAMES[name], "label": labels, "mean": means}))
    return pd.concat(parts, ignore_index=True)


def scans(records: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first ``count`` test scans that are clean, then of each type of artifact; ``records`` of the split."""
    kinds = records["artifact_type"].where(records["label"] == 1, "clean")
    order = ["clean", *sorted(set(kinds) - {"clean"})]
    return pd.concat([records[kinds == kind].head(count).assign(row=kind) for kind in order])


def datasets(counts: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table of the data sets and its caption; ``counts`` are those of :func:`summary`."""
    return counts, (
        "Images, frames and scans by split after every check; units are films, patients or subjects. Positive: an "
        "annotated foreign object in the lung field, a visible outflow tract, an artifact. Left out: files or rows "
        "that are not usable."
    )
