"""Worker processes for jobs. A worker keeps its imports from one job to the next, so a job adds little to its own work.

A task is plain data: ``target`` (``module:function``, called with ``arguments`` and the name of the job), ``job``,
``log``, ``stop`` and ``environment``. ``python -m xiqa.runner.workers TASK.json`` performs one task and writes its
outcome as JSON; that is how a cluster runs a job.
"""

import _thread
import contextlib
import importlib
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from xiqa.runner.outcome import BAD_INPUT, DONE, FAILED, INTERRUPTED, Outcome
from xiqa.store.files import write_bytes

GRACE = 5.0  # seconds from the interruption of a job until its process is ended
POLL = 0.2  # seconds between two checks whether to stop
_busy = threading.Event()


class Worker:
    """One worker process, replaced when it has died."""

    def __init__(self, stop: Path):
        self.stop = stop
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, task: dict) -> Future:
        """Start a task; the future gives the fields of an ``Outcome``."""
        if self._pool is None:
            begin = (os.getpid(), str(self.stop))
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=begin)
        return self._pool.submit(perform, task)

    def outcome(self, future: Future) -> dict:
        """Outcome of a task, also of one whose process died."""
        try:
            return future.result()
        except BrokenProcessPool:
            self.close()
            if self.stop.exists():
                return asdict(Outcome(INTERRUPTED, message="stopped"))
            return asdict(Outcome(error="DeadWorker", message="its process died (killed, or out of memory)"))

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _begin(parent: int, stop: str) -> None:
    """Prepare a worker process: no Ctrl-C of the terminal while it is idle, and no life without its runner."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent, Path(stop)), daemon=True).start()


def _watch(parent: int, stop: Path) -> None:
    while os.getppid() == parent and not (_busy.is_set() and stop.exists()):
        time.sleep(POLL)
    if os.getppid() == parent:
        _thread.interrupt_main()
        time.sleep(GRACE)
        if not _busy.is_set():
            return
    os._exit(1)


def perform(task: dict) -> dict:
    """Perform a task in this process; returns the fields of an ``Outcome``."""
    started, outcome = time.monotonic(), Outcome(DONE)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _busy.set()
    try:
        with _logged(Path(task["log"])):
            outcome = _call(task)
    except KeyboardInterrupt:
        outcome = Outcome(INTERRUPTED, message="stopped")
    finally:
        _busy.clear()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return asdict(outcome) | {"seconds": round(time.monotonic() - started, 1)}


def _call(task: dict) -> Outcome:
    module, _, function = task["target"].partition(":")
    try:
        getattr(importlib.import_module(module), function)(task["arguments"], task["job"])
    except KeyboardInterrupt:
        return Outcome(INTERRUPTED, message="stopped")
    except Exception as error:
        traceback.print_exc()
        status = BAD_INPUT if type(error).__name__ == "BadInput" else FAILED
        lines = str(error).strip().splitlines() or ["no message"]
        return Outcome(status, error=type(error).__name__, message=lines[0][:400], place=_place(error))
    return Outcome(DONE)


def _place(error: Exception) -> str:
    """Deepest line of the package, without runner and store, in a traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/xiqa/" in frame.filename]
    frames = [frame for frame in frames if not re.search(r"/xiqa/(runner|store)/", frame.filename)]
    return f"xiqa/{frames[-1].filename.rpartition('/xiqa/')[2]}, line {frames[-1].lineno}" if frames else ""


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send all output of this process, also of libraries, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(number) for number in (1, 2)]
    with open(path, "w") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)


def main(arguments: list[str]) -> int:
    """Perform the task of a file and write its outcome."""
    task = json.loads(Path(arguments[0]).read_text())
    _begin(os.getppid(), task["stop"])
    outcome = perform(task)
    write_bytes(Path(task["outcome"]), json.dumps(outcome).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
