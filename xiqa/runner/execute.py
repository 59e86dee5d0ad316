"""Execution of one notebook by papermill in a process of its own, and its outcome.

``python -m xiqa.runner.execute SPEC.json`` executes one notebook and writes its outcome as JSON. papermill's saved
status is not trusted: after a dead kernel or ``sys.exit(0)`` it is "completed". A notebook is done when no cell raised,
every code cell has an execution count, and every product is there.
"""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from xiqa.runner import steps
from xiqa.runner.outcome import BAD_INPUT, DONE, FAILED, INTERRUPTED, Outcome
from xiqa.store.files import write_bytes

GRACE = 5.0  # seconds from asking a kernel to stop until it is killed
POLL = 0.1  # seconds between two looks at a running step
ANSI = re.compile(r"\x1b\[[0-9;]*m")
NOT_EXECUTED = "skip-execution"  # the tag by which nbclient leaves a cell out


def run_step(spec: dict) -> dict:
    """Run ``python -m spec["module"]`` on a specification, here or on a cluster; returns the fields of an ``Outcome``.

    The process is stopped when the file ``spec["stop"]`` appears.
    """
    folder = Path(spec["outcome"]).parent
    folder.mkdir(parents=True, exist_ok=True)
    Path(spec["log"]).parent.mkdir(parents=True, exist_ok=True)
    Path(spec["outcome"]).unlink(missing_ok=True)
    started = time.monotonic()
    given = folder / f"{spec['stem']}.spec.json"
    given.write_text(json.dumps(spec))
    command = [sys.executable, "-m", spec["module"], str(given)]
    with open(spec["log"], "w") as log:
        process = subprocess.Popen(
            command,
            cwd=spec["root"],
            env=os.environ | spec["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stopped = _wait(process, Path(spec["stop"]))
    try:
        outcome = json.loads(Path(spec["outcome"]).read_text())
    except (OSError, ValueError):
        outcome = asdict(Outcome(error="DeadStep", message=f"its process ended with code {process.returncode}"))
        if stopped:
            outcome = asdict(Outcome(INTERRUPTED, message="stopped"))
    return outcome | {"seconds": round(time.monotonic() - started, 1)}


def _wait(process: subprocess.Popen, stop: Path) -> bool:
    """Wait for a process, which is asked to end, and in the end made to, once the file ``stop`` is there."""
    asked = None
    while True:
        try:
            process.wait(timeout=POLL)
            return asked is not None
        except subprocess.TimeoutExpired:
            if asked is None and stop.exists():
                asked = time.monotonic()
                os.killpg(process.pid, signal.SIGINT)
            elif asked is not None and time.monotonic() - asked > 3 * GRACE:
                os.killpg(process.pid, signal.SIGKILL)


class Watch(threading.Thread):
    """Ends the kernel when the time is up, a signal has come or the runner is gone; the main thread then sees it die.

    A kernel is interrupted first, so that what it computes can clear up behind itself, and killed ``GRACE`` seconds
    later.
    """

    def __init__(self, timeout: float):
        super().__init__(daemon=True)
        self.cause = ""
        self.deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.parent = os.getppid()
        self.signalled = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.signalled.set())

    def run(self) -> None:
        """Watch until there is a cause to stop, then stop."""
        while not self.cause:
            if self.signalled.wait(POLL) or os.getppid() != self.parent:
                self.cause = "interrupted"
            elif time.monotonic() > self.deadline:
                self.cause = "timeout"
        from xiqa.runner.kernel import Kernel

        for number in (signal.SIGINT, signal.SIGKILL):
            if Kernel.current is not None:
                Kernel.current.signal(number)
            time.sleep(GRACE)
        os._exit(1)  # the main thread has not noticed: no outcome is an outcome too


def execute(spec: dict, watch: Watch) -> Outcome:
    """Execute the notebook of a step; returns its outcome."""
    import papermill

    from xiqa.runner.kernel import Kernel, ask

    source = Path(spec["notebook"])
    notebook, target = steps.read(source), Path(spec["executed"])
    target.parent.mkdir(parents=True, exist_ok=True)
    cells = list(notebook.cells)
    progress = Progress(Path(spec["progress"]), [cell.source if cell.cell_type == "markdown" else "" for cell in cells])
    error: Exception | None = None
    try:
        papermill.execute_notebook(
            copy.deepcopy(notebook),
            target,
            parameters=spec["parameters"],
            kernel_name="python3",
            language="python",
            cwd=spec["cwd"],
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            kernel_manager_class=Kernel,
            on_notebook_start=ask,
            on_cell_start=progress,
        )
    except Exception as caught:  # whatever it is, it is the step's failure and is reported as such
        error = caught
        if type(caught).__name__ != "PapermillExecutionError":
            traceback.print_exc()
    finally:
        if Kernel.current is not None:
            Kernel.current.remove()
    outcome = judged(spec, target, error, watch)
    outcome.heading = progress.heading if outcome.cell else ""
    outcome.executable = Kernel.current.executable if Kernel.current else None
    _keep(target, spec, outcome)
    return outcome


class Progress:
    """nbclient's ``on_cell_start`` hook: writes the heading of the running cell to a small file."""

    def __init__(self, path: Path, texts: list[str]):
        self.path, self.texts = path, texts
        self.heading = ""
        self._write(0)

    def __call__(self, cell, cell_index: int) -> None:
        """A cell begins."""
        if cell.cell_type == "markdown":
            self.heading = heading(cell.source) or self.heading
        self._write(cell_index)

    def _write(self, index: int) -> None:
        state = {"heading": self.heading, "cell": index, "cells": len(self.texts)}
        write_bytes(self.path, json.dumps(state).encode())


def heading(markdown: str) -> str:
    """The last heading in a Markdown text, without its marks."""
    found = re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", markdown, flags=re.MULTILINE)
    return found[-1].replace("`", "").replace("*", "") if found else ""


def judged(spec: dict, executed: Path, error: Exception | None, watch: Watch) -> Outcome:
    """Outcome by the exception, the execution counts and the products, in this order."""
    if watch.cause == "interrupted":
        return Outcome(INTERRUPTED, message="stopped")
    if watch.cause == "timeout":
        return Outcome(error="Timeout", message=f"stopped after its {watch.timeout:.0f} seconds")
    cells = _code_cells(executed)
    for position, cell in enumerate(cells):
        raised = [output for output in cell.get("outputs", []) if output["output_type"] == "error"]
        if raised and "raises-exception" not in cell["metadata"].get("tags", []):
            return _raised(spec, cells, position, raised[0])
    if error is not None and "DeadKernel" in type(error).__name__:
        return _located(Outcome(error="DeadKernel", message="the kernel died (killed, or out of memory)"), spec, cells)
    if error is not None:
        return _located(Outcome(error=type(error).__name__, message=_one_line(str(error))), spec, cells)
    if waiting := [cell for cell in cells if cell["execution_count"] is None and _to_execute(cell)]:
        message = f"{len(waiting)} of {len(cells)} code cells were not executed"
        return _located(Outcome(error="NotExecuted", message=message), spec, cells)
    if missing := [path for path in spec["products"] if not Path(path).is_file()]:
        names = ", ".join(Path(path).name for path in missing[:4]) + (" ..." if len(missing) > 4 else "")
        return Outcome(error="MissingProduct", message=f"it ran to its end without making {names}")
    return Outcome(DONE)


def _code_cells(executed: Path) -> list[dict]:
    """Code cells of the executed notebook as far as it was written, without the parameters papermill put in."""
    try:
        notebook = json.loads(executed.read_text())
    except (OSError, ValueError):
        return []
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell["metadata"].get("tags", [])]


