"""Many scans on disk: a BIDS-like folder with ``scans.tsv``, resumable and in parallel."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from xiqa.runner.store import write_bytes
from xiqa.synthetic.head.artifacts import KINDS
from xiqa.synthetic.head.compose import VERSION, Scan, draw
from xiqa.synthetic.head.contrast import CONTRASTS
from xiqa.synthetic.parallel import each

SPLITS = ("train", "val", "test")
LABELS = ("clean", "artifact")
PLAN = 9  # stream
PER_SUBJECT = (0.15, 0.25, 0.30, 0.30)  # subjects with one to four scans, each of another contrast
WEIGHTS = {"T1": 0.35, "T2": 0.25, "PD": 0.15, "FLAIR": 0.25}
GOLDEN = (5**0.5 - 1) / 2  # its multiples fill [0, 1) evenly, wherever one starts
COLUMNS = ["image", "subject", "split", "label", "artifact_type", "contrast"]
TRUTH = "derivatives/truth"
NOTICE = (
    "Simulated scans, no patients. The brains are warped from the ICBM 152 nonlinear atlas (2009), copyright (C) "
    "1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University."
)


def plan(spec: dict) -> pd.DataFrame:
    """What is to be written, a row a scan: split, subject, base_subject, scan, contrast, label, artifact, image.

    Labels and artifacts are dealt evenly within each contrast and have nothing to do with the subject's number.

    Parameters
    ----------
    spec : ``shape`` (voxels), ``train``, ``val``, ``test`` (number of clean and of artifact scans each), ``seed``.

    """
    rows, number = [], 0
    for place, split in enumerate(SPLITS):
        clean, artifact = spec[split]
        table = people(clean + artifact, place, spec["seed"])
        table.insert(0, "split", split)
        table["number"] = number + 1 + table["base_subject"] - place * 10**6
        number = int(table["number"].max()) if len(table) else number
        rows.append(deal(table, artifact, np.random.default_rng([spec["seed"], place, PLAN, 1])))
    table = pd.concat(rows, ignore_index=True)
    table["subject"] = [f"sub-{n:04d}" for n in table.pop("number")]
    runs = table["scan"] + 1
    table["image"] = [
        f"{subject}/anat/{subject}_run-{run}_{contrast}{'w' if contrast != 'FLAIR' else ''}.nii.gz"
        for subject, run, contrast in zip(table["subject"], runs, table["contrast"], strict=True)
    ]
    return table


def people(scans: int, place: int, seed: int) -> pd.DataFrame:
    """Subjects of a split and the contrasts of their scans."""
    rng = np.random.default_rng([seed, place, PLAN, 0])
    rows, base = [], place * 10**6
    while len(rows) < scans:
        count = min(1 + int(rng.choice(4, p=PER_SUBJECT)), scans - len(rows))
        chosen = rng.choice(CONTRASTS, size=count, replace=False, p=[WEIGHTS[name] for name in CONTRASTS])
        rows += [(base, scan, str(contrast)) for scan, contrast in enumerate(chosen)]
        base += 1
    return pd.DataFrame(rows, columns=["base_subject", "scan", "contrast"])


def deal(table: pd.DataFrame, artifacts: int, rng: np.random.Generator) -> pd.DataFrame:
    """Deal labels, and artifacts in the proportions of the mix, evenly within every contrast."""
    shuffled = table.iloc[rng.permutation(len(table))].sort_values("contrast", kind="stable")
    steps = (np.arange(len(table) + 1) * artifacts + rng.integers(max(len(table), 1))) // max(len(table), 1)
    label = np.diff(steps)
    edges = np.cumsum([kind.share for kind in KINDS.values()])
    places = (rng.random() + GOLDEN * np.arange(len(table))) % 1
    drawn = np.array(list(KINDS))[np.minimum(np.searchsorted(edges, places, "right"), len(KINDS) - 1)]
    # Only artifact scans take a card; clean ones that a rater passed draw theirs freely.
    taken = np.cumsum(label) - 1
    kinds = [str(drawn[turn]) if one else "" for turn, one in zip(taken, label, strict=True)]
    return shuffled.assign(label=label, artifact=kinds).sort_index()


def write(folder: Path, spec: dict, workers: int | None = None) -> None:
    """Write a data set of scans below ``folder``; what is complete already is kept.

    Layout: ``scans.tsv`` (image, subject, split, label clean | artifact, artifact_type intensity | motion | coverage,
    contrast), ``sub-0001/anat/sub-0001_run-1_T1w.nii.gz``, and below ``derivatives/truth`` for every image a sidecar
    of the same name ending in ``.json`` and, for local artifacts, a mask ending in ``_mask.nii.gz``. The sidecar is
    written last, so it tells that the scan is complete; the table is written after all scans.

    Parameters
    ----------
    folder : made if missing.
    spec : see ``plan``.
    workers : processes, by default as many as there are cores and the thread cap allows; changes no byte.

    """
    folder = Path(folder)
    table = plan(spec)
    todo = [not sidecar(folder, image).is_file() for image in table["image"]]
    shape, seed = tuple(spec["shape"]), spec["seed"]
    jobs = [
        Job(str(folder), shape, seed, group.astype(object).to_dict("records"))
        for _, group in table[todo].groupby("subject", sort=False)
    ]
    with tqdm(
        total=len(table), initial=len(table) - sum(todo), desc="heads", unit="scan", disable=sum(todo) < 2
    ) as bar:
        for job, _ in zip(jobs, each(write_subject, jobs, workers), strict=True):
            bar.update(len(job.rows))
    families = [
        KINDS[name].family if name else "n/a" for name in table["artifact"].where(table["artifact"].notna(), "")
    ]
    listed = table.assign(label=[LABELS[label] for label in table["label"]], artifact_type=families)[COLUMNS]
    for name, about in descriptions().items():
        write_bytes(folder / name, json.dumps(about, indent=1).encode())
    write_bytes(folder / "scans.tsv", listed.to_csv(sep="\t", index=False, lineterminator="\n").encode())


@dataclass(frozen=True)
class Job:
    """The scans of one subject: the rows of the plan that are not written yet."""

    folder: str
    shape: tuple[int, int, int]
    seed: int
    rows: list[dict]


def write_subject(job: Job) -> None:
    """Draw and write the scans of a subject, on one thread, so that no byte depends on the machine's load."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for row in job.rows:
            who = (job.seed, row["base_subject"], row["scan"], row["label"], job.shape)
            write_scan(Path(job.folder), row, draw(*who, row["contrast"], row["artifact"] or None))
    finally:
        torch.set_num_threads(threads)


