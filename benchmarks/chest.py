"""Films per second of the embedded radiographs, on two cores. The bars: 25 at 160 px, 2 at 600 px.

Also for pairs (a film and its counterfactual) and for films of 2,000 px, with the memory of a process.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import pandas as pd

from xiqa.synthetic.chest import draw, draw_pair

CORES = 2
CASES = (  # side in px, films, of each a pair, bar in films per second
    (160, 200, False, 25.0),
    (160, 100, True, None),
    (600, 24, False, 2.0),
    (2000, 4, False, None),
)


def one(job: tuple[int, int, bool]) -> int:
    """Draw a film; the memory this process has taken at most, in MiB."""
    size, subject, paired = job
    (draw_pair if paired else draw)(0, subject, subject % 2, size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    rows = []
    with ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(one, [(64, subject, False) for subject in range(8)]))  # imports, outside the measurement
        for size, count, paired, bar in CASES:
            started = time.perf_counter()
            taken = max(pool.map(one, [(size, subject, paired) for subject in range(count)], chunksize=2))
            speed = count / (time.perf_counter() - started)
            rows.append({"side (px)": size, "pairs": paired, "films": count, "films per second": round(speed, 1),
                         "bar": bar, "memory (MiB)": taken})  # fmt: skip
    print(f"Embedded radiographs, {CORES} processes")
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
