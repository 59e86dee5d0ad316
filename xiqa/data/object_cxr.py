"""Object-CXR: foreign objects on chest radiographs. A folder on disk becomes checked records.

Three layouts are read (``xiqa.data.tables.LAYOUTS``). A row that cannot be used becomes a ``Problem`` with file and
line and the rest goes on; what leaves a split unusable raises ``BadInput``.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xiqa.data.bad_input import BadInput, Problem
from xiqa.data.checks import Log, below, fits, is_named, parsed, without_duplicates, without_row
from xiqa.data.images import load_radiograph, radiograph_size
from xiqa.data.shapes import Shape, annotation_text, parse_annotation
from xiqa.data.tables import SPLITS, Place, expected_tables, locate, read_table, split_name
from xiqa.runner.fingerprints import file_digest

__all__ = ["Record", "Shape", "Split", "annotation_text", "parse_annotation", "read_dataset", "read_split"]

# The data set's own validation split has 500 images of each class; so has the one drawn where there is none.
VALIDATION_PER_CLASS = 500
VALIDATION_SHARE = 8
VALIDATION_SEED = 0

Use = Callable[[Path, NDArray[np.float32]], None]


@dataclass(frozen=True)
class Record:
    """One radiograph with its annotation.

    Attributes
    ----------
    path : the image file.
    shapes : annotated objects in pixels of the image; parts outside the image are kept here and cut off by masks.
    label : 1 where there is an object, else 0.
    name, annotation : as they stand in the table.
    width, height : of the image in pixels, as it is shown.

    """

    path: Path
    shapes: tuple[Shape, ...]
    label: int
    name: str
    annotation: str
    width: int
    height: int


@dataclass
class Split(Sequence):
    """Usable records of one split in the order of its table, and what was found wrong with the others."""

    root: Path
    split: str
    table: Path
    records: list[Record] = field(repr=False)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of all records, (N,)."""
        return np.array([record.label for record in self.records], dtype=np.int64)


def read_split(root: str | Path, split: str, decode: bool = True, use: Use | None = None) -> Split:
    """Read and check one split.

    Parameters
    ----------
    root : folder of the data set, in one of the three layouts.
    split : ``train``, ``val`` (or ``dev``) or ``test``.
    decode : decode every image, so that a damaged one is found now; otherwise only its header is read.
    use : called with path and array (float32 (H, W) in [0, 1]) of every decoded image, from several threads, so that
        nobody needs to decode it again; also for images whose row turns out to be unusable.

    Raises
    ------
    BadInput
        ``unknown_split``, ``missing``, ``not_a_directory``, ``unknown_layout``, ``missing_table``, ``missing_column``,
        ``bad_table``, ``unreadable``, ``empty_split``.

    """
    split = split_name(split)
    place = locate(root, split)
    if place is None:
        raise BadInput(
            "missing_table", f"{root} has no table of the split '{split}': add {expected_tables(split)}, with images"
        )
    return _read(place, split, decode, use)


def read_dataset(root: str | Path, decode: bool = True, use: Use | None = None) -> dict[str, Split]:
    """Read train, validation and test split; parameters as in ``read_split``.

    Without a test split (the public torrent has none) the validation split becomes the test split. Without a validation
    split, 500 images of each class, at most an eighth of the class, are drawn from train with a fixed seed. An image
    whose content stands in two splits is left out of the earlier one of train, val, test.

    Raises
    ------
    BadInput
        As ``read_split``, and ``one_class`` where a split lacks images with, or without, objects.

    """
    places = {split: locate(root, split) for split in SPLITS}
    promoted = places["test"] is None and places["val"] is not None
    if promoted:
        places["test"], places["val"] = places["val"], None
    for split in ("train", "test"):
        if places[split] is None:
            raise BadInput(
                "missing_table", f"{root} has no table of the split '{split}': add {expected_tables(split)}, and images"
            )
    dataset = {split: _read(place, split, decode, use) for split, place in places.items() if place is not None}
    if promoted:
        dataset["test"].notes.append(f"no test split in this folder: {dataset['test'].table.name} serves as test split")
    if "val" not in dataset:
        dataset["val"] = _draw_validation(dataset["train"])
    dataset = {split: dataset[split] for split in SPLITS}
    _leave_out_leaks(dataset)
    for split in dataset.values():
        _check_classes(split)
    return dataset


