"""Errors and problems of data: one sentence with file, place and remedy, and one stable word for programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class BadInput(ValueError):  # noqa: N818
    """Data that cannot be used.

    ``reason`` is a stable snake_case word that programs may rely on, such as ``truncated``; ``message`` is one sentence
    for people: which file, what is wrong with it, what to do.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Problem:
    """One problem of a data set that does not stop the rest; ``reason`` and ``message`` as in ``BadInput``."""

    path: Path
    line: int | None  # from 1 (a table's header is line 1); None: the whole file
    reason: str
    message: str
    status: Literal["warning", "error"] = "error"  # error: the item was left out
