"""Checks of the rows of an annotation table; each problem is kept with file and line."""

import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xiqa.data.names import IMAGE_SUFFIXES
from xiqa.data.records.tables import TABLES, Place, Row
from xiqa.data.shapes import Shape, parse_annotation
from xiqa.errors import BadInput, Problem

NAMED_AT_MOST = 10


class Log:
    """Problems of one table; paths in the messages count from the data set's folder."""

    def __init__(self, place: Place):
        self.place = place
        self.problems: list[Problem] = []

    def add(self, line: int, name: str | None, reason: str, message: str, status: str = "error") -> None:
        """Keep a problem of one line; ``name`` is the image where the message does not name it."""
        where = f"{below(self.place.root, self.place.table)}, line {line}"
        message = message.replace(f"{self.place.root}{os.sep}", "")
        text = f"{where}: {name}: {message}" if name else f"{where}: {message}"
        self.problems.append(Problem(self.place.table, line, reason, text, status))


def below(root: Path, path: Path) -> str:
    """A path as seen from the data set's folder."""
    return path.relative_to(root).as_posix()


def is_named(row: Row, paths: dict[int, Path | None], log: Log) -> bool:
    """Whether a row names an image inside the data set."""
    if not row.name:
        log.add(row.line, None, "missing_name", "the row names no image: write the file's name")
    elif paths[row.line] is None:
        log.add(
            row.line, row.name, "outside_root", "the path leads out of the data set: write one that stays in its folder"
        )
    return bool(row.name) and paths[row.line] is not None


def without_duplicates(rows: list, path: Callable[[Any], Path], log: Callable[[Any], Log]) -> list:
    """The first of equal rows of an image; none of rows that contradict each other.

    Rows have ``line``, ``name`` and ``content``; ``path`` and ``log`` return the image and the log of a row.
    """
    groups = defaultdict(list)
    for row in rows:
        groups[path(row)].append(row)
    kept = []
    for group in groups.values():
        first, *others = group
        lines = " and ".join(str(row.line) for row in group)
        if len({row.content for row in group}) > 1:
            for row in group:
                message = f"lines {lines} contradict each other on this image and are left out: keep the right one"
                log(row).add(row.line, row.name, "conflicting_rows", message)
            continue
        for row in others:
            message = f"lines {lines} are equal and the image is used once: delete the others"
            log(row).add(row.line, row.name, "duplicate_row", message, "warning")
        kept.append(first)
    return sorted(kept, key=lambda row: row.line)


def parsed(rows: list[Row], log: Log) -> list[tuple[Row, list[Shape]]]:
    """Rows whose annotation can be read, with its shapes."""
    parsed = []
    for row in rows:
        try:
            parsed.append((row, parse_annotation(row.annotation)))
        except BadInput as error:
            log.add(row.line, row.name, error.reason, error.message)
    return parsed


def fits(row: Row, shapes: list[Shape], height: int, width: int, log: Log) -> bool:
    """Whether every shape has at least a part in the image; a shape that reaches beyond it is a warning."""
    for number, shape in enumerate(shapes, 1):
        x1, y1, x2, y2 = shape.box
        what = f"object {number} with the box {x1:g} {y1:g} {x2:g} {y2:g}"
        if x2 < 0 or y2 < 0 or x1 > width - 1 or y1 > height - 1:
            message = f"{what} lies outside the image of {width} x {height} pixels: write pixels of this file"
            log.add(row.line, row.name, "outside_image", message)
            return False
        # An edge drawn at the outer border of the last pixel is no problem.
        if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
            message = f"{what} reaches beyond the image of {width} x {height} pixels and is cut off there: check it"
            log.add(row.line, row.name, "partly_outside", message, "warning")
    return True


def without_row(place: Place, named: set[Path | None]) -> list[Problem]:
    """Images in a folder that belongs to this split alone, and that its table does not name."""
    beside = [name for names in TABLES.values() for name in names if (place.table.parent / name).is_file()]
    if place.images == place.table.parent or (place.images.name == "images" and len(beside) > 1):
        return []
    paths = [path for path in pictures(place.images) if path not in named]
    return unused(place, paths, f"row in {below(place.root, place.table)}")


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
