"""Cine frames per second of the embedded hearts, written to disk on two cores, with and without counterfactuals.

The bar: 50 frames per second at 112 px. ``python benchmarks/hearts.py [PROCESSES]``.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from xiqa.synthetic.heart.files import plan, write_one

CASES = (  # side in px, patients, frames a patient, with counterfactuals, bar in frames per second on two cores
    (112, 40, 16, False, "50"),
    (112, 100, 2, False, "-"),
    (112, 100, 2, True, "-"),
    (224, 12, 16, False, "-"),
)


def jobs(folder: str, size: int, patients: int, frames: int, pairs: bool) -> list[tuple]:
    counts = {"train": patients, "val": 0, "test": 0}
    spec = {"size": size, **counts, "frames": frames, "seed": 0, "pairs": {"train": pairs * patients}}
    return [(folder, row, spec) for row in plan(spec).to_dict("records")]


def main(cores: int) -> None:
    rows = []
    with (
        tempfile.TemporaryDirectory() as place,
        ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        list(pool.map(write_one, jobs(str(Path(place) / "first"), 32, 8, 2, False)))  # imports, outside the measurement
        for number, (size, patients, frames, pairs, bar) in enumerate(CASES):
            todo = jobs(str(Path(place) / str(number)), size, patients, frames, pairs)
            started = time.perf_counter()
            list(pool.map(write_one, todo))
            seconds = time.perf_counter() - started
            rows.append(
                {"side (px)": size, "patients": patients, "frames each": frames, "counterfactuals": pairs,
                 "seconds": round(seconds, 1), "frames per second": round(frames * patients / seconds, 1), "bar": bar}
            )  # fmt: skip
    print(f"Embedded hearts, {cores} processes; counterfactuals are not counted as frames")
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
