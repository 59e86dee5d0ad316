"""Checks and errors that all file formats share."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xiqa.errors import BadInput


def check_file(path: Path, wanted: str) -> None:
    """Refuse a path that is no readable file; ``wanted`` names the file in the sentence on a folder."""
    # os.path answers also for names that no file can have.
    if os.path.isdir(path):
        raise BadInput("directory", f"{path} is a folder: name {wanted} itself")
    if not os.path.exists(path):
        raise BadInput("missing", f"{path} does not exist: check the name, or copy the file there")
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise BadInput("unreadable", f"{path} cannot be opened ({error.strerror}): check its permissions") from error


@contextmanager
def guarded(path: Path, error_of: Callable[[Path, Exception, str], BadInput]) -> Iterator[None]:
    """Turn any error of a decoder into the ``BadInput`` that ``error_of`` makes of path, error, and its text."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        raise error_of(path, error, " ".join(str(error).split())) from error


def cut_short(path: Path) -> BadInput:
    """Error for a file that ends before its content does."""
    return BadInput("truncated", f"{path} is cut short: copy or download it again")
