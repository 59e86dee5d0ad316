"""Splits of a data set: records and problems, decoding in parallel, validation split, leaks, classes."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xiqa.data.names import SPLITS
from xiqa.data.records.tables import Log, below
from xiqa.errors import BadInput, Problem
from xiqa.store.digests import file_digest

# Where no validation split is given, one in eight of the training units of either class makes it.
VALIDATION_SHARE = 8
VALIDATION_SEED = 0
Use = Callable[[Path, Any], None]


@dataclass
class Split(Sequence):
    """Usable records of one split in the order of its table, and the problems of the others."""

    root: Path
    split: str
    table: Path
    records: list = field(repr=False)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]


def decode(rows: Sequence, log: Callable[[Any], Log], load: Callable, use: Use | None = None) -> list[tuple]:
    """Rows whose ``path`` can be decoded by ``load``, each with shape and notes; ``log`` of a row gets its error."""

    def attempt(row) -> tuple[tuple[int, ...], list[str]] | BadInput:
        try:
            content = load(row.path)
            if use is not None:
                use(row.path, content)
        except BadInput as error:
            return error
        return content.array.shape, content.notes

    # Decoders run without Python's lock; more threads than that only take memory.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        outcomes = list(pool.map(attempt, rows))
    decoded = []
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, BadInput):
            log(row).add(row.line, None, outcome.reason, outcome.message)
        else:
            decoded.append((row, *outcome))
    return decoded


def checked_split(log: Log, split: str, records: list, total: int, notes: list[str], images: list[tuple]) -> Split:
    """The split of a table of ``total`` rows, each kind of note of its ``images`` once; refused where it is empty."""
    log.problems.sort(key=lambda problem: (problem.line, problem.reason))
    if not records:
        why = f", first of all {log.problems[0].message}" if log.problems else ""
        raise BadInput("empty_split", f"{log.place.table} leaves no usable image of {total} rows{why}")
    kinds = Counter(note.partition(" (")[0] for _, _, phrases in images for note in phrases)
    notes += [f"{count} image{'s' * (count > 1)}: {kind}" for kind, count in sorted(kinds.items())]
    return Split(log.place.root, split, log.place.table, records, log.problems, notes)


def draw_validation(train: Split, unit: str, most: int | None = None) -> Split:
    """Take a validation split out of train: an eighth of the units of either class, drawn with a fixed seed.

    ``unit`` is the attribute of the records that names their independent unit, ``most`` the largest number of units of
    a class. A unit is positive if one of its records is. The same units are drawn however the table is sorted.
    """
    labels: dict[str, int] = {}
    for record in train:
        name = getattr(record, unit)
        labels[name] = max(labels.get(name, 0), record.label)
    generator, drawn = np.random.default_rng(VALIDATION_SEED), set()
    for label in (0, 1):
        names = sorted(name for name in labels if labels[name] == label)
        count = max(len(names) // VALIDATION_SHARE, int(len(names) > 1))
        chosen = generator.choice(len(names), min(count, most or count), replace=False) if names else []
        drawn |= {names[index] for index in chosen}
    records = [record for record in train if getattr(record, unit) in drawn]
    train.records = [record for record in train if getattr(record, unit) not in drawn]
    units = "" if unit == "name" else f" of {len(drawn)} {unit}s"
    note = f"no validation split in this folder: {len(records)} images{units} drawn from train (seed {VALIDATION_SEED})"
    return Split(train.root, "val", train.table, records, notes=[note])


def leave_out_copies(dataset: dict[str, Split]) -> None:
    """Leave an image out whose content also stands in a later split."""
    paths = [record.path for split in dataset.values() for record in split]
    # Only files of equal size can be equal: nearly all need not be read.
    sizes = Counter(path.stat().st_size for path in paths)
    digests = {path: file_digest(path) for path in paths if sizes[path.stat().st_size] > 1}
    _leave_out(dataset, lambda record: digests.get(record.path), "in_two_splits", "is the same image as", "it")


def leave_out_units(dataset: dict[str, Split], key: Callable[[Any], str], unit: str, reason: str) -> None:
    """Leave records out whose unit (``key`` of a record; patient, subject) also stands in a later split."""
    _leave_out(dataset, key, reason, f"is of the same {unit} as", f"a {unit}")


def _leave_out(dataset: dict[str, Split], key: Callable[[Any], str | None], reason: str, same: str, what: str) -> None:
    later: dict[str, str] = {}
    for name in reversed(SPLITS):
        split, here, kept = dataset[name], {}, []
        for record in split:
            value, path = key(record), below(split.root, record.path)
            if value in later:
                message = f"{path} {same} {later[value]} and is left out of {name}: keep {what} in one split only"
                split.problems.append(Problem(record.path, None, reason, message))
                continue
            kept.append(record)
            if value is not None:
                here.setdefault(value, f"{path} ({name})")
        split.records = kept
        later |= here


def check_classes(split: Split, what: str) -> None:
    """Refuse a split that lacks images with, or without, what the task is about."""
    if not split.records:
        why = f", last of all {split.problems[-1].message}" if split.problems else ""
        message = f"{split.table} leaves no usable image for the split '{split.split}'{why}: add images"
        raise BadInput("empty_split", message)
    if len({record.label for record in split}) < 2:
        left = f"no image {'without' if split[0].label else 'with'} {what} for the split '{split.split}'"
        counts = f"{len(split)} usable, {len(split.problems)} problems"
        raise BadInput("one_class", f"{split.table} leaves {left} ({counts}): both classes are needed")
