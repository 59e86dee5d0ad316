"""Runs the steps that have to run, in the order of their graph, and says how it goes."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from xiqa.runner import manifest
from xiqa.runner.console import Progress, words
from xiqa.runner.execute import POLL, run_step
from xiqa.runner.manifest import Plan
from xiqa.runner.settings import Settings
from xiqa.runner.steps import RefusedError, parts, product_files

DONE, UP_TO_DATE, NOT_RUN = "done", "up to date", "not run"


@dataclass
class Result:
    """How a run went.

    Attributes
    ----------
    outcomes : step -> fields of an ``Outcome``; its status may also be ``up to date`` or ``not run`` (message: why).
    interrupted : by the name of the signal, or empty.
    seconds : of the whole run.

    """

    outcomes: dict[str, dict] = field(default_factory=dict)
    interrupted: str = ""
    seconds: float = 0.0

    def having(self, *statuses: str) -> list[str]:
        """Names of the steps with one of these statuses."""
        return [name for name, outcome in self.outcomes.items() if outcome["status"] in statuses]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder, so that no second run writes into it; a lock dies with its process.

    Raises
    ------
    RefusedError : another run holds it, or it cannot be written to.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / "run.lock", "a+")  # noqa: SIM115
    except OSError as error:
        raise RefusedError(f"{folder} cannot be written to ({error.strerror}): name another with --results.") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            raise RefusedError(
                f"Another run ({handle.read().strip() or 'unknown process'}) is writing to {folder}: "
                "wait for it to end, or give this one another folder with --results."
            ) from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {os.uname().nodename}")
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)


@contextlib.contextmanager
def signals(stop: Path, result: Result) -> Iterator[None]:
    """Turn Ctrl-C and its like into the file that running steps look for; a second one ends the runner at once.

    The steps then see their parent gone and end themselves.
    """

    def handle(number, _) -> None:
        if result.interrupted:
            os._exit(130)
        result.interrupted = signal.Signals(number).name
        stop.touch()

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def run(plans: dict[str, Plan], settings: Settings, environment: dict) -> Result:
    """Run every planned step that has a reason to; failures stop only what depends on them."""
    result, started = Result(), time.monotonic()
    stop = settings.run_folder / "progress" / "stop"
    stop.parent.mkdir(parents=True, exist_ok=True)
    stop.unlink(missing_ok=True)
    with _executor(settings) as executor, signals(stop, result):
        _Schedule(plans, settings, environment, stop, result).work(executor)
    stop.unlink(missing_ok=True)
    result.seconds = time.monotonic() - started
    return result


@contextlib.contextmanager
def _executor(settings: Settings) -> Iterator[Executor]:
    """Threads that each wait for one process here, or the workers of a running Dask cluster."""
    if settings.dask is None:
        with ThreadPoolExecutor(settings.jobs) as executor:
            yield executor
        return
    try:
        from distributed import Client
    except ImportError:
        raise RefusedError(
            "--dask needs the package dask[distributed], which is not installed: pip install 'dask[distributed]'."
        ) from None
    try:
        client = Client(settings.dask, timeout=5)
    except (OSError, ValueError) as error:
        raise RefusedError(f"No Dask scheduler answers at {settings.dask} ({error}): start one, or check it.") from None
    with client, client.get_executor(pure=False, retries=0) as executor:
        yield executor


class _Schedule:
    """The steps of one run: what waits, what runs, what has ended."""

    def __init__(self, plans: dict[str, Plan], settings: Settings, environment: dict, stop: Path, result: Result):
        self.plans, self.settings, self.environment = plans, settings, environment
        self.stop, self.result = stop, result
        self.progress = Progress(max(map(len, plans), default=0))
        self.running: dict[Future, tuple[str, int, float]] = {}
        cluster = settings.dask is not None
        self.slots = list(range(len(plans) if cluster else settings.jobs))
        self.cores = [] if cluster or settings.jobs == 1 else sorted(os.sched_getaffinity(0))

    def work(self, executor: Executor) -> None:
        """Hand out steps as what they need is done, until nothing is left or the run is interrupted."""
        before = {name: (*plan.step.needs, *plan.step.after) for name, plan in self.plans.items()}
        graph = TopologicalSorter({name: [x for x in names if x in self.plans] for name, names in before.items()})
        graph.prepare()
        ready: list[str] = []
        order = list(self.plans)
        while (graph.is_active() and not self.result.interrupted) or self.running:
            ready = sorted([*ready, *graph.get_ready()], key=order.index)
            while ready and self.slots and not self.result.interrupted:
                name = ready.pop(0)
                if not self._begin(name, executor):
                    graph.done(name)
                    ready = sorted([*ready, *graph.get_ready()], key=order.index)
            if not self.running:
                continue
            for future in wait(self.running, timeout=POLL, return_when=FIRST_COMPLETED).done:
                graph.done(self._end(future))
            self.progress.refresh()
        for name in order:
            self.result.outcomes.setdefault(name, {"status": NOT_RUN, "message": "the run was interrupted"})

    def _begin(self, name: str, executor: Executor) -> bool:
        """Start a step; False where there is nothing to wait for."""
        planned = self.plans[name]
        bad = [x for x in planned.step.needs if self._status(x) not in (None, DONE, UP_TO_DATE)]
        if bad:
            why = f"because {bad[0]} " + ("did not run" if self._status(bad[0]) == NOT_RUN else "failed")
            self._note(name, {"status": NOT_RUN, "message": why}, "not run", why)
            return False
        if not planned.reasons:
            ended = planned.manifest["ended"]
            outcome = {"status": UP_TO_DATE, "message": ended, "seconds": planned.manifest["seconds"]}
            self._note(name, outcome, "skipped", f"nothing changed since {ended[:16]}")
            return False
        manifest.forget(self.settings, planned.step)
        slot = self.slots.pop(0)
        spec = self._spec(planned, slot)
        self.progress.start(name, Path(spec["progress"]), _because(planned.reasons))
        self.running[executor.submit(run_step, spec)] = (name, slot, time.time())
        return True

    def _end(self, future: Future) -> str:
        """Take down what came of a step; returns its name."""
        name, slot, started = self.running.pop(future)
        self.slots = sorted([*self.slots, slot])
        planned = self.plans[name]
        try:
            outcome = future.result()
        except Exception as error:  # the cluster lost it
            outcome = {"status": "failed", "error": type(error).__name__, "message": str(error), "seconds": 0.0}
        self.progress.running.pop(name, None)
        took = words(outcome["seconds"])
        if outcome["status"] == DONE:
            same = self._same(planned)
            manifest.write(self.settings, planned, outcome, started, self.environment, same)
            again = "" if same else f", but {manifest.CHANGED_MEANWHILE}, so it will run again"
            self._note(name, outcome, "done", f"in {took}{again}")
        elif outcome["status"] == "interrupted":
            self._note(name, outcome, "stopped", f"after {took}")
        else:
            self._note(name, outcome, "FAILED", f"after {took}: {outcome['message']}")
        return name

    def _same(self, planned: Plan) -> bool:
        """Whether what the step depends on is still what it was when the run was planned."""
        try:
            now = parts(planned.step, self.settings, planned.parts["needs"])
        except RefusedError:
            return False
        return now == planned.parts

    def _note(self, name: str, outcome: dict, word: str, text: str) -> None:
        self.result.outcomes[name] = outcome
        self.progress.end(name, word, text)

    def _status(self, name: str) -> str | None:
        return self.result.outcomes.get(name, {}).get("status")

    def _spec(self, planned: Plan, slot: int) -> dict:
        """What the process of a step is told; plain data, so that it travels to a cluster."""
        settings, step = self.settings, planned.step
        folder = settings.run_folder
        first = slot * settings.threads
        here = {"XIQA_STEP": step.name, "XIQA_FINGERPRINT": planned.fingerprint}
        return {
            "step": step.name,
            "stem": step.stem,
            "run": settings.name,
            "fingerprint": planned.fingerprint,
            "root": str(settings.root),
            "notebook": str(step.notebook),
            "cwd": str(step.notebook.parent),
            "parameters": step.parameters,
            "executed": str(settings.executed(step.stem)),
            "products": [str(settings.figures_folder / file) for n in step.products for file in product_files(n)],
            "log": str(folder / "logs" / f"{step.stem}.log"),
            "progress": str(folder / "progress" / f"{step.stem}.progress.json"),
            "outcome": str(folder / "progress" / f"{step.stem}.outcome.json"),
            "stop": str(self.stop),
            "timeout": step.timeout,
            "environment": settings.environment() | here,
            "cores": self.cores[first : first + settings.threads],
        }


def _because(reasons: list[str]) -> str:
    more = f" (and {len(reasons) - 2} more reasons)" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more
