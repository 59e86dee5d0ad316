import gzip
import itertools
import os
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.data.files.volumes import is_volume, load_volume
from xiqa.data.geometry import Volume
from xiqa.errors import BadInput

AFFINE = np.array([[2.0, 0.1, 0, -9], [-0.1, 2.5, 0.2, 4], [0, -0.2, 3.0, -7], [0, 0, 0, 1]])


def values(*shape, dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(0, 2000, shape or (9, 8, 7)).astype(dtype)


def write(path: Path, array, affine=AFFINE, change=None, kind=nib.Nifti1Image) -> Path:
    """Write a NIfTI file; ``change`` works on the header before."""
    image = kind(array, affine)
    if change:
        change(image.header)
    nib.save(image, path)
    return path


def edited(path: Path, start: int, content: bytes) -> Path:
    """Replace bytes of an uncompressed file."""
    old = path.read_bytes()
    path.write_bytes(old[:start] + content + old[start + len(content) :])
    return path


def refused(path, reason, *words, **options):
    with pytest.raises(BadInput) as caught:
        load_volume(path, **options)
    assert caught.value.reason == reason
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def noted(volume: Volume, *reasons):
    assert [note.partition(": ")[0] for note in volume.notes] == list(reasons)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.int32, ">i2", ">f4"])
def test_every_common_kind_of_file_gives_its_numbers(tmp_path, kind, name, dtype):
    array = values(dtype=dtype)
    volume = load_volume(write(tmp_path / name, array, kind=kind))
    assert volume.array.dtype == np.float32
    assert volume.array.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-6)
    noted(volume)
    assert volume.oriented


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_any_orientation_is_turned_to_ras(tmp_path, order, flips):
    turn = np.column_stack([order, flips])
    array = nib.apply_orientation(values(), turn)
    affine = AFFINE @ nib.orientations.inv_ornt_aff(turn, values().shape)
    volume = load_volume(write(tmp_path / "scan.nii", array, affine))
    np.testing.assert_array_equal(volume.array, values())
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    noted(volume)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-180, 180), min_size=3, max_size=3), st.integers(0, 7))
def test_every_voxel_keeps_its_place_in_millimetres(tmp_path_factory, angles, flips):
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(
        [(-1) ** (flips >> k & 1) * size for k, size in enumerate((1.0, 1.5, 2.0))]
    )
    array = np.arange(6 * 5 * 4, dtype=np.float32).reshape(6, 5, 4)
    path = write(tmp_path_factory.mktemp("turned") / "scan.nii", array, affine)
    volume = load_volume(path)
    stored = nib.load(path).affine
    for voxel in ((0, 0, 0), (5, 0, 3), (2, 4, 1)):
        (place,) = np.argwhere(volume.array == array[voxel])
        np.testing.assert_allclose(volume.affine @ (*place, 1), stored @ (*voxel, 1), atol=1e-4)
    assert (np.diag(volume.affine)[:3] > 0).sum() >= 1  # the closest axes, not always all positive on the diagonal


def test_a_big_endian_header_and_scale_factors_are_applied(tmp_path):
    path = tmp_path / "big.nii"
    nib.save(nib.Nifti1Image(values(), AFFINE, header=nib.Nifti1Header(endianness=">")), path)
    assert path.read_bytes()[:4] == b"\0\0\x01\x5c"
    np.testing.assert_array_equal(load_volume(path).array, values())
    path = write(tmp_path / "scan.nii", values(), change=lambda header: header.set_slope_inter(0.5, -3))
    # nibabel writes its own factors for what it is given; these are put into the file itself.
    edited(path, 112, np.array([0.25, -3], "<f4").tobytes())
    np.testing.assert_array_equal(load_volume(path).array, values() * np.float32(0.25) - 3)
    edited(path, 112, np.array([0, 7], "<f4").tobytes())
    np.testing.assert_array_equal(load_volume(path).array, values())
    edited(path, 112, np.array([2, np.nan], "<f4").tobytes())
    refused(path, "damaged")


# Every row of the table of bad files.


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98, 1])
@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii"])
def test_a_file_that_is_cut_short(tmp_path, name, share):
    path = write(tmp_path / name, values(20, 20, 20))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content)) - 1])
    refused(path, "truncated", "copy or download it again")


def test_any_flipped_byte_of_a_gzip_is_found_or_harmless(tmp_path, outcome):
    path = write(tmp_path / "scan.nii.gz", values(6, 6, 6))
    content, reasons = path.read_bytes(), []
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        met = outcome(path)
        if isinstance(met, BadInput):
            reasons.append(met.reason)
            assert place < 2 or met.reason in ("bad_crc", "truncated"), place
        else:
            # Time stamp, file name and system of the gzip header say nothing about the content.
            assert place < content.index(b"\0", 10) + 1
            np.testing.assert_array_equal(met.array, values(6, 6, 6))
    assert reasons.count("not_nifti") == 2
    assert reasons.count("bad_crc") > 0.9 * len(content)
    changed = bytearray(content)
    changed[-6] ^= 1  # the checksum behind the last voxel
    path.write_bytes(changed)
    refused(path, "bad_crc", "has changed since it was written")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.mnc", "scan.mnc.gz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", np.random.default_rng(0).bytes(5000)],
    ids=["0 bytes", "1 byte", "HTML", "anything"],
)
def test_what_is_no_volume_at_all(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, "not_nifti", "0 bytes" if not content else "neither a NIfTI nor a MINC file")
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
        refused(path, "not_nifti")


