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
SOURCES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))


def read(path):
    return jupytext.read(path)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
class TestSource:
    def test_it_opens_with_what_it_makes_needs_and_takes(self, path):
        first = read(path).cells[0]
        assert first.cell_type == "markdown"
        assert "| makes | needs | takes |" in first.source
        for product in recipes.PRODUCTS[path.stem]:
            assert f"`{product}`" in first.source

    def test_it_declares_parameters_once(self, path):
        tagged = [cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", [])]
        assert len(tagged) == 1
        assert 'profile = "quick"' in tagged[0].source

    def test_no_function_is_longer_than_ten_lines(self, path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 10, node.name

    def test_nothing_leaves_it_but_products(self, path):
        text = path.read_text()
        assert not re.search(r"savefig|to_csv|sys\.exit|open\(", text)
        assert not re.search(r"[\"'](/|~|\.\./)", text)

    def test_every_product_of_the_table_is_handed_over(self, path):
        made = re.findall(r"paper\.(?:table|figure)\(\s*\"(\w+)\"", path.read_text())
        assert sorted(made) == sorted(recipes.PRODUCTS[path.stem])

    def test_it_ends_with_a_sentence_that_reads_the_result(self, path):
        assert "print(" in read(path).cells[-1].source


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
class TestTwin:
    def twin(self, path):
        return nbformat.read(path.with_suffix(".ipynb"), as_version=4)

    def test_it_has_the_code_of_the_source(self, path):
        assert same_code(path, path.with_suffix(".ipynb"))

    def test_it_was_executed_and_shows_its_outputs(self, path):
        code = [cell for cell in self.twin(path).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        assert any(output.output_type == "display_data" for cell in code for output in cell.outputs)
        assert not any(output.output_type == "error" for cell in code for output in cell.outputs)

    def test_it_is_neutral(self, path):
        twin = self.twin(path)
        assert twin.metadata.kernelspec.name == "python3"
        assert "papermill" not in twin.metadata
        assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in twin.cells)
        assert str(ROOT) not in path.with_suffix(".ipynb").read_text()

    def test_it_is_small_enough_to_be_committed(self, path):
        assert path.with_suffix(".ipynb").stat().st_size < 2_000_000
