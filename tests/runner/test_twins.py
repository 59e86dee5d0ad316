import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from xiqa.runner import twins

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCE = """# %% [markdown]
# # A title

# %% tags=["parameters"]
seed = 0

# %%
print(seed)

# %%
seed + 1  # a remark

# %%
print(seed)
"""


def _executed() -> nbformat.NotebookNode:
    """What papermill leaves: an injected cell, its metadata, messages, machine paths."""
    stream = [new_output("stream", name=name, text=f"{name}\n") for name in ("stdout", "stderr")]
    picture = new_output("display_data", data={"image/png": "aWc=", "text/plain": "<Figure>"})
    widget = new_output("display_data", data={twins.WIDGET: {"model_id": "1"}, "text/plain": "bar"})
    number = new_output("execute_result", data={"text/plain": "2"}, execution_count=4)
    cells = [
        new_markdown_cell("# A title"),
        new_code_cell("seed = 0", execution_count=1, metadata={"tags": ["parameters"]}),
        new_code_cell("seed = 1", execution_count=2, metadata={"tags": ["injected-parameters"]}),
        new_code_cell("print(seed)", execution_count=3, outputs=[*stream, picture, widget]),
        new_code_cell("seed + 1", execution_count=4, outputs=[number]),
        new_code_cell("print(seed)", execution_count=5, outputs=[new_output("stream", text="x" * 1_200_000)]),
    ]
    for cell in cells:
        cell.metadata["papermill"] = {"duration": 1.0}
    about = {
        "papermill": {"input_path": "/home/someone"},
        "widgets": {},
        "kernelspec": {"name": "other", "display_name": "Other"},
    }
    return new_notebook(cells=cells, metadata=about)


@pytest.fixture
def pair(tmp_path):
    source, executed = tmp_path / "01_a.py", tmp_path / "run.ipynb"
    source.write_text(SOURCE)
    nbformat.write(_executed(), executed)
    shutil.copy(NOTEBOOKS / "jupytext.toml", tmp_path)
    return source, twins.publish(executed, source)


def _code(twin) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(twin, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_twin_has_the_cells_of_its_source_and_small_outputs(pair):
    source, twin = pair
    assert twins.same_code(source, twin)
    cells = _code(twin)
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4]
    assert [output.output_type for output in cells[1].outputs] == ["stream", "display_data"]
    assert cells[1].outputs[0].text == "stdout\n"
    assert cells[2].outputs[0].execution_count == 3
    assert cells[3].outputs[0].text == "(an output of 1.2 MB is left out here: run the notebook to see it)\n"
    assert "papermill" not in twin.read_text()
    assert "/home/someone" not in twin.read_text()
    assert nbformat.read(twin, 4).metadata.kernelspec == twins.KERNEL


def test_publishing_twice_gives_the_same_bytes(pair, tmp_path):
    source, twin = pair
    before = twin.read_bytes()
    twins.publish(tmp_path / "run.ipynb", source)
    assert twin.read_bytes() == before
    assert len({cell.id for cell in nbformat.read(twin, 4).cells}) == 5


def test_refresh_drops_the_outputs_of_changed_cells_only(pair):
    source, twin = pair
    assert not twins.refresh(source)
    source.write_text(SOURCE.replace("seed + 1  # a remark", "seed + 2").replace("A title", "Another"))
    assert not twins.same_code(source, twin)
    assert twins.refresh(source)
    assert twins.same_code(source, twin)
    assert [bool(cell.outputs) for cell in _code(twin)] == [False, True, False, True]


def test_refresh_keeps_outputs_when_only_remarks_change_or_cells_come_between(pair):
    source, twin = pair
    source.write_text(
        SOURCE.replace("# a remark", "# reworded").replace("# %%\nprint", "# %%\nx = 3\n\n# %%\nprint", 1)
    )
    twins.refresh(source)
    assert [bool(cell.outputs) for cell in _code(twin)] == [False, False, True, True, True]


def test_refresh_makes_a_twin_where_there_is_none(tmp_path):
    (tmp_path / "02_b.py").write_text(SOURCE)
    assert twins.refresh(tmp_path / "02_b.py")
    assert twins.same_code(tmp_path / "02_b.py", tmp_path / "02_b.ipynb")


def test_command_refreshes_all_twins(toy):
    command = [sys.executable, "-m", "xiqa.runner.twins"]
    for said in ("twin refreshed", "twin is up to date"):
        done = subprocess.run(command, cwd=toy.root, env=toy.environment(), capture_output=True, text=True, check=True)
        assert done.stdout.count(said) == 3


@pytest.mark.parametrize("newer", ["twin", "source", "twin of an older source"])
def test_jupyterlab_opens_both_files(pair, newer):
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    source, twin = pair
    if newer != "twin":
        source.write_text(SOURCE.replace("A title", "A later title"))
    late = source if newer == "source" else twin
    os.utime(late, (time.time() + 3600,) * 2)
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)()
    manager.root_dir = str(source.parent)
    for path in (source, twin):
        model = manager.get(path.name, type="notebook", content=True)
        shown = json.dumps(model["content"])
        assert ("A later title" in shown) is (newer != "twin")
        assert "stdout" in shown


@pytest.mark.parametrize("source", sorted(NOTEBOOKS.glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_committed_twins_have_the_code_of_their_sources(source):
    twin = source.with_suffix(".ipynb")
    assert twin.is_file(), f"make paper ARGS='--only {source.stem} --publish' writes it"
    assert twins.same_code(source, twin), "make sync brings it up to its source"