def _to_execute(cell: dict) -> bool:
    return bool("".join(cell["source"]).strip()) and NOT_EXECUTED not in cell["metadata"].get("tags", [])


def _raised(spec: dict, cells: list[dict], position: int, output: dict) -> Outcome:
    """The outcome of a cell that raised."""
    status = BAD_INPUT if output["ename"] == "BadInput" else FAILED
    message = _one_line(output["evalue"])
    if output["ename"] == "SystemExit":
        message = "a cell called sys.exit, so the rest of the notebook did not run"
    outcome = Outcome(status, error=output["ename"], message=message)
    trace = ANSI.sub("", "\n".join(output["traceback"]))
    count = cells[position]["execution_count"]
    within = re.search(rf"Cell In\[{count}\], line (\d+)", trace)
    _located(outcome, spec, cells, position, int(within[1]) if within else 1)
    if frames := re.findall(r"File (\S*?xiqa/(?!runner/)\S+?\.py):(\d+)", trace):
        outcome.place = f"xiqa/{frames[-1][0].rpartition('xiqa/')[2]}, line {frames[-1][1]}"
    return outcome


def _located(outcome: Outcome, spec: dict, cells: list[dict], position: int | None = None, line: int = 1) -> Outcome:
    """Add heading, cell and line of the source; without ``position`` that of the first cell not executed."""
    if position is None:
        position = next((i for i, c in enumerate(cells) if c["execution_count"] is None and _to_execute(c)), None)
    if position is None:
        return outcome
    text, at, outcome.cell = Path(spec["notebook"]).read_text(), 0, position + 1
    for cell in cells[: position + 1]:
        found = re.compile(r"^# %%[^\n]*\n\s*" + re.escape("".join(cell["source"])), re.MULTILINE).search(text, at)
        if found is None:  # IPython magics are written as comments
            return outcome
        at = found.end()
    start = at - len("".join(cells[position]["source"]))
    outcome.line = text.count("\n", 0, start) + line
    return outcome


def _one_line(message: str) -> str:
    lines = [line.strip() for line in ANSI.sub("", message).splitlines() if line.strip()]
    text = lines[0] if lines else "no message"
    return text if len(text) <= 400 else text[:399] + "…"


def _keep(executed: Path, spec: dict, outcome: Outcome) -> None:
    """Write our own status into the executed notebook, over papermill's."""
    import nbformat

    try:
        notebook = nbformat.read(executed, as_version=4)
    except Exception:  # nothing was written, or half of it
        return
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.execution_count is None and "papermill" in cell.metadata:
            cell.metadata.papermill.status = "pending"
    papermill = notebook.metadata.get("papermill", {})
    # papermill was handed a notebook, not a path, and would keep all of it here.
    papermill["input_path"] = f"notebooks/{Path(spec['notebook']).name}"
    papermill["output_path"] = executed.name
    papermill["exception"] = outcome.status != DONE
    notebook.metadata.papermill = papermill
    about = {"step": spec["step"], "run": spec["run"], "fingerprint": spec["fingerprint"]}
    notebook.metadata.xiqa = about | {key: value for key, value in asdict(outcome).items() if value not in ("", None)}
    write_bytes(executed, nbformat.writes(notebook).encode())


def main(arguments: list[str]) -> int:
    """Execute the step that a specification describes and write its outcome."""
    spec = json.loads(Path(arguments[0]).read_text())
    watch = Watch(spec["timeout"])
    watch.start()
    steps.lean_imports()
    outcome = execute(spec, watch)
    write_bytes(Path(spec["outcome"]), json.dumps(asdict(outcome)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
