"""Brain MRI: a folder of volumes with ``scans.tsv`` becomes checked records.

The table (tab separated) names for every scan ``image`` (path below the folder), ``subject``, ``split`` and ``label``
(clean | artifact), optionally ``artifact_type`` and ``contrast``. A row that cannot be used becomes a ``Problem`` with
file and line and the rest goes on; what leaves a split unusable raises ``BadInput``.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xiqa.data.files.volumes import SUFFIXES, load_volume
from xiqa.data.geometry import Geometry, Volume, geometry, preprocess
from xiqa.data.names import SPLITS
from xiqa.data.records.rows import Log
from xiqa.data.records.scans import TABLE, Row, locate, read_table, without_row
from xiqa.data.records.splits import Split, check_classes, in_threads, leave_out_copies
from xiqa.errors import BadInput, Problem

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
# Where no validation split is given, so many of the training subjects of either kind, one in eight, make it.
VALIDATION_SHARE = 8
VALIDATION_SEED = 0
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
    """Read train, validation and test split; every volume is decoded, so that a damaged one is found now.

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
    for row, found in zip(rows, in_threads(lambda row: _look(row, use), rows), strict=True):
        if isinstance(found, BadInput):
            logs[row.split].add(row.line, None, found.reason, found.message)
            continue
        for note in found:
            reason, _, message = note.partition(": ")
            logs[row.split].add(row.line, row.image, reason, message, "warning")
        dataset[row.split].records.append(_record(row))
    for log in logs.values():
        log.problems.sort(key=lambda problem: (problem.line, problem.reason))
    dataset["train"].problems += without_row(place, table.named)
    if not any(row.split == "val" for row in rows) and not dataset["val"].problems:
        _draw_validation(dataset)
    _leave_out_subjects(dataset)
    leave_out_copies(dataset)
    for split in dataset.values():
        check_classes(split, "artifacts")
    return dataset


def _record(row: Row) -> Record:
    return Record(row.path, row.subject, row.label, row.artifact_type, row.contrast, row.image)


def _look(row: Row, use: Use | None) -> list[str] | BadInput:
    """Notes of a volume, or what is wrong with it."""
    try:
        volume = load_volume(row.path)
        if use is not None:
            use(row.path, volume)
    except BadInput as error:
        return error
    return volume.notes


def _draw_validation(dataset: dict[str, Split]) -> None:
    """Take a validation split out of train by subject; the same subjects however the table is sorted."""
    train, val = dataset["train"], dataset["val"]
    worst = defaultdict(int)
    for record in train:
        worst[record.subject] = max(worst[record.subject], record.label)
    generator = np.random.default_rng(VALIDATION_SEED)
    drawn = set()
    for label in (0, 1):
        subjects = sorted(subject for subject, worse in worst.items() if worse == label)
        count = max(len(subjects) // VALIDATION_SHARE, int(len(subjects) > 1))
        drawn |= (
            {subjects[index] for index in generator.choice(len(subjects), count, replace=False)} if count else set()
        )
    val.records = [record for record in train if record.subject in drawn]
    train.records = [record for record in train if record.subject not in drawn]
    val.notes.append(
        f"no validation split in {TABLE}: {len(val)} scans of {len(drawn)} subjects drawn from train "
        f"(seed {VALIDATION_SEED})"
    )


def _leave_out_subjects(dataset: dict[str, Split]) -> None:
    """Leave the scans of a subject out of a split if the subject also stands in a later one."""
    later: dict[str, str] = {}
    for name in reversed(SPLITS):
        split, kept = dataset[name], []
        for record in split:
            if _key(record) not in later:
                kept.append(record)
                continue
            message = (
                f"{record.name} is of subject {record.subject}, who is also in {later[_key(record)]}, and is left out "
                f"of {name}: keep each subject in one split only"
            )
            split.problems.append(Problem(record.path, None, "in_two_splits", message))
        split.records = kept
        later |= {_key(record): f"{name} ({record.name})" for record in reversed(kept)}


def _key(record: Record) -> str:
    # BIDS writes subjects with and without this beginning.
    return record.subject.removeprefix("sub-")
