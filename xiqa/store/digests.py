"""Hashes of values, files and folders."""

import hashlib
import json
from dataclasses import asdict, is_dataclass
from pathlib import Path

from xiqa.store.files import write_bytes


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


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_digest(folder: Path, memory: Path | None = None) -> str:
    """One hash over relative paths and contents of all files below a folder, hidden ones left out.

    ``memory`` (a JSON file) keeps each file's hash with its size and times, so that unchanged files are not read again.
    """
    folder = Path(folder).resolve()
    try:
        before = json.loads(memory.read_text()) if memory else {}
    except (OSError, ValueError):
        before = {}
    now, rows = {}, []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        stat = path.stat()
        look = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        past_look, content = before.get(str(path), (None, ""))
        if past_look != look:
            content = file_digest(path)
        now[str(path)] = [look, content]
        rows.append((relative.as_posix(), content))
    if memory is not None and before | now != before:
        write_bytes(memory, json.dumps(before | now).encode())
    return digest(rows)
