"""The store: results that took long to compute, each under a key of everything that it depends on.

A path into the store enters a key by the **content** of that entry: a change upstream that leaves the bytes alone
repeats nothing downstream. A store function either takes ``folder`` first and fills it, or returns a DataFrame, which
is kept as ``frame.csv.gz``.
"""

import dataclasses
import inspect
import json
import pkgutil
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from xiqa.store.digests import digest, file_digest
from xiqa.store.files import exclusive, read_frame, write_frame
from xiqa.store.fingerprints import closure, code_digests, versions
from xiqa.store.hardware import device_kind, thread_cap
from xiqa.store.places import results_root

# Recipes enter a key by their values; store and runner compute no number.
LEFT_OUT = ("xiqa.recipes", "xiqa.runner", "xiqa.store")
ABOUT, FRAME = "entry.json", "frame.csv.gz"

Function = Callable | str  # the function itself, or its dotted name, which is imported only to compute


class MissingEntryError(LookupError):
    """An entry that a store without permission to compute does not have."""

    def __init__(self, name: str, key: dict):
        super().__init__(f"the store has no entry of {name} for these arguments")
        self.name, self.key = name, key


class Store:
    """Entries of one run, below ``results/<run>/store``; one that does not ``compute`` raises MissingEntryError."""

    def __init__(self, run: str, compute: bool = True):
        self.folder = results_root() / run / "store"
        self.compute = compute

    def path(self, function: Function, *, data: str = "", unkeyed: dict | None = None, **arguments) -> Path:
        """Folder of the entry of this call, computed now if there is none.

        Arguments are plain values, frozen dataclasses, and paths of entries or of files in them. ``data`` is the
        fingerprint of the data; ``unkeyed`` arguments do not change the result (a data folder), or are functions that
        return such, called only when the entry is computed.
        """
        key = self.key(function, data=data, **arguments)
        name = key["function"].rpartition(".")[2]
        entry = self.folder / name / digest(key)
        if (entry / ABOUT).is_file():
            return entry
        if not self.compute:
            raise MissingEntryError(name, key)
        with exclusive(entry.with_name(f".{entry.name}.lock")):
            if not (entry / ABOUT).is_file():
                self._compute(entry, key, function, arguments, unkeyed or {})
        return entry

    def frame(self, function: Function, *, data: str = "", unkeyed: dict | None = None, **arguments) -> pd.DataFrame:
        """DataFrame that the function returns; always read back, so that old and new ones are the same."""
        return read_frame(self.path(function, data=data, unkeyed=unkeyed, **arguments) / FRAME)

    def _compute(self, entry: Path, key: dict, function: Function, arguments: dict, unkeyed: dict) -> None:
        """Compute an entry under a temporary name and rename it when it is complete."""
        if isinstance(function, str):
            function = pkgutil.resolve_name(":".join(function.rsplit(".", 1)))
        print(f"computing {function.__name__} {entry.name}", file=sys.stderr)
        started = time.monotonic()
        arguments = arguments | {name: value() if callable(value) else value for name, value in unkeyed.items()}
        temporary = entry.with_name(f".{entry.name}-{uuid.uuid4().hex[:8]}")
        temporary.mkdir(parents=True)
        try:
            if next(iter(inspect.signature(function).parameters), "") == "folder":
                function(temporary, **arguments)
            else:
                write_frame(function(**arguments), temporary / FRAME)
            files = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
            content = {path.relative_to(temporary).as_posix(): file_digest(path) for path in files}
            about = {"key": key, "seconds": round(time.monotonic() - started, 1), "content": content}
            (temporary / ABOUT).write_text(json.dumps(about, indent=1, sort_keys=True))
            if not (entry / ABOUT).is_file():  # without locks another process may have been faster
                shutil.rmtree(entry, ignore_errors=True)
                temporary.rename(entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def key(self, function: Function, *, data: str = "", **arguments) -> dict:
        """Everything that the entry of this call depends on, as a JSON-like dictionary."""
        name = function if isinstance(function, str) else f"{function.__module__}.{function.__qualname__}"
        return {
            "function": name,
            "arguments": {argument: self._value(value) for argument, value in arguments.items()},
            "code": code_digests(closure([name.rpartition(".")[0]], leave_out=LEFT_OUT)),
            "data": data,
            "versions": versions(),
            "device": device_kind(),
            "threads": thread_cap(),
        }

    def content(self, path: Path) -> str:
        """Digest of the content of an entry, or of a file in it; ValueError for a path that is not in this store."""
        kind, key, *inner = path.resolve().relative_to(self.folder.resolve()).parts
        files = json.loads((self.folder / kind / key / ABOUT).read_text())["content"]
        return files["/".join(inner)] if inner else digest(files)

    def _value(self, value: object) -> object:
        if isinstance(value, Path):
            return f"content:{self.content(value)}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return {"dataclass": type(value).__qualname__, **self._value(fields)}
        if isinstance(value, dict):
            return {name: self._value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner) for inner in value]
        return value
