"""The table of a folder of brain scans, ``scans.tsv``: where it lies, its rows with line numbers, what is wrong."""

import csv
import io
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from xiqa.data.files.volumes import SUFFIXES
from xiqa.data.names import SPLITS
from xiqa.data.records.rows import Log, unused
from xiqa.data.records.tables import Place
from xiqa.errors import BadInput, Problem

TABLE = "scans.tsv"
REQUIRED, OPTIONAL = ("image", "subject", "split", "label"), ("artifact_type", "contrast")
LABELS = {"clean": 0, "artifact": 1}
EMPTY = ("", "n/a")  # BIDS writes n/a
# What BIDS keeps beside the scans of a data set: nobody means these to be scored.
ASIDE = ("derivatives", "sourcedata", "code")
LAYOUT = (
    "scans.tsv needs the columns image (path below this folder), subject, split (train, val, test) and label "
    "(clean, artifact), separated by tabs; artifact_type and contrast are optional"
)


@dataclass(frozen=True)
class Row:
    """One row of the table, with the line it begins on (the header is line 1) and the path it names."""

    line: int
    path: Path
    image: str
    subject: str
    split: str
    label: int
    artifact_type: str
    contrast: str

    @property
    def said(self) -> tuple:
        """Everything that rows of one image must agree on."""
        return self.subject, self.split, self.label, self.artifact_type, self.contrast


@dataclass(frozen=True)
class Table:
    """Usable rows in the order of the table, every path that it names, and notes."""

    rows: list[Row]
    named: set[Path]
    notes: list[str]


def locate(root: str | Path) -> Place:
    """The data set's folder and its table.

    Raises
    ------
    BadInput : ``missing``, ``not_a_directory``, ``missing_table``.

    """
    root = Path(os.path.abspath(root))
    if not root.exists():
        raise BadInput("missing", f"{root} does not exist: give the folder of the data set")
    if not root.is_dir():
        raise BadInput("not_a_directory", f"{root} is a file: give the folder of the data set")
    if not (root / TABLE).is_file():
        raise BadInput("missing_table", f"{root} has no {TABLE}: write one; {LAYOUT}")
    return Place(root, root / TABLE, root)


def read_table(place: Place, logs: dict[str, Log]) -> Table:
    """Read the table; what is wrong with a row goes to its split's log, or to train's where it has no valid split.

    Raises
    ------
    BadInput
        ``unreadable``, ``empty_table``, ``missing_column``, ``bad_table`` (quotes that do not close).

    """
    text, notes = _decode(place.table)
    # Strict: a quote that never closes is an error here and does not swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    header, cells, line = None, [], 1
    try:
        for fields in reader:
            start, line = line, reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            if header is None:
                header = _header(place.table, fields)
            else:
                cells.append((start, [field.strip() for field in fields]))
    except csv.Error as error:
        raise BadInput(
            "bad_table", f"{place.table} cannot be read from line {line} on ({error}): check its quotation marks"
        ) from error
    if not cells:
        raise BadInput("empty_table", f"{place.table} has no rows: {LAYOUT}")
    rows, named = [], set()
    for start, fields in cells:
        if len(fields) != len(header):
            message = f"the row has {len(fields)} fields where the header has {len(header)}: separate them by tabs"
            logs["train"].add(start, None, "bad_row", message)
            continue
        given = dict(zip(header, fields, strict=True))
        named.add(_path(place, given["image"]))
        if row := _row(place, start, given, logs):
            rows.append(row)
    return Table(_without_duplicates(rows, logs), named, notes)


def without_row(place: Place, named: set[Path]) -> list[Problem]:
    """Volumes on disk that the table does not name, at most ten of them by name."""
    found = [
        path
        for path in sorted(place.root.rglob("*"))
        if path.name.lower().endswith(SUFFIXES) and path not in named and not _aside(path.relative_to(place.root))
    ]
    return unused(place, found, f"row in {TABLE}")


def _aside(path: Path) -> bool:
    return path.parts[0] in ASIDE or any(part.startswith(".") for part in path.parts)


def _decode(table: Path) -> tuple[str, list[str]]:
    try:
        content = table.read_bytes()
    except OSError as error:
        raise BadInput("unreadable", f"{table} cannot be opened ({error.strerror}): check its permissions") from error
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("latin-1"), [f"{table.name} is not UTF-8 and was read as Latin-1"]


def _header(table: Path, fields: list[str]) -> list[str]:
    names = [field.strip().lower() for field in fields]
    missing = [name for name in REQUIRED if names.count(name) != 1]
    if missing:
        found = ", ".join(f"'{field.strip()[:40]}'" for field in fields[:8])
        raise BadInput(
            "missing_column",
            f"{table} lacks {', '.join(missing)} (once) in its first line, which has {found}: {LAYOUT}",
        )
    return names


def _path(place: Place, name: str) -> Path:
    # A name with a NUL is that of no file.
    return Path(os.path.abspath(place.root / name.replace("\0", "?")))


def _row(place: Place, line: int, cells: dict[str, str], logs: dict[str, Log]) -> Row | None:
    """A checked row, or None and one sentence in the log."""
    name, label, split = cells["image"], cells["label"].lower(), cells["split"].lower()
    path = _path(place, name)
    problem = None
    if name in EMPTY:
        name, problem = None, ("missing_name", "the row names no image: write the path of its file")
    elif not path.is_relative_to(place.root) or path == place.root:
        problem = ("outside_root", "the path leads out of the data set: write it relative to the table")
    elif split not in SPLITS:
        problem = ("unknown_split", f"there is no split '{cells['split']}': write train, val or test")
    elif cells["subject"] in EMPTY:
        problem = ("missing_subject", "the row names no subject: write one, since splits are made by subject")
    elif label not in LABELS:
        problem = ("unknown_label", f"there is no label '{cells['label']}': write clean or artifact")
    if problem:
        logs.get(split, logs["train"]).add(line, name, *problem)
        return None
    optional = ["" if cells.get(column, "") in EMPTY else cells[column] for column in OPTIONAL]
    return Row(line, path, name, cells["subject"], split, LABELS[label], *optional)


def _without_duplicates(rows: list[Row], logs: dict[str, Log]) -> list[Row]:
    """The first of equal rows of an image; none of rows that contradict each other."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.path].append(row)
    kept = []
    for group in groups.values():
        lines = " and ".join(str(row.line) for row in group)
        if len({row.said for row in group}) > 1:
            for row in group:
                message = f"lines {lines} say different things of this image, so all are left out: keep the right one"
                logs[row.split].add(row.line, row.image, "conflicting_rows", message)
            continue
        kept.append(group[0])
        for row in group[1:]:
            message = f"the image stands in lines {lines} alike and is used once: delete the others"
            logs[row.split].add(row.line, row.image, "duplicate_row", message, "warning")
    return sorted(kept, key=lambda row: row.line)
