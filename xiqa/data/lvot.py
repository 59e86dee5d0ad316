"""LVOT: the left ventricular outflow tract, a planning fault, on frames of four-chamber cardiac MR cines.

Layout: ``labels/{train,val,test}.txt`` with one ``<path> <0|1>`` a line (path below the data set's folder, 1: the tract
is visible), the frames, and masks of the same file name in ``{split}_segm/``. A line that cannot be used becomes a
``Problem`` with file and line and the rest goes on; what leaves a split unusable raises ``BadInput``. Frames of a
patient are not independent: the patient is the unit of every interval, and stands in one split only.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path

from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.names import IMAGE_SUFFIXES, SPLITS
from xiqa.data.records import splits
from xiqa.data.records.masks import THRESHOLD, find_masks, read_mask
from xiqa.data.records.patients import recognise
from xiqa.data.records.rows import pictures, unused, usable
from xiqa.data.records.splits import Split, Use
from xiqa.data.records.tables import Log, Place, Row, below, checked_root, decoded
from xiqa.errors import BadInput, Problem

# The data set's own validation split has 69 of 690 patients (P); so has, at most, the one drawn where there is none.
VALIDATION_PATIENTS = 69


@dataclass(frozen=True)
class Record:
    """One frame; ``name`` is its path as it stands in the list, ``width`` and ``height`` are those of the image."""

    path: Path
    label: int  # 1 where the outflow tract is visible, else 0
    patient: str
    mask: Path | None  # of a frame of label 1 with a mask that is not empty
    width: int
    height: int
    name: str


def read_dataset(root: str | Path, use: Use | None = None) -> dict[str, Split]:
    """Read train, validation and test split.

    ``use`` is called with path and ``Radiograph`` of every decoded frame, from several threads, so that nobody needs to
    decode it again; also for frames whose line turns out to be unusable.

    Without a validation split an eighth of the patients with, and of those without, a visible tract (at most 69 in all)
    are drawn from train with a fixed seed. A frame whose content stands in two splits is left out of the earlier one of
    train, val, test, and so are all frames there of a patient who stands in two. Frames that no list names are problems
    of ``train``.

    Raises ``BadInput``: ``missing``, ``not_a_directory``, ``missing_table``, ``unreadable``, ``empty_split``, and
    ``one_class`` where a split lacks frames with, or without, the outflow tract.
    """
    root = checked_root(root)
    places = {split: Place(root, root / "labels" / f"{split}.txt", root) for split in SPLITS}
    if not places["val"].table.is_file():
        del places["val"]
    lists = {split: _rows(place) for split, place in places.items()}
    names = {split: [row.name for row in rows] for split, (rows, _, _) in lists.items()}
    dataset = {split: _read(split, *lists[split], use) for split in lists}
    how, patient = recognise(names)
    for split in dataset.values():
        split.records = [replace(record, patient=patient(record.name)) for record in split]
    if "val" not in dataset:
        dataset["val"] = splits.draw_validation(dataset["train"], "patient", VALIDATION_PATIENTS // 2)
    dataset = {split: dataset[split] for split in SPLITS}
    splits.leave_out_copies(dataset)
    splits.leave_out_units(dataset, lambda record: record.patient, "patient", "patient_in_two_splits")
    dataset["train"].problems += _without_line(root, {row.path for rows, _, _ in lists.values() for row in rows})
    for split in dataset.values():
        splits.check_classes(split, "the outflow tract")
        count = len({record.patient for record in split})
        split.notes.append(f"{count} patient{'s' * (count > 1)} in {len(split)} images, recognised by {how}")
    return dataset


def _rows(place: Place) -> tuple[list[Row], Log, list[str]]:
    """Rows of a list (the label as annotation), the log of its damaged lines, and notes."""
    if not place.table.is_file():
        split = place.table.stem
        message = f"{place.table} does not exist: list the frames of '{split}' there, '<path> <0|1>' a line"
        raise BadInput("missing_table", message)
    text, notes = decoded(place.table)
    rows, log = [], Log(place)
    # Universal newlines: the lists may come from any system.
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        # A path may hold spaces, so the label is the last field.
        *path, label = line.strip().rsplit(None, 1)
        if label in ("0", "1") and path:
            rows.append(Row(number, path[0], label, place.image(path[0])))
        elif path and Path(label).suffix.lower() not in IMAGE_SUFFIXES:
            message = f"{path[0]}: the label is '{label[:40]}': write 0 or 1 (1: the outflow tract is visible)"
            log.add(number, None, "bad_label", message)
        else:
            message = f"'{line.strip()[:80]}' has no label: write the path, a space, and 0 or 1"
            log.add(number, None, "missing_label", message)
    if not rows + log.problems:
        message = f"{place.table} is empty: write '<path> <0|1>' for every frame of '{place.table.stem}'"
        raise BadInput("empty_split", message)
    return rows, log, notes


def _read(split: str, rows: list[Row], log: Log, notes: list[str], use: Use | None) -> Split:
    """The frames of a list, without their patients."""
    root, total = log.place.root, len(rows) + len(log.problems)
    rows = usable(rows, log)
    images = splits.decode(rows, lambda _: log, load_radiograph, use)
    folder = root / f"{split}_segm"
    masks, claimed = find_masks(folder, [row.path.relative_to(root) for row in rows])
    mask_of = {row: None if mask in claimed else mask for row, mask in zip(rows, masks, strict=True)}
    records = []
    for row, (height, width), _ in images:
        try:
            mask = _checked_mask(row, mask_of[row], height, width, log, folder.is_dir())
        except BadInput as error:
            log.add(row.line, row.name, error.reason, error.message)
            continue
        records.append(Record(row.path, int(row.annotation), "", mask, width, height, row.name))
    if not folder.is_dir():
        notes.append(f"no masks (there is no folder {folder.name}): the pointing game cannot be played on these frames")
    checked = splits.checked_split(log, split, records, total, notes, images)
    for path in sorted(claimed):
        where = f"{below(root, path)} bears the name of several images and is used for none"
        message = f"{where}: lay masks in the folders of their images"
        checked.problems.append(Problem(path, None, "ambiguous_mask", message, "warning"))
    return checked


def _checked_mask(row: Row, mask: Path | None, height: int, width: int, log: Log, expected: bool) -> Path | None:
    """The mask of a frame that shows the tract, or None, with a warning where one is missing; refuses another size."""
    positive = row.annotation == "1"
    if mask is None:
        if positive and expected:
            folder = f"{log.place.table.stem}_segm"
            message = f"no mask in {folder}: the frame is used, but not in the pointing game; add one"
            log.add(row.line, row.name, "no_mask", message, "warning")
        return None
    try:
        pixels, brightest = read_mask(mask)
    except BadInput as error:
        message = f"its mask cannot be used ({error.message}); the frame is kept without it"
        log.add(row.line, row.name, "bad_mask", message, "warning")
        return None
    if pixels.shape != (height, width):
        sizes = f"{pixels.shape[1]} x {pixels.shape[0]} pixels and the image {width} x {height}"
        raise BadInput("mask_size", f"its mask {mask} has {sizes}: give the mask of this image, at its size")
    empty = brightest <= THRESHOLD
    if positive and empty:
        why = f"no value above {THRESHOLD}, the largest is {brightest}"
        message = f"its mask {mask} is empty ({why}): check it, or the label"
        log.add(row.line, row.name, "empty_mask", message, "warning")
    elif not positive and not empty:
        message = f"its mask {mask} is not empty although the label is 0: the mask is not used, check both"
        log.add(row.line, row.name, "unexpected_mask", message, "warning")
    return mask if positive and not empty else None


def _without_line(root: Path, named: set[Path | None]) -> list[Problem]:
    """Images in the data set's folder that stand in no list; masks and what lies in ``derivatives`` are none."""
    folders = {path: path.relative_to(root).parts[:-1] for path in pictures(root) if path not in named}
    masks = {path for path, parts in folders.items() if any(part.endswith("_segm") for part in parts)}
    paths = [path for path, parts in folders.items() if path not in masks and "derivatives" not in parts]
    return unused(Place(root, root / "labels", root), paths, "line in labels/")
