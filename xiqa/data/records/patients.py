"""Recognise the patients of frames from the names of the files."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import PurePath


def recognise(names: Mapping[str, Sequence[str]]) -> tuple[str, Callable[[str], str]]:
    """Find the rule by which names show the patient: in words, and as a function from an image's name to its patient.

    ``names`` are those of the images of each split, paths with ``/``. A patient is the image's folder if images lie in
    folders of patients, else the file's stem up to its last ``_`` or ``-`` (what follows is the frame), else the stem
    itself, so that every image counts as a patient of its own. Folders or stems that merely name the split, or one or
    two that stand in several splits (classes, ``frame_0001``), are not taken for patients.
    """
    listed = {split: some for split, some in names.items() if some}
    inside = {split: [name for name in some if PurePath(name).parent.name] for split, some in listed.items()}
    if _are_patients(inside, _folder, least=2):
        return "the folder they lie in", _folder
    stems = {name: PurePath(name).stem for some in listed.values() for name in some}
    if any(_stem(name) != stem for name, stem in stems.items()) and _are_patients(listed, _stem, least=1):
        return "the file name up to its last _ or -", _stem
    words = "nothing (every image counts as a patient of its own: lay frames in a folder for each patient)"
    # The same stem in two folders is not the same image.
    return words, str if len(set(stems.values())) < len(stems) else lambda name: PurePath(name).stem


def _folder(name: str) -> str:
    return PurePath(name).parent.name or PurePath(name).stem


def _stem(name: str) -> str:
    stem = PurePath(name).stem
    return re.sub(r"[_-][^_-]*$", "", stem) or stem


def _are_patients(names: Mapping[str, Sequence[str]], rule: Callable[[str], str], least: int) -> bool:
    """Whether the groups that a rule makes can be patients."""
    groups = {split: {rule(name) for name in some} for split, some in names.items()}
    most = max((len(group) for group in groups.values()), default=0)
    shared = any(a & b for a, b in combinations(groups.values(), 2))
    named = any(group == {split} for split, group in groups.items())
    return most >= least and (most > 2 or not shared) and not named
