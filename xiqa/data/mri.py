"""Brain MRI: a folder of volumes with ``scans.tsv`` becomes checked records.

The table (tab separated) names for every scan ``image`` (path below the folder), ``subject``, ``split`` and ``label``
(clean | artifact), optionally ``artifact_type`` and ``contrast``. A row that cannot be used becomes a ``Problem`` with
file and line and the rest goes on; what leaves a split unusable raises ``BadInput``.
"""

from pathlib import Path

from xiqa.data.files.volumes import SUFFIXES, load_volume
from xiqa.data.geometry import Geometry, Volume, geometry, preprocess
from xiqa.data.names import SPLITS
from xiqa.data.records import splits
from xiqa.data.records.scans import Record, locate, read_table, without_row
from xiqa.data.records.splits import Split, Use
from xiqa.data.records.tables import Log
from xiqa.errors import BadInput

__all__ = ["SUFFIXES", "Geometry", "Record", "Split", "Volume", "geometry", "load_volume", "preprocess", "read_dataset"]


def read_dataset(root: str | Path, use: Use | None = None) -> dict[str, Split]:
    """Read train, validation and test split from a folder with ``scans.tsv``; every volume is decoded.

    ``use`` is called with path and ``Volume`` of every scan, from several threads, so that nobody needs to decode it
    again; also for scans that turn out to be left out. A ``BadInput`` in it is the scan's problem. What concerns no
    split, such as a row whose split is unknown or a file without a row, stands in train's problems.

    Without a validation split an eighth of the training subjects, of those with and of those without artifacts, is
    drawn with a fixed seed. A subject, or a file of the same content, that stands in two splits is left out of the
    earlier one of train, val, test.

    Raises ``BadInput``: ``missing``, ``not_a_directory``, ``missing_table``, ``unreadable``, ``empty_table``,
    ``missing_column``, ``bad_table``, ``missing_split`` (train or test), ``empty_split``, ``one_class``.
    """
    place = locate(root)
    logs = {split: Log(place) for split in SPLITS}
    records, named, notes = read_table(place, logs)
    filled = {record.split for record in records}
    for split in ("train", "test"):
        if split not in filled:
            first = [problem.message for log in logs.values() for problem in log.problems][:1]
            why = f"; first problem: {first[0]}" if first else ""
            raise BadInput("missing_split", f"{place.table} has no usable row of the split '{split}': add some{why}")
    dataset = {split: Split(place.root, split, place.table, [], log.problems) for split, log in logs.items()}
    dataset["train"].notes += notes
    for record, _, phrases in splits.decode(records, lambda record: logs[record.split], load_volume, use):
        for note in phrases:
            reason, _, message = note.partition(": ")
            logs[record.split].add(record.line, record.name, reason, message, "warning")
        dataset[record.split].records.append(record)
    for log in logs.values():
        log.problems.sort(key=lambda problem: (problem.line, problem.reason))
    dataset["train"].problems += without_row(place, named)
    if "val" not in filled and not dataset["val"].problems:
        dataset["val"] = splits.draw_validation(dataset["train"], "subject")
    # BIDS writes subjects with and without this beginning.
    splits.leave_out_units(dataset, lambda record: record.subject.removeprefix("sub-"), "subject", "in_two_splits")
    splits.leave_out_copies(dataset)
    for split in dataset.values():
        splits.check_classes(split, "artifacts")
    return dataset
