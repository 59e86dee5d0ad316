"""Steps: a notebook with its parameters, needs and products, and the parts that its result depends on."""

import difflib
import functools
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xiqa.runner.settings import Settings
from xiqa.store import digests, fingerprints
from xiqa.store.store import LEFT_OUT

if TYPE_CHECKING:
    from nbformat import NotebookNode

# What products.py reads from the package's folder besides code.
PRODUCTS_MODULE, PACKAGE_DATA = "xiqa.paper.products", (".toml", ".mplstyle")


class RefusedError(Exception):
    """A run that cannot start; the message is one sentence that gives the reason and the remedy."""


@dataclass(frozen=True)
class Step:
    """One notebook with its parameters."""

    name: str  # stem of the notebook, ``05_pointing_game``
    notebook: Path  # its source, a ``.py`` file in jupytext's percent format
    parameters: dict = field(default_factory=dict)  # names that its cell tagged ``parameters`` declares
    places: tuple[str, ...] = ()  # parameters that are the place of data, not its content: not in the fingerprint
    needs: tuple[str, ...] = ()  # jobs whose store entries it reads
    products: tuple[str, ...] = ()  # tables and figures that it makes
    values: dict = field(default_factory=dict)  # resolved values of the recipes, plain data
    timeout: float = 3600.0  # seconds after which the notebook is stopped


def product_files(name: str) -> tuple[str, ...]:
    """Files of a product: a figure's picture, or a table's three forms, with its data and its caption."""
    forms = ("png", "csv", "json") if name.startswith("fig_") else ("csv", "md", "tex", "json")
    return tuple(f"{name}.{form}" for form in forms)


def matching(names: Sequence[str], start: str) -> list[str]:
    """Names that begin with ``start``; RefusedError with the nearest names if there is none."""
    if matches := [name for name in names if name.startswith(start)]:
        return matches
    near = difflib.get_close_matches(start, names, n=3, cutoff=0.4)
    hint = f"do you mean {' or '.join(near)}?" if near else "--list shows all names."
    raise RefusedError(f"There is no step that begins with {start!r}; {hint}")


def select(names: Sequence[str], only: Iterable[str] = (), since: str | None = None) -> list[str]:
    """Names that begin with one of ``only``, from the first that begins with ``since`` on."""
    wanted = {name for start in only for name in matching(names, start)} or set(names)
    first = names.index(matching(names, since)[0]) if since else 0
    return [name for name in names[first:] if name in wanted]


def lean_imports() -> None:
    """Keep nbformat's import short: jsonschema builds a grammar of web addresses (1 s), which no notebook needs."""
    sys.modules.setdefault("rfc3987_syntax", None)


def read(notebook: Path) -> "NotebookNode":
    """The notebook in a jupytext source; RefusedError if there is no such file."""
    try:
        return _read(notebook.read_text())
    except FileNotFoundError:
        raise RefusedError(f"{notebook} does not exist: a step of run_all.py needs it.") from None


@functools.cache
def _read(text: str) -> "NotebookNode":
    import jupytext

    return jupytext.reads(text, fmt="py:percent")


def heading(markdown: str) -> str:
    """The last heading in a Markdown text, without its marks; empty if there is none."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", markdown, flags=re.MULTILINE)
    return headings[-1].replace("`", "").replace("*", "") if headings else ""


def check_parameters(steps: Sequence[Step]) -> None:
    """Raise RefusedError for parameters that a notebook does not declare: papermill itself only logs them."""
    import papermill

    for step in steps:
        notebook = read(step.notebook)
        # papermill takes the language from the metadata, which a percent file need not have.
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata.setdefault("kernelspec", kernel)
        declared = list(papermill.inspect_notebook(notebook))
        if unknown := [name for name in step.parameters if name not in declared]:
            has = f"it declares {', '.join(declared)}" if declared else "no cell of it is tagged parameters"
            raise RefusedError(f"{step.notebook.name} has no parameter {unknown[0]!r}: {has}.")


def parts(step: Step, settings: Settings, contents: dict[str, str]) -> dict[str, dict]:
    """Everything that the products of a step depend on, by kind, as plain data; RefusedError if code is not Python.

    ``contents`` has the digest of the store entries of each job that it needs.
    """
    sources = [cell.source for cell in read(step.notebook).cells if cell.cell_type == "code"]
    # IPython's ``%`` and ``!`` lines count as comments here, and enter as they are.
    cells = [re.sub(r"^([%!])", r"#\1", source, flags=re.MULTILINE) for source in sources]
    magics = [line for cell in cells for line in cell.splitlines() if line.startswith(("#%", "#!"))]
    try:
        hashes = [fingerprints.syntax(cell) for cell in cells]
        modules = fingerprints.code_digests(
            fingerprints.closure(fingerprints.imported("\n".join(cells)), leave_out=LEFT_OUT)
        )
    except SyntaxError as error:
        raise RefusedError(f"{step.notebook.name}, or a module it imports, is not Python: {error}.") from None
    package = Path(fingerprints.__file__).resolve().parents[1]
    files = sorted(package.glob("*.*")) if PRODUCTS_MODULE in modules else []
    empty = fingerprints.syntax("")
    return {
        "code": {step.notebook.name: digests.digest([[h for h in hashes if h != empty], magics])},
        "modules": modules,
        "files": {path.name: digests.file_digest(path) for path in files if path.suffix in PACKAGE_DATA},
        "parameters": {name: value for name, value in step.parameters.items() if name not in step.places},
        "recipe": flat(step.values),
        "needs": {name: contents[name] for name in step.needs},
        "versions": fingerprints.versions(),
        "machine": {"device": settings.device, "threads": settings.threads},
    }


def flat(values: dict, stem: str = "") -> dict[str, object]:
    """Nested dictionaries as one with dotted names."""
    plain = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            plain |= flat(value, f"{stem}{name}.")
        else:
            plain[f"{stem}{name}"] = list(value) if isinstance(value, tuple) else value
    return plain
