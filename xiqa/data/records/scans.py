"""The table of a folder of brain scans, ``scans.tsv``: its place and its checked rows with line numbers."""

import os
from dataclasses import dataclass
from pathlib import Path

from xiqa.data.files.volumes import SUFFIXES
from xiqa.data.names import SPLITS
from xiqa.data.records.rows import unused, without_duplicates
from xiqa.data.records.tables import Log, Place, checked_root, decoded, fields_of, quoted
from xiqa.errors import BadInput, Problem

TABLE = "scans.tsv"
REQUIRED, OPTIONAL = ("image", "subject", "split", "label"), ("artifact_type", "contrast")
LABELS = {"clean": 0, "artifact": 1}
EMPTY = ("", "n/a")  # BIDS writes n/a
# Folders that BIDS keeps beside the scans of a data set.
ASIDE = ("derivatives", "sourcedata", "code")
LAYOUT = (
    "scans.tsv needs the columns image (path below this folder), subject, split (train, val, test) and label "
    "(clean, artifact), separated by tabs; artifact_type and contrast are optional"
)


@dataclass(frozen=True)
class Record:
    """One scan as its row in the table describes it; ``artifact_type`` and ``contrast`` are empty where it does not."""

    line: int  # where the row begins; the header is line 1
    path: Path
    name: str
    subject: str  # the independent unit
    split: str  # in the table; a drawn validation split consists of records of train
    label: int  # 1 with an artifact, 0 clean
    artifact_type: str
    contrast: str

    @property
    def content(self) -> tuple:
        """What rows of one image must agree on."""
        return self.subject, self.split, self.label, self.artifact_type, self.contrast


def locate(root: str | Path) -> Place:
    """The data set's folder and its table; raises ``BadInput``: ``missing``, ``not_a_directory``, ``missing_table``."""
    root = checked_root(root)
    if not (root / TABLE).is_file():
        raise BadInput("missing_table", f"{root} has no {TABLE}: write one; {LAYOUT}")
    return Place(root, root / TABLE, root)


def read_table(place: Place, logs: dict[str, Log]) -> tuple[list[Record], set[Path], list[str]]:
    """Usable rows in the order of the table, every path that it names, and notes.

    What is wrong with a row goes to its split's log, or to train's where it has no valid split. Raises ``BadInput``:
    ``unreadable``, ``empty_table``, ``missing_column``, ``bad_table`` (quotes that do not close).
    """
    text, notes = decoded(place.table)
    header, records, named, count = None, [], set(), 0
    for line, fields in fields_of(place.table, text, "\t"):
        if header is None:
            header = _header(place.table, fields)
            continue
        count += 1
        if len(fields) != len(header):
            message = f"the row has {len(fields)} fields where the header has {len(header)}: separate them by tabs"
            logs["train"].add(line, None, "bad_row", message)
            continue
        cells = dict(zip(header, fields, strict=True))
        # A name with a NUL is that of no file.
        path = Path(os.path.abspath(place.root / cells["image"].replace("\0", "?")))
        named.add(path)
        if record := _record(place, line, path, cells, logs):
            records.append(record)
    if not count:
        raise BadInput("empty_table", f"{place.table} has no rows: {LAYOUT}")
    return without_duplicates(records, lambda record: logs[record.split]), named, notes


def without_row(place: Place, named: set[Path]) -> list[Problem]:
    """Volumes on disk that the table does not name, at most ten of them by name."""
    volumes = [path for path in sorted(place.root.rglob("*")) if path.name.lower().endswith(SUFFIXES)]
    parts = {path: path.relative_to(place.root).parts for path in volumes if path not in named}
    paths = [path for path in parts if parts[path][0] not in ASIDE and not any(p[0] == "." for p in parts[path])]
    return unused(place, paths, f"row in {TABLE}")


def _header(table: Path, fields: list[str]) -> list[str]:
    names = [field.lower() for field in fields]
    missing = ", ".join(name for name in REQUIRED if names.count(name) != 1)
    if missing:
        message = f"{table} lacks {missing} (once) in its first line, which has {quoted(fields)}: {LAYOUT}"
        raise BadInput("missing_column", message)
    return names


def _record(place: Place, line: int, path: Path, cells: dict[str, str], logs: dict[str, Log]) -> Record | None:
    """A checked row, or None and one sentence in the log."""
    name, label, split = cells["image"], cells["label"].lower(), cells["split"].lower()
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
    return Record(line, path, name, cells["subject"], split, LABELS[label], *optional)
