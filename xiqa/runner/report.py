"""The report of a run: one page that needs nothing outside itself, written after every run, a failed one too."""

import base64
import csv
import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import jinja2

from xiqa.runner import manifest, steps, summary
from xiqa.runner.console import words
from xiqa.runner.execute import heading
from xiqa.runner.manifest import Plan
from xiqa.runner.schedule import DONE, NOT_RUN, UP_TO_DATE, Result
from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step, product_files
from xiqa.store import digests, fingerprints
from xiqa.store.files import write_bytes

ROWS = 40  # rows of a table shown in the page; its CSV has all
DIGITS = 4  # significant digits of a number with a long fraction


def write(
    plans: dict[str, Plan],
    result: Result,
    settings: Settings,
    environment: dict[str, str],
    missing: dict[str, str],
) -> Path:
    """Write ``report.html`` and a page for each executed notebook into the run's folder.

    Parameters
    ----------
    plans : every step of the paper in order, run this time or not.
    environment : what ``environment`` returned.
    missing : products that this version or profile does not make -> why.

    """
    folder = settings.run_folder
    states = {name: _state(planned, result, settings) for name, planned in plans.items()}
    # By number: the order in which they run is another.
    main = [(name, planned) for name, planned in sorted(plans.items()) if planned.step.main]
    notebooks = [_notebook(planned.step, states[name], settings) for name, planned in main]
    products = [product for notebook in notebooks for product in notebook["products"]]
    _shorten(products)
    text = (
        _templates()
        .get_template("report.html")
        .render(
            settings=settings,
            written=manifest.stamp(time.time()),
            took=words(result.seconds),
            steps=list(states.values()),
            notebooks=notebooks,
            missing=missing,
            made=sum(product["verdict"] == "made" for product in products),
            total=len(products) + len(missing),
            failures=[state for state in states.values() if state["status"] in ("failed", "bad_input")],
            checks=summary.all_checks(settings, [planned.step for planned in plans.values()]),
            environment=environment,
        )
    )
    path = folder / "report.html"
    write_bytes(path, text.encode())
    return path


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _state(planned: Plan, result: Result, settings: Settings) -> dict:
    """How a step stands, for its row in the table of steps."""
    step, past = planned.step, manifest.read(settings, planned.step)
    outcome = result.outcomes.get(step.name)
    if outcome is None and past is None:
        outcome = {"status": NOT_RUN, "message": "not asked for"}
    elif outcome is None:
        current = UP_TO_DATE if not planned.reasons else "out of date"
        message = "; ".join(planned.reasons) or past["ended"][:16]
        outcome = {"status": current, "message": message, "seconds": past["seconds"]}
    why = {DONE: "; ".join(planned.reasons), UP_TO_DATE: f"nothing changed since {outcome.get('message', '')[:16]}"}
    took = words(outcome["seconds"]) if outcome.get("seconds") else ""
    return {
        "name": step.name,
        "status": outcome["status"],
        "why": why.get(outcome["status"], outcome.get("message", "")),
        "took": took,
        "outcome": outcome,
        "page": _page(step, settings),
    }


def _page(step: Step, settings: Settings) -> str | None:
    """Relative path of the executed notebook as a page, made now unless it is there already."""
    executed = settings.executed(step.stem)
    if not executed.is_file():
        return None
    relative = f"pages/{step.stem}.html"
    page = settings.run_folder / relative
    content = digests.file_digest(executed)
    if not page.is_file() or content not in page.read_text()[:200]:
        try:
            write_bytes(page, _convert(executed, step.name, content).encode())
        except Exception as error:  # half a notebook is no reason for half a report
            print(f"{executed.name} could not be made into a page: {error}")
            return None
    return relative


def _convert(executed: Path, title: str, content: str) -> str:
    """An executed notebook as a page without scripts; nbconvert's own pages load them from outside."""
    import nbformat
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    body, _ = HTMLExporter(template_name="basic", embed_images=True).from_notebook_node(nbformat.read(executed, 4))
    colours = HtmlFormatter().get_style_defs(".highlight")
    return _templates().get_template("page.html").render(title=title, body=body, colours=colours, content=content)


def _notebook(step: Step, state: dict, settings: Settings) -> dict:
    """A notebook's section: title, what it opens with, and its products."""
    cells = steps.read(step.notebook).cells
    text = next((cell.source for cell in cells if cell.cell_type == "markdown"), "")
    return {
        "name": step.name,
        "title": heading(text.split("\n\n")[0]) or step.name,
        "state": state,
        "products": [_product(name, state, settings) for name in step.products],
    }


def _product(name: str, state: dict, settings: Settings) -> dict:
    """A table or figure as the page shows it; ``verdict`` says why there is none."""
    folder = settings.figures_folder
    link = os.path.relpath(folder / f"{name}.csv", settings.run_folder)
    found = {"name": name, "kind": "figure" if name.startswith("fig_") else "table", "link": link, "caption": ""}
    if not all((folder / file).is_file() for file in product_files(name)):
        why = state["outcome"].get("message", "")
        verdict = "failed" if state["status"] in ("failed", "bad_input") else "not run"
        return found | {"verdict": verdict, "why": why, "data": ""}
    try:
        about = json.loads((folder / f"{name}.json").read_text())
    except ValueError:
        return found | {"verdict": "damaged", "why": f"{name}.json cannot be read", "data": ""}
    found |= {"caption": about.get("caption", ""), "data": "stand-in" if about.get("stand_in", True) else "real"}
    found |= {"verdict": "out of date", "why": state["why"]} if state["status"] == "out of date" else {}
    if found["kind"] == "figure":
        found["image"] = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
    else:
        found |= _table(folder / f"{name}.csv")
    return {"verdict": "made", "why": ""} | found


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
    with open(path, newline="") as handle:
        head, *rows = list(csv.reader(handle)) or [[]]
    columns = [[row[i] for row in rows] for i in range(len(head))]
    numeric = [_is_numeric(column) for column in columns]
    shown = [_numbers(c) if n else c for c, n in zip(columns, numeric, strict=True)]
    cells = list(zip(*shown, strict=True))
    return {"head": head, "rows": cells[:ROWS], "numeric": numeric, "more": max(0, len(rows) - ROWS)}


def _is_numeric(cells: Sequence[str]) -> bool:
    try:
        return [float(cell) for cell in cells if cell] != []
    except ValueError:
        return False


def _numbers(cells: Sequence[str]) -> list[str]:
    """A column of numbers for people: whole ones without a fraction, long fractions shortened."""
    if all(re.fullmatch(r"-?\d+(\.0)?|", cell) for cell in cells):
        return [cell.removesuffix(".0") for cell in cells]
    return [c if len(c.partition(".")[2]) <= DIGITS else f"{float(c):.{DIGITS}g}" for c in cells]


def environment(settings: Settings) -> dict[str, str]:
    """Where a run took place, in words."""
    libraries = ", ".join(f"{name} {version}" for name, version in fingerprints.versions().items())
    return {
        "xiqa": importlib.metadata.version("xiqa") + _commit(settings.root),
        "Python": platform.python_version(),
        "libraries": libraries,
        "system": platform.platform(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "device": settings.device,
        "threads of a step": str(settings.threads),
    }


def _commit(root: Path) -> str:
    """The commit that is checked out, with a mark where files differ from it."""
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {found.replace('-dirty', ' with changes')}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
