"""Files written complete or not at all, and locks between processes."""

import contextlib
import fcntl
import gzip
import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time do what several need; the others wait. ``path`` is an empty lock file, which stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        with contextlib.suppress(OSError):  # without locks the same work may be done twice, with the same result
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


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
