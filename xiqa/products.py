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
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from xiqa.experiment import Experiment
from xiqa.recipes import DATASETS
from xiqa.runner.store import figures_root, project_root, read_frame, results_root, write_bytes, write_frame

METHOD_NAMES = {
    "gradcam": "Grad-CAM",
    "gradcam_combined": "Grad-CAM, combined",
    "guided_gradcam": "Guided Grad-CAM",
    "input_x_gradient": "Input x Gradient",
    "guided_backprop": "Guided Backprop",
    **{
        f"normgrad_{variant}_{layers}": f"NormGrad {variant}, {layers}"
        for variant in ("bias", "scaling", "conv1x1", "conv3x3")
        for layers in ("single", "combined")
    },
    "constant_point": "Best constant point",
    "centre": "Centre of the image",
    "random": "Random pixel",
    "difference_of_gaussians": "Difference of Gaussians",
    "gradient_magnitude": "Gradient magnitude",
    "chance": "Chance",
}

# The ten rows of the papers' tables, in their order (C: run scripts); two more stand in the MIDL paper's.
TABLE_ROWS = (
    "gradcam",
    "guided_gradcam",
    "input_x_gradient",
    "guided_backprop",
    *(f"normgrad_{v}_{layers}" for v in ("scaling", "conv1x1", "conv3x3") for layers in ("single", "combined")),
)
MIDL_ROWS = (*TABLE_ROWS[:4], "normgrad_bias_single", "normgrad_bias_combined", *TABLE_ROWS[4:])


README_MARKS = ("<!-- numbers of figures/quick, by make readme -->", "<!-- end of numbers -->")


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


def percent(share: float, low: float = float("nan"), high: float = float("nan")) -> str:
    """``86.2 [81.9, 89.6]``: a share and its interval in percent; a dash where there is none."""
    if pd.isna(share):
        return "-"
    return f"{100 * share:.1f}" + ("" if pd.isna(low) else f" [{100 * low:.1f}, {100 * high:.1f}]")


def headline(folder: Path) -> str:
    """The numbers that the README quotes, from the values and tables of a run, as Markdown."""
    values: dict[str, dict] = {}
    for path in sorted((folder / "values").glob("*.json")):
        values |= json.loads(path.read_text())
    lines = ["| what | value |", "|---|---|"]
    for name, entry in values.items():
        place = name.split("_", 1)[1] if name.startswith("auc_") else ""
        share = not entry["meaning"].startswith(("F1", "average precision"))
        shown = f"{100 * entry['value']:.1f} %" if share else f"{entry['value']:.3f}"
        lines.append(f"| {' '.join([entry['meaning'], place]).strip()} | {shown} |")
    claims = read_frame(folder / "table_claims_saliency.csv").query("program == 'corrected'")
    claims = claims.drop_duplicates(["data set", "claim"])
    verdicts = claims.pivot(index=["claim", "statement"], columns="data set", values="verdict on the claim")
    lines += ["", f"| claim on saliency maps | {' | '.join(verdicts)} |", "|---" * (1 + verdicts.shape[1]) + "|"]
    lines += [f"| {n}. {statement} | {' | '.join(row)} |" for (n, statement), row in verdicts.iterrows()]
    effects = read_frame(folder / "table_published_vs_corrected.csv")
    lines += ["", "| verdicts that the published program's defects change | corrected | published |", "|---|---|---|"]
    for _, row in effects[effects["published"] != "="].iterrows():
        lines.append(
            f"| {row['data set']}, {row['claim']}. {row['statement']} | {row['corrected']} | {row['published']} |"
        )
    claims = read_frame(folder / "table_claims_mri.csv").drop_duplicates("claim")
    lines += ["", "| claim on MRI artifacts | verdict here |", "|---|---|"]
    lines += [f"| {c['claim']}. {c['statement']} | {c['verdict on the claim']} |" for _, c in claims.iterrows()]
    return "\n".join(lines)


def quote(readme: Path, folder: Path) -> str:
    """The README's text with its numbers taken anew from a run; everything outside the two markers stays."""
    before, rest = readme.read_text().split(README_MARKS[0])
    after = rest.split(README_MARKS[1])[1]
    return f"{before}{README_MARKS[0]}\n{headline(folder)}\n{README_MARKS[1]}{after}"


def _json(value: object, indent: int | None = 1) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


if __name__ == "__main__":
    readme = project_root() / "README.md"
    write_bytes(readme, quote(readme, figures_root() / "quick").encode())
