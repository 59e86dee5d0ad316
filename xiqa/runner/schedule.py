"""Runs the jobs and notebooks that have to run, in the order of their graph."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path

from xiqa.runner.console import Console, words
from xiqa.runner.execute import POLL, run_step
from xiqa.runner.manifest import CHANGED_MEANWHILE, Plan, Planner, file_stem
from xiqa.runner.outcome import DONE, INTERRUPTED, NOT_RUN, UP_TO_DATE, Result
from xiqa.runner.settings import Settings
from xiqa.runner.steps import RefusedError, product_files
from xiqa.runner.workers import Worker


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
    """Turn Ctrl-C and its like into the file that jobs and notebooks watch; a second one ends the runner at once.

    The processes then see their parent gone and end themselves.
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


def run(
    planner: Planner, names: Sequence[str], target: str, arguments: dict, settings: Settings, environment: dict
) -> Result:
    """Run what has a reason to run; failures stop only what depends on them.

    Parameters
    ----------
    names : jobs and notebooks, each after all that it needs.
    target : ``module:function`` that performs a job: called with ``arguments`` and the name of the job.
    environment : description of the machine, for the manifests.
    """
    result, started = Result(), time.monotonic()
    stop = settings.run_folder / "progress" / "stop"
    stop.parent.mkdir(parents=True, exist_ok=True)
    stop.unlink(missing_ok=True)
    os.environ.update(settings.environment())  # worker processes inherit it; allocator settings are read at their start
    places = Places(settings, stop)
    with places.opened(), signals(stop, result):
        _Schedule(planner, names, places, (target, arguments), environment, result).work()
    stop.unlink(missing_ok=True)
    result.seconds = time.monotonic() - started
    return result


