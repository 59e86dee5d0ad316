"""Products of a notebook: tables and figures, written in one house style and shown under the cell that made them.

Every file is written complete or not at all, with a caption that states whether the data are simulated.
"""

import io
import json
import os
import tomllib
from functools import cache
from importlib import resources

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from xiqa.paper.study import Study
from xiqa.recipes.contents import DATASETS
from xiqa.store.files import write_bytes, write_frame
from xiqa.store.places import figures_root, results_root

ROWS = 20  # rows of a table that the notebook shows; the files have all


class Paper:
    """The products of one notebook."""

    def __init__(self, notebook: str, study: Study):
        self.notebook, self.study, self.datasets = notebook, study, DATASETS[notebook]
        self.folder = figures_root() / study.run
        self._values: dict[str, dict] = {}
        self._checks: dict[str, dict] = {}

    def figure(self, name: str, figure: Figure, data: pd.DataFrame, caption: str) -> None:
        """Write ``name.png``, the numbers that it shows as ``name.csv``, and its caption; show picture and caption."""
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
        write_bytes(self.folder / f"{name}.png", picture.getvalue())
        write_frame(data, self.folder / f"{name}.csv")
        display(figure)
        plt.close(figure)
        self._describe(name, "figure", caption)

    def table(self, name: str, frame: pd.DataFrame, caption: str) -> None:
        """Write a table as CSV, Markdown and LaTeX with its caption; show its first rows and the caption."""
        text = self.caption(caption)
        write_frame(frame, self.folder / f"{name}.csv")
        write_bytes(self.folder / f"{name}.md", f"{frame.to_markdown(index=False)}\n\n{text}\n".encode())
        latex = frame.to_latex(index=False, escape=True, caption=text.replace("%", r"\%").replace("_", r"\_"))
        write_bytes(self.folder / f"{name}.tex", latex.encode())
        display(frame.head(ROWS))
        more = f" The first {ROWS} of {len(frame)} rows; `{name}.csv` has all." if len(frame) > ROWS else ""
        self._describe(name, "table", caption, more)

    def value(self, name: str, value: float, meaning: str) -> float:
        """Record one number that a text elsewhere (the README) quotes."""
        self._values[name] = {"value": round(float(value), 4), "meaning": meaning, "notebook": self.notebook}
        write_bytes(self.folder / "values" / f"{self.notebook}.json", _json(self._values))
        return value

    def check(self, name: str, holds: bool, sentence: str) -> bool:
        """Record a check of the reproduction; a run in which one fails ends with exit code 3."""
        self._checks[name] = {"name": name, "ok": bool(holds), "sentence": sentence, "step": self.notebook}
        lines = b"".join(_json(check, indent=None) + b"\n" for check in self._checks.values())
        write_bytes(results_root() / self.study.run / "checks" / f"{self.notebook}.json", lines)
        return holds

    def caption(self, text: str) -> str:
        """A caption that begins with what the data are."""
        start = f"{self.study.label(*self.datasets)}."
        return text if text.startswith(start) else f"{start} {text}"

    def _describe(self, name: str, kind: str, caption: str, more: str = "") -> None:
        """Write what a product shows, and show its caption."""
        about = {"name": name, "kind": kind, "caption": self.caption(caption), "notebook": self.notebook}
        about["stand_in"] = self.study.stand_in(*self.datasets)
        about["step"] = os.environ.get("XIQA_STEP", self.notebook)
        write_bytes(self.folder / f"{name}.json", _json(about))
        display(Markdown(f"**{name}.** {about['caption']}{more}"))


def begin(notebook: str, study: Study) -> Paper:
    """Set the house style of figures and tables, and open the products of a notebook."""
    plt.style.use(str(resources.files("xiqa") / "house.mplstyle"))
    pd.set_option("display.max_colwidth", None)
    return Paper(notebook, study)


@cache
def published() -> dict:
    """Numbers printed in the papers or read in the authors' code, each with its source (``published.toml``)."""
    return tomllib.loads((resources.files("xiqa") / "published.toml").read_text())


def _json(value: object, indent: int | None = 1) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()
