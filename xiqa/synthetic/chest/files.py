"""Writing many films to disk in the layout of the Object-CXR repository, resumable and in parallel."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from xiqa.runner.store import write_bytes, write_frame
from xiqa.synthetic.chest.compose import VERSION, draw
from xiqa.synthetic.parallel import each

SPLITS = ("train", "val", "test")
TABLES = {"train": "train.csv", "val": "dev.csv", "test": "test.csv"}
FIRST = {"train": 1, "val": 8001, "test": 9001}  # numbers of the real data set
FILES = 8  # stream
JPEG_FROM = 400  # px; below, 8 x 8 blocks are a sizeable part of the film
PALETTE = [0, 0, 0, 255, 80, 60, 250, 220, 60, 255, 160, 60, 40, 70, 130, 200, 60, 120, 160, 160, 120, 255, 255, 255]


def plan(spec: dict) -> pd.DataFrame:
    """What is to be written: split, image, subject, label; every film is of a subject of its own.

    ``spec`` holds ``size``, ``train``, ``val``, ``test`` (counts), ``seed`` and, if it is not
    a half, ``positive_share``. Subjects of a split
    start at a number of their own, so that the size of one split changes nothing in another. Labels are shuffled.
    """
    ending, rows, following = ".png" if spec["size"] < JPEG_FROM else ".jpg", [], 1
    for place, split in enumerate(SPLITS):
        count = spec[split]
        labels = np.arange(count) < round(count * spec.get("positive_share", 0.5))
        np.random.default_rng([spec["seed"], place, FILES]).shuffle(labels)
        first = max(FIRST[split], following)
        following = first + count
        names = [f"{first + i:05d}{ending}" for i in range(count)]
        rows += [(split, name, place * 10**6 + i, int(labels[i])) for i, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["split", "image", "subject", "label"])


def write(folder: Path, spec: dict, workers: int | None = None) -> None:
    """Write a data set of films below ``folder``; what is complete already is kept.

    Layout: ``object-CXR_{train,val,test}/`` with ``train.csv|dev.csv|test.csv`` and ``images/``; beside them
    ``derivatives/<split>/<name>.json`` (objects, subject, seed) and ``<name>_masks.png`` (see ``read_masks``). Films
    below 400 px are PNG, larger ones JPEG of a quality that does not depend on the label. The sidecar of a film is
    written last, so it tells that the film is complete; the table of a split is written after all its films.

    Parameters
    ----------
    folder : made if missing.
    spec : see ``plan``.
    workers : processes, by default as many as there are cores and the thread cap allows; changes no byte.

    """
    folder = Path(folder)
    table = plan(spec)
    jobs = [(str(folder), dict(row), spec["size"], spec["seed"]) for row in table.to_dict("records")]
    todo = [job for job in jobs if not all(path.is_file() for path in paths(folder, job[1]))]
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc="radiographs", unit="film", disable=len(todo) < 2)
    with bar:
        for _ in each(write_one, todo, workers):
            bar.update()
    for split in SPLITS:
        records = [
            json.loads(paths(folder, row)[2].read_text()) for row in table[table.split == split].to_dict("records")
        ]
        rows = [(record["image"], record["annotation"]) for record in records]
        write_frame(
            pd.DataFrame(rows, columns=["image_name", "annotation"]), folder / f"object-CXR_{split}" / TABLES[split]
        )


def paths(folder: Path, row: dict) -> tuple[Path, Path, Path]:
    """Film, masks and sidecar."""
    beside, stem = Path(folder) / "derivatives" / row["split"], Path(row["image"]).stem
    film = Path(folder) / f"object-CXR_{row['split']}" / "images" / row["image"]
    return film, beside / f"{stem}_masks.png", beside / f"{stem}.json"


def write_one(job: tuple[str, dict, int, int]) -> None:
    """Draw and write one film with its sidecar and masks."""
    folder, row, size, seed = job
    film = draw(seed, row["subject"], row["label"], size)
    about = {"image": row["image"], "subject": row["subject"], "seed": seed, "version": VERSION, "label": row["label"],
             "size": size, "annotation": film.annotation, "objects": film.objects}  # fmt: skip
    for path, content in zip(
        paths(Path(folder), row),
        (
            encode(film.image, row, seed),
            pack(film.silhouettes, film.distractors, film.lungs),
            json.dumps(about, indent=1).encode(),
        ),
        strict=True,
    ):
        write_bytes(path, content)


def encode(image: np.ndarray, row: dict, seed: int) -> bytes:
    """A film as PNG or JPEG."""
    target = io.BytesIO()
    if row["image"].endswith(".png"):
        Image.fromarray(image).save(target, "PNG")
    else:
        quality = int(np.random.default_rng([seed, row["subject"], FILES]).integers(82, 97))
        Image.fromarray(image).save(target, "JPEG", quality=quality)
    return target.getvalue()


def pack(silhouettes: np.ndarray, distractors: np.ndarray, lungs: np.ndarray) -> bytes:
    """Three masks in one palette image: 1 annotated silhouette, 2 other metal and plastic, 4 lung field, added up."""
    picture = Image.fromarray((silhouettes + 2 * distractors + 4 * lungs).astype(np.uint8), "P")
    picture.putpalette(PALETTE)
    target = io.BytesIO()
    picture.save(target, "PNG", bits=4, optimize=True)
    return target.getvalue()


def read_masks(path: Path) -> dict[str, np.ndarray]:
    """The masks ``silhouettes``, ``distractors`` and ``lungs`` of a film, bool (size, size), from its mask image."""
    with Image.open(path) as picture:
        packed = np.asarray(picture)
    return {name: (packed & bit) > 0 for name, bit in (("silhouettes", 1), ("distractors", 2), ("lungs", 4))}
