"""Many scans: a BIDS-like folder with ``scans.tsv``, resumable and in parallel, or one by one without a disk."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from xiqa.store.files import write_bytes
from xiqa.synthetic.head.artifacts import KINDS
from xiqa.synthetic.head.compose import VERSION, Scan, draw
from xiqa.synthetic.head.plans import SPLITS, options, plan
from xiqa.synthetic.parallel import each

LABELS = ("clean", "artifact")
COLUMNS = ["image", "subject", "split", "label", "artifact_type", "contrast"]
TRUTH = "derivatives/truth"
NOTICE = (
    "Simulated scans, no patients. The brains are warped from the ICBM 152 nonlinear atlas (2009), copyright (C) "
    "1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University."
)


def write(folder: Path, spec: dict, workers: int | None = None) -> None:
    """Write a data set of scans below ``folder``; complete ones are kept.

    Layout: ``scans.tsv`` (image, subject, split, label clean | artifact, artifact_type intensity | motion | coverage,
    contrast), ``sub-000001/anat/sub-000001_run-1_T1w.nii.gz``, and below ``derivatives/truth`` for every image a
    sidecar of the same name ending in ``.json``, for local artifacts a mask ending in ``_mask.nii.gz``, and for scans
    with an artifact, as ``spec["pairs"]`` demands, the same scan without it ending in ``_without.nii.gz``. The
    sidecar is written last and marks the scan as complete; the table is written after all scans.

    Parameters
    ----------
    folder : made if missing.
    spec : see ``plan``.
    workers : processes, by default as many as there are cores and the thread cap allows; changes no byte.

    Raises
    ------
    ValueError : see ``plan``.
    """
    folder = Path(folder)
    table = plan(spec)
    todo = [not is_complete(folder, *row) for row in zip(table["image"], table["pair"], strict=True)]
    jobs = [
        Job(str(folder), tuple(spec["shape"]), spec["seed"], options(spec), group.astype(object).to_dict("records"))
        for _, group in table[todo].groupby("subject", sort=False)
    ]
    with tqdm(
        total=len(table), initial=len(table) - sum(todo), desc="heads", unit="scan", disable=sum(todo) < 2
    ) as bar:
        for job, _ in zip(jobs, each(write_subject, jobs, workers), strict=True):
            bar.update(len(job.rows))
    for name, about in descriptions().items():
        write_bytes(folder / name, json.dumps(about, indent=1).encode())
    write_bytes(folder / "scans.tsv", listed(table).to_csv(sep="\t", index=False, lineterminator="\n").encode())


def is_complete(folder: Path, image: str, pair: bool) -> bool:
    """Whether a scan's sidecar and every file that belongs to it are there."""
    try:
        known = json.loads(sidecar(folder, image).read_text())
    except (OSError, ValueError):
        return False
    paths = [folder / image]
    paths += [mask_path(folder, image)] if known.get("mask") else []
    paths += [without_path(folder, image)] if pair and known.get("artifact") else []
    return all(path.is_file() for path in paths)


def write_some(folder: Path, spec: dict, images: list[str]) -> None:
    """Write single scans of a data set with their sidecars and masks; complete ones are kept.

    ``images`` are names as in ``plan(spec)``; others are passed over.
    """
    table = plan(spec)
    with one_thread():
        for row in table[table["image"].isin(images)].astype(object).to_dict("records"):
            if not is_complete(Path(folder), row["image"], row["pair"]):
                write_scan(Path(folder), row, drawn(tuple(spec["shape"]), spec["seed"], options(spec), row))


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """A plan as ``scans.tsv`` has it."""
    families = [KINDS[name].family if name else "n/a" for name in table["artifact"]]
    return table.assign(label=[LABELS[label] for label in table["label"]], artifact_type=families)[COLUMNS]


