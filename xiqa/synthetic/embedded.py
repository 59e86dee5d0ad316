"""The embedded data on disk: ``data/<profile>-<fingerprint>/<name>``, written on first use, recognised by a marker.

A fingerprint is a hash of the specification and of the generator's code, so that other data have another name. An
unfinished folder has ``writing.json``, a finished one ``complete.json``. A folder with neither is refused, never
deleted.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from xiqa.errors import BadInput
from xiqa.store.files import exclusive, write_bytes
from xiqa.store.places import data_root
from xiqa.synthetic.catalogue import fingerprint, generator

WRITING, COMPLETE = "writing.json", "complete.json"


def fetch(name: str, profile: str, spec: dict, paths: Iterable[str]) -> Path:
    """Folder of a data set that is not stored (``spec["stored"]`` is false), with at least these items written in it.

    Errors as ``folder``.
    """
    target, expected = place(name, profile, spec), fingerprint(name, spec)
    with exclusive(data_root() / f".{name}-{expected}.lock"):
        _refuse_foreign(target, expected)
        about = {"name": name, "profile": profile, "fingerprint": expected, "spec": spec}
        write_bytes(target / WRITING, json.dumps(about, indent=1).encode())
        generator(name).write_some(target, spec, list(paths))
    return target


def place(name: str, profile: str, spec: dict) -> Path:
    """Path of an embedded data set, written or not."""
    return data_root() / f"{profile}-{fingerprint(name, spec)}" / name


def folder(name: str, profile: str, spec: dict) -> Path:
    """Folder of a complete embedded data set, written now if there is none, finished if it was interrupted.

    Parameters
    ----------
    name : a key of ``GENERATORS``.
    profile : name of the profile that uses the data; part of the folder's name.
    spec : argument of the generator's ``write``, plain values.

    Raises
    ------
    BadInput : ``foreign_folder``, if the place is taken by files that were not written here.
    """
    target, expected = place(name, profile, spec), fingerprint(name, spec)
    if is_complete(target, expected):
        return target
    _refuse_foreign(target, expected)
    about = {"name": name, "profile": profile, "fingerprint": expected, "spec": spec}
    with exclusive(data_root() / f".{name}-{expected}.lock"):
        if not is_complete(target, expected):
            _write(target, about)
    return target


def _refuse_foreign(target: Path, expected: str) -> None:
    if not is_ours(target, expected):
        raise BadInput(
            "foreign_folder",
            f"{target} holds files that were not written by this version of xiqa: move them away, or name another "
            "place for embedded data with XIQA_DATA.",
        )


def _write(target: Path, about: dict) -> None:
    write_bytes(target / WRITING, json.dumps(about, indent=1).encode())
    generator(about["name"]).write(target, about["spec"])
    write_bytes(target / COMPLETE, json.dumps({**about, "files": count(target)}, indent=1).encode())
    (target / WRITING).unlink(missing_ok=True)


def is_complete(target: Path, expected: str) -> bool:
    """Whether a folder has the marker of this fingerprint and as many files as were written."""
    marker = read_marker(target / COMPLETE)
    return marker.get("fingerprint") == expected and marker.get("files") == count(target)


def is_ours(target: Path, expected: str) -> bool:
    """Whether a folder may be written to: it is missing, empty, or has one of our markers of this fingerprint."""
    if not target.exists():
        return True
    if not target.is_dir():
        return False
    marked = any(read_marker(target / name).get("fingerprint") == expected for name in (WRITING, COMPLETE))
    return marked or not any(target.iterdir())


def read_marker(path: Path) -> dict:
    """A marker's content, empty where there is none or it cannot be read."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def count(target: Path) -> int:
    """Files of a data set, markers and hidden files left out."""
    return sum(
        path.is_file() and path.name not in (WRITING, COMPLETE) and not path.name.startswith(".")
        for path in target.rglob("*")
    )


def unused(specs: Iterable[tuple[str, str, dict]]) -> tuple[list[Path], list[Path]]:
    """Folders of embedded data that none of the (profile, name, spec) names, and those of other origin."""
    used = {place(name, profile, spec).parent for profile, name, spec in specs}
    root = data_root()
    ours, foreign = [], []
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if not path.is_dir() or path.is_symlink() or path in used:
            continue
        (ours if written_here(path) else foreign).append(path)
    return ours, foreign


def written_here(path: Path) -> bool:
    """Whether everything in a folder of the data root is a data set with one of our markers."""
    inside = list(path.iterdir())
    return bool(inside) and all(
        part.is_dir()
        and any(
            path.name == f"{m.get('profile')}-{m.get('fingerprint')}"
            for m in map(read_marker, (part / WRITING, part / COMPLETE))
        )
        for part in inside
    )


def remove(path: Path) -> None:
    """Remove a folder that ``unused`` found to be ours."""
    shutil.rmtree(path)
