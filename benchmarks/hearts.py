"""Cine frames per second of the embedded hearts, on two cores, written to disk. The bar: 50 at 112 px."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from xiqa.synthetic.heart.files import plan, write_one

CORES, FRAMES = 2, 16
CASES = ((112, 40, "50"), (224, 12, "-"))  # side in px, patients, bar in frames per second


def jobs(folder: str, size: int, patients: int) -> list[tuple]:
    spec = {"size": size, "train": patients, "val": 0, "test": 0, "frames": FRAMES, "seed": 0}
    return [(folder, row, FRAMES, size, 0) for row in plan(spec).to_dict("records")]


def main() -> None:
    rows = []
    with (
        tempfile.TemporaryDirectory() as place,
        ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        list(pool.map(write_one, jobs(place, 32, 8)))  # imports, outside the measurement
        for size, patients, bar in CASES:
            started = time.perf_counter()
            list(pool.map(write_one, jobs(str(Path(place) / str(size)), size, patients)))
            speed = FRAMES * patients / (time.perf_counter() - started)
            rows.append(
                {"side (px)": size, "frames": FRAMES * patients, "frames per second": round(speed, 1), "bar": bar}
            )
    print(f"Embedded hearts, {CORES} processes, {FRAMES} frames a patient")
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
