"""Worker processes, which perform jobs and execute notebooks. A worker keeps its imports from one task to the next.

A task is plain data: ``target`` (``module:function``, called with ``arguments`` and ``name``), ``log`` (file for its
output), ``stop`` (file that stops it), ``root`` (the checkout) and ``environment``.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
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

from xiqa.runner.outcome import BAD_INPUT, DONE, FAILED, INTERRUPTED, Outcome, one_line, place
from xiqa.runner.steps import RefusedError, lean_imports

GRACE = 5.0  # seconds from one attempt to stop a task to the next, harder one
POLL = 0.1  # seconds between two checks whether to stop
_busy = threading.Event()


class Workers:
    """Worker processes of this machine, one a slot; one that has died is replaced."""

    def __init__(self, stop: Path):
        self.stop = stop
        self._pools: dict[int, ProcessPoolExecutor] = {}

    def submit(self, slot: int, task: dict) -> Future:
        """Start a task."""
        if slot not in self._pools:
            begin = (os.getpid(), str(self.stop))
            self._pools[slot] = ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=begin)
        try:
            return self._pools[slot].submit(perform, task)
        except BrokenProcessPool:  # it died while it had nothing to do
            del self._pools[slot]
            return self.submit(slot, task)

    def outcome(self, slot: int, future: Future) -> dict:
        """Outcome of a task, also of one whose process died."""
        try:
            return future.result()
        except BrokenProcessPool:
            self._pools.pop(slot).shutdown()
            return _dead(self.stop)

    def close(self) -> None:
        """End the processes."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)


class Cluster:
    """The workers of a running Dask cluster, with the methods of ``Workers``; RefusedError if there is none."""

    def __init__(self, address: str):
        try:
            from distributed import Client
        except ImportError:
            raise RefusedError(
                "--dask needs the package dask[distributed], which is not installed: pip install 'dask[distributed]'."
            ) from None
        try:
            self.client = Client(address, timeout=5)
        except (OSError, ValueError) as error:
            raise RefusedError(f"No Dask scheduler answers at {address} ({error}): start one, or check it.") from None
        self.executor = self.client.get_executor(pure=False, retries=0)

    def submit(self, slot: int, task: dict) -> Future:
        """Start a task in a process of its own: the threads of a Dask worker take neither signals nor a log file."""
        return self.executor.submit(perform_apart, task)

    def outcome(self, slot: int, future: Future) -> dict:
        """Outcome of a task, also of one that the cluster lost."""
        try:
            return future.result()
        except Exception as error:
            return asdict(Outcome(error=type(error).__name__, message=one_line(str(error)))) | {"seconds": 0.0}

    def close(self) -> None:
        """End the connection."""
        self.executor.shutdown()
        self.client.close()


def perform_apart(task: dict) -> dict:
    """Perform a task by ``python -m xiqa.runner.workers``, which reads it and prints its outcome as JSON."""
    command = [sys.executable, "-m", "xiqa.runner.workers"]
    options = {"cwd": task["root"], "env": os.environ | task["environment"]}
    done = subprocess.run(command, input=json.dumps(task), stdout=subprocess.PIPE, text=True, **options)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else _dead(Path(task["stop"]))


def _dead(stop: Path) -> dict:
    outcome = Outcome(error="DeadWorker", message="its process died (killed, or out of memory)")
    return asdict(Outcome(INTERRUPTED, message="stopped") if stop.exists() else outcome) | {"seconds": 0.0}


def _begin(parent: int, stop: str) -> None:
    """Prepare a worker process: it gets no signals of the terminal, and ends when its runner has ended."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lean_imports()
    threading.Thread(target=_watch, args=(parent, Path(stop)), daemon=True).start()


def _watch(parent: int, stop: Path) -> None:
    """Interrupt the task when the runner ends or the file ``stop`` appears; end the process if it goes on."""
    while os.getppid() == parent and not (_busy.is_set() and stop.exists()):
        time.sleep(POLL)
    if _busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 3 * GRACE
    while _busy.is_set() and time.monotonic() < end:
        time.sleep(POLL)
    if _busy.is_set() or os.getppid() != parent:
        os._exit(1)


def perform(task: dict) -> dict:
    """Perform a task in this process; returns the fields of an ``Outcome`` and ``seconds``."""
    started = time.monotonic()
    os.environ.update(task["environment"])
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
        return getattr(importlib.import_module(module), function)(task["arguments"], task["name"]) or Outcome(DONE)
    except Exception as error:
        traceback.print_exc()
        name = type(error).__name__
        status = BAD_INPUT if name == "BadInput" else FAILED
        return Outcome(status, error=name, message=one_line(str(error)), place=place(traceback.format_exc()))


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


if __name__ == "__main__":
    order = json.load(sys.stdin)
    _begin(os.getppid(), order["stop"])
    print(json.dumps(perform(order)))
