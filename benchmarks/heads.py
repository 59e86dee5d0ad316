"""The embedded brain scans: heads per second (``speed``), and what tells their label that should not (``audit``).

``speed`` draws on two cores (the bar: 10 heads a second at 64 x 64 x 32) and, as training on the fly does, single scans
of the paper's size on one. ``audit`` writes 900 scans, half of them artifacts, and asks how well simple features tell
the label: of headers and files, of the scans with their artifacts taken out again, and histograms as a rival.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import preprocess
from xiqa.synthetic.head import draw, scan_at, without, write

CORES = 2
SMALL, PAPER, FINE = (64, 64, 32), (256, 256, 64), (200, 240, 192)
SCANS, BAR = 3, 10.0  # scans a subject, heads per second
AUDIT = {"shape": SMALL, "train": [300, 300], "val": [0, 0], "test": [150, 150], "seed": 103,
         "pairs": {"train": "all", "test": "all"}}  # fmt: skip
HEADER = ("scl_slope", "scl_inter", "vox_offset", "datatype", "bitpix", "cal_max", "cal_min", "quatern_b", "quatern_c",
          "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "qform_code", "sform_code", "xyzt_units")  # fmt: skip


# --- speed ------------------------------------------------------------------------------------------------------------


def visit(job: tuple[tuple[int, int, int], int, int]) -> None:
    """All scans of a subject; every tenth bears an artifact."""
    shape, subject, scans = job
    for scan in range(scans):
        draw(0, subject, scan, int((subject * SCANS + scan) % 10 == 0), shape)


def on_the_fly(count: int) -> tuple[list[float], float]:
    """Seconds of every one of the first scans of a large set, one after another, and the peak memory in MB."""
    spec = {"shape": PAPER, "train": [20_462, 417], "val": [0, 0], "test": [0, 0], "seed": 100}
    taken = []
    for index in range(-1, count):  # the first one loads the atlas, not measured
        started = time.perf_counter()
        scan_at(spec, "train", max(index, 0))
        taken.append(time.perf_counter() - started)
    return taken[1:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed() -> None:
    """Print heads per second."""
    rows = []
    with ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(visit, [(SMALL, subject, 1) for subject in range(8)]))  # imports and atlas, not measured
        for shape, subjects, scans in ((SMALL, 60, SCANS), (PAPER, 2, 1), (FINE, 1, 1)):
            jobs = [(shape, 100 + subject, scans) for subject in range(subjects)]
            started = time.perf_counter()
            list(pool.map(visit, jobs))
            taken, count = time.perf_counter() - started, subjects * scans
            name = " x ".join(map(str, shape))
            bar = BAR if shape == SMALL else None
            rows.append((name, count, round(count / taken, 2), bar, round(taken / count * min(CORES, subjects), 2)))
    print(f"Embedded heads, {CORES} processes")
    columns = ["voxels", "scans", "heads per second", "bar", "seconds a head and core"]
    print(pd.DataFrame(rows, columns=columns).to_markdown(index=False))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        taken, peak = pool.submit(on_the_fly, 12).result()
    print(f"\nOn the fly, {' x '.join(map(str, PAPER))}, one core: {np.mean(taken):.2f} s a scan over {len(taken)} in")
    print(f"order ({min(taken):.2f} to {max(taken):.2f}; a new subject costs more), {peak:.0f} MB at most")


# --- audit ------------------------------------------------------------------------------------------------------------


def header(path: Path) -> list[float]:
    """What stands beside the picture: size of the file, dimensions, voxel sizes, affine, axis codes, scaling."""
    image = nib.load(path)
    size, fields = path.stat().st_size, [float(np.nan_to_num(image.header[name], nan=-1)) for name in HEADER]
    codes = nib.io_orientation(image.affine).ravel()
    return [size, size / np.prod(image.shape), *image.shape, *image.header.get_zooms(), *image.affine[:3].ravel(),
            *codes, *fields]  # fmt: skip


def content(volume: np.ndarray) -> list[float]:
    """Background, noise, borders, zeros and brightness of an array (X, Y, Z)."""
    bright, (low, high) = np.percentile(volume, 99), (slice(4), slice(-4, None))
    corners = np.concatenate([volume[a, b, high].ravel() for a in (low, high) for b in (low, high)])
    faces = [np.take(volume, end, axis) for axis in range(3) for end in (0, -1)]
    border, air = np.concatenate([face.ravel() for face in faces]), volume[volume < 0.1 * bright]
    noise = np.median(np.abs(np.diff(volume, 2, axis=0))) / 0.6745
    around = [part(values) for values in (corners, air, border, volume) for part in (np.mean, np.std, np.median)]
    return [*around, (volume == 0).mean(), noise, bright, volume.max(), border.max(), *map(np.mean, faces)]


def histogram(volume: np.ndarray) -> list[float]:
    """32 bins, mean and spread of what a network sees."""
    seen = preprocess(volume, SMALL)[0]
    return [*np.histogram(np.clip(seen, -3, 6), 32, (-3, 6))[0] / seen.size, seen.mean(), seen.std()]


def auc(features: list[list[float]], table: pd.DataFrame, model) -> str:
    """Test AUC of a model with its interval: a bootstrap of 1,000 over subjects."""
    values, label = np.array(features), (table["label"] == "artifact").to_numpy()
    train, test = ((table["split"] == split).to_numpy() for split in ("train", "test"))
    score = model.fit(values[train], label[train]).predict_proba(values[test])[:, 1]
    label, subject, rng = label[test], table["subject"].to_numpy()[test], np.random.default_rng(0)
    rows = [np.flatnonzero(subject == one) for one in np.unique(subject)]
    drawn = [np.concatenate([rows[n] for n in rng.integers(len(rows), size=len(rows))]) for _ in range(1000)]
    low, high = np.percentile([roc_auc_score(label[some], score[some]) for some in drawn], (2.5, 97.5))
    return f"{roc_auc_score(label, score):.3f} [{low:.3f}, {high:.3f}]"


def audit(scanner: str) -> None:
    """Print how well simple features tell the label."""
    boosting = HistGradientBoostingClassifier(random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, {**AUDIT, "scanner": scanner}, workers=1)
        table = pd.read_csv(folder / "scans.tsv", sep="\t", keep_default_na=False)
        scans = [folder / image for image in table["image"]]
        plain = [without(folder, *row) or folder / row[1] for row in zip(table["split"], table["image"], strict=True)]
        headers = [header(path) for path in scans]
        before, after = ([load_volume(path).array for path in paths] for paths in (scans, plain))
    rows = [
        ("header and file", "0.5 inside", auc(headers, table, boosting)),
        ("content without artifacts", "0.5 inside", auc([content(v) for v in after], table, boosting)),
        ("histogram without artifacts, logistic", "0.5 inside", auc([histogram(v) for v in after], table, linear)),
        ("histogram, logistic", "0.80 at most", auc([histogram(v) for v in before], table, linear)),
        ("content, boosted", "", auc([content(v) for v in before], table, boosting)),
    ]
    counts = table["split"].value_counts()
    print(f"Scanner {scanner}, {counts['train']} scans to train on, {counts['test']} to test, half of them artifacts")
    print(pd.DataFrame(rows, columns=["features", "bar", "test AUC"]).to_markdown(index=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="speed", choices=["speed", "audit"])
    parser.add_argument("--scanner", default="usual", choices=["usual", "other"], help="of the audit")
    given = parser.parse_args()
    speed() if given.what == "speed" else audit(given.scanner)


if __name__ == "__main__":
    main()
