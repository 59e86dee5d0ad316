"""Object-CXR: foreign objects on chest radiographs. A folder on disk becomes checked records.

Three layouts are read (``xiqa.data.records.tables.LAYOUTS``). A row that cannot be used becomes a ``Problem`` with
file and line and the rest goes on; what leaves a split unusable raises ``BadInput``.
"""

from dataclasses import dataclass
from pathlib import Path

from xiqa.data.files.pictures import Radiograph
from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.names import SPLITS
from xiqa.data.records.images import Use, look
from xiqa.data.records.rows import Log, fits, is_named, parsed, without_duplicates, without_row
from xiqa.data.records.splits import (
    Split,
    check_classes,
    check_left,
    draw_validation,
    gathered,
    in_threads,
    leave_out_copies,
)
from xiqa.data.records.tables import Place, expected_tables, locate, read_table, split_name
from xiqa.data.shapes import Shape, annotation_text, parse_annotation
from xiqa.errors import BadInput

__all__ = [
    "Radiograph",
    "Record",
    "Shape",
    "Split",
    "annotation_text",
    "load_radiograph",
    "parse_annotation",
    "read_dataset",
    "read_split",
]
# The data set's own validation split has 500 images of each class; so has the one drawn where there is none.
VALIDATION_PER_CLASS = 500


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


def read_split(root: str | Path, split: str, decode: bool = True, use: Use | None = None) -> Split:
    """Read and check one split.

    Parameters
    ----------
    root : folder of the data set, in one of the three layouts.
    split : ``train``, ``val`` (or ``dev``) or ``test``.
    decode : decode every image, so that damage is detected now; otherwise only its header is read.
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
        dataset["val"] = draw_validation(dataset["train"], "name", VALIDATION_PER_CLASS)
    dataset = {split: dataset[split] for split in SPLITS}
    leave_out_copies(dataset)
    for split in dataset.values():
        check_classes(split, "foreign objects")
    return dataset


def _read(place: Place, split: str, decode: bool, use: Use | None) -> Split:
    rows, damaged, notes = read_table(place.table)
    total = len(rows) + len(damaged)
    log = Log(place)
    for line, message in damaged:
        log.add(line, None, "bad_row", message)
    paths = {row.line: place.image(row.name) for row in rows}
    orphans = without_row(place, set(paths.values()))
    rows = [row for row in rows if is_named(row, paths, log)]
    rows = parsed(without_duplicates(rows, lambda row: paths[row.line], lambda _: log), log)
    seen = in_threads(lambda path: look(path, decode, use), [paths[row.line] for row, _ in rows])
    records = []
    for (row, shapes), image in zip(rows, seen, strict=True):
        if isinstance(image, BadInput):
            log.add(row.line, None, image.reason, image.message)
        elif fits(row, shapes, *image[:2], log):
            height, width, _ = image
            path = paths[row.line]
            records.append(Record(path, tuple(shapes), int(bool(shapes)), row.name, row.annotation, width, height))
    problems = sorted(log.problems, key=lambda problem: (problem.line, problem.reason)) + orphans
    check_left(place.table, records, total, problems if log.problems else [])
    notes += gathered(image[2] for image in seen if not isinstance(image, BadInput))
    return Split(place.root, split, place.table, records, problems, notes)
