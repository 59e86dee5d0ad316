"""What git keeps, what `make` prints, and the code of the README."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no git repository")
@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("figures/quick-real/x.png", True),
        ("figures/paper-real/table_datasets.csv", True),
        ("results/quick/report.html", True),
        ("figures/quick/x.png", False),
    ],
)
def test_pictures_of_patients_are_never_committed(path, ignored):
    answer = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
    assert answer.returncode == (0 if ignored else 1)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_plain_make_lists_the_targets_and_runs_nothing():
    printed = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {"make paper", "make test", "make smoke", "make lab"} <= {line[:12].strip() for line in printed.splitlines()}
    assert "run_all.py" not in printed


def test_the_code_of_the_readme_runs(capsys, monkeypatch):
    from xiqa.saliency import METHODS

    monkeypatch.delitem(METHODS, "gradient", raising=False)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(code, {})
    METHODS.pop("gradient")
    printed = capsys.readouterr().out
    assert printed.startswith("chance ")
    assert "\ngradient [" in printed


def test_the_readme_names_the_stand_in_data_first_and_only_files_that_exist():
    text = (ROOT / "README.md").read_text()
    assert text.partition("\n\n")[2].startswith("**The default data of this paper are simulated stand-ins**")
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (ROOT / target).exists(), target