def _read(place: Place, split: str, decode: bool, use: Use | None) -> Split:
    rows, damaged, notes = read_table(place.table)
    total = len(rows) + len(damaged)
    log = Log(place)
    for line, message in damaged:
        log.add(line, None, "bad_row", message)
    paths = {row.line: place.image(row.name) for row in rows}
    orphans = without_row(place, set(paths.values()))
    rows = parsed(without_duplicates([row for row in rows if is_named(row, paths, log)], paths, log), log)
    seen = _inspect([paths[row.line] for row, _ in rows], decode, use)
    records = []
    for (row, shapes), found in zip(rows, seen, strict=True):
        if isinstance(found, BadInput):
            log.add(row.line, None, found.reason, found.message)
        elif fits(row, shapes, *found[:2], log):
            height, width, _ = found
            path = paths[row.line]
            records.append(Record(path, tuple(shapes), int(bool(shapes)), row.name, row.annotation, width, height))
    problems = sorted(log.problems, key=lambda problem: (problem.line, problem.reason)) + orphans
    if not records:
        why = f", first of all {problems[0].message}" if log.problems else ""
        raise BadInput("empty_split", f"{place.table} leaves no usable image of {total} rows{why}")
    notes += _gathered(found[2] for found in seen if not isinstance(found, BadInput))
    return Split(place.root, split, place.table, records, problems, notes)


def _inspect(paths: list[Path], decode: bool, use: Use | None) -> list[tuple[int, int, list[str]] | BadInput]:
    """(height, width, notes) of each image, or what is wrong with it."""

    def look(path: Path) -> tuple[int, int, list[str]] | BadInput:
        try:
            if not decode:
                return *radiograph_size(path), []
            radiograph = load_radiograph(path)
        except BadInput as error:
            return error
        if use is not None:
            use(path, radiograph.array)
        return *radiograph.array.shape, radiograph.notes

    # Pillow decodes and resizes without Python's lock. More threads than that only take memory.
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        return list(pool.map(look, paths))
    finally:
        pool.shutdown(cancel_futures=True)


def _gathered(notes: Iterable[list[str]]) -> list[str]:
    """Notes of many images, each kind once with its count."""
    kinds = Counter(note.partition(" (")[0] for each in notes for note in each)
    return [f"{count} image{'s' * (count > 1)}: {kind}" for kind, count in sorted(kinds.items())]


def _draw_validation(train: Split) -> Split:
    """Take a validation split out of train; the same images however the table is sorted."""
    generator = np.random.default_rng(VALIDATION_SEED)
    drawn = set()
    for label in (0, 1):
        names = sorted(record.name for record in train if record.label == label)
        count = min(VALIDATION_PER_CLASS, max(len(names) // VALIDATION_SHARE, int(len(names) > 1)))
        drawn |= {names[index] for index in generator.choice(len(names), count, replace=False)} if names else set()
    records = [record for record in train if record.name in drawn]
    train.records = [record for record in train if record.name not in drawn]
    note = f"no validation split in this folder: {len(records)} images drawn from train (seed {VALIDATION_SEED})"
    return Split(train.root, "val", train.table, records, notes=[note])


def _leave_out_leaks(dataset: dict[str, Split]) -> None:
    """Leave an image out whose content also stands in a later split."""
    # Only files of equal size can be equal: nearly all need not be read.
    sizes = Counter(record.path.stat().st_size for split in dataset.values() for record in split)
    later: dict[str, str] = {}
    for name in reversed(SPLITS):
        split, here, kept = dataset[name], {}, []
        for record in split:
            content = file_digest(record.path) if sizes[record.path.stat().st_size] > 1 else None
            if content in later:
                message = (
                    f"{below(split.root, record.path)} is the same image as {later[content]} "
                    f"and is left out of {name}: keep it in one split only"
                )
                split.problems.append(Problem(record.path, None, "in_two_splits", message, "error"))
                continue
            kept.append(record)
            if content:
                here[content] = f"{below(split.root, record.path)} ({name})"
        split.records = kept
        later |= here


def _check_classes(split: Split) -> None:
    if not split.records:
        raise BadInput("empty_split", f"{split.table} leaves no usable image for the split '{split.split}': add images")
    if len(set(split.labels)) < 2:
        missing = "with" if split.labels[0] == 0 else "without"
        raise BadInput(
            "one_class",
            f"{split.table} leaves no image {missing} foreign objects for the split '{split.split}' "
            f"({len(split)} usable, {len(split.problems)} problems): both classes are needed",
        )