class Places:
    """Where jobs and notebooks run: a number of slots on this machine, or the workers of a Dask cluster."""

    def __init__(self, settings: Settings, stop: Path):
        self.settings, self.stop = settings, stop
        self.workers = [Worker(stop) for _ in range(settings.jobs)]
        self.free = list(range(settings.jobs))
        self.executor: Executor | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Open the threads that wait for notebooks, or the connection to the cluster, and close them in the end."""
        with _executor(self.settings) as self.executor:
            try:
                yield
            finally:
                for worker in self.workers:
                    worker.close()

    def job(self, slot: int, task: dict) -> tuple[Future, Callable[[Future], dict]]:
        """Start a job; returns its future, and the function that reads its outcome."""
        if self.settings.dask is None:
            worker = self.workers[slot]
            return worker.submit(task), worker.outcome
        return self.executor.submit(run_step, task), Future.result

    def notebook(self, spec: dict) -> tuple[Future, Callable[[Future], dict]]:
        """Start a notebook; returns as ``job``."""
        return self.executor.submit(run_step, spec), Future.result


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
    """The jobs and notebooks of one run: what waits, what runs, what has ended."""

    def __init__(
        self,
        planner: Planner,
        names: Sequence[str],
        places: Places,
        performed_by: tuple[str, dict],
        environment: dict,
        result: Result,
    ):
        self.planner, self.names, self.places, self.result = planner, list(names), places, result
        self.settings, self.environment = planner.settings, environment
        self.target, self.arguments = performed_by
        self.console = Console(self.names, self.settings.jobs)
        self.running: dict[Future, tuple[Plan, int, float, Callable[[Future], dict]]] = {}

    def work(self) -> None:
        """Hand out jobs and notebooks as their needs are done, until nothing is left or the run is interrupted."""
        needs = {name: [x for x in self.planner.needs(name) if x in self.names] for name in self.names}
        graph = TopologicalSorter(needs)
        graph.prepare()
        ready: list[str] = []
        while (graph.is_active() and not self.result.interrupted) or self.running:
            ready = sorted([*ready, *graph.get_ready()], key=self.names.index)
            while ready and self.places.free and not self.result.interrupted:
                name = ready.pop(0)
                if not self._begin(name):
                    graph.done(name)
                    ready = sorted([*ready, *graph.get_ready()], key=self.names.index)
            if not self.running:
                continue
            for future in wait(self.running, timeout=POLL, return_when=FIRST_COMPLETED).done:
                graph.done(self._end(future))
            self.console.refresh()
        for name in self.names:
            self.result.outcomes.setdefault(name, {"status": NOT_RUN, "message": "the run was interrupted"})

    def _begin(self, name: str) -> bool:
        """Start a job or notebook; False where there is nothing to wait for."""
        bad = [x for x in self.planner.needs(name) if self.result.status(x) not in (None, DONE, UP_TO_DATE)]
        if bad:
            why = f"because {bad[0]} " + ("did not run" if self.result.status(bad[0]) == NOT_RUN else "failed")
            self._note(name, {"status": NOT_RUN, "message": why}, "not run", why)
            return False
        plan = self.planner.plan(name)
        if not plan.reasons:
            since = f"nothing changed since {plan.past['ended'][:16]}" if plan.past else "the store has it"
            outcome = {"status": UP_TO_DATE, "message": since}
            self._note(name, outcome | ({"seconds": plan.past["seconds"]} if plan.past else {}), "skipped", since)
            return False
        self.planner.forget(name)
        slot = self.places.free.pop(0)
        spec = self._spec(plan)
        job = name in self.planner.jobs
        future, outcome = self.places.job(slot, spec) if job else self.places.notebook(spec)
        self.console.start(name, Path(spec["log" if job else "progress"]), _because(plan.reasons))
        self.running[future] = (plan, slot, time.time(), outcome)
        return True

    def _end(self, future: Future) -> str:
        """Keep the outcome of a job or notebook; returns its name."""
        plan, slot, started, read = self.running.pop(future)
        self.places.free = sorted([*self.places.free, slot])
        try:
            outcome = read(future)
        except Exception as error:  # the cluster lost it
            outcome = {"status": "failed", "error": type(error).__name__, "message": str(error), "seconds": 0.0}
        took = words(outcome["seconds"])
        if outcome["status"] == DONE:
            same = self.planner.finished(plan, outcome, started, self.environment)
            again = "" if same else f", but {CHANGED_MEANWHILE}, so it will run again"
            self._note(plan.name, outcome, "done", f"in {took}{again}")
        elif outcome["status"] == INTERRUPTED:
            self._note(plan.name, outcome, "stopped", f"after {took}")
        else:
            self._note(plan.name, outcome, "FAILED", f"after {took}: {outcome['message']}")
        return plan.name

    def _note(self, name: str, outcome: dict, word: str, text: str) -> None:
        self.result.outcomes[name] = outcome
        silent = name in self.planner.jobs and outcome["status"] == UP_TO_DATE
        self.console.end(name, word, text, outcome.get("seconds") if word == "done" else None, silent)

    def _spec(self, plan: Plan) -> dict:
        """What the process of a job or notebook gets; plain data, so that it travels to a cluster."""
        settings, stem = self.settings, file_stem(plan.name)
        folder = settings.run_folder
        spec = {
            "step": plan.name,
            "stem": stem,
            "root": str(settings.root),
            "log": str(folder / "logs" / f"{stem}.log"),
            "outcome": str(folder / "progress" / f"{stem}.outcome.json"),
            "stop": str(self.places.stop),
            "environment": settings.environment() | {"XIQA_STEP": plan.name, "XIQA_FINGERPRINT": plan.fingerprint},
        }
        if plan.name in self.planner.jobs:
            return spec | {
                "module": "xiqa.runner.workers",
                "target": self.target,
                "job": plan.name,
                "arguments": self.arguments,
            }
        step = self.planner.steps[plan.name]
        files = [str(settings.figures_folder / file) for name in step.products for file in product_files(name)]
        return spec | {
            "module": "xiqa.runner.execute",
            "run": settings.name,
            "fingerprint": plan.fingerprint,
            "notebook": str(step.notebook),
            "cwd": str(step.notebook.parent),
            "parameters": step.parameters,
            "executed": str(settings.executed(stem)),
            "products": files,
            "progress": str(folder / "progress" / f"{stem}.progress.json"),
            "timeout": step.timeout,
        }


def _because(reasons: list[str]) -> str:
    more = f" (and {len(reasons) - 2} more reasons)" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more
