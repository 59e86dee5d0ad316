"""A toy paper: the real runner and step table around notebooks that import nothing heavy."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RECIPES = """
PROFILES = {"quick": type("Profile", (), {"embedded": {"object_cxr": {"size": 8}}})}
PRODUCTS = {"01_data": ["table_datasets"], "02_training": [], "03_saliency": ["fig_layers"], "05_pointing_game": []}
IMAGES = ("object_cxr",)
DATASETS = dict.fromkeys(PRODUCTS, IMAGES)
NOT_RUN = {"table_3_lvot": "it waits for its data"}
SHARING = {}
UNTRAINED = ()
LENGTH = {}
EPOCHS = 1


def audited(profile):
    return {}


def training_steps(profile, weights=None):
    return {"pretext-net": (), "net-s0": ("pretext-net",)}


def datasets(profile, notebook, recipe=None):
    return () if recipe == "pretext-net" else IMAGES


def resolved(profile, notebook, recipe=None, weights=None):
    return {"epochs": EPOCHS} if recipe == "net-s0" else {}
"""

EMBEDDED = """
def fingerprint(name, spec):
    return f"{name} {spec}"
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
recipe = None

# %% [markdown]
# ## The work

# %%
from xiqa import toy

{work}

# %%
print("end of", profile)
"""

WORK = {
    "01_data": 'toy.make("table_datasets")',
    "02_training": "recipe",
    "03_saliency": 'toy.make("fig_layers")',
    "05_pointing_game": "1 + 1",
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

    def work(self, name: str, code: str) -> None:
        """Give a notebook other work to do."""
        (self.root / f"notebooks/{name}.py").write_text(NOTEBOOK.format(title=f"Toy {name}", work=code))


def _lay_out(root: Path) -> Toy:
    toy = Toy(root)
    root.mkdir(parents=True)
    shutil.copy(ROOT / "run_all.py", root)
    shutil.copytree(ROOT / "xiqa/runner", root / "xiqa/runner", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks/jupytext.toml", root / "notebooks")
    (root / "xiqa/__init__.py").write_text("")
    (root / "xiqa/recipes.py").write_text(RECIPES)
    (root / "xiqa/synthetic").mkdir()
    (root / "xiqa/synthetic/__init__.py").write_text("")
    (root / "xiqa/synthetic/embedded.py").write_text(EMBEDDED)
    (root / "xiqa/toy.py").write_text(TOY)
    (root / "xiqa/inner.py").write_text('WORD = "word"  # a comment\n')
    for name, work in WORK.items():
        toy.work(name, work)
    return toy


@pytest.fixture(scope="session")
def _finished(tmp_path_factory) -> Toy:
    toy = _lay_out(tmp_path_factory.mktemp("toy") / "paper")
    toy.first = toy.run()
    return toy


@pytest.fixture
def fresh(tmp_path) -> Toy:
    """A toy paper that never ran."""
    return _lay_out(tmp_path / "paper")


@pytest.fixture
def toy(_finished, tmp_path) -> Toy:
    """A toy paper after a complete run."""
    return Toy(Path(shutil.copytree(_finished.root, tmp_path / "paper")), _finished.first)
