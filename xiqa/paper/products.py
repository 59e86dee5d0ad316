"""The only way out of a notebook: figures, tables and values, in one house style, beside what was published.

``paper = products.begin("05_pointing_game", study)`` and then ``paper.table(...)``, ``paper.figure(...)``,
``paper.value(...)``, ``paper.check(...)``. Every product is written complete or not at all, with the data it was drawn
from and a caption that says whether the data are simulated.
"""

import io
import json
import os
import tomllib
from functools import cache
from importlib import resources

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from xiqa.paper.study import Experiment
from xiqa.recipes.contents import DATASETS
from xiqa.store.files import write_bytes, write_frame
from xiqa.store.places import figures_root, results_root


class Paper:
    """What one notebook hands over."""

    def __init__(self, notebook: str, study: Experiment):
        self.notebook, self.study, self.datasets = notebook, study, DATASETS[notebook]
        self.folder = figures_root() / study.run
        self._values: dict[str, dict] = {}
        self._checks: dict[str, dict] = {}

    def figure(self, name: str, figure: Figure, data: pd.DataFrame, caption: str) -> None:
        """Write ``name.png``, the numbers it shows as ``name.csv``, and its caption."""
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
        write_bytes(self.folder / f"{name}.png", picture.getvalue())
        write_frame(data, self.folder / f"{name}.csv")
        self._describe(name, "figure", caption)

    def table(self, name: str, frame: pd.DataFrame, caption: str) -> pd.DataFrame:
        """Write a table as CSV, Markdown and LaTeX with its caption; returns it for display."""
        caption = self.caption(caption)
        write_frame(frame, self.folder / f"{name}.csv")
        text = f"{frame.to_markdown(index=False)}\n\n{caption}\n"
        write_bytes(self.folder / f"{name}.md", text.encode())
        latex = frame.to_latex(index=False, escape=True, caption=caption.replace("%", r"\%").replace("_", r"\_"))
        write_bytes(self.folder / f"{name}.tex", latex.encode())
        self._describe(name, "table", caption)
        return frame

    def value(self, name: str, value: float, meaning: str) -> float:
        """Record one number that text elsewhere (the README) quotes."""
        self._values[name] = {"value": round(float(value), 4), "meaning": meaning, "notebook": self.notebook}
        write_bytes(self.folder / "values" / f"{self.notebook}.json", _json(self._values))
        return value

    def check(self, name: str, holds: bool, sentence: str) -> bool:
        """Record a check of the reproduction; a run in which one fails ends with exit code 3."""
        step = os.environ.get("XIQA_STEP", self.notebook)
        self._checks[name] = {"name": name, "ok": bool(holds), "sentence": sentence, "step": step}
        lines = b"".join(_json(check, indent=None) + b"\n" for check in self._checks.values())
        write_bytes(results_root() / self.study.run / "checks" / f"{step}.json", lines)
        return holds

    def caption(self, text: str) -> str:
        """A caption that begins with what the data are."""
        start = f"{self.study.label(*self.datasets)}."
        return text if text.startswith(start) else f"{start} {text}"

    def _describe(self, name: str, kind: str, caption: str) -> None:
        about = {
            "name": name,
            "kind": kind,
            "caption": self.caption(caption),
            "notebook": self.notebook,
            "stand_in": self.study.stand_in(*self.datasets),
            "step": os.environ.get("XIQA_STEP", self.notebook),
        }
        write_bytes(self.folder / f"{name}.json", _json(about))


def begin(notebook: str, study: Experiment) -> Paper:
    """Set the house style, of figures and of tables as they are shown, and open a notebook's way out."""
    plt.style.use(str(resources.files("xiqa") / "house.mplstyle"))
    pd.set_option("display.max_colwidth", None)  # a sentence in a table is read to its end
    return Paper(notebook, study)


@cache
def published() -> dict:
    """Numbers printed in the papers or read in the authors' code, each with its source (``published.toml``)."""
    return tomllib.loads((resources.files("xiqa") / "published.toml").read_text())


def _json(value: object, indent: int | None = 1) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()
