"""Fingerprints: short hashes that change when, and only when, a result could change.

Code is hashed as its syntax tree without docstrings. A function depends on the *import closure* of its module: all
modules of this package that imports reach. The face of a package (``__init__.py``) is followed by name.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from xiqa.store.digests import digest

PACKAGE = "xiqa"
LIBRARIES = ("torch", "torchvision", "captum", "numpy", "scipy", "scikit-image", "scikit-learn", "pillow")


def closure(modules: Iterable[str], leave_out: Iterable[str] = ()) -> list[str]:
    """Names of all modules of this package reached from ``modules`` by imports, sorted.

    ``leave_out`` names modules, or packages with all they hold, that are neither listed nor followed.
    """
    left_out = tuple(f"{name}." for name in leave_out)
    names, waiting = set(), [name for module in modules for name in defining(module)]
    while waiting:
        name = waiting.pop()
        if name not in names and not f"{name}.".startswith(left_out) and _file(name) is not None:
            names.add(name)
            waiting += _imports(name)
    return sorted(names)


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
            node.body = body[1:] or [ast.Pass()]  # a docstring alone is the same as ``pass``
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@functools.cache
def imported(source: str, package: str = "") -> tuple[str, ...]:
    """Dotted names that Python source imports: modules, and objects of modules; ``package`` resolves relative imports.

    ``from a import b`` yields ``a.b``. Where ``b`` is used only as ``b.c``, as a package is, it yields ``a.b.c``.
    """
    nodes = list(ast.walk(ast.parse(source)))
    dotted = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    attributes: dict[str, set[str]] = {}
    for node in dotted:
        attributes.setdefault(node.value.id, set()).add(node.attr)
    parents = {id(node.value) for node in dotted}
    whole = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in parents}
    names: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name, used = f"{_stem(node, package)}.{alias.name}", alias.asname or alias.name
                parts = () if used in whole else sorted(attributes.get(used, ()))
                names += [f"{name}.{part}" for part in parts] or [name]
    return tuple(dict.fromkeys(names))


def _stem(node: ast.ImportFrom, package: str) -> str:
    """The module from which a statement imports."""
    stem = node.module or ""
    return importlib.util.resolve_name("." * node.level + stem, package) if node.level else stem


def defining(name: str) -> set[str]:
    """Modules of this package behind a dotted name; a name that a package only re-exports is followed to its module."""
    if _file(name) is not None:
        return {name}  # a package that is used as a whole stands for all that its face imports
    stem, _, last = name.rpartition(".")
    if not stem:
        return set()
    path = _file(stem)
    if path is None:
        return defining(stem)
    names = reexported(path.read_text(), stem) if path.name == "__init__.py" else {}
    return defining(names[last]) if last in names else {stem}


@functools.cache
def reexported(source: str, package: str) -> dict[str, str]:
    """Name -> dotted name of every object that the face of a package imports from elsewhere."""
    names = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module not in ("typing", "xiqa.store.faces"):
            stem = _stem(node, package)
            names |= {alias.asname or alias.name: f"{stem}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def _file(module: str) -> Path | None:
    """The file of a module of this package, or None."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    base = Path(__file__).resolve().parents[1].joinpath(*parts[1:])
    return next((path for path in (base / "__init__.py", base.with_name(base.name + ".py")) if path.is_file()), None)


@functools.cache  # the code does not change while a run plans
def _imports(module: str) -> list[str]:
    path = _file(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = [name for name in imported(path.read_text(), package) if name.split(".")[0] == PACKAGE]
    return sorted({origin for name in names for origin in defining(name)})


@functools.cache
def versions() -> dict[str, str]:
    """Installed versions of the libraries whose releases may change a number."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
