from pathlib import PurePath

import numpy as np
import pytest
from PIL import Image

from xiqa.data.records.masks import find_masks, read_mask


def disc(height=40, width=48, radius=9):
    y, x = np.mgrid[:height, :width]
    return (y - 17) ** 2 + (x - 25) ** 2 < radius**2


def test_the_threshold_is_strict(tmp_path):
    values = np.zeros((40, 48), np.uint8)
    values[3, 4], values[5, 6] = 127, 128
    Image.fromarray(values).save(tmp_path / "m.png")
    mask, brightest = read_mask(tmp_path / "m.png")
    assert np.argwhere(mask).tolist() == [[5, 6]]
    assert brightest == 128


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "I;16"])
def test_kinds_of_pictures(tmp_path, mode):
    expected = disc()
    picture = Image.fromarray((expected * 255).astype(np.uint8))
    picture = Image.fromarray((expected * 65535).astype(np.uint16)) if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png")[0], expected)


def test_a_jpeg_mask_is_not_black_and_white_and_still_the_mask(tmp_path):
    expected = disc(radius=12)
    Image.fromarray((expected * 255).astype(np.uint8)).save(tmp_path / "m.jpg", quality=75)
    values = np.asarray(Image.open(tmp_path / "m.jpg"))
    assert len(np.unique(values)) > 2
    mask, _ = read_mask(tmp_path / "m.jpg")
    assert (mask != expected).mean() < 0.01
    np.testing.assert_array_equal(mask, values > 127)


@pytest.mark.parametrize(("value", "all_true"), [(0, False), (1, False), (255, True)])
def test_a_mask_of_one_value_is_a_mask(tmp_path, value, all_true):
    Image.fromarray(np.full((40, 48), value, np.uint8)).save(tmp_path / "m.png")
    mask, brightest = read_mask(tmp_path / "m.png")
    assert mask.shape == (40, 48)
    assert (mask == all_true).all()
    assert brightest == value


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_masks_are_found_by_path_name_or_stem(tmp_path):
    write(tmp_path, "a.png", "p1/b.png", "c.png", "images/p2/d.png", "e.jpg", ".hidden.png")
    images = ["images/p1/a.png", "images/p1/b.png", "c.jpg", "images/p2/d.png", "e.jpg", "f.png", ".hidden.png"]
    masks, claimed = find_masks(tmp_path, [PurePath(image) for image in images])
    names = [path and path.relative_to(tmp_path).as_posix() for path in masks]
    assert names == ["a.png", "p1/b.png", "c.png", "images/p2/d.png", "e.jpg", None, None]
    assert claimed == set()


def test_the_whole_path_comes_before_the_bare_name(tmp_path):
    write(tmp_path, "1.png", "p1/1.png", "p2/1.png")
    masks, claimed = find_masks(tmp_path, [PurePath("p1/1.png"), PurePath("p2/1.png")])
    assert masks == [tmp_path / "p1/1.png", tmp_path / "p2/1.png"]
    assert claimed == set()


def test_a_mask_that_two_images_claim_is_returned(tmp_path):
    write(tmp_path, "1.png")
    assert find_masks(tmp_path, [PurePath("p1/1.png"), PurePath("p2/1.png")])[1] == {tmp_path / "1.png"}