def write_scan(folder: Path, row: dict, scan: Scan) -> None:
    """One scan, its mask and, last, its sidecar."""
    write_bytes(folder / row["image"], nifti(scan.array, scan.affine))
    if scan.mask is not None:
        write_bytes(mask_path(folder, row["image"]), nifti(scan.mask.astype(np.uint8), scan.affine, 1))
    about = {"image": row["image"], "subject": row["subject"], "label": LABELS[row["label"]], **scan.about}
    write_bytes(sidecar(folder, row["image"]), json.dumps(about, indent=1).encode())


def sidecar(folder: Path, image: str) -> Path:
    """What is known about a scan."""
    return folder / TRUTH / image.replace(".nii.gz", ".json")


def mask_path(folder: Path, image: str) -> Path:
    """Where a local artifact lies in a scan."""
    return folder / TRUTH / image.replace(".nii.gz", "_mask.nii.gz")


def nifti(array: np.ndarray, affine: np.ndarray, level: int = 0) -> bytes:
    """A gzipped NIfTI file without a time stamp.

    Scans are stored at level 0, framed but not compressed: how far an artifact compresses would stand in the size of
    the file (bytes per voxel told the label with an AUC of 0.64 at level 1), and noise hardly compresses anyway.
    """
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    return gzip.compress(image.to_bytes(), compresslevel=level, mtime=0)


def descriptions() -> dict[str, dict]:
    """The description files that BIDS asks for."""
    source = {"Name": "xiqa.synthetic.head", "Version": str(VERSION)}
    common = {"BIDSVersion": "1.9.0", "Acknowledgements": NOTICE, "GeneratedBy": [source]}
    return {
        "dataset_description.json": {"Name": "Simulated heads", "DatasetType": "raw", **common},
        f"{TRUTH}/dataset_description.json": {"Name": "What was simulated", "DatasetType": "derivative", **common},
    }
