"""Steps: a notebook with its parameters, needs and products, and the parts that its result depends on."""

import difflib
import functools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from xiqa.store import digests, fingerprints

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from xiqa.runner.settings import Settings

# Recipes enter by their values (``Step.values``) and the runner computes nothing, so neither counts as code.
LEFT_OUT = ("xiqa.recipes", "xiqa.runner", "xiqa.store")
# What products.py reads from the package's folder besides code.
PRODUCTS_MODULE, PACKAGE_DATA = "xiqa.paper.products", (".toml", ".mplstyle")


class RefusedError(Exception):
    """What was asked for cannot be run; the message is one sentence that says why and what to do."""


@dataclass(frozen=True)
class Step:
    """One notebook with its parameters.

    Attributes
    ----------
    name : stem of the notebook, ``05_pointing_game``.
    notebook : its source, a ``.py`` file in jupytext's percent format.
    parameters : handed to the notebook; names that its cell tagged ``parameters`` declares.
    places : names of parameters that say where and not what (a data folder): they enter no fingerprint.
    needs : names of the jobs whose store entries it reads.
    products : names of the tables and figures that it makes.
    values : resolved values of the recipes, plain data.
    timeout : seconds after which the notebook is stopped.
    """

    name: str
    notebook: Path
    parameters: dict = field(default_factory=dict)
    places: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    values: dict = field(default_factory=dict)
    timeout: float = 3600.0


def product_files(name: str) -> tuple[str, ...]:
    """Files of a product: a figure's picture, or a table's three forms, with its data and its caption."""
    forms = ("png", "csv", "json") if name.startswith("fig_") else ("csv", "md", "tex", "json")
    return tuple(f"{name}.{form}" for form in forms)


def in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Names in an order in which each follows all that it needs; otherwise in the order given.

    Raises
    ------
    ValueError : an unknown need, or a circle.
    """
    for name, wanted in needs.items():
        if missing := [need for need in wanted if need not in needs]:
            raise ValueError(f"{name} needs {', '.join(missing)}, which does not exist")
    graph = TopologicalSorter(needs)
    try:
        graph.prepare()
    except CycleError as error:
        raise ValueError(f"jobs need each other in a circle: {' -> '.join(error.args[1])}") from error
    order, ready, names = list(needs), [], []
    while graph.is_active():
        ready = sorted([*ready, *graph.get_ready()], key=order.index)
        names.append(ready.pop(0))
        graph.done(names[-1])
    return names


def matching(names: Sequence[str], wish: str) -> list[str]:
    """Names that begin with ``wish``.

    Raises
    ------
    RefusedError : there is none; the nearest names are given.
    """
    if begins := [name for name in names if name.startswith(wish)]:
        return begins
    near = difflib.get_close_matches(wish, names, n=3, cutoff=0.4)
    hint = f"do you mean {' or '.join(near)}?" if near else "--list shows all names."
    raise RefusedError(f"There is no step that begins with {wish!r}; {hint}")


def select(names: Sequence[str], only: Iterable[str] = (), since: str | None = None) -> list[str]:
    """Names that begin with one of ``only``, from the first that begins with ``since`` on."""
    chosen = list(names)
    if only := list(only):
        wanted = {name for wish in only for name in matching(names, wish)}
        chosen = [name for name in chosen if name in wanted]
    if since:
        first = list(names).index(matching(names, since)[0])
        chosen = [name for name in chosen if list(names).index(name) >= first]
    return chosen


def lean_imports() -> None:
    """Keep nbformat's import short: jsonschema builds a grammar of web addresses (1 s) that no notebook needs.

    For processes of our own only, before they import it; jsonschema goes on without that check.
    """
    sys.modules.setdefault("rfc3987_syntax", None)


def read(notebook: Path) -> "NotebookNode":
    """The notebook in a jupytext source.

    Raises
    ------
    RefusedError : there is no such file.
    """
    try:
        return _read(notebook.read_text())
    except FileNotFoundError:
        raise RefusedError(f"{notebook} does not exist: a step of run_all.py wants it.") from None


@functools.cache
def _read(text: str) -> "NotebookNode":
    import jupytext

    return jupytext.reads(text, fmt="py:percent")


def check_parameters(steps: Sequence[Step]) -> None:
    """Refuse parameters that a notebook does not declare: papermill itself only logs them.

    Raises
    ------
    RefusedError : naming the notebook, the parameter and those it has.
    """
    for step in steps:
        known = declared(read(step.notebook))
        if unknown := [name for name in step.parameters if name not in known]:
            has = f"it declares {', '.join(known)}" if known else "no cell of it is tagged parameters"
            raise RefusedError(f"{step.notebook.name} has no parameter {unknown[0]!r}: {has}.")


def declared(notebook: "NotebookNode") -> list[str]:
    """Names of the parameters a notebook declares."""
    import papermill

    # The language is asked of the metadata, which a percent file need not have.
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    return list(papermill.inspect_notebook(notebook))


def code(notebook: "NotebookNode") -> list[str]:
    """Sources of the code cells as Python, with IPython's ``%`` and ``!`` lines as comments."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return ["\n".join("#" + line if line.startswith(("%", "!")) else line for line in c.splitlines()) for c in cells]


def parts(step: Step, settings: "Settings", contents: dict[str, str]) -> dict[str, dict]:
    """Everything that the products of a step depend on, by kind, as plain data; its digest is the step's fingerprint.

    ``contents`` has the digest of the store entries of each job that it needs.

    Raises
    ------
    RefusedError : a notebook or a module is not Python.
    """
    try:
        cells = code(read(step.notebook))
        hashes = [fingerprints.syntax(cell) for cell in cells]
        names = fingerprints.imported("\n".join(cells))
        modules = fingerprints.code_digests(fingerprints.closure(names, LEFT_OUT))
    except SyntaxError as error:
        raise RefusedError(f"{step.notebook.name}, or a module it imports, is not Python: {error}.") from None
    empty = fingerprints.syntax("")
    magics = [line for cell in cells for line in cell.splitlines() if line.startswith(("#%", "#!"))]
    return {
        "code": {step.notebook.name: digests.digest([[h for h in hashes if h != empty], magics])},
        "modules": modules,
        "files": _package_data() if PRODUCTS_MODULE in modules else {},
        "parameters": {name: value for name, value in step.parameters.items() if name not in step.places},
        "recipe": flat(step.values),
        "needs": {name: contents[name] for name in step.needs},
        "versions": fingerprints.versions(),
        "machine": {"device": settings.device, "threads": settings.threads},
    }


def _package_data() -> dict[str, str]:
    package = Path(fingerprints.__file__).resolve().parents[1]
    found = sorted(path for path in package.iterdir() if path.suffix in PACKAGE_DATA)
    return {path.name: digests.file_digest(path) for path in found}


def flat(values: dict, stem: str = "") -> dict[str, object]:
    """Nested dictionaries as one with dotted names."""
    found = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{stem}{name}.")
        else:
            found[f"{stem}{name}"] = list(value) if isinstance(value, tuple) else value
    return found
