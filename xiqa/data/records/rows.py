"""Checks of the rows of an annotation table, and of the files that no row names."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xiqa.data.names import IMAGE_SUFFIXES
from xiqa.data.records.tables import Log, Place, Row, below
from xiqa.errors import Problem

NAMED_AT_MOST = 10


def usable(rows: list[Row], log: Log) -> list[Row]:
    """Rows that name an image inside the data set, each image once."""
    kept = []
    for row in rows:
        if not row.name:
            log.add(row.line, None, "missing_name", "the row names no image: write the file's name")
        elif row.path is None:
            message = "the path leads out of the data set: write one that stays in its folder"
            log.add(row.line, row.name, "outside_root", message)
        else:
            kept.append(row)
    return without_duplicates(kept, lambda _: log)


def without_duplicates(rows: list, log: Callable[[Any], Log]) -> list:
    """The first of equal rows of an image; none of rows that contradict each other.

    Rows have ``line``, ``name``, ``path`` and ``content``; ``log`` returns the log of a row.
    """
    groups = defaultdict(list)
    for row in rows:
        groups[row.path].append(row)
    kept = []
    for group in groups.values():
        lines = " and ".join(str(row.line) for row in group)
        if len({row.content for row in group}) > 1:
            for row in group:
                message = f"lines {lines} contradict each other on this image and are left out: keep the right one"
                log(row).add(row.line, row.name, "conflicting_rows", message)
            continue
        for row in group[1:]:
            message = f"lines {lines} are equal and the image is used once: delete the others"
            log(row).add(row.line, row.name, "duplicate_row", message, "warning")
        kept.append(group[0])
    return sorted(kept, key=lambda row: row.line)


def pictures(folder: Path) -> list[Path]:
    """Every picture below a folder, sorted, without hidden ones."""
    paths = folder.rglob("*")
    return sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))


def unused(place: Place, paths: list[Path], what: str) -> list[Problem]:
    """A warning for each image that has no ``what`` (row of a table, line of a list), the first ten by name."""
    problems = []
    for path in paths[:NAMED_AT_MOST]:
        message = f"{below(place.root, path)} has no {what} and is not used: add one, or move the file away"
        problems.append(Problem(path, None, "no_row", message, "warning"))
    if len(paths) > NAMED_AT_MOST:
        message = f"{len(paths) - NAMED_AT_MOST} more images have no {what} and are not used"
        problems.append(Problem(place.images, None, "no_row", message, "warning"))
    return problems
