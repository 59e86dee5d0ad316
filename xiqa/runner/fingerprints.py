"""Fingerprints: short hashes that change when, and only when, a result could change.

Content is hashed, never a time stamp. Code is hashed as its syntax tree without docstrings, so comments and wording
retrain nothing. The code that a function depends on is taken to be the *import closure* of its module: every module of
this package that is reached by following import statements, wherever they stand in a file.
"""

import ast
import ctypes
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from pathlib import Path

PACKAGE = "xiqa"
LIBRARIES = ("torch", "torchvision", "captum", "numpy", "scipy", "scikit-image", "scikit-learn", "pillow")


def digest(value: object, length: int = 16) -> str:
    """Hexadecimal SHA-256 (first ``length`` digits) of a JSON-like value, dictionaries in any order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot stand in a fingerprint: pass plain values")


def closure(modules: Iterable[str], leave_out: Iterable[str] = ()) -> list[str]:
    """Names of all modules of this package reached from ``modules`` by imports, sorted.

    ``leave_out`` names modules, or packages with all they hold, that are neither listed nor followed.
    """
    leave_out = tuple(leave_out)
    found, waiting = set(), list(modules)
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
    """Modules that Python source imports, as dotted names; ``package`` resolves relative imports.

    ``from a import b`` yields ``a`` and ``a.b``: which of them is a module is for the caller to find out.
    """
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = node.module or ""
            if node.level:
                stem = importlib.util.resolve_name("." * node.level + stem, package)
            names += [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
    # Importing a.b.c runs a and a.b too.
    return tuple(".".join(parts[: i + 1]) for parts in map(_split, names) for i in range(len(parts)))


def _split(name: str) -> list[str]:
    return name.split(".")


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
    return [name for name in imported(path.read_text(), package) if _split(name)[0] == PACKAGE]


def versions() -> dict[str, str]:
    """Installed versions of the libraries whose releases may change a number."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_digest(folder: Path, memory: Path | None = None) -> str:
    """One hash over relative paths and contents of all files below a folder, hidden ones left out.

    ``memory`` is a JSON file that keeps each file's hash beside its size and times, so that a large unchanged data set
    is not read again; the time stamps only decide whether to read, they never enter the hash.
    """
    folder = Path(folder).resolve()
    known = _remembered(memory)
    seen, rows = {}, []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        stat = path.stat()
        look = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        before = known.get(str(path))
        content = before[1] if before and before[0] == look else file_digest(path)
        seen[str(path)] = [look, content]
        rows.append((relative.as_posix(), content))
    if memory is not None and any(known.get(path) != entry for path, entry in seen.items()):
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_name(f"{memory.name}.{os.getpid()}")
        temporary.write_text(json.dumps(known | seen))
        temporary.replace(memory)
    return digest(rows)


def _remembered(memory: Path | None) -> dict:
    try:
        return json.loads(memory.read_text()) if memory else {}
    except (OSError, ValueError):
        return {}


def device_kind(wish: str | None = None) -> str:
    """``cpu`` or ``cuda``; ``auto`` is cuda where a driver sees a GPU. Asks the driver, so torch is not needed.

    Without ``wish`` the environment decides (``XIQA_DEVICE``, by default ``auto``).
    """
    wish = wish or os.environ.get("XIQA_DEVICE", "auto")
    if wish != "auto":
        return wish
    try:
        driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)
        found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except OSError:
        found = False
    return "cuda" if found else "cpu"


def thread_cap() -> int:
    """Threads of a kernel: ``XIQA_THREADS``, by default one.

    The number of threads changes the last digits of every sum, so it is a setting and does not follow the machine. One
    thread a step, and a step on each of two cores, is also faster here than two threads and one step at a time.
    """
    return int(os.environ.get("XIQA_THREADS", 1))
