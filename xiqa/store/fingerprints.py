"""Fingerprints: short hashes that change when, and only when, a result could change.

Content is hashed, never a time stamp. Code is hashed as its syntax tree without docstrings, so comments and wording
retrain nothing. The code that a function depends on is taken to be the *import closure* of its module: every module of
this package that is reached by following import statements, wherever they stand in a file. A package's face
(``__init__.py``) is followed by name: ``from xiqa import metrics`` and ``metrics.auc`` reach the module of ``auc``.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from xiqa.store.digests import digest

PACKAGE = "xiqa"
LIBRARIES = ("torch", "torchvision", "captum", "numpy", "scipy", "scikit-image", "scikit-learn", "pillow")


def closure(modules: Iterable[str], leave_out: Iterable[str] = ()) -> list[str]:
    """Names of all modules of this package reached from ``modules`` by imports, sorted.

    ``leave_out`` names modules, or packages with all they hold, that are neither listed nor followed.
    """
    leave_out = tuple(leave_out)
    found, waiting = set(), [name for given in modules for name in defining(given)]
    while waiting:
        name = waiting.pop()
        barred = any(name == left or name.startswith(left + ".") for left in leave_out)
        if name in found or barred or _file(name) is None:
            continue
        found.add(name)
        waiting += _imports(name)
    return sorted(found)


def code_digest(modules: Iterable[str]) -> str:
    """One hash over the syntax trees of the named modules of this package."""
    return digest(sorted(code_digests(modules).items()))


def code_digests(modules: Iterable[str]) -> dict[str, str]:
    """Hash of the syntax tree of each of the named modules of this package."""
    return {name: syntax(_file(name).read_text()) for name in modules}


@functools.cache
def syntax(source: str) -> str:
    """Hash of Python source without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            # Nothing but a docstring is what ``pass`` is.
            node.body = body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@functools.cache
def imported(source: str, package: str = "") -> tuple[str, ...]:
    """Dotted names that Python source imports: modules, and objects of modules; ``package`` resolves relative imports.

    ``from a import b`` yields ``a.b``. Where ``b`` is used only as ``b.c``, as a package is, it yields ``a.b.c``.
    """
    tree = ast.parse(source)
    names: list[str] = []
    attributes: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, set()).add(node.attr)
    counts = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    dotted = Counter(
        n.value.id for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    )
    whole = {name for name, count in counts.items() if count > dotted[name]}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = node.module or ""
            if node.level:
                stem = importlib.util.resolve_name("." * node.level + stem, package)
            for alias in node.names:
                name, used = f"{stem}.{alias.name}", alias.asname or alias.name
                parts = () if used in whole else sorted(attributes.get(used, ()))
                names += [f"{name}.{part}" for part in parts] or [name]
    return tuple(dict.fromkeys(names))


def defining(name: str) -> set[str]:
    """Modules of this package behind a dotted name; a name that a package only re-exports is followed to its module.

    A package that is used as a whole stands for itself, and so for all that its face imports.
    """
    if _file(name) is not None:
        return {name}
    stem, _, last = name.rpartition(".")
    if not stem:
        return set()
    path = _file(stem)
    if path is None:
        return defining(stem)
    if path.name == "__init__.py" and last in reexported(path.read_text(), stem):
        return defining(reexported(path.read_text(), stem)[last])
    return {stem}


@functools.cache
def reexported(source: str, package: str) -> dict[str, str]:
    """Name -> dotted name of every object that the face of a package imports from elsewhere."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module not in ("typing", "xiqa.store.faces"):
            stem = node.module or ""
            stem = importlib.util.resolve_name("." * node.level + stem, package) if node.level else stem
            found |= {alias.asname or alias.name: f"{stem}.{alias.name}" for alias in node.names}
    return found


@functools.cache
def _file(module: str) -> Path | None:
    """The file of a module of this package, or None."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    base = Path(__file__).resolve().parents[1].joinpath(*parts[1:])
    for path in (base / "__init__.py", base.with_name(base.name + ".py")):
        if path.is_file():
            return path
    return None


def _imports(module: str) -> list[str]:
    path = _file(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = [name for name in imported(path.read_text(), package) if name.split(".")[0] == PACKAGE]
    return sorted({found for name in names for found in defining(name)})


@functools.cache
def versions() -> dict[str, str]:
    """Installed versions of the libraries whose releases may change a number."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
