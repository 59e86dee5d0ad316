"""What an edit of the package repeats: the real graph of jobs, in a copy of the checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Code digests of every store function that a job calls, and of every notebook. No entry is computed: the store records
# the function and returns a path. A job that reads an entry ends there; other jobs call the same function.
DIGESTS = """
import contextlib, json
from pathlib import Path
import run_all
from xiqa.runner import steps
from xiqa.store.digests import digest
from xiqa.store.fingerprints import closure, code_digests
from xiqa.store.store import LEFT_OUT, Store

functions = {}


def path(self, function, **arguments):
    name = function if isinstance(function, str) else f"{function.__module__}.{function.__qualname__}"
    functions[name] = digest(code_digests(closure([name.rpartition(".")[0]], LEFT_OUT)))
    return self.folder / name / "entry"


Store.path = path
options = run_all.parser().parse_args(["--appendix", "--profile", "smoke"])
study, _ = run_all.opened(options, run_all.settled(options))
graph = run_all.jobs.jobs(study)
for job in graph.values():
    with contextlib.suppress(OSError, ValueError):
        entries = job.entries(study)
        entries if isinstance(entries, Path) else list(entries)
notebooks = {
    name: digest(steps.parts(step, run_all.settled(options), dict.fromkeys(step.needs, "")))
    for name, step in run_all.steps(options, study, graph).items()
}
print(json.dumps({"functions": functions, "notebooks": notebooks}))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("xiqa", "notebooks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    shutil.copy(ROOT / "run_all.py", copy)
    return copy


def digests(checkout: Path) -> dict[str, dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XIQA_")}
    environment |= {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS], cwd=checkout, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def before(checkout):
    return digests(checkout)


def changed(checkout, before, path: str, old: str, new: str) -> tuple[set[str], set[str]]:
    """Store functions and notebooks whose code digest an edit changes; the edit is taken back."""
    file = checkout / path
    text = file.read_text()
    assert old in text, f"{path} has no {old!r}"
    file.write_text(text.replace(old, new, 1))
    try:
        after = digests(checkout)
    finally:
        file.write_text(text)
    return tuple(
        {name.rpartition(".")[2] for name, value in before[kind].items() if after[kind][name] != value}
        for kind in ("functions", "notebooks")
    )


def test_every_store_function_is_looked_at(before):
    assert {"prepare", "prepare_volumes", "train_classifier", "train_volumes", "observe", "sample"} <= {
        name.rpartition(".")[2] for name in before["functions"]
    }


def test_a_reworded_sentence_of_a_reader_changes_the_preparation_alone(checkout, before):
    functions, notebooks = changed(
        checkout, before, "xiqa/data/files/dicom.py", "is not a DICOM file", "is no DICOM file"
    )
    assert functions <= {"prepare", "null_films"}
    assert "prepare" in functions
    assert notebooks == set()


def test_a_column_heading_changes_the_notebooks_that_show_it_and_no_job(checkout, before):
    functions, notebooks = changed(
        checkout, before, "xiqa/paper/pointing_game/tables.py", '"method"', '"saliency method"'
    )
    assert functions == set()
    assert notebooks <= {"03_saliency", "04_sanity_checks", "05_pointing_game", "A1_localisation"}
    assert "05_pointing_game" in notebooks


def test_a_line_of_the_selective_metrics_changes_no_job(checkout, before):
    functions, _ = changed(
        checkout, before, "xiqa/metrics/selective.py", "import numpy as np", "import numpy as np\nX = 1"
    )
    assert functions == set()


def test_a_colour_changes_no_job(checkout, before):
    functions, notebooks = changed(checkout, before, "xiqa/house.mplstyle", "0072B2", "0072B3")
    assert functions == set()
    assert notebooks == before["notebooks"].keys()
    functions, _ = changed(
        checkout, before, "xiqa/pictures.py", "import numpy as np", "import numpy as np\nCOLOUR = 'red'"
    )
    assert functions == set()