def scan_at(
    spec: dict, split: str, index: int, without: bool = False
) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """One scan of a data set that is not on disk, the same that ``write`` writes, to the last bit.

    The scans of a subject are neighbours, and drawing them one after another is a few times faster than
    drawing them in random order, since the subject's anatomy is kept. Meant for worker processes with one thread each.

    Parameters
    ----------
    spec : see ``plan``.
    split : "train", "val" or "test".
    index : row of the split in ``plan(spec)``, from 0.
    without : the counterfactual is wanted: the scan without its artifact; a scan without artifacts stays as it is.

    Returns
    -------
    array : float32, the stored whole numbers, axes as stored.
    affine : (4, 4) voxel to scanner millimetres, as a header in single precision holds it.
    record : plain values: a row of ``scans.tsv`` and the sidecar.

    Raises
    ------
    ValueError : see ``plan``; an unknown split. IndexError : no such row.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, and is {split!r}")
    table = rows_of(json.dumps(spec), split)
    if not 0 <= index < len(table):
        raise IndexError(f"{split} has {len(table)} scans: there is none at {index}")
    row = table[index]
    with one_thread():
        scan = drawn(tuple(spec["shape"]), spec["seed"], options(spec), {**row, "pair": without})
    array = scan.without if without and scan.without is not None else scan.array
    affine = scan.affine.astype(np.float32).astype(float)
    return array.astype(np.float32), affine, {**{name: row[name] for name in COLUMNS}, **about(row, scan)}


@lru_cache(maxsize=12)
def rows_of(text: str, split: str) -> list[dict]:
    """The rows of a split of the plan of a specification in JSON."""
    table = plan(json.loads(text))
    table = pd.concat([table, listed(table)[["artifact_type"]]], axis=1)
    return table[table["split"] == split].astype(object).to_dict("records")


@dataclass(frozen=True)
class Job:
    """The scans of one subject: the rows of the plan that are not written yet."""

    folder: str
    shape: tuple[int, int, int]
    seed: int
    options: dict
    rows: list[dict]


def write_subject(job: Job) -> None:
    """Draw and write the scans of a subject."""
    with one_thread():
        for row in job.rows:
            write_scan(Path(job.folder), row, drawn(job.shape, job.seed, job.options, row))


def drawn(shape: tuple[int, int, int], seed: int, chosen: dict, row: dict) -> Scan:
    """The scan of a row of the plan."""
    who = (seed, row["base_subject"], row["scan"], row["label"], shape)
    common = {"scanner": chosen["scanner"], "families": chosen["families"], "pair": row["pair"]}
    return draw(*who, row["contrast"], row["artifact"] or None, **common)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that no byte depends on the machine's load."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def write_scan(folder: Path, row: dict, scan: Scan) -> None:
    """One scan, its mask, its counterfactual and, last, its sidecar."""
    image = row["image"]
    write_bytes(folder / image, nifti(scan.array, scan.affine))
    if scan.mask is not None:
        write_bytes(mask_path(folder, image), nifti(scan.mask.astype(np.uint8), scan.affine, 1))
    if scan.without is not None:
        write_bytes(without_path(folder, image), nifti(scan.without, scan.affine))
    write_bytes(sidecar(folder, image), json.dumps(about(row, scan), indent=1).encode())


def about(row: dict, scan: Scan) -> dict:
    """Content of the sidecar."""
    who = {"image": row["image"], "subject": row["subject"], "label": LABELS[row["label"]]}
    return {**who, **scan.about, "mask": scan.mask is not None}


def sidecar(folder: Path, image: str) -> Path:
    """Path of the sidecar of a scan."""
    return folder / TRUTH / image.replace(".nii.gz", ".json")


def mask_path(folder: Path, image: str) -> Path:
    """Path of the mask of a local artifact."""
    return folder / TRUTH / image.replace(".nii.gz", "_mask.nii.gz")


def without_path(folder: Path, image: str) -> Path:
    """Path of the scan without its artifact."""
    return folder / TRUTH / image.replace(".nii.gz", "_without.nii.gz")


def without(folder: str | Path, split: str, image: str) -> Path | None:
    """The counterfactual of a scan: the same one, but for its artifact; None where it has none.

    Parameters
    ----------
    folder : that ``write`` wrote.
    split : of the scan; not needed, since its name is unique.
    image : as in ``scans.tsv``, or its path.
    """
    folder, path = Path(folder), Path(image)
    name = path.relative_to(folder).as_posix() if path.is_absolute() else path.as_posix()
    found = without_path(folder, name)
    return found if found.is_file() else None


def nifti(array: np.ndarray, affine: np.ndarray, level: int = 0) -> bytes:
    """A gzipped NIfTI file without a time stamp.

    Scans are stored at level 0, framed but not compressed: an artifact would change the compressed size of
    the file (bytes per voxel predicted the label with an AUC of 0.64 at level 1), and noise hardly compresses anyway.
    """
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    return gzip.compress(image.to_bytes(), compresslevel=level, mtime=0)


def descriptions() -> dict[str, dict]:
    """The description files that BIDS requires."""
    source = {"Name": "xiqa.synthetic.head", "Version": str(VERSION)}
    common = {"BIDSVersion": "1.9.0", "Acknowledgements": NOTICE, "GeneratedBy": [source]}
    return {
        "dataset_description.json": {"Name": "Simulated heads", "DatasetType": "raw", **common},
        f"{TRUTH}/dataset_description.json": {"Name": "What was simulated", "DatasetType": "derivative", **common},
    }