def test_a_name_that_does_not_fit_the_compression(tmp_path):
    path = write(tmp_path / "scan.nii", values())
    packed = path.rename(tmp_path / "scan.nii.gz")
    refused(packed, "wrong_suffix", "rename to .nii,", "scan.nii")
    (tmp_path / "other.nii").write_bytes(gzip.compress(packed.read_bytes()))
    refused(tmp_path / "other.nii", "wrong_suffix", "rename to other.nii.gz")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_few_voxels_that_are_no_numbers_become_zero_with_a_note(tmp_path, wrong):
    array = values(10, 10, 10, dtype=np.float32) + 1
    array[2, 3, :] = wrong
    volume = load_volume(write(tmp_path / "scan.nii.gz", array))
    noted(volume, "not_finite")
    assert "10 of 1000 voxels (1 %)" in volume.notes[0]
    assert not volume.array[2, 3].any()
    array[2, 3, :] = 0
    np.testing.assert_array_equal(volume.array, array)


def test_many_voxels_that_are_no_numbers(tmp_path):
    array = values(10, 10, 10, dtype=np.float32)
    array[0, 0, :], array[0, 1, 0] = np.nan, np.inf
    refused(write(tmp_path / "scan.nii", array), "not_finite", "11 of 1000 voxels", "1 %")
    # What float32 cannot hold is no number either.
    refused(write(tmp_path / "far.nii", values(dtype=np.float64) * 1e300), "not_finite")


def test_several_volumes_are_never_guessed(tmp_path):
    array = values(6, 5, 4, 3)
    path = write(tmp_path / "scan.nii.gz", array)
    refused(path, "several_volumes", "3 volumes", "volume=k", "--volume k", "0 to 2")
    for k in range(3):
        volume = load_volume(path, volume=k)
        np.testing.assert_array_equal(volume.array, array[..., k])
        noted(volume)
    for k in (3, -1):
        refused(path, "no_such_volume", "0 to 2", volume=k)
    three = write(tmp_path / "three.nii", array[..., 0])
    np.testing.assert_array_equal(load_volume(three, volume=0).array, array[..., 0])
    refused(three, "no_such_volume", "1 volume", volume=1)
    for more in ((1,), (1, 1)):
        volume = load_volume(write(tmp_path / f"{len(more)}.nii", array[..., 0].reshape(6, 5, 4, *more)))
        np.testing.assert_array_equal(volume.array, array[..., 0])
        noted(volume, "squeezed")


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ((30,), "single slice"),
        ((30, 20), "a single slice:"),
        ((30, 20, 1), "a single slice:"),
        ((1, 20, 30), "a single slice:"),
        ((30, 20, 1, 25), "a single slice over time"),
        ((30, 20, 10, 1, 3), "several for each voxel"),
        ((30, 20, 10, 4, 3), "several for each voxel"),
    ],
)
def test_what_is_not_three_dimensional(tmp_path, shape, word):
    path = write(tmp_path / "scan.nii.gz", values(*shape))
    if len(shape) == 1:
        edited(write(tmp_path / "scan.nii", values(*shape)), 40, np.array([1, 30], "<i2").tobytes())
        path = tmp_path / "scan.nii"
    refused(path, "not_3d", word)
    refused(path, "not_3d", word, volume=0)


def test_slices_over_time_in_three_axes(tmp_path):
    path = write(tmp_path / "cine.nii", values(30, 20, 25), change=lambda header: header.set_xyzt_units(t="sec"))
    refused(path, "not_3d", "slices over time")
    both = write(tmp_path / "t1.nii", values(30, 20, 25), change=lambda header: header.set_xyzt_units("mm", "sec"))
    assert load_volume(both).array.shape == (30, 20, 25)


def zooms(header):
    header["pixdim"][1:4] = (2, 3, 4)


def zeros(header):
    header.set_sform(np.zeros((4, 4)), code=2)
    zooms(header)


@pytest.mark.parametrize(("change", "note"), [(zeros, "affine_singular"), (zooms, "no_orientation")])
def test_a_header_without_a_usable_affine_turns_nothing(tmp_path, change, note):
    volume = load_volume(write(tmp_path / "scan.nii.gz", values(), affine=None, change=change))
    noted(volume, note)
    np.testing.assert_array_equal(volume.array, values())
    np.testing.assert_array_equal(volume.affine, np.diag([2, 3, 4, 1]))
    assert not volume.oriented


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_affine_that_is_no_number(tmp_path, broken):
    path = write(tmp_path / "scan.nii", values())
    edited(path, 280, np.array([broken], "<f4").tobytes())
    noted(load_volume(path), "affine_singular")


