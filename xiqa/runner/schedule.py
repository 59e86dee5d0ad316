"""Runs the jobs and notebooks that have to run, in the order of their graph."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from graphlib import TopologicalSorter
from pathlib import Path

from xiqa.runner.console import Console, words
from xiqa.runner.manifest import CHANGED_MEANWHILE, Plan, Planner, file_stem
from xiqa.runner.outcome import DONE, INTERRUPTED, NOT_RUN, UP_TO_DATE, Result
from xiqa.runner.steps import RefusedError, product_files
from xiqa.runner.workers import POLL, Cluster, Workers


def lock(folder: Path) -> None:
    """Keep other runs out of a run's folder until this process ends; RefusedError if another is there already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise RefusedError(f"{folder} cannot be written to ({error.strerror}): name another with --results.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(handle, 200).decode() or "unknown process"
        raise RefusedError(
            f"Another run ({holder}) is writing to {folder}: wait for it to end, or give this one another folder with "
            "--results."
        ) from None
    os.truncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {os.uname().nodename}".encode())


def _stop_on_signal(stop: Path, result: Result) -> None:
    """On Ctrl-C, SIGTERM or SIGHUP write the file that stops the workers; a second one ends the runner at once."""

    def handle(number, _) -> None:
        if result.interrupted:
            os._exit(130)  # the workers end themselves when their runner has ended
        result.interrupted = signal.Signals(number).name
        stop.touch()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)


def run(planner: Planner, names: Sequence[str], target: str, arguments: dict, environment: dict) -> Result:
    """Run what has a reason to run; failures stop only what depends on them.

    ``target`` (``module:function``) performs a job by ``arguments`` and its name; manifests get ``environment``.
    """
    started, stop = time.monotonic(), planner.settings.run_folder / "stop"
    stop.unlink(missing_ok=True)
    schedule = _Schedule(planner, names, (target, arguments), environment, stop)
    _stop_on_signal(stop, schedule.result)
    with contextlib.closing(schedule.workers):
        schedule.work()
    stop.unlink(missing_ok=True)
    schedule.result.seconds = time.monotonic() - started
    return schedule.result


class _Schedule:
    """The jobs and notebooks of one run: what waits, what runs, what has ended."""

    def __init__(self, planner: Planner, names: Sequence[str], job: tuple[str, dict], environment: dict, stop: Path):
        self.planner, self.names, self.job, self.stop = planner, list(names), job, stop
        self.settings, self.environment, self.result = planner.settings, environment, Result()
        self.workers = Cluster(self.settings.dask) if self.settings.dask else Workers(stop)
        self.free = list(range(self.settings.jobs))
        self.console = Console(self.names, self.settings.jobs)
        self.running: dict[Future, tuple[Plan, int, float]] = {}

    def work(self) -> None:
        """Hand out jobs and notebooks as their needs are done, until nothing is left or the run is interrupted."""
        graph = TopologicalSorter({name: set(self.planner.needs(name)) & set(self.names) for name in self.names})
        graph.prepare()
        ready: list[str] = []
        while (graph.is_active() and not self.result.interrupted) or self.running:
            ready = sorted([*ready, *graph.get_ready()], key=self.names.index)
            while ready and self.free and not self.result.interrupted:
                name = ready.pop(0)
                if not self._begin(name):
                    graph.done(name)
                    ready = sorted([*ready, *graph.get_ready()], key=self.names.index)
            if self.running:
                for future in wait(self.running, timeout=POLL, return_when=FIRST_COMPLETED).done:
                    graph.done(self._end(future))
                self.console.refresh()
        for name in self.names:
            self.result.outcomes.setdefault(name, {"status": NOT_RUN, "message": "the run was interrupted"})

    def _begin(self, name: str) -> bool:
        """Start a job or notebook; False where there is nothing to wait for."""
        ended = {need: outcome["status"] for need, outcome in self.result.outcomes.items()}
        bad = [need for need in self.planner.needs(name) if ended.get(need, DONE) not in (DONE, UP_TO_DATE)]
        if bad:
            why = f"because {bad[0]} " + ("did not run" if ended[bad[0]] == NOT_RUN else "failed")
            self._note(name, {"status": NOT_RUN, "message": why}, "not run", why)
            return False
        plan = self.planner.plan(name)
        if not plan.reasons:
            outcome = {"status": UP_TO_DATE, "message": plan.since}
            self._note(name, outcome | ({"seconds": plan.past["seconds"]} if plan.past else {}), "skipped", plan.since)
            return False
        self.planner.forget(name)
        task, slot = self._task(plan), self.free.pop(0)
        Path(task["log"]).unlink(missing_ok=True)
        self.running[self.workers.submit(slot, task)] = (plan, slot, time.time())
        more = f" (and {len(plan.reasons) - 2} more reasons)" if len(plan.reasons) > 2 else ""
        self.console.start(name, Path(task["log"]), "; ".join(plan.reasons[:2]) + more)
        return True

    def _end(self, future: Future) -> str:
        """Keep the outcome of a job or notebook; returns its name."""
        plan, slot, started = self.running.pop(future)
        self.free = sorted([*self.free, slot])
        outcome = self.workers.outcome(slot, future)
        took = words(outcome["seconds"])
        if outcome["status"] == DONE:
            same = self.planner.finished(plan, outcome["seconds"], started, self.environment)
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

    def _task(self, plan: Plan) -> dict:
        """What a worker gets for a job or notebook; plain data, so that it travels to a cluster."""
        settings, stem = self.settings, file_stem(plan.name)
        task = {
            "name": plan.name,
            "root": str(settings.root),
            "log": str(settings.run_folder / "logs" / f"{stem}.log"),
            "stop": str(self.stop),
            "environment": settings.environment() | {"XIQA_STEP": plan.name},
        }
        if plan.name in self.planner.jobs:
            target, arguments = self.job
            return task | {"target": target, "arguments": arguments}
        step = self.planner.steps[plan.name]
        spec = {
            "notebook": str(step.notebook),
            "executed": str(settings.executed(stem)),
            "parameters": step.parameters,
            "products": [str(settings.figures_folder / file) for name in step.products for file in product_files(name)],
            "timeout": step.timeout,
            "about": {"run": settings.name, "fingerprint": plan.fingerprint},
        }
        return task | {"target": "xiqa.runner.execute:execute", "arguments": spec}
