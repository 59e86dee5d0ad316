"""A toy paper: the real runner, store and command line around a study that imports nothing heavy."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RECIPES = """
PROFILES = {"quick": type("Profile", (), {"meaning": "a toy"})}
PRODUCTS = {"01_data": ["table_datasets"], "03_saliency": ["fig_layers"], "05_pointing_game": [], "A1_more": []}
IMAGES = ("object_cxr",)
DATASETS = dict.fromkeys(PRODUCTS, IMAGES)
EPOCHS = 1


def resolved(profile, notebook, weights=None):
    return {"epochs": EPOCHS} if notebook == "03_saliency" else {}
"""

STUDY = """
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xiqa.store.digests import folder_digest
from xiqa.store.store import Store


@dataclass(frozen=True)
class Job:
    name: str
    entries: Callable
    needs: tuple = ()
    notebooks: tuple = ()


class Folder:
    def __init__(self, folder):
        self.folder = folder

    @property
    def fingerprint(self):
        return folder_digest(self.folder)


class Study:
    def __init__(self, profile, object_cxr=None, lvot=None, mri=None, weights=None, compute=True):
        self.real = {name: Path(f) for name, f in (("object_cxr", object_cxr), ("lvot", lvot), ("mri", mri)) if f}
        self.data_sets = {name: Folder(folder) for name, folder in self.real.items()}
        self.store = Store(os.environ.get("XIQA_RUN", profile), compute=compute)
"""

JOBS = """
from xiqa.paper.study import Job, Study


def read(study):
    data = study.data_sets["object_cxr"].fingerprint if study.real else ""
    return study.store.path("xiqa.work.read", data=data)


def train(study):
    return study.store.path("xiqa.work.train", films=read(study))


def jobs(study, appendix=True):
    made = [
        Job("data:films", read, (), ("01_data",)),
        Job("train:net", train, ("data:films",), ("03_saliency", "05_pointing_game")),
    ]
    return {job.name: job for job in made}


def perform(arguments, name):
    study = Study(**arguments)
    jobs(study)[name].entries(study)
"""

WORK = """
def read(folder):
    (folder / "films.txt").write_text("two films")


def train(folder, films):
    print("training")
    (folder / "weights.txt").write_text((films / "films.txt").read_text() + " learned")
"""

TOY = """
import json
import os
from pathlib import Path

from xiqa.inner import WORD


class BadInput(ValueError):
    pass


def make(name, caption="A caption", text="1.25"):
    folder = Path(os.environ["XIQA_FIGURES"]) / os.environ["XIQA_RUN"]
    folder.mkdir(parents=True, exist_ok=True)
    for form in ("png", "csv", "json") if name.startswith("fig_") else ("csv", "md", "tex", "json"):
        about = {"name": name, "caption": caption, "stand_in": True}
        content = json.dumps(about) if form == "json" else f"value,word\\n{text},{WORD}\\n"
        (folder / f"{name}.{form}").write_text(content)
"""

NOTEBOOK = """# %% [markdown]
# # {title}
#
# What it does.

# %% tags=["parameters"]
profile = "quick"
object_cxr = None

# %% [markdown]
# ## The work

# %%
from xiqa import toy

{work}

# %%
print("end of", profile)
"""

NOTEBOOKS = {
    "01_data": 'toy.make("table_datasets")',
    "03_saliency": 'toy.make("fig_layers")',
    "05_pointing_game": "1 + 1",
    "appendix/A1_more": "2 + 2",
}


@dataclass
class Toy:
    """A checkout of the toy paper; ``first`` is what its first run printed."""

    root: Path
    first: str = ""

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XIQA_")}
        return kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "run_all.py", *arguments]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the paper; the exit code must be ``code``."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.root, env=self.environment(), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start a run and leave it running."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file; it must be there."""
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def notebook(self, name: str, code: str) -> None:
        """Give a notebook other work to do."""
        (self.root / f"notebooks/{name}.py").write_text(NOTEBOOK.format(title=f"Toy {name}", work=code))


def _lay_out(root: Path) -> Toy:
    toy = Toy(root)
    ignore = shutil.ignore_patterns("__pycache__")
    (root / "notebooks" / "appendix").mkdir(parents=True)
    shutil.copy(ROOT / "run_all.py", root)
    shutil.copy(ROOT / "notebooks/jupytext.toml", root / "notebooks")
    for package in ("runner", "store"):
        shutil.copytree(ROOT / "xiqa" / package, root / "xiqa" / package, ignore=ignore)
    (root / "xiqa/paper").mkdir()
    files = {"recipes": RECIPES, "paper/study": STUDY, "paper/jobs": JOBS, "work": WORK, "toy": TOY}
    files |= {"inner": 'WORD = "word"  # a comment\n', "__init__": "", "paper/__init__": ""}
    for name, text in files.items():
        (root / f"xiqa/{name}.py").write_text(text)
    for name, work in NOTEBOOKS.items():
        toy.notebook(name, work)
    return toy


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Toy:
    toy = _lay_out(tmp_path_factory.mktemp("toy") / "paper")
    toy.first = toy.run()
    return toy


@pytest.fixture
def fresh(tmp_path) -> Toy:
    """A toy paper that never ran."""
    return _lay_out(tmp_path / "paper")


@pytest.fixture
def toy(finished, tmp_path) -> Toy:
    """A toy paper after a complete run."""
    return Toy(Path(shutil.copytree(finished.root, tmp_path / "paper")), finished.first)
