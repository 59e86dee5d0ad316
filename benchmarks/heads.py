"""Heads per second of the embedded brain scans, on two cores (the bar: 10 at 64 x 64 x 32), and one at 1 mm."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import pandas as pd

from xiqa.synthetic.head import draw

CORES = 2
SMALL, PAPER, FINE = (64, 64, 32), (256, 256, 64), (200, 240, 192)
SCANS, BAR = 3, 10.0  # scans a subject, heads per second


def visit(job: tuple[tuple[int, int, int], int, int]) -> None:
    """All scans of a subject; every tenth bears an artifact."""
    shape, subject, scans = job
    for scan in range(scans):
        draw(0, subject, scan, int((subject * SCANS + scan) % 10 == 0), shape)


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


if __name__ == "__main__":
    main()
