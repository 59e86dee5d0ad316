"""Executed twins: the ``.ipynb`` beside each ``.py`` notebook, written by no one else.

A twin has the cells of its source and the outputs of its last published execution, nothing that differs from one
machine or run to the next, and no cell that its source has not: JupyterLab with jupytext then opens both files.
``python -m xiqa.runner.twins`` brings all twins up to their sources and drops the outputs of cells whose code changed.
"""

import difflib
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xiqa.runner import manifest, steps
from xiqa.store import fingerprints
from xiqa.store.files import write_bytes
from xiqa.store.places import project_root

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from xiqa.runner.settings import Settings

LIMIT = 1_000_000  # bytes of one output in a twin
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def publish(executed: Path, source: Path, target: Path) -> None:
    """Write the twin of a source with the outputs of an executed notebook.

    Outputs belong to a cell by its code, comments aside; where the code is another the cell has none.
    """
    import nbformat

    given = nbformat.read(executed, as_version=4)
    write(steps.read(source), given, target)


def refresh(source: Path) -> bool:
    """Bring the twin of a source up to it, keeping outputs of unchanged cells; whether anything changed."""
    import nbformat

    target = source.with_suffix(".ipynb")
    before = target.read_bytes() if target.is_file() else b""
    given = nbformat.read(target, as_version=4) if before else nbformat.v4.new_notebook()
    write(steps.read(source), given, target)
    return target.read_bytes() != before


def write(source: "NotebookNode", given: "NotebookNode", target: Path) -> None:
    """Write the cells of ``source`` with the outputs of ``given``, in the neutral form of a twin."""
    import nbformat

    outputs = _outputs(source, given)
    cells, seen, count = [], {}, 0
    for position, cell in enumerate(source.cells):
        made = nbformat.from_dict({key: cell[key] for key in ("cell_type", "metadata", "source")})
        key = f"{cell.cell_type}\n{cell.source}"
        seen[key] = seen.get(key, 0) + 1
        made.id = hashlib.sha256(f"{key}\n{seen[key]}".encode()).hexdigest()[:12]
        if cell.cell_type == "code":
            made.execution_count, made.outputs = None, []
            if position in outputs:
                count += 1
                made.execution_count, made.outputs = count, _small(outputs[position], count)
        cells.append(made)
    metadata = {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    twin = nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    nbformat.validate(twin)
    write_bytes(target, (json.dumps(twin, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def _outputs(source: "NotebookNode", given: "NotebookNode") -> dict[int, list]:
    """Position of a code cell of ``source`` -> outputs of the executed cell of ``given`` with the same code."""
    wanted = [(i, cell) for i, cell in enumerate(source.cells) if cell.cell_type == "code"]
    had = [cell for cell in given.cells if cell.cell_type == "code" and not _injected(cell)]
    matcher = difflib.SequenceMatcher(None, [_same(c) for _, c in wanted], [_same(c) for c in had], autojunk=False)
    found = {}
    for block in matcher.get_matching_blocks():
        for shift in range(block.size):
            cell = had[block.b + shift]
            if cell.execution_count is not None:
                found[wanted[block.a + shift][0]] = cell.outputs
    return found


def _injected(cell: "NotebookNode") -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])


def _same(cell: "NotebookNode") -> str:
    """What two cells of the same code have in common."""
    try:
        return fingerprints.syntax(cell.source)
    except SyntaxError:  # IPython's own syntax
        return cell.source


def _small(outputs: list, count: int) -> list:
    """Outputs as a twin keeps them: no messages, no widgets, nothing large."""
    import nbformat

    kept = []
    for output in outputs:
        output = nbformat.from_dict(output)
        if output.output_type == "stream" and output.name == "stderr":
            continue
        if WIDGET in output.get("data", {}):
            continue
        if "execution_count" in output:
            output.execution_count = count
        if "metadata" in output:
            output.metadata = {}
        size = len(json.dumps(output))
        if size > LIMIT:
            text = f"(an output of {size / 1e6:.1f} MB is left out here: run the notebook to see it)\n"
            output = nbformat.v4.new_output("stream", name="stdout", text=text)
        kept.append(output)
    return kept


def publish_all(chosen: Sequence[steps.Step], settings: "Settings") -> list[Path]:
    """Publish the twins of all steps whose last run was complete; returns the files written."""
    written = []
    for step in chosen:
        executed = settings.executed(step.name)
        past = manifest.read(settings, step.name)
        if past is None or not past["fingerprint"] or not executed.is_file():
            print(f"{step.name} has no complete run: its twin stays as it is.")
            continue
        target = step.notebook.with_suffix(".ipynb")
        publish(executed, step.notebook, target)
        written.append(target)
    if written:
        print(f"Published {', '.join(path.name for path in written)}.")
    return written


def same_code(source: Path, twin: Path) -> bool:
    """Whether twin and source have the same cells: kind, text and tags."""
    import nbformat

    def cells(notebook: "NotebookNode") -> list:
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]

    return cells(steps.read(source)) == cells(nbformat.read(twin, as_version=4))


def main() -> int:
    """Refresh every twin; the notebooks of the appendix have none."""
    steps.lean_imports()
    for source in sorted((project_root() / "notebooks").glob("[0-9]*.py")):
        print(f"{source.name}: {'twin refreshed' if refresh(source) else 'twin is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
