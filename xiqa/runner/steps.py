"""Steps: a notebook with parameters, what it needs, what it makes, and the parts its result depends on."""

import difflib
import functools
import sys
from collections.abc import Callable, Iterable, Sequence
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
    name : ``05_pointing_game``, or ``02_training:pretext-resnet34`` where a notebook runs more than once.
    notebook : its source, a ``.py`` file in jupytext's percent format.
    parameters : handed to the notebook; names that its cell tagged ``parameters`` declares.
    places : names of parameters that say where and not what (a data folder): they enter no fingerprint.
    needs : names of the steps whose results it uses.
    after : names of steps that it waits for if they run too, since both would make the same thing in the store.
    products : names of the tables and figures that it makes.
    values : resolved values of the recipe, plain data.
    data : label -> function that returns the fingerprint of a data set; called when a fingerprint is asked for.
    timeout : seconds after which the step is stopped.

    """

    name: str
    notebook: Path
    parameters: dict = field(default_factory=dict)
    places: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    values: dict = field(default_factory=dict)
    data: dict[str, Callable[[], str]] = field(default_factory=dict)
    timeout: float = 3600.0

    @property
    def stem(self) -> str:
        """The name as part of a file name."""
        return self.name.replace(":", "-")

    @property
    def main(self) -> bool:
        """Whether this is the run of the notebook that its twin and the report show."""
        return ":" not in self.name


def product_files(name: str) -> tuple[str, ...]:
    """Files of a product: a figure's picture, or a table's three forms, with its data and its caption."""
    forms = ("png", "csv", "json") if name.startswith("fig_") else ("csv", "md", "tex", "json")
    return tuple(f"{name}.{form}" for form in forms)


def in_order(steps: Sequence[Step]) -> list[Step]:
    """The steps, each after all it needs and waits for; otherwise in the order given.

    Raises
    ------
    ValueError : two steps of one name, an unknown need, or a circle.

    """
    named = {step.name: step for step in steps}
    if len(named) < len(steps):
        raise ValueError("two steps have the same name")
    for step in steps:
        if missing := [need for need in (*step.needs, *step.after) if need not in named]:
            raise ValueError(f"step {step.name} needs {', '.join(missing)}, which is no step")
    graph = TopologicalSorter({step.name: step.needs + step.after for step in steps})
    try:
        graph.prepare()
    except CycleError as error:
        raise ValueError(f"steps need each other in a circle: {' -> '.join(error.args[1])}") from error
    order, ready, found = list(named), [], []
    while graph.is_active():
        ready = sorted([*ready, *graph.get_ready()], key=order.index)
        found.append(named[ready.pop(0)])
        graph.done(found[-1].name)
    return found


def matching(steps: Sequence[Step], wish: str) -> list[Step]:
    """Steps whose name begins with ``wish``.

    Raises
    ------
    RefusedError : there is none; the nearest names are given.

    """
    if found := [step for step in steps if step.name.startswith(wish)]:
        return found
    names = [step.name for step in steps]
    near = difflib.get_close_matches(wish, names, n=3, cutoff=0.4)
    hint = f"do you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
    raise RefusedError(f"There is no step that begins with {wish!r}; {hint}")


def select(steps: Sequence[Step], only: Iterable[str] = (), since: str | None = None) -> list[Step]:
    """The steps asked for: those that begin with one of ``only``, from the first that begins with ``since`` on."""
    chosen = list(steps)
    if only := list(only):
        names = {step.name for wish in only for step in matching(steps, wish)}
        chosen = [step for step in chosen if step.name in names]
    if since:
        first = list(steps).index(matching(steps, since)[0])
        chosen = [step for step in chosen if list(steps).index(step) >= first]
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


def parts(step: Step, settings: "Settings", upstream: dict[str, str]) -> dict[str, dict]:
    """Everything the result of a step depends on, by kind, as plain data; its digest is the step's fingerprint.

    ``upstream`` has the fingerprints of the steps it needs.

    Raises
    ------
    RefusedError : a notebook or a module is not Python.

    """
    try:
        cells = code(read(step.notebook))
        hashes = [fingerprints.syntax(cell) for cell in cells]
        modules = fingerprints.closure(fingerprints.imported("\n".join(cells)), LEFT_OUT)
        modules = fingerprints.code_digests(modules)
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
        "data": {label: find() for label, find in step.data.items()},
        "needs": {name: upstream[name] for name in step.needs if name in upstream},
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
