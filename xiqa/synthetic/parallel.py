"""Many independent jobs in a few processes, for whatever writes embedded data."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from xiqa.store.hardware import thread_cap

FEW = 8  # jobs below which starting processes costs more than it saves


def each(function: Callable, jobs: list, workers: int | None = None, chunk: int = 4) -> Iterator:
    """Run the jobs, in this process or in others; yields their results in order, as soon as they are complete.

    Parameters
    ----------
    function : takes one job; a function of a module, since other processes import it by name.
    jobs : plain values.
    workers : processes; by default as many as there are cores and the thread cap allows.
    chunk : jobs handed to a process at a time.
    """
    workers = min(os.cpu_count() or 1, thread_cap()) if workers is None else workers
    if workers < 2 or len(jobs) < FEW:
        yield from map(function, jobs)
        return
    done = 0
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for result in pool.map(function, jobs, chunksize=chunk):
                done += 1
                yield result
    except BrokenProcessPool:
        # Processes cannot be spawned from a script that is piped in or has no main guard.
        yield from map(function, jobs[done:])
