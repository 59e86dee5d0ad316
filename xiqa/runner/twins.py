"""Executed twins: the ``.ipynb`` beside each ``.py`` notebook, with its cells and the outputs of a published run.

``python -m xiqa.runner.twins`` brings all twins up to their sources and drops the outputs of cells whose code changed.
"""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from xiqa.runner import manifest, steps
from xiqa.runner.settings import Settings
from xiqa.store import fingerprints
from xiqa.store.files import write_bytes
from xiqa.store.places import project_root

LIMIT = 1_000_000  # bytes of one output in a twin
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def publish(executed: Path, source: Path) -> Path:
    """Write the twin of a source with the outputs of an executed notebook (or of the twin itself); returns its path."""
    target = source.with_suffix(".ipynb")
    notebook = nbformat.read(executed, as_version=4) if executed.is_file() else nbformat.v4.new_notebook()
    outputs = _outputs(steps.read(source), notebook)
    cells, seen, count = [], Counter(), 0
    for position, cell in enumerate(steps.read(source).cells):
        made = nbformat.from_dict({key: cell[key] for key in ("cell_type", "metadata", "source")})
        key = f"{cell.cell_type}\n{cell.source}"
        seen[key] += 1
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
    return target


def refresh(source: Path) -> bool:
    """Bring the twin of a source up to it, keeping outputs of unchanged cells; whether anything changed."""
    twin = source.with_suffix(".ipynb")
    before = twin.read_bytes() if twin.is_file() else b""
    return publish(twin, source).read_bytes() != before


def _outputs(source: NotebookNode, executed: NotebookNode) -> dict[int, list]:
    """Position of a code cell of ``source`` -> outputs of the executed cell with the same code."""
    wanted = [(i, cell) for i, cell in enumerate(source.cells) if cell.cell_type == "code"]
    had = [cell for cell in executed.cells if cell.cell_type == "code"]
    had = [cell for cell in had if "injected-parameters" not in cell.metadata.get("tags", [])]
    matcher = difflib.SequenceMatcher(None, [_same(c) for _, c in wanted], [_same(c) for c in had], autojunk=False)
    pairs = [
        (wanted[block.a + shift][0], had[block.b + shift])
        for block in matcher.get_matching_blocks()
        for shift in range(block.size)
    ]
    return {position: cell.outputs for position, cell in pairs if cell.execution_count is not None}


def _same(cell: NotebookNode) -> str:
    """What two cells of the same code have in common."""
    try:
        return fingerprints.syntax(cell.source)
    except SyntaxError:  # IPython's own syntax
        return cell.source


def _small(outputs: list, count: int) -> list:
    """Outputs as a twin keeps them: no messages, no widgets, nothing large."""
    kept = []
    for output in map(nbformat.from_dict, outputs):
        if (output.output_type == "stream" and output.name == "stderr") or WIDGET in output.get("data", {}):
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


def publish_all(chosen: Sequence[steps.Step], settings: Settings) -> None:
    """Publish the twins of all steps whose last run was complete."""
    for step in chosen:
        executed, past = settings.executed(step.name), manifest.read(settings, step.name)
        if past is None or not past["fingerprint"] or not executed.is_file():
            print(f"{step.name} has no complete run: its twin stays as it is.")
        else:
            print(f"Published {publish(executed, step.notebook).name}.")


def same_code(source: Path, twin: Path) -> bool:
    """Whether twin and source have the same cells: kind, text and tags."""

    def cells(notebook: NotebookNode) -> list:
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]

    return cells(steps.read(source)) == cells(nbformat.read(twin, as_version=4))


if __name__ == "__main__":
    for path in sorted((project_root() / "notebooks").glob("[0-9]*.py")):  # the notebooks of the appendix have no twin
        print(f"{path.name}: {'twin refreshed' if refresh(path) else 'twin is up to date'}")
