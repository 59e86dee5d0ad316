"""Object-CXR: foreign objects on chest radiographs. A folder on disk becomes checked records.

Three layouts are read (``xiqa.data.records.tables.LAYOUTS``). A row that cannot be used becomes a ``Problem`` with
file and line and the rest goes on; what leaves a split unusable raises ``BadInput``.
"""

from dataclasses import dataclass
from pathlib import Path

from xiqa.data.files.pictures import Radiograph
from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.names import SPLITS
from xiqa.data.records import splits
from xiqa.data.records.rows import pictures, unused, usable
from xiqa.data.records.splits import Split, Use
from xiqa.data.records.tables import TABLES, Log, Place, Row, below, locate, missing_table, read_table
from xiqa.data.shapes import Shape, parse_annotation
from xiqa.errors import BadInput, Problem

__all__ = [
    "Radiograph",
    "Record",
    "Shape",
    "Split",
    "load_radiograph",
    "parse_annotation",
    "read_dataset",
    "read_split",
]
# The data set's own validation split has 500 images of each class; so has the one drawn where there is none.
VALIDATION_PER_CLASS = 500


@dataclass(frozen=True)
class Record:
    """One radiograph with its annotation; ``name`` and ``annotation`` as they stand in the table."""

    path: Path
    shapes: tuple[Shape, ...]  # in pixels of the image as it is shown, also where they reach beyond it
    label: int  # 1 with an object, else 0
    name: str
    annotation: str
    width: int
    height: int


def read_split(root: str | Path, split: str, use: Use | None = None) -> Split:
    """Read and check one split, ``train``, ``val`` (or ``dev``) or ``test``, of a data set in one of the three layouts.

    ``use`` is called with path and ``Radiograph`` of every decoded image, from several threads, so that nobody needs to
    decode it again; also for images whose row turns out to be unusable.

    Raises ``BadInput``: ``unknown_split``, ``missing``, ``not_a_directory``, ``unknown_layout``, ``missing_table``,
    ``missing_column``, ``bad_table``, ``unreadable``, ``empty_split``.
    """
    split = "val" if split == "dev" else split
    if split not in SPLITS:
        raise BadInput("unknown_split", f"there is no split '{split}': choose train, val (or dev) or test")
    place = locate(root, split)
    if place is None:
        raise missing_table(root, split)
    return _read(place, split, use)


def read_dataset(root: str | Path, use: Use | None = None) -> dict[str, Split]:
    """Read train, validation and test split; ``use`` and errors as in ``read_split``.

    Without a test split (the public torrent has none) the validation split becomes the test split. Without a validation
    split, 500 images of each class, at most an eighth of the class, are drawn from train with a fixed seed. An image
    whose content stands in two splits is left out of the earlier one of train, val, test. Raises ``BadInput`` also with
    ``one_class`` where a split lacks images with, or without, objects.
    """
    places = {split: locate(root, split) for split in SPLITS}
    promoted = places["test"] is None and places["val"] is not None
    if promoted:
        places["test"], places["val"] = places["val"], None
    for split in ("train", "test"):
        if places[split] is None:
            raise missing_table(root, split)
    dataset = {split: _read(place, split, use) for split, place in places.items() if place is not None}
    if promoted:
        dataset["test"].notes.append(f"no test split in this folder: {dataset['test'].table.name} serves as test split")
    if "val" not in dataset:
        dataset["val"] = splits.draw_validation(dataset["train"], "name", VALIDATION_PER_CLASS)
    dataset = {split: dataset[split] for split in SPLITS}
    splits.leave_out_copies(dataset)
    for split in dataset.values():
        splits.check_classes(split, "foreign objects")
    return dataset


def _read(place: Place, split: str, use: Use | None) -> Split:
    rows, log, notes = read_table(place)
    total = len(rows) + len(log.problems)
    orphans = _without_row(place, {row.path for row in rows})
    shapes_of = {}
    for row in usable(rows, log):
        try:
            shapes_of[row] = tuple(parse_annotation(row.annotation))
        except BadInput as error:
            log.add(row.line, row.name, error.reason, error.message)
    images, records = splits.decode(list(shapes_of), lambda _: log, load_radiograph, use), []
    for row, (height, width), _ in images:
        shapes = shapes_of[row]
        if _fits(row, shapes, height, width, log):
            records.append(Record(row.path, shapes, int(bool(shapes)), row.name, row.annotation, width, height))
    checked = splits.checked_split(log, split, records, total, notes, images)
    checked.problems += orphans
    return checked


def _fits(row: Row, shapes: tuple[Shape, ...], height: int, width: int, log: Log) -> bool:
    """Whether every shape has at least a part in the image; a shape that reaches beyond it is a warning."""
    for number, shape in enumerate(shapes, 1):
        x1, y1, x2, y2 = shape.box
        what = f"object {number} with the box {x1:g} {y1:g} {x2:g} {y2:g}"
        if x2 < 0 or y2 < 0 or x1 > width - 1 or y1 > height - 1:
            message = f"{what} lies outside the image of {width} x {height} pixels: write pixels of this file"
            log.add(row.line, row.name, "outside_image", message)
            return False
        # An edge drawn at the outer border of the last pixel is no problem.
        if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
            message = f"{what} reaches beyond the image of {width} x {height} pixels and is cut off there: check it"
            log.add(row.line, row.name, "partly_outside", message, "warning")
    return True


def _without_row(place: Place, named: set[Path | None]) -> list[Problem]:
    """Images in a folder that belongs to this split alone, and that its table does not name."""
    beside = [name for names in TABLES.values() for name in names if (place.table.parent / name).is_file()]
    if place.images == place.table.parent or (place.images.name == "images" and len(beside) > 1):
        return []
    paths = [path for path in pictures(place.images) if path not in named]
    return unused(place, paths, f"row in {below(place.root, place.table)}")