def test_the_quaternion_serves_where_there_is_no_sform(tmp_path):
    path = write(tmp_path / "scan.nii", values(), np.diag([-2.0, 2, 2, 1]))
    edited(path, 254, np.array([0], "<i2").tobytes())
    noted(load_volume(path), "no_orientation")
    edited(path, 252, np.array([1], "<i2").tobytes())
    volume = load_volume(path)
    noted(volume)
    np.testing.assert_array_equal(volume.array, values()[::-1])
    edited(path, 256, np.array([5], "<f4").tobytes())
    noted(load_volume(path), "affine_singular")


def test_complex_values_become_magnitudes(tmp_path):
    array = (values() + 1j * values(seed=1)).astype(np.complex64)
    volume = load_volume(write(tmp_path / "four.nii.gz", np.stack([array, array / 2], -1)), volume=0)
    noted(volume, "complex")
    np.testing.assert_allclose(volume.array, np.abs(array), rtol=1e-6)


def test_colours_and_constant_images_are_refused(tmp_path):
    for names in ("RGB", "RGBA"):
        array = np.zeros((5, 6, 7), dtype=[(name, "u1") for name in names])
        refused(write(tmp_path / "scan.nii.gz", array), "unsupported", "colours")
    for value in (0, 7, -3.5):
        refused(write(tmp_path / "scan.nii.gz", np.full((5, 6, 7), value, np.float32)), "constant", f"({value:g})")


def test_directory_and_missing_file(tmp_path):
    (tmp_path / "folder.nii.gz").mkdir()
    refused(tmp_path / "folder.nii.gz", "directory", "name the volume's file")
    refused(tmp_path / "none.nii.gz", "missing", "does not exist")
    refused(tmp_path / ("x" * 400), "missing", "does not exist")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("dims", "reason"),
    [((30000, 30000, 30000), "too_large"), ((1000, 1000, 450), "truncated"), ((500, 500, 500, 30000), "too_large")],
)
def test_huge_dimensions_in_a_small_file_allocate_nothing(tmp_path, dims, reason, packed):
    path = edited(write(tmp_path / "scan.nii", values()), 40, np.array([len(dims), *dims], "<i2").tobytes())
    if packed:
        content = path.read_bytes()
        path = tmp_path / "scan.nii.gz"
        path.write_bytes(gzip.compress(content))
    tracemalloc.start()
    refused(path, reason)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_the_limit_is_on_voxels_as_float32(tmp_path, monkeypatch):
    monkeypatch.setattr("xiqa.data.files.stored.LARGEST", 9 * 8 * 7 * 4)
    assert load_volume(write(tmp_path / "fits.nii", values())).array.shape == (9, 8, 7)
    refused(write(tmp_path / "scan.nii", values(9, 8, 8)), "too_large", "9 x 8 x 8", "one volume of it")


def test_a_file_read_in_many_chunks_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("xiqa.data.files.stored.CHUNK", 7)
    path = write(tmp_path / "scan.nii", values())
    path.write_bytes(path.read_bytes() + bytes(500))
    volume = load_volume(path)
    np.testing.assert_array_equal(volume.array, values())
    assert "500 bytes" in volume.notes[0]


def test_more_content_than_the_header_says_is_noted_and_not_held(tmp_path):
    path = write(tmp_path / "scan.nii", values())
    bomb = tmp_path / "scan.nii.gz"
    bomb.write_bytes(gzip.compress(path.read_bytes() + bytes(60_000_000), 1))
    tracemalloc.start()
    volume = load_volume(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    noted(volume, "longer")
    assert "60000000 bytes" in volume.notes[0]
    np.testing.assert_array_equal(volume.array, values())
    assert peak < 20e6


def test_a_volume_is_known_by_name_or_content(tmp_path):
    path = write(tmp_path / "scan.nii", values())
    for name in ("scan.nii", "SCAN.NII.GZ", "a.mnc", "b.mnc.gz"):
        assert is_volume(tmp_path / name)
    assert is_volume(path.rename(tmp_path / "noname"))
    (tmp_path / "film.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not is_volume(tmp_path / "film.png")
    assert not is_volume(tmp_path / "none")


def test_loading_leaves_no_file_open(tmp_path):
    import gc
    import warnings

    path = write(tmp_path / "scan.nii.gz", values())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_volume(path)
        path.write_bytes(path.read_bytes()[:-9])
        refused(path, "truncated")
        gc.collect()
    assert not [each for each in caught if issubclass(each.category, ResourceWarning)]


REAL = Path(os.environ.get("XIQA_REAL_DATA", "missing")) / "mri"


@pytest.mark.skipif(not REAL.is_dir(), reason="XIQA_REAL_DATA names no folder with mri")
@pytest.mark.parametrize(("name", "shape"), [("ch2", (181, 217, 181)), ("chris_PD", (191, 256, 54))])
def test_real_heads(name, shape):
    path = REAL / f"{name}.nii.gz"
    volume = load_volume(path)
    assert volume.array.shape == shape
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    noted(volume)
    np.testing.assert_array_equal(volume.array, nib.as_closest_canonical(nib.load(path)).get_fdata(dtype=np.float32))
