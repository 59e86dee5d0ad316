"""Execution of one notebook by papermill in a worker process, and its outcome.

papermill's own status is not used: after a dead kernel or ``sys.exit(0)`` it is "completed".
"""

import contextlib
import copy
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec

from xiqa.runner import steps
from xiqa.runner.outcome import ANSI, BAD_INPUT, DONE, FAILED, INTERRUPTED, Outcome, one_line, place
from xiqa.runner.workers import GRACE
from xiqa.store.files import write_bytes


class Kernel(AsyncKernelManager):
    """Kernel manager for papermill: the kernel is this interpreter's, whatever kernels are installed on the machine.

    Its sockets are files, so that kernels that start together do not compete for ports, in a folder with a short name:
    the path of a socket has at most about 100 characters. A startup file in the user's IPython profile has no effect.
    """

    current: "Kernel | None" = None  # that of the notebook which this process executes

    def __init__(self, **options):
        self.folder = tempfile.mkdtemp(prefix="xiqa-")
        options["connection_file"] = os.path.join(self.folder, "k.json")
        super().__init__(transport="ipc", **options)
        Kernel.current = self

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command of this interpreter's kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3 (ipykernel)", language="python", name="python3")

    async def _async_start_kernel(self, **options) -> None:
        options["env"] = {**(options.get("env") or os.environ), "IPYTHONDIR": self.folder}
        await super()._async_start_kernel(**options)

    start_kernel = _async_start_kernel

    def signal(self, number: int) -> bool:
        """Send a signal to the kernel and to what it started; False if there is no process."""
        process = getattr(self.provisioner, "process", None)
        if process is None or process.returncode is not None:  # its number may be another's by now
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        return True


def execute(spec: dict, name: str) -> Outcome:
    """Execute the notebook of a step; returns its outcome.

    On SIGINT, or when its time is up, the kernel is interrupted so that it can clear up, and killed after ``GRACE``.
    """
    notebook, target = steps.read(Path(spec["notebook"])), Path(spec["executed"])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    signals, headings, error = [], [""], None
    Kernel.current = None

    def stop(number: int, _) -> None:
        signals.append(number)
        signal.setitimer(signal.ITIMER_REAL, GRACE)
        if Kernel.current is None or not Kernel.current.signal(signal.SIGINT if len(signals) == 1 else signal.SIGKILL):
            raise KeyboardInterrupt

    def start_cell(cell, cell_index: int) -> None:
        if cell.cell_type == "markdown" and (text := steps.heading(cell.source)):
            headings.append(text)
            print(text, flush=True)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, spec["timeout"])
    try:
        papermill.execute_notebook(
            copy.deepcopy(notebook),
            target,
            parameters=spec["parameters"],
            kernel_name="python3",
            language="python",
            cwd=Path(spec["notebook"]).parent,
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            kernel_manager_class=Kernel,
            on_cell_start=start_cell,
        )
    except (Exception, KeyboardInterrupt) as caught:  # whatever it is, it is reported as the notebook's failure
        error = caught
        if type(caught).__name__ != "PapermillExecutionError":
            traceback.print_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if Kernel.current is not None:
            Kernel.current.signal(signal.SIGKILL)
            shutil.rmtree(Kernel.current.folder, ignore_errors=True)
    executed = nbformat.read(target, as_version=4) if target.is_file() else nbformat.v4.new_notebook()
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    cells = [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    outcome = _judged(spec, cells, error, signals)
    outcome.heading = headings[-1] if outcome.cell else ""
    executed.metadata.pop("papermill", None)  # our own status instead of papermill's
    about = {"step": name, **spec["about"], **asdict(outcome)}
    executed.metadata.xiqa = {key: value for key, value in about.items() if value not in ("", None)}
    write_bytes(target, nbformat.writes(executed).encode())
    return outcome


def _judged(spec: dict, cells: list, error: BaseException | None, signals: list[int]) -> Outcome:
    """Outcome: done when no cell raised, every code cell has an execution count, and every product is there."""
    if signals:
        if signals[0] == signal.SIGINT:
            return Outcome(INTERRUPTED, message="stopped")
        return Outcome(error="Timeout", message=f"stopped after its {spec['timeout']:.0f} seconds")
    for position, cell in enumerate(cells):
        for output in cell.outputs:
            if output.output_type == "error":
                return _raised(spec, cell, position, output)
    waiting = [i for i, cell in enumerate(cells) if cell.execution_count is None and cell.source.strip()]
    if error is not None and "DeadKernel" in type(error).__name__:
        outcome = Outcome(error="DeadKernel", message="the kernel died (killed, or out of memory)")
    elif error is not None:
        outcome = Outcome(error=type(error).__name__, message=one_line(str(error)))
    elif waiting:
        message = f"{len(waiting)} of {len(cells)} code cells were not executed"
        outcome = Outcome(error="NotExecuted", message=message)
    elif missing := [path for path in spec["products"] if not Path(path).is_file()]:
        names = ", ".join(Path(path).name for path in missing[:4]) + (" ..." if len(missing) > 4 else "")
        return Outcome(error="MissingProduct", message=f"it ran to its end without making {names}")
    else:
        return Outcome(DONE)
    return _located(outcome, spec, waiting[0]) if waiting else outcome


def _raised(spec: dict, cell: nbformat.NotebookNode, position: int, output: nbformat.NotebookNode) -> Outcome:
    """The outcome of a cell that raised."""
    status = BAD_INPUT if output.ename == "BadInput" else FAILED
    message = one_line(output.evalue)
    if output.ename == "SystemExit":
        message = "a cell called sys.exit, so the rest of the notebook did not run"
    trace = "\n".join(output.traceback)
    within = re.search(rf"Cell In\[{cell.execution_count}\], line (\d+)", ANSI.sub("", trace))
    outcome = Outcome(status, error=output.ename, message=message, place=place(trace))
    return _located(outcome, spec, position, int(within[1]) if within else 1)


def _located(outcome: Outcome, spec: dict, position: int, line: int = 1) -> Outcome:
    """Add the code cell, counted from 1, and the line of the source file, which begins each cell with ``# %%``."""
    lines = Path(spec["notebook"]).read_text().splitlines()
    marks = [i for i, text in enumerate(lines, 1) if re.match(r"# %%(?! *\[)", text)]
    outcome.cell = position + 1
    outcome.line = marks[position] + line if position < len(marks) else None
    return outcome
