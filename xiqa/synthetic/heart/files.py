"""Writing the cines of many patients to disk in the layout of LVOT, resumable and in parallel."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from xiqa.runner.store import write_bytes
from xiqa.synthetic.heart.cine import draw, planned
from xiqa.synthetic.parallel import each

SPLITS = ("train", "val", "test")
FIRST = {"train": 1, "val": 6001, "test": 8001}  # numbers of patients, apart unless a split is very large
SHOWS, ORDER = 11, 12  # streams


def plan(spec: dict) -> pd.DataFrame:
    """What is to be written: split, patient (a name), subject (key of the random draws), whether the plan shows it.

    ``spec`` holds ``size``, ``train``, ``val``, ``test`` (patients), ``frames`` (a patient) and ``seed``. Half of the
    patients of a split are planned so that the outflow tract shows, at random places of the list. Subjects of a split
    start at a number of their own, so that the size of one split changes nothing in another.
    """
    rows, following = [], 1
    for place, split in enumerate(SPLITS):
        count = spec[split]
        shows = np.arange(count) < (count + 1) // 2
        np.random.default_rng([spec["seed"], place, SHOWS]).shuffle(shows)
        first = max(FIRST[split], following)
        following = first + count
        rows += [(split, f"p{first + i:04d}", place * 10**6 + i, bool(shows[i])) for i in range(count)]
    return pd.DataFrame(rows, columns=["split", "patient", "subject", "shows"])


def write(folder: Path, spec: dict, workers: int | None = None) -> None:
    """Write a data set of cine frames below ``folder``; patients that are complete already are kept.

    Layout: ``labels/{train,val,test}.txt`` with one ``<path> <0|1>`` a line in shuffled order, frames
    ``images/<patient>/<patient>_f<k>.png``, masks of positive frames ``<split>_segm/<patient>_f<k>.png`` (0 | 255), and
    ``derivatives/<split>/<patient>.json`` (tilt, offset, area of every frame; see ``read_about``). The sidecar of a
    patient is written after its pictures, the lists of a split after all its patients.

    Parameters
    ----------
    folder : made if missing.
    spec : see ``plan``.
    workers : processes, by default as many as there are cores and the thread cap allows; changes no byte.

    """
    folder = Path(folder)
    table = plan(spec)
    jobs = [(str(folder), row, spec["frames"], spec["size"], spec["seed"]) for row in table.to_dict("records")]
    todo = [job for job in jobs if not complete(folder, job[1])]
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc="cines", unit="patient", disable=len(todo) < 2)
    with bar:
        for _ in each(write_one, todo, workers):
            bar.update()
    for place, split in enumerate(SPLITS):
        lines = []
        for patient in table.patient[table.split == split]:
            lines += [f"{frame['image']} {frame['label']}\n" for frame in read_about(folder, split, patient)["frames"]]
        np.random.default_rng([spec["seed"], place, ORDER]).shuffle(lines)
        write_bytes(folder / "labels" / f"{split}.txt", "".join(lines).encode())


def read_about(folder: Path, split: str, patient: str) -> dict:
    """Sidecar of a patient: what ``draw`` says about the cine, with ``image`` and ``mask`` (or None) of every frame."""
    return json.loads(sidecar(folder, split, patient).read_text())


def sidecar(folder: Path, split: str, patient: str) -> Path:
    """Path of a patient's sidecar."""
    return Path(folder) / "derivatives" / split / f"{patient}.json"


def complete(folder: Path, row: dict) -> bool:
    """Whether a patient's sidecar and every file that it names are there."""
    if not sidecar(folder, row["split"], row["patient"]).is_file():
        return False
    frames = read_about(folder, row["split"], row["patient"])["frames"]
    return all((folder / frame[kind]).is_file() for frame in frames for kind in ("image", "mask") if frame[kind])


def write_one(job: tuple[str, dict, int, int, int]) -> None:
    """Draw and write the frames, masks and sidecar of one patient."""
    folder, row, frames, size, seed = job
    split, patient = row["split"], row["patient"]
    cine = draw(seed, row["subject"], frames, size, planned(seed, row["subject"], row["shows"]))
    for number, about in enumerate(cine.about["frames"]):
        name = f"{patient}_f{number:02d}.png"
        about["image"] = f"images/{patient}/{name}"
        about["mask"] = f"{split}_segm/{name}" if about["label"] else None
        write_bytes(Path(folder) / about["image"], encode(cine.frames[number]))
        if about["mask"]:
            write_bytes(Path(folder) / about["mask"], encode(cine.masks[number].astype(np.uint8) * 255))
    about = {"name": patient, "split": split, **cine.about}
    write_bytes(sidecar(folder, split, patient), json.dumps(about, indent=1).encode())


def encode(picture: np.ndarray) -> bytes:
    """A grey picture as PNG."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "PNG")
    return target.getvalue()
