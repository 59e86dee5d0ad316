import io
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from xiqa.data.files.nifti import read
from xiqa.data.files.volumes import BEGINNING, load_volume
from xiqa.errors import BadInput

AFFINE = np.diag([2.0, 3, 4, 1])


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.nii"
    array = np.random.default_rng(0).integers(0, 1000, (6, 7, 8)).astype(np.int16)
    nib.save(nib.Nifti1Image(array, AFFINE), path)
    return path


def reason_after(path: Path, start: int, content: bytes) -> str:
    old = path.read_bytes()
    path.write_bytes(old[:start] + content + old[start + len(content) :])
    with pytest.raises(BadInput) as caught:
        load_volume(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


def test_values_affine_and_spacing_of_a_stream(scan):
    stream = io.BytesIO(scan.read_bytes())
    result = read(scan, stream, stream.read(BEGINNING), None)
    np.testing.assert_array_equal(result.values, np.asanyarray(nib.load(scan).dataobj))
    np.testing.assert_array_equal(result.affine, AFFINE)
    assert result.zooms == (2, 3, 4)
    assert result.notes == []
    assert not stream.read()


@pytest.mark.parametrize(
    ("place", "values", "reason"),
    [
        (40, np.array([3, -6, 7, 8], "<i2"), "damaged"),
        (40, np.array([3, 6, 0, 8], "<i2"), "damaged"),
        (40, np.array([0, 6, 7, 8], "<i2"), "damaged"),
        (40, np.array([-3, 6, 7, 8], "<i2"), "damaged"),
        (40, np.array([900, 6, 7, 8], "<i2"), "damaged"),
        (70, np.array([77], "<i2"), "unsupported"),
        (70, np.array([0], "<i2"), "unsupported"),
        (70, np.array([128], "<i2"), "unsupported"),
        (108, np.array([np.nan], "<f4"), "damaged"),
        (108, np.array([-5], "<f4"), "damaged"),
        (108, np.array([20], "<f4"), "damaged"),
        (108, np.array([1e30], "<f4"), "damaged"),
        (108, np.array([5000], "<f4"), "truncated"),
        (344, np.frombuffer(b"ni1\0", "u1"), "unsupported"),
        (344, np.frombuffer(b"\0\0\0\0", "u1"), "unsupported"),
        (344, np.frombuffer(b"abcd", "u1"), "not_nifti"),
    ],
)
def test_a_header_that_cannot_be_right(scan, place, values, reason):
    assert reason_after(scan, place, values.tobytes()) == reason


def test_an_offset_of_zero_means_the_usual_one(scan):
    before = load_volume(scan).array
    content = scan.read_bytes()
    scan.write_bytes(content[:108] + bytes(4) + content[112:])
    np.testing.assert_array_equal(load_volume(scan).array, before)


def test_voxels_behind_an_extension(tmp_path, scan):
    image = nib.load(scan)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 900))
    nib.save(image, tmp_path / "extended.nii.gz")
    volume = load_volume(tmp_path / "extended.nii.gz")
    assert volume.notes == []
    np.testing.assert_array_equal(volume.array, load_volume(scan).array)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_tiny_volume_ends_within_what_is_read_first(tmp_path, kind):
    array, path = np.arange(8, dtype=np.uint8).reshape(2, 2, 2), tmp_path / "scan.nii"
    nib.save(kind(array, AFFINE), path)
    volume = load_volume(path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.notes == []
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadInput, match="cut short"):
        load_volume(path)


@pytest.mark.parametrize("bit", [0x01, 0x40, 0x80])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_changed_header_is_read_or_refused_and_raises_nothing_else(tmp_path, kind, bit, outcome):
    path = tmp_path / "scan.nii"
    array = np.random.default_rng(0).integers(0, 1000, (5, 6, 7)).astype(np.int16)
    nib.save(kind(array, AFFINE), path)
    content, read_anyway = path.read_bytes(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place in range(content.find(b"n+") + 4 if kind is nib.Nifti1Image else 540):
            changed = bytearray(content)
            changed[place] ^= bit
            path.write_bytes(changed)
            result = outcome(path)
            if isinstance(result, BadInput):
                assert str(path) in str(result)
                continue
            read_anyway += 1
            assert np.isfinite(result.array).all()
            assert np.linalg.matrix_rank(result.affine) == 4
    assert read_anyway > 100
