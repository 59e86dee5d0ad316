"""Heads per second of the embedded brain scans, on two cores. The bar: 10 at 64 x 64 x 32.

Then seconds a scan of the paper's size on one core, drawn one after another as training does.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

from xiqa.synthetic.head import draw, scan_at

CORES = 2
SMALL, PAPER, FINE = (64, 64, 32), (256, 256, 64), (200, 240, 192)
SCANS, BAR = 3, 10.0  # scans a subject, heads per second


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


def main() -> None:
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


if __name__ == "__main__":
    main()
