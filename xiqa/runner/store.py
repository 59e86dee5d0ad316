"""The store: whatever took long to compute, kept under a key that names everything it depends on.

A key is made of the function's name, the values of its arguments, the code of its import closure, the fingerprint of
its data, the versions of the libraries, the device kind and the thread cap. A notebook asks the store; the store
computes what is missing, whether a runner or a person executes the cell. Entries are written under a temporary name
and renamed when complete, so a half-written one is never read.
"""

import contextlib
import fcntl
import gzip
import io
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from xiqa.runner.fingerprints import closure, code_digest, device_kind, digest, thread_cap, versions

# recipes.py enters a key by the values it hands over; products.py only draws; the runner computes nothing.
LEFT_OUT = ("xiqa.recipes", "xiqa.products", "xiqa.runner", "xiqa.score")


def project_root() -> Path:
    """The checkout: ``XIQA_ROOT``, else the folder above the package, else (installed elsewhere) the current one."""
    if "XIQA_ROOT" in os.environ:
        return Path(os.environ["XIQA_ROOT"]).resolve()
    above = Path(__file__).resolve().parents[2]
    return above if (above / "run_all.py").is_file() else Path.cwd()


def results_root() -> Path:
    """Where runs keep what is theirs: ``XIQA_RESULTS``, else ``results`` in the checkout."""
    return Path(os.environ.get("XIQA_RESULTS", project_root() / "results")).resolve()


def figures_root() -> Path:
    """Where tables and figures go: ``XIQA_FIGURES``, else ``figures`` in the checkout."""
    return Path(os.environ.get("XIQA_FIGURES", project_root() / "figures")).resolve()


def data_root() -> Path:
    """Where embedded data are written: ``XIQA_DATA``, else ``data`` in the checkout."""
    return Path(os.environ.get("XIQA_DATA", project_root() / "data")).resolve()


class Store:
    """Entries of one profile, below ``results/<profile>/store``.

    Parameters
    ----------
    profile : name of the profile; results of one never answer for another.
    quiet : print nothing when something is computed.

    """

    def __init__(self, profile: str, quiet: bool = False):
        self.folder = results_root() / profile / "store"
        self.quiet = quiet

    def path(self, function: Callable, *, data: str = "", unkeyed: dict | None = None, **arguments) -> Path:
        """Folder that ``function(folder, **arguments)`` has filled, filled now if there is none.

        ``data`` is the fingerprint of the data the function reads. ``unkeyed`` are arguments that say where and how,
        not what (a data folder, a progress bar): they do not enter the key. A path into the store may be an argument:
        it enters as the name of its entry, which is itself a key.
        """
        key = self.key(function, data=data, **arguments)
        entry = self.folder / function.__name__ / digest(key)
        if (entry / "entry.json").is_file():
            return entry
        with exclusive(entry.with_name(f".{entry.name}.lock")):
            if not (entry / "entry.json").is_file():
                self._compute(entry, key, function, arguments | (unkeyed or {}))
        return entry

    def _compute(self, entry: Path, key: dict, function: Callable, arguments: dict) -> None:
        if not self.quiet:
            print(f"computing {function.__name__} {entry.name}", file=sys.stderr)
        started = time.monotonic()
        temporary = entry.with_name(f".{entry.name}-{uuid.uuid4().hex[:8]}")
        temporary.mkdir(parents=True)
        try:
            function(temporary, **arguments)
            about = {"key": key, "seconds": round(time.monotonic() - started, 1)}
            (temporary / "entry.json").write_text(json.dumps(about, indent=1, sort_keys=True))
            _settle(temporary, entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def frame(self, function: Callable, *, data: str = "", unkeyed: dict | None = None, **arguments) -> pd.DataFrame:
        """Table that ``function(**arguments)`` returns, kept as CSV; always read back, so old and new are the same."""

        def write(folder: Path, **given) -> None:
            write_frame(function(**given), folder / "frame.csv.gz")

        # The key is the wrapped function's, not the wrapper's.
        write.__name__, write.__module__, write.__qualname__ = function.__name__, function.__module__, function.__name__
        return read_frame(self.path(write, data=data, unkeyed=unkeyed, **arguments) / "frame.csv.gz")

    def key(self, function: Callable, *, data: str = "", **arguments) -> dict:
        """What the entry of this call depends on, as a JSON-like dictionary."""
        return {
            "function": f"{function.__module__}.{function.__qualname__}",
            "arguments": {name: self._value(value) for name, value in arguments.items()},
            "code": code_digest(closure([function.__module__], leave_out=LEFT_OUT)),
            "data": data,
            "versions": versions(),
            "device": device_kind(os.environ.get("XIQA_DEVICE", "auto")),
            "threads": thread_cap(),
        }

    def seconds(self, entry: Path) -> float:
        """How long an entry took to compute."""
        return json.loads((entry / "entry.json").read_text())["seconds"]

    def _value(self, value: object) -> object:
        if isinstance(value, Path):
            return f"store:{value.resolve().relative_to(self.folder.resolve()).as_posix()}"
        if isinstance(value, dict):
            return {name: self._value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner) for inner in value]
        return value


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time do what several need: the others wait. ``path`` is a lock file, empty, that stays.

    Where the file system knows no locks nobody waits, and the same work may be done twice; both results are the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _settle(temporary: Path, entry: Path) -> None:
    """Give a complete entry its name; if another process was faster, its entry stays."""
    try:
        temporary.rename(entry)
    except OSError:
        if not (entry / "entry.json").is_file():
            shutil.rmtree(entry, ignore_errors=True)
            temporary.rename(entry)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, gzipped without a time stamp where the name ends in .gz, complete or not at all."""
    text = io.StringIO()
    frame.to_csv(text, index=False)
    content = text.getvalue().encode()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    write_bytes(path, content)


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table that ``write_frame`` wrote; empty text stays empty text."""
    return pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"])


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file complete or not at all: to a temporary name beside it, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
