"""Writing the cines of many patients to disk in the layout of LVOT, resumable and in parallel."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from xiqa.store.files import write_bytes
from xiqa.synthetic.heart.cine import draw, planned, without_tract
from xiqa.synthetic.heart.looks import look
from xiqa.synthetic.parallel import each

SPLITS = ("train", "val", "test")
FIRST = {"train": 1, "val": 6001, "test": 8001}  # numbers of patients, apart unless a split is very large
SHOWS, ORDER = 11, 12  # streams
BLOCK = 8  # patients of whom half show the tract, so that the size of a split does not change its first patients


def plan(spec: dict) -> pd.DataFrame:
    """Plan of a data set: split, patient (a name), subject (key of its random draws), shows (its plan), pairs.

    ``spec`` holds ``size``, ``train``, ``val``, ``test`` (patients), ``frames`` (a patient) and ``seed``, and may hold
    ``pairs`` (split -> how many of its first patients get counterfactuals, by default every one of the test split) and
    ``scanner`` ("usual" or "other"). Half of the patients of a split are planned so that the outflow tract shows, at
    random places of the list. Subjects of a split start at a separate number, so that the size of one split does not
    change another.
    """
    look(spec.get("scanner", "usual"))
    pairs = spec.get("pairs", {"test": spec["test"]})
    if unknown := set(pairs) - set(SPLITS):
        raise ValueError(f"pairs are asked of {', '.join(sorted(unknown))}: choose among {', '.join(SPLITS)}")
    rows, following = [], 1
    for place, split in enumerate(SPLITS):
        count = spec[split]
        shows = halves(np.random.default_rng([spec["seed"], place, SHOWS]), count)
        first = max(FIRST[split], following)
        following = first + count
        rows += [
            (split, f"p{first + i:04d}", place * 10**6 + i, shows[i], i < pairs.get(split, 0)) for i in range(count)
        ]
    return pd.DataFrame(rows, columns=["split", "patient", "subject", "shows", "pairs"])


def halves(rng: np.random.Generator, count: int) -> list[bool]:
    """``count`` values of which half are true, block by block."""
    blocks = [rng.permutation(BLOCK) % 2 == 0 for _ in range(-(-count // BLOCK))]
    return [bool(value) for block in blocks for value in block][:count]


def write(folder: Path, spec: dict, workers: int | None = None) -> None:
    """Write a data set of cine frames below ``folder``; patients that are complete already are kept.

    Layout: ``labels/{train,val,test}.txt`` with one ``<path> <0|1>`` a line in shuffled order, frames
    ``images/<patient>/<patient>_f<k>.png``, masks of positive frames ``<split>_segm/<patient>_f<k>.png`` (0 | 255),
    ``derivatives/<split>/<patient>.json`` (tilt, offset, area of every frame; see ``read_about``) and counterfactuals
    of positive frames ``derivatives/<split>/<patient>_f<k>_without.png``. The sidecar of a patient is written after its
    pictures, the lists of a split after all its patients.

    Parameters
    ----------
    folder : made if missing.
    spec : see ``plan``.
    workers : processes, by default as many as there are cores and the thread cap allows; changes no byte.
    """
    folder = Path(folder)
    table = plan(spec)
    jobs = [(str(folder), row, spec) for row in table.to_dict("records")]
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


def without(folder: Path, split: str, image: str | Path) -> Path | None:
    """The counterfactual of a frame, None where it has none; ``image`` is its path or its name."""
    path = counterfactual(split, Path(image).stem)
    return Path(folder) / path if (Path(folder) / path).is_file() else None


def counterfactual(split: str, stem: str) -> str:
    """Place of a frame's counterfactual below the data set's folder."""
    return f"derivatives/{split}/{stem}_without.png"


def read_about(folder: Path, split: str, patient: str) -> dict:
    """Sidecar of a patient: the record of ``draw`` and one of every frame.

    ``image``, ``mask`` and ``without`` are the places of its files (or None), ``without_planning`` is the tilt and the
    offset of its counterfactual.
    """
    return json.loads(sidecar(folder, split, patient).read_text())


def sidecar(folder: Path, split: str, patient: str) -> Path:
    """Path of a patient's sidecar."""
    return Path(folder) / "derivatives" / split / f"{patient}.json"


def complete(folder: Path, row: dict) -> bool:
    """Whether a patient's sidecar and every file that it names are there, and all requested pairs."""
    if not sidecar(folder, row["split"], row["patient"]).is_file():
        return False
    frames = read_about(folder, row["split"], row["patient"])["frames"]
    named = [frame.get(kind) for frame in frames for kind in ("image", "mask", "without")]
    paired = all(bool(frame.get("without")) == bool(row["pairs"] and frame["label"]) for frame in frames)
    return paired and all((folder / path).is_file() for path in named if path)


def write_one(job: tuple[str, dict, dict]) -> None:
    """Draw and write the frames, masks, counterfactuals and sidecar of one patient."""
    folder, row, spec = job
    split, patient, seed = row["split"], row["patient"], spec["seed"]
    planning = planned(seed, row["subject"], row["shows"])
    cine = draw(seed, row["subject"], spec["frames"], spec["size"], planning, spec.get("scanner", "usual"))
    pairs = without_tract(cine) if row["pairs"] else {}
    for number, about in enumerate(cine.about["frames"]):
        stem = f"{patient}_f{number:02d}"
        about["image"] = f"images/{patient}/{stem}.png"
        about["mask"] = f"{split}_segm/{stem}.png" if about["label"] else None
        about["without"] = counterfactual(split, stem) if number in pairs else None
        write_bytes(Path(folder) / about["image"], encode(cine.frames[number]))
        if about["mask"]:
            write_bytes(Path(folder) / about["mask"], encode(cine.masks[number].astype(np.uint8) * 255))
        if about["without"]:
            picture, other = pairs[number]
            about["without_planning"] = other.about()
            write_bytes(Path(folder) / about["without"], encode(picture))
    about = {"name": patient, "split": split, **cine.about}
    write_bytes(sidecar(folder, split, patient), json.dumps(about, indent=1).encode())


def encode(picture: np.ndarray) -> bytes:
    """A grey picture as PNG."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "PNG")
    return target.getvalue()
