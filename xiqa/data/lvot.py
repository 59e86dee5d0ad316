"""LVOT: the left ventricular outflow tract, a planning fault, on frames of four-chamber cardiac MR cines.

Layout: ``labels/{train,val,test}.txt`` with one ``<path> <0|1>`` a line (path below the data set's folder, 1: the tract
is visible), the frames, and masks of the same file name in ``{split}_segm/``. A line that cannot be used becomes a
``Problem`` with file and line and the rest goes on; what leaves a split unusable raises ``BadInput``. Frames of a
patient are not independent: the patient is the unit of every interval, and stands in one split only.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xiqa.data.names import IMAGE_SUFFIXES, SPLITS
from xiqa.data.records.images import Use, look
from xiqa.data.records.masks import THRESHOLD, find_masks, read_mask
from xiqa.data.records.patients import recognise
from xiqa.data.records.rows import Log, below, is_named, pictures, unused, without_duplicates
from xiqa.data.records.splits import (
    Split,
    check_classes,
    check_left,
    draw_validation,
    gathered,
    in_threads,
    leave_out_copies,
    leave_out_units,
)
from xiqa.data.records.tables import Place, Row, checked_root, decoded, split_name
from xiqa.errors import BadInput, Problem

__all__ = ["Record", "Split", "read_dataset", "read_split"]
# The data set's own validation split has 69 of 690 patients (P); so has, at most, the one drawn where there is none.
VALIDATION_PATIENTS = 69
Seen = tuple[int, int, list[str]] | BadInput
SeenMask = tuple[tuple[int, int], int] | BadInput | None  # (height, width) and largest value


@dataclass(frozen=True)
class Record:
    """One frame.

    Attributes
    ----------
    path : the image file.
    label : 1 where the outflow tract is visible, else 0.
    patient : whose frame it is.
    mask : the mask's file for a frame of label 1 with a mask that is not empty, else None.
    width, height : of the image in pixels, as it is shown.
    name : the path as it stands in the list.
    """

    path: Path
    label: int
    patient: str
    mask: Path | None
    width: int
    height: int
    name: str


def read_split(root: str | Path, split: str, use: Use | None = None) -> Split:
    """Read and check one split.

    Parameters
    ----------
    root : folder of the data set.
    split : ``train``, ``val`` (or ``dev``) or ``test``.
    use : called with path and array (float32 (H, W) in [0, 1]) of every decoded frame, from several threads, so that
        nobody needs to decode it again; also for frames whose line turns out to be unusable.

    Raises
    ------
    BadInput
        ``unknown_split``, ``missing``, ``not_a_directory``, ``missing_table``, ``unreadable``, ``empty_split``.
    """
    root, split = checked_root(root), split_name(split)
    listed = _listed(root)
    frames = _read(root, split, use)
    frames.problems += _without_line(root, listed)
    how = _name_patients({split: frames}, listed)
    _note_patients(frames, how)
    return frames


def read_dataset(root: str | Path, use: Use | None = None) -> dict[str, Split]:
    """Read train, validation and test split; parameters as in ``read_split``.

    Without a validation split an eighth of the patients with, and of those without, a visible tract (at most 69 in all)
    are drawn from train with a fixed seed. A frame whose content stands in two splits is left out of the earlier one of
    train, val, test, and so are all frames there of a patient who stands in two. Frames that no list names are problems
    of ``train``.

    Raises
    ------
    BadInput
        As ``read_split``, and ``one_class`` where a split lacks frames with, or without, the outflow tract.
    """
    root = checked_root(root)
    listed = _listed(root)
    dataset = {split: _read(root, split, use) for split in SPLITS if split != "val" or _list(root, split).is_file()}
    how = _name_patients(dataset, listed)
    if "val" not in dataset:
        dataset["val"] = draw_validation(dataset["train"], "patient", VALIDATION_PATIENTS // 2)
    dataset = {split: dataset[split] for split in SPLITS}
    leave_out_copies(dataset)
    leave_out_units(dataset, lambda record: record.patient, "patient", "patient_in_two_splits")
    dataset["train"].problems += _without_line(root, listed)
    for split in dataset.values():
        check_classes(split, "the outflow tract")
        _note_patients(split, how)
    return dataset


def _list(root: Path, split: str) -> Path:
    return root / "labels" / f"{split}.txt"


def _listed(root: Path) -> dict[str, list[str]]:
    """Names in the lists of all splits, whether or not they can be used."""
    lists = {split: _list(root, split) for split in SPLITS}
    return {split: [row.name for row in _rows(path)[0]] for split, path in lists.items() if path.is_file()}


def _rows(table: Path) -> tuple[list[Row], list[tuple[int, str, str]], list[str]]:
    """Rows of a list (the label as annotation), damaged lines as (line, reason, message), and notes."""
    text, notes = decoded(table)
    rows, damaged = [], []
    # Universal newlines: the lists may come from any system.
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        # A path may hold spaces, so the label is the last field.
        *path, label = line.strip().rsplit(None, 1)
        if label in ("0", "1") and path:
            rows.append(Row(number, path[0], label))
        elif path and Path(label).suffix.lower() not in IMAGE_SUFFIXES:
            message = f"{path[0]}: the label is '{label[:40]}': write 0 or 1 (1: the outflow tract is visible)"
            damaged.append((number, "bad_label", message))
        else:
            message = f"'{line.strip()[:80]}' has no label: write the path, a space, and 0 or 1"
            damaged.append((number, "missing_label", message))
    return rows, damaged, notes


def _read(root: Path, split: str, use: Use | None) -> Split:
    place = Place(root, _list(root, split), root)
    if not place.table.is_file():
        message = f"{place.table} does not exist: list the frames of '{split}' there, '<path> <0|1>' a line"
        raise BadInput("missing_table", message)
    rows, damaged, notes = _rows(place.table)
    total = len(rows) + len(damaged)
    if not total:
        raise BadInput("empty_split", f"{place.table} is empty: write '<path> <0|1>' for every frame of '{split}'")
    log = Log(place)
    for line, reason, message in damaged:
        log.add(line, None, reason, message)
    paths = {row.line: place.image(row.name) for row in rows}
    rows = [row for row in rows if is_named(row, paths, log)]
    rows = without_duplicates(rows, lambda row: paths[row.line], lambda _: log)
    folder = root / f"{split}_segm"
    masks, claimed = find_masks(folder, [paths[row.line].relative_to(root) for row in rows])
    masks = [None if mask in claimed else mask for mask in masks]
    seen = in_threads(
        lambda job: _look(*job, use), [(paths[row.line], mask) for row, mask in zip(rows, masks, strict=True)]
    )
    records = []
    for row, mask, (image, pixels) in zip(rows, masks, seen, strict=True):
        if isinstance(image, BadInput):
            log.add(row.line, None, image.reason, image.message)
        elif _mask_fits(row, mask, image, pixels, log):
            usable = _usable_mask(row, mask, pixels, log, folder.is_dir())
            records.append(Record(paths[row.line], int(row.annotation), "", usable, image[1], image[0], row.name))
    problems = sorted(log.problems, key=lambda problem: (problem.line, problem.reason))
    check_left(place.table, records, total, problems)
    if not folder.is_dir():
        notes.append(f"no masks (there is no folder {folder.name}): the pointing game cannot be played on these frames")
    problems += [_claimed(folder, path) for path in sorted(claimed)]
    notes += gathered(image[2] for image, _ in seen if not isinstance(image, BadInput))
    return Split(root, split, place.table, records, problems, notes)


def _look(path: Path, mask: Path | None, use: Use | None) -> tuple[Seen, SeenMask]:
    """Decode a frame and its mask."""
    image = look(path, use=use)
    if mask is None or isinstance(image, BadInput):
        return image, None
    try:
        pixels, brightest = read_mask(mask)
    except BadInput as error:
        return image, error
    return image, (pixels.shape, brightest)


def _mask_fits(row: Row, mask: Path | None, image: Seen, pixels: SeenMask, log: Log) -> bool:
    """Whether a mask, where there is one, has the size of its frame."""
    if pixels is None or isinstance(pixels, BadInput) or pixels[0] == image[:2]:
        return True
    (mask_height, mask_width), (height, width) = pixels[0], image[:2]
    message = (
        f"its mask {mask} has {mask_width} x {mask_height} pixels and the image {width} x {height}: "
        "give the mask of this image, at its size"
    )
    log.add(row.line, row.name, "mask_size", message)
    return False


def _usable_mask(row: Row, mask: Path | None, pixels: SeenMask, log: Log, expected: bool) -> Path | None:
    """The mask of a frame that shows the tract, or None and a warning where there should be one."""
    positive = row.annotation == "1"
    if pixels is None:
        if positive and expected:
            message = (
                f"no mask in {log.place.table.stem}_segm: the frame is used, but not in the pointing game; add one"
            )
            log.add(row.line, row.name, "no_mask", message, "warning")
        return None
    if isinstance(pixels, BadInput):
        message = f"its mask cannot be used ({pixels.message}); the frame is kept without it"
        log.add(row.line, row.name, "bad_mask", message, "warning")
        return None
    empty = pixels[1] <= THRESHOLD
    if positive and empty:
        message = (
            f"its mask {mask} is empty (no value above {THRESHOLD}, the largest is {pixels[1]}): check it, or the label"
        )
        log.add(row.line, row.name, "empty_mask", message, "warning")
    elif not positive and not empty:
        message = f"its mask {mask} is not empty although the label is 0: the mask is not used, check both"
        log.add(row.line, row.name, "unexpected_mask", message, "warning")
    return mask if positive and not empty else None


def _claimed(folder: Path, path: Path) -> Problem:
    where = below(folder.parent, path)
    message = f"{where} bears the name of several images and is used for none: lay masks in the folders of their images"
    return Problem(path, None, "ambiguous_mask", message, "warning")


def _without_line(root: Path, listed: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Images in the data set's folder that stand in no list; masks and what lies in ``derivatives`` are none."""
    place = Place(root, root / "labels", root)
    named = {place.image(name) for names in listed.values() for name in names}
    folders = {path: path.relative_to(root).parts[:-1] for path in pictures(root) if path not in named}
    paths = [
        path
        for path, parts in folders.items()
        if not any(p.endswith("_segm") for p in parts) and "derivatives" not in parts
    ]
    return unused(place, paths, "line in labels/")


def _name_patients(dataset: Mapping[str, Split], listed: Mapping[str, Sequence[str]]) -> str:
    """Write the patient into every record; returns the rule of names by which patients are recognised."""
    how, patient = recognise(listed)
    for split in dataset.values():
        split.records = [replace(record, patient=patient(record.name)) for record in split]
    return how


def _note_patients(split: Split, how: str) -> None:
    count = len({record.patient for record in split})
    split.notes.append(f"{count} patient{'s' * (count > 1)} in {len(split)} images, recognised by {how}")
