"""The report of a run: one page that needs nothing outside itself, written after every run, a failed one too."""

import base64
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jinja2
from pandas.api.types import is_numeric_dtype

from xiqa.runner import manifest, steps
from xiqa.runner.console import all_checks, words
from xiqa.runner.manifest import Plan, Planner
from xiqa.runner.outcome import BAD_INPUT, DONE, FAILED, NOT_RUN, UP_TO_DATE, Result
from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step
from xiqa.store import digests, fingerprints
from xiqa.store.files import read_frame, write_bytes

OUT_OF_DATE = "out of date"
ROWS = 40  # rows of a table shown in the page; its CSV has all
DIGITS = 4  # significant digits of a number with a long fraction
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def write(planner: Planner, result: Result, environment: dict[str, str]) -> Path:
    """Write ``report.html`` and a page for each executed notebook of the paper, run this time or not.

    The verdict on a product comes from manifests and this run's outcomes, never from a file that happens to be there.
    """
    settings = planner.settings
    states = {name: _state(plan, result, settings) for name, plan in planner.everything().items()}
    notebooks = [_notebook(step, states[name], settings) for name, step in planner.steps.items()]
    products = [product for notebook in notebooks for product in notebook["products"]]
    _shorten(products)
    text = TEMPLATES.get_template("report.html").render(
        settings=settings,
        written=manifest.stamp(time.time()),
        took=words(result.seconds),
        steps=list(states.values()),
        notebooks=notebooks,
        products=products,
        interrupted=result.interrupted,
        checks=all_checks(settings, list(planner.steps)),
        environment=environment,
    )
    path = settings.run_folder / "report.html"
    write_bytes(path, text.encode())
    return path


def _state(plan: Plan, result: Result, settings: Settings) -> dict:
    """State of a job or notebook, for its row in the table of steps."""
    outcome, past = result.outcomes.get(plan.name), plan.past
    if outcome is None:
        if past is None and plan.reasons:
            outcome = {"status": NOT_RUN, "message": "not chosen"}
        elif plan.reasons:
            outcome = {"status": OUT_OF_DATE, "message": "; ".join(plan.reasons)}
        else:
            outcome = {"status": UP_TO_DATE, "message": plan.since}
        outcome |= {"seconds": past["seconds"]} if past else {}
    return {
        "name": plan.name,
        "status": outcome["status"],
        "why": "; ".join(past["reasons"]) if outcome["status"] == DONE and past else outcome["message"],
        "took": words(outcome["seconds"]) if outcome.get("seconds") else "",
        "outcome": outcome,
        "by_this_run": outcome["status"] == DONE,
        "page": _page(plan.name, settings),
    }


def _page(name: str, settings: Settings) -> str | None:
    """Relative path of the executed notebook as a page, made now unless it is there already."""
    executed, page = settings.executed(name), settings.run_folder / f"pages/{name}.html"
    if not executed.is_file():
        return None
    content = digests.file_digest(executed)
    if not page.is_file() or content not in page.read_text()[:200]:
        try:
            write_bytes(page, _convert(executed, content, settings.meaning).encode())
        except Exception as error:  # half a notebook is no reason for half a report
            print(f"{executed.name} could not be made into a page: {error}")
            return None
    return f"pages/{name}.html"


def _convert(executed: Path, content: str, meaning: str) -> str:
    """An executed notebook as a page without scripts; nbconvert's own pages load them from outside."""
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    body, _ = HTMLExporter(template_name="basic", embed_images=True).from_filename(str(executed))
    values = {"title": executed.stem, "body": body, "content": content, "meaning": meaning}
    return TEMPLATES.get_template("page.html").render(values, colours=HtmlFormatter().get_style_defs(".highlight"))


def _notebook(step: Step, state: dict, settings: Settings) -> dict:
    """A notebook's section: title and products."""
    cells = steps.read(step.notebook).cells
    text = next((cell.source for cell in cells if cell.cell_type == "markdown"), "")
    title = steps.heading(text.split("\n\n")[0]) or step.name
    products = [_product(name, state, settings) for name in step.products]
    return {"name": step.name, "title": title, "state": state, "products": products}


def _product(name: str, state: dict, settings: Settings) -> dict:
    """A table or figure as the page shows it; ``verdict``: whether this run made it, ``why``: the reason if not."""
    folder = settings.figures_folder
    link = os.path.relpath(folder / f"{name}.csv", settings.run_folder)
    kind = "figure" if name.startswith("fig_") else "table"
    product = {"name": name, "kind": kind, "link": link, "caption": "", "data": "", "by_this_run": state["by_this_run"]}
    if state["status"] not in (DONE, UP_TO_DATE):
        verdict = {FAILED: "failed", BAD_INPUT: "failed", OUT_OF_DATE: OUT_OF_DATE}.get(state["status"], NOT_RUN)
        return product | {"verdict": verdict, "why": state["why"]}
    about = json.loads((folder / f"{name}.json").read_text())
    product |= {"caption": about["caption"], "data": "stand-in" if about["stand_in"] else "real"}
    if kind == "figure":
        product["image"] = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
    else:
        product |= _table(folder / f"{name}.csv")
    return product | {"verdict": "made", "why": "" if state["by_this_run"] else "by an earlier run"}


def _shorten(products: list[dict]) -> None:
    """Give each product a ``brief`` caption: without the first sentence, if it is that of all, and cut."""
    captions = [product["caption"] for product in products if product["caption"]]
    starts = {caption.partition(". ")[0] for caption in captions}
    for product in products:
        rest = product["caption"].partition(". ")[2]
        text = rest if len(starts) == 1 and len(captions) > 1 and rest else product["caption"]
        product["brief"] = textwrap.shorten(text, 110, placeholder=" …")


def _table(path: Path) -> dict:
    """Head, rows and alignment of a table for people: long fractions shortened, the first rows only."""
    frame = read_frame(path)
    return {
        "head": list(frame),
        "rows": [[_cell(value) for value in row] for row in frame.head(ROWS).itertuples(index=False)],
        "numeric": [is_numeric_dtype(kind) for kind in frame.dtypes],
        "more": max(0, len(frame) - ROWS),
    }


def _cell(value: object) -> str:
    if value != value:  # NaN: an empty cell
        return ""
    text = str(value).removesuffix(".0")
    return f"{value:.{DIGITS}g}" if isinstance(value, float) and len(text.partition(".")[2]) > DIGITS else text


def environment(settings: Settings) -> dict[str, str]:
    """Where a run took place, in words."""
    libraries = ", ".join(f"{name} {version}" for name, version in fingerprints.versions().items())
    return {
        "xiqa": importlib.metadata.version("xiqa") + _commit(settings.root),
        "Python": f"{platform.python_version()}, {sys.executable}",
        "libraries": libraries,
        "system": platform.platform(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "device": settings.device,
        "threads of a job": str(settings.threads),
    }


def _commit(root: Path) -> str:
    """The commit that is checked out, with a mark where files differ from it."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {commit.replace('-dirty', ' with changes')}"


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)", file.read_text() if file.is_file() else "", re.MULTILINE)
    return model[1] if model else platform.machine()
