"""Find the split of a data set on disk, and read its annotation table row by row with line numbers."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xiqa.data.names import SPLITS
from xiqa.errors import BadInput, Problem

# The names of the data set: what everyone else calls validation is "dev" in its files.
TABLES = {"train": ("train.csv",), "val": ("dev.csv", "val.csv"), "test": ("test.csv",)}
NAME_COLUMNS = ("image_name", "image_path")
LAYOUTS = (
    "object-CXR_train/train.csv with object-CXR_train/images/ (and object-CXR_val/dev.csv, object-CXR_test/test.csv), "
    "or train.csv with train/ (and dev.csv with dev/, test.csv with test/), "
    "or one split alone, such as test.csv with images/"
)


@dataclass(frozen=True)
class Place:
    """A split on disk: the data set's folder, the annotation table, the folder of its images, as absolute paths."""

    root: Path
    table: Path
    images: Path

    def image(self, name: str) -> Path | None:
        """Path of an image named in the table; where there is no such file, where it should be.

        A name counts from the folder of the images or from that of the table; None where it leads out of the data set.
        """
        paths = [Path(os.path.abspath(folder / name)) for folder in (self.images, self.table.parent)]
        inside = [path for path in paths if path.is_relative_to(self.root)]
        return next((path for path in inside if os.path.exists(path)), inside[0] if inside else None)


@dataclass(frozen=True)
class Row:
    """One row of an annotation table, with the line it begins on (the header is line 1) and the image's path."""

    line: int
    name: str
    annotation: str
    path: Path | None  # None: the name leads out of the data set

    @property
    def content(self) -> str:
        """What rows of one image must agree on."""
        return " ".join(self.annotation.split())


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


def locate(root: str | Path, split: str) -> Place | None:
    """The place of a split below ``root``; None where other splits are there and this one is not.

    Raises ``BadInput``: ``missing``, ``not_a_directory``, ``unknown_layout`` where there is no annotation table at all.
    """
    root = checked_root(root)
    place = _find(root, split)
    if place is None and not any(_find(root, other) for other in SPLITS):
        raise BadInput("unknown_layout", f"{root} holds no annotation table where one is expected: lay out {LAYOUTS}")
    return place


def checked_root(root: str | Path) -> Path:
    """A data set's folder as an absolute path; ``missing`` or ``not_a_directory`` where there is none."""
    root = Path(os.path.abspath(root))
    if not root.exists():
        raise BadInput("missing", f"{root} does not exist: give the folder of the data set")
    if not root.is_dir():
        raise BadInput("not_a_directory", f"{root} is a file: give the folder of the data set")
    return root


def missing_table(root: str | Path, split: str) -> BadInput:
    """Error for a split without a table."""
    tables = f"object-CXR_{split}/{TABLES[split][0]} or {TABLES[split][0]}"
    return BadInput("missing_table", f"{root} has no table of the split '{split}': add {tables}, with images")


def _find(root: Path, split: str) -> Place | None:
    for base in (root / f"object-CXR_{split}", root):
        for name in TABLES[split]:
            if (base / name).is_file():
                folders = (base / Path(name).stem, base / split, base / "images")
                return Place(root, base / name, next((folder for folder in folders if folder.is_dir()), base))
    return None


def read_table(place: Place) -> tuple[list[Row], Log, list[str]]:
    """Rows of an annotation table, the log of its damaged rows, and notes.

    Raises ``BadInput``: ``unreadable``, ``empty_split`` (no header), ``missing_column``, ``bad_table`` (quotes that do
    not close).
    """
    text, notes = decoded(place.table)
    rows, log, header = [], Log(place), None
    for line, fields in fields_of(place.table, text):
        if header is None:
            header, (name, annotation) = fields, _columns(place.table, fields)
        elif len(fields) != len(header):
            count = f"{len(fields)} field{'s' * (len(fields) != 1)} where the header has {len(header)}"
            remedy = "write one comma between image and annotation, also where there is no object"
            log.add(line, None, "bad_row", f"the row has {count}: {remedy}")
        else:
            rows.append(Row(line, fields[name], fields[annotation], place.image(fields[name])))
    if header is None:
        message = f"{place.table} is empty: it needs the columns image_name and annotation, and images"
        raise BadInput("empty_split", message)
    return rows, log, notes


def fields_of(table: Path, text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Line and stripped fields of every row of a table's text, the header included; empty rows are skipped.

    Raises ``BadInput``: ``bad_table`` (quotes that do not close).
    """
    # Strict: a quote that never closes is an error here and does not swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for fields in reader:
            start, line = line, reader.line_num + 1
            fields = [field.strip() for field in fields]
            if any(fields):
                yield start, fields
    except csv.Error as error:
        message = f"{table} cannot be read from line {line} on ({error}): check its quotation marks"
        raise BadInput("bad_table", message) from error


def quoted(header: list[str]) -> str:
    """The first columns of a header, for an error sentence."""
    return ", ".join(f"'{field[:40]}'" for field in header[:8])


def decoded(table: Path) -> tuple[str, list[str]]:
    """Text of a table or list, without a byte order mark, and notes; ``unreadable`` where it cannot be opened."""
    try:
        content = table.read_bytes()
    except OSError as error:
        raise BadInput("unreadable", f"{table} cannot be opened ({error.strerror}): check its permissions") from error
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("latin-1"), [f"{table.name} is not UTF-8 and was read as Latin-1"]


def _columns(table: Path, header: list[str]) -> tuple[int, int]:
    """Positions of the columns that name the image and hold its annotation."""
    names = [field.lower() for field in header]
    name = next((names.index(wanted) for wanted in NAME_COLUMNS if wanted in names), None)
    if name is None or "annotation" not in names:
        message = f"{table} has the columns {quoted(header)} in its first line: it needs image_name (or image_path) "
        raise BadInput("missing_column", message + "and annotation, separated by a comma")
    return name, names.index("annotation")
