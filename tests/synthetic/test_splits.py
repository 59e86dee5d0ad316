"""No subject stands on both sides: neither by number nor as a cropped, flipped or rescaled copy of a picture."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from xiqa.data.mri import load_volume
from xiqa.synthetic import catalogue

SPECS = {
    "object_cxr": {"size": 96, "train": 12, "val": 4, "test": 6, "seed": 5},
    "lvot": {"size": 96, "train": 8, "val": 3, "test": 5, "frames": 1, "seed": 5},
    "mri": {"shape": [48, 48, 32], "train": [8, 4], "val": [3, 2], "test": [4, 3], "seed": 5},
}
SIDE = 24
# Correlation of an item with a copy of itself: test_a_copy_is_found shows that copies reach it.
ALIKE = {"object_cxr": 0.90, "lvot": 0.90, "mri": 0.85}
CROPS = (1.0, 0.94, 0.88)  # shares of a side


@pytest.fixture(scope="module", params=SPECS)
def written(request, tmp_path_factory):
    """A small data set: its folder, split -> its pictures (of a volume, the middle axial plane), and ``ALIKE``."""
    folder = tmp_path_factory.mktemp(request.param)
    catalogue.generator(request.param).write(folder, {**SPECS[request.param], "pairs": {}}, workers=1)
    return folder, {split: pictures(folder, request.param, split) for split in ("train", "test")}, ALIKE[request.param]


def pictures(folder, name, split):
    if name == "object_cxr":
        paths = sorted((folder / f"object-CXR_{split}" / "images").iterdir())
    elif name == "lvot":
        paths = [folder / line.split()[0] for line in (folder / "labels" / f"{split}.txt").read_text().splitlines()]
    else:
        scans = pd.read_csv(folder / "scans.tsv", sep="\t")
        paths = [folder / path for path in scans["image"][scans["split"] == split]]
    return [picture(path) for path in paths]


def picture(path):
    if path.suffix == ".png":
        return np.asarray(Image.open(path).convert("L"), dtype=np.float32)
    volume = load_volume(path).array
    return volume[:, :, volume.shape[2] // 2]


def crops(image):
    """An item as it is, and cut to two smaller windows in five places, at the scale of the whole."""
    for share in CROPS:
        high, wide = (round(share * side) for side in image.shape)
        down, across = image.shape[0] - high, image.shape[1] - wide
        places = {(0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)}
        for top, left in sorted(places):
            part = Image.fromarray(image[top : top + high, left : left + wide]).resize((SIDE, SIDE), Image.BOX)
            coarse = np.asarray(part)
            # Every head has the same outline: what tells subjects apart is finer.
            yield coarse - gaussian_filter(coarse, SIDE / 10)


def described(image):
    """Standardised crops (n, SIDE * SIDE)."""
    stack = np.stack([crop.ravel() for crop in crops(image)])
    stack = stack - stack.mean(axis=1, keepdims=True)
    return stack / np.linalg.norm(stack, axis=1, keepdims=True)


def likeness(one, other):
    """Largest correlation of two items over crops of either and mirror images."""
    left, right = described(one), [described(turn(other)) for turn in (np.asarray, np.fliplr, np.flipud)]
    return max(float((left @ each.T).max()) for each in right)


def test_a_copy_is_found(written):
    _, found, alike = written
    for image in found["train"][:3]:
        high, wide = (round(CROPS[1] * side) for side in image.shape)
        top, left = (image.shape[0] - high) // 2, (image.shape[1] - wide) // 2
        copy = np.fliplr(image[top : top + high, left : left + wide])
        smaller = np.asarray(Image.fromarray(copy).resize((round(0.7 * wide), round(0.7 * high)), Image.BOX))
        assert likeness(image, smaller) > alike


def test_no_test_item_is_a_copy_of_a_training_item(written):
    _, found, alike = written
    assert len(found["test"]) >= 5
    assert max(likeness(train, test) for train in found["train"] for test in found["test"]) < alike


def test_no_subject_is_in_two_splits(written):
    folder, *_ = written
    train, test = (subjects(folder, split) for split in ("train", "test"))
    assert train
    assert test
    assert not train & test


def subjects(folder, split):
    """Numbers of the simulated subjects of a split, from the sidecars."""
    if (folder / "scans.tsv").is_file():
        scans = pd.read_csv(folder / "scans.tsv", sep="\t")
        truth, rows = folder / "derivatives" / "truth", scans["image"][scans["split"] == split]
        return {json.loads((truth / row.replace(".nii.gz", ".json")).read_text())["base_subject"] for row in rows}
    about = [json.loads(path.read_text()) for path in (folder / "derivatives" / split).glob("*.json")]
    return {each["patient"] if "patient" in each else each["subject"] for each in about}
