"""The notebooks as text: what every one of them promises, and that its executed twin says the same."""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from xiqa import recipes
from xiqa.runner.twins import same_code

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "notebooks").rglob("[0-9A]*_*.py"))
MAIN = [path for path in SOURCES if path.stem[0] != "A"]


def test_there_is_a_notebook_for_every_row_of_the_table_of_products():
    assert [path.stem for path in SOURCES] == list(recipes.PRODUCTS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
class TestSource:
    def test_it_declares_parameters_once(self, path):
        tagged = [cell for cell in jupytext.read(path).cells if "parameters" in cell.metadata.get("tags", [])]
        assert len(tagged) == 1
        assert 'profile = "quick"' in tagged[0].source

    def test_no_cell_is_longer_than_ten_lines_and_none_defines_a_function(self, path):
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code" and "import" not in cell.source.split():
                assert len(cell.source.splitlines()) <= 10, cell.source
                assert not any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(cell.source)))
        assert len(path.read_text().splitlines()) <= 300

    def test_nothing_leaves_it_but_products(self, path):
        text = path.read_text()
        assert not re.search(r"savefig|to_csv|sys\.exit|open\(", text)
        assert not re.search(r"[\"'](/|~|\.\./)", text)

    def test_every_product_of_the_table_is_handed_over(self, path):
        made = re.findall(r"paper\.(?:table|figure)\(\s*\"(\w+)\"", path.read_text())
        assert sorted(made) == sorted(recipes.PRODUCTS[path.stem])


@pytest.mark.parametrize("path", MAIN, ids=lambda path: path.stem)
def test_the_twin_has_the_code_of_the_source_and_its_outputs_and_is_neutral_and_small(path):
    file = path.with_suffix(".ipynb")
    twin = nbformat.read(file, as_version=4)
    assert same_code(path, file)
    code = [cell for cell in twin.cells if cell.cell_type == "code"]
    outputs = {output.output_type for cell in code for output in cell.outputs}
    assert all(cell.execution_count for cell in code)
    assert "display_data" in outputs
    assert "error" not in outputs
    assert twin.metadata.kernelspec.name == "python3"
    assert "papermill" not in twin.metadata
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in twin.cells)
    assert str(ROOT) not in file.read_text()
    assert file.stat().st_size < 2_000_000
