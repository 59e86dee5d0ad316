"""Brain MRI: a folder of volumes with ``scans.tsv`` becomes checked records.

The table (tab separated) names for every scan ``image`` (path below the folder), ``subject``, ``split`` and ``label``
(clean | artifact), optionally ``artifact_type`` and ``contrast``. A row that cannot be used becomes a ``Problem`` with
file and line and the rest goes on; what leaves a split unusable raises ``BadInput``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xiqa.data.files.volumes import SUFFIXES, load_volume
from xiqa.data.geometry import Geometry, Volume, geometry, preprocess
from xiqa.data.names import SPLITS
from xiqa.data.records.rows import Log
from xiqa.data.records.scans import Row, locate, read_table, without_row
from xiqa.data.records.splits import (
    Split,
    check_classes,
    draw_validation,
    in_threads,
    leave_out_copies,
    leave_out_units,
)
from xiqa.errors import BadInput

__all__ = [
    "SUFFIXES",
    "Geometry",
    "Record",
    "Split",
    "Volume",
    "geometry",
    "load_volume",
    "preprocess",
    "read_dataset",
]
Use = Callable[[Path, Volume], None]


@dataclass(frozen=True)
class Record:
    """One scan.

    Attributes
    ----------
    path : the volume's file.
    subject : who was scanned; the independent unit.
    label : 1 with an artifact, 0 clean.
    artifact_type, contrast, name : as they stand in the table; empty where it does not say.
    """

    path: Path
    subject: str
    label: int
    artifact_type: str
    contrast: str
    name: str


def read_dataset(root: str | Path, use: Use | None = None) -> dict[str, Split]:
    """Read train, validation and test split; every volume is decoded, so that damage is detected now.

    What concerns no split, such as a row whose split is unknown or a file without a row, stands in train's problems.

    Without a validation split an eighth of the training subjects, of those with and of those without artifacts, is
    drawn with a fixed seed. A subject, or a file of the same content, that stands in two splits is left out of the
    earlier one of train, val, test.

    Parameters
    ----------
    root : folder with ``scans.tsv``.
    use : called with path and ``Volume`` of every decoded scan, from several threads, so that nobody needs to decode
        it again; also for scans that turn out to be left out. An error of kind ``BadInput`` in it is the scan's.

    Raises
    ------
    BadInput
        ``missing``, ``not_a_directory``, ``missing_table``, ``unreadable``, ``empty_table``, ``missing_column``,
        ``bad_table``, ``missing_split`` (train or test), ``empty_split``, ``one_class``.
    """
    place = locate(root)
    logs = {split: Log(place) for split in SPLITS}
    table = read_table(place, logs)
    rows = table.rows
    for split in ("train", "test"):
        if not any(row.split == split for row in rows):
            first = [problem.message for log in logs.values() for problem in log.problems][:1]
            why = f"; first problem: {first[0]}" if first else ""
            raise BadInput("missing_split", f"{place.table} has no usable row of the split '{split}': add some{why}")
    dataset = {split: Split(place.root, split, place.table, [], log.problems) for split, log in logs.items()}
    dataset["train"].notes += table.notes
    for row, notes in zip(rows, in_threads(lambda row: _look(row, use), rows), strict=True):
        if isinstance(notes, BadInput):
            logs[row.split].add(row.line, None, notes.reason, notes.message)
            continue
        for note in notes:
            reason, _, message = note.partition(": ")
            logs[row.split].add(row.line, row.name, reason, message, "warning")
        dataset[row.split].records.append(_record(row))
    for log in logs.values():
        log.problems.sort(key=lambda problem: (problem.line, problem.reason))
    dataset["train"].problems += without_row(place, table.named)
    if not any(row.split == "val" for row in rows) and not dataset["val"].problems:
        dataset["val"] = draw_validation(dataset["train"], "subject")
    leave_out_units(dataset, _key, "subject", "in_two_splits")
    leave_out_copies(dataset)
    for split in dataset.values():
        check_classes(split, "artifacts")
    return dataset


def _record(row: Row) -> Record:
    return Record(row.path, row.subject, row.label, row.artifact_type, row.contrast, row.name)


def _look(row: Row, use: Use | None) -> list[str] | BadInput:
    """Notes of a volume, or its error."""
    try:
        volume = load_volume(row.path)
        if use is not None:
            use(row.path, volume)
    except BadInput as error:
        return error
    return volume.notes


def _key(record: Record) -> str:
    # BIDS writes subjects with and without this beginning.
    return record.subject.removeprefix("sub-")
