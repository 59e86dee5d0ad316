"""Find the split of a data set on disk, and read its annotation table row by row with line numbers."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xiqa.data.names import SPLITS
from xiqa.errors import BadInput

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
    """One row of an annotation table, with the line it begins on (the header is line 1)."""

    line: int
    name: str
    annotation: str

    @property
    def content(self) -> str:
        """What rows of one image must agree on."""
        return " ".join(self.annotation.split())


def split_name(split: str) -> str:
    """``train``, ``val`` or ``test``; ``dev`` is another name of ``val``."""
    name = "val" if split == "dev" else split
    if name not in SPLITS:
        raise BadInput("unknown_split", f"there is no split '{split}': choose train, val (or dev) or test")
    return name


def locate(root: str | Path, split: str) -> Place | None:
    """The place of a split below ``root``; None where other splits are there and this one is not.

    Raises
    ------
    BadInput
        ``missing``, ``not_a_directory``, or ``unknown_layout`` where no annotation table is found at all.
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


def expected_tables(split: str) -> str:
    """The names under which the table of a split is looked for, in words."""
    return f"object-CXR_{split}/{TABLES[split][0]} or {TABLES[split][0]}"


def _find(root: Path, split: str) -> Place | None:
    for base in (root / f"object-CXR_{split}", root):
        for name in TABLES[split]:
            if (base / name).is_file():
                folders = (base / Path(name).stem, base / split, base / "images")
                return Place(root, base / name, next((folder for folder in folders if folder.is_dir()), base))
    return None


def read_table(table: Path) -> tuple[list[Row], list[tuple[int, str]], list[str]]:
    """Rows of an annotation table, damaged rows as (line, what is wrong and what to do), and notes.

    Raises
    ------
    BadInput
        ``unreadable``, ``empty_split`` (no header), ``missing_column``, ``bad_table`` (quotes that do not close).
    """
    text, notes = decoded(table)
    rows, damaged, columns = [], [], None
    for line, fields in fields_of(table, text):
        if columns is None:
            width, columns = len(fields), _columns(table, fields)
        elif len(fields) != width:
            damaged.append((line, _wrong_width(len(fields), width)))
        else:
            rows.append(Row(line, *(fields[column] for column in columns)))
    if columns is None:
        raise BadInput("empty_split", f"{table} is empty: it needs the columns image_name and annotation, and images")
    return rows, damaged, notes


def fields_of(table: Path, text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Line and stripped fields of every row of a table's text, the header included; empty rows are skipped.

    Raises
    ------
    BadInput : ``bad_table`` (quotes that do not close).
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
        raise BadInput(
            "bad_table", f"{table} cannot be read from line {line} on ({error}): check its quotation marks"
        ) from error


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
        raise BadInput(
            "missing_column",
            f"{table} has the columns {quoted(header)} in its first line: "
            "it needs image_name (or image_path) and annotation, separated by a comma",
        )
    return name, names.index("annotation")


def _wrong_width(count: int, wanted: int) -> str:
    return (
        f"the row has {count} field{'s' * (count != 1)} where the header has {wanted}: "
        "write one comma between image and annotation, also where there is no object"
    )
