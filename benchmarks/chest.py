"""Films per second of the embedded radiographs, on two cores. The bars: 25 at 160 px, 2 at 600 px."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import pandas as pd

from xiqa.synthetic.chest import draw

CORES = 2
CASES = ((160, 200, 25.0), (600, 24, 2.0))  # side in px, films, bar in films per second


def one(job: tuple[int, int]) -> None:
    size, subject = job
    draw(0, subject, subject % 2, size)


def main() -> None:
    rows = []
    with ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(one, [(64, subject) for subject in range(8)]))  # imports, outside the measurement
        for size, count, bar in CASES:
            started = time.perf_counter()
            list(pool.map(one, [(size, subject) for subject in range(count)], chunksize=4))
            speed = count / (time.perf_counter() - started)
            rows.append({"side (px)": size, "films": count, "films per second": round(speed, 1), "bar": bar})
    print(f"Embedded radiographs, {CORES} processes")
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
