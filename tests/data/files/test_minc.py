import gzip
import warnings
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from nibabel.externals.netcdf import netcdf_file

from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import Volume
from xiqa.errors import BadInput

SPACE = ("zspace", "yspace", "xspace")
STEPS, STARTS = {"xspace": -1.5, "yspace": 2.0, "zspace": 3.0}, {"xspace": 10.0, "yspace": -20.0, "zspace": 5.0}


def stored(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 4096, shape or (6, 7, 8)).astype(np.int16)


def write_netcdf(path: Path, array, names=SPACE, low=0.0, high=100.0) -> Path:
    """MINC 1: one scale for each slice along the first axis, as scanners' converters write it."""
    with netcdf_file(path, "w") as file:
        for name, size in zip(names, array.shape, strict=True):
            file.createDimension(name, size)
            axis = file.createVariable(name, "i", ())
            axis.spacing = b"regular__"
            if name in STEPS:
                axis.step, axis.start = STEPS[name], STARTS[name]
        image = file.createVariable("image", array.dtype.newbyteorder(">"), names)
        image[:] = array
        image.signtype, image.valid_range = b"signed__", np.array([0.0, 4095.0])
        for name, value in (("image-min", low), ("image-max", high)):
            scale = file.createVariable(name, "d", names[:1])
            scale[:] = value * np.arange(1, array.shape[0] + 1)
    return path


def write_hdf5(path: Path, array, names=SPACE, low=0.0, high=100.0, **options) -> Path:
    """MINC 2 with the same content."""
    with h5py.File(path, "w") as file:
        dimensions = file.create_group("minc-2.0/dimensions")
        for name in names:
            axis = dimensions.create_dataset(name, data=0)
            axis.attrs["spacing"] = np.bytes_(b"regular__")
            if name in STEPS:
                axis.attrs["step"], axis.attrs["start"] = STEPS[name], STARTS[name]
        group = file.create_group("minc-2.0/image/0")
        image = group.create_dataset("image", data=array, **options)
        image.attrs["dimorder"] = np.bytes_(",".join(names).encode())
        image.attrs["valid_range"] = np.array([0.0, 4095.0])
        for name, value in (("image-min", low), ("image-max", high)):
            scale = group.create_dataset(name, data=value * np.arange(1, array.shape[0] + 1))
            scale.attrs["dimorder"] = np.bytes_(names[0].encode())
    return path


WRITERS = pytest.mark.parametrize("write", [write_netcdf, write_hdf5])


def expected(array):
    """Real values, turned from (z, y, x) with x to the left to (x, y, z) with x to the right."""
    scale = np.arange(1, len(array) + 1)[:, None, None] * 100 / 4095
    return (array * scale).transpose(2, 1, 0)[::-1]


def reason_of(path, **options):
    with pytest.raises(BadInput) as caught:
        load_volume(path, **options)
    assert str(path) in str(caught.value)
    return caught.value.reason


@WRITERS
@pytest.mark.parametrize("name", ["scan.mnc", "scan.mnc.gz"])
def test_numbers_and_places(tmp_path, write, name):
    path = write(tmp_path / "plain.mnc", stored())
    if name.endswith(".gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress((tmp_path / "plain.mnc").read_bytes()))
    volume = load_volume(path)
    assert volume.notes == []
    assert volume.array.shape == (8, 7, 6)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array, expected(stored()), rtol=1e-6)
    np.testing.assert_allclose(volume.affine, [[1.5, 0, 0, -0.5], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
    image = nib.as_closest_canonical(nib.load(tmp_path / "plain.mnc"))
    np.testing.assert_allclose(volume.array, np.asanyarray(image.dataobj), rtol=1e-6)
    np.testing.assert_allclose(volume.affine, image.affine)


@WRITERS
def test_several_volumes_with_time_as_the_first_axis(tmp_path, write):
    array = stored(3, 6, 7, 8)
    path = write(tmp_path / "scan.mnc", array, ("time", *SPACE))
    assert reason_of(path) == "several_volumes"
    assert reason_of(path, volume=3) == "no_such_volume"
    result = load_volume(path, volume=2).array
    np.testing.assert_allclose(result, 3 * array[2].transpose(2, 1, 0)[::-1] * (100 / 4095), rtol=1e-6)
    one = load_volume(write(tmp_path / "one.mnc", array[:1], ("time", *SPACE)))
    assert [note.partition(":")[0] for note in one.notes] == ["squeezed"]


@WRITERS
def test_what_is_constant_or_not_three_dimensional(tmp_path, write):
    assert reason_of(write(tmp_path / "flat.mnc", np.zeros((6, 7, 8), np.int16))) == "constant"
    assert reason_of(write(tmp_path / "slice.mnc", stored(1, 7, 8))) == "not_3d"
    assert reason_of(write(tmp_path / "cine.mnc", stored(20, 1, 7, 8), ("time", *SPACE))) == "not_3d"
    assert reason_of(write(tmp_path / "plane.mnc", stored(7, 8), SPACE[1:])) == "not_3d"
    assert reason_of(write(tmp_path / "film.mnc", stored(5, 7, 8), ("time", *SPACE[1:]))) == "not_3d"


@WRITERS
def test_the_files_name_changes_no_reason(tmp_path, write):
    array = stored(3, 6, 7, 8)
    assert reason_of(write(tmp_path / "size_buffer_reshape.mnc", array, ("time", *SPACE))) == "several_volumes"


@WRITERS
@pytest.mark.parametrize("packed", [False, True])
def test_a_volume_that_is_too_large(tmp_path, monkeypatch, write, packed):
    path = write(tmp_path / "scan.mnc", stored(6, 70, 80))
    if packed:
        (tmp_path / "scan.mnc.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "scan.mnc.gz"
    for limit in (6 * 70 * 80 * 4 - 1, 1000):
        monkeypatch.setattr("xiqa.data.files.stored.LARGEST", limit)
        monkeypatch.setattr("xiqa.data.files.minc.LARGEST", limit)
        assert reason_of(path) == "too_large"


def test_huge_dimensions_in_a_small_file_allocate_nothing(tmp_path):
    path = tmp_path / "scan.mnc"
    write_hdf5(path, stored())
    with h5py.File(path, "a") as file:
        group = file["minc-2.0/image/0"]
        attributes = dict(group["image"].attrs)
        del group["image"]
        # HDF5 stores nothing of what was never written, and hands out zeros.
        image = group.create_dataset("image", shape=(9000, 9000, 9000), dtype="i2", chunks=(1, 100, 100))
        image.attrs.update(attributes)
    assert path.stat().st_size < 1e6
    assert reason_of(path) == "too_large"


@WRITERS
@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short(tmp_path, write, share):
    path = write(tmp_path / "scan.mnc", stored(20, 30, 40))
    content = path.read_bytes()
    cut = content[: int(share * len(content))]
    path.write_bytes(cut)
    assert reason_of(path) == "truncated"
    (tmp_path / "scan.mnc.gz").write_bytes(gzip.compress(cut))
    assert reason_of(tmp_path / "scan.mnc.gz") == "truncated"
    (tmp_path / "scan.mnc.gz").write_bytes(gzip.compress(content)[: int(share * len(content) / 2)])
    assert reason_of(tmp_path / "scan.mnc.gz") == "truncated"


@WRITERS
def test_a_flipped_byte_in_the_compressed_file(tmp_path, write):
    content = bytearray(gzip.compress(write(tmp_path / "scan.mnc", stored()).read_bytes()))
    content[len(content) // 2] ^= 0x08
    (tmp_path / "scan.mnc.gz").write_bytes(content)
    assert reason_of(tmp_path / "scan.mnc.gz") in ("bad_crc", "truncated")


def test_a_changed_header_never_raises_anything_else(tmp_path, outcome):
    path = write_netcdf(tmp_path / "scan.mnc", stored())
    content, read = path.read_bytes(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place in range(4, len(content) - stored().nbytes, 3):
            changed = bytearray(content)
            changed[place] ^= 0x40
            path.write_bytes(changed)
            result = outcome(path)
            read += isinstance(result, Volume)
            assert isinstance(result, Volume) or str(path) in str(result)
    assert read


def test_files_without_an_image(tmp_path):
    with h5py.File(tmp_path / "scan.mnc", "w") as file:
        file["something"] = np.arange(10)
    assert reason_of(tmp_path / "scan.mnc") == "not_nifti"
    with h5py.File(tmp_path / "two.mnc", "w") as file:
        file.create_group("minc-2.0/dimensions")
    assert reason_of(tmp_path / "two.mnc") == "damaged"
    with netcdf_file(tmp_path / "one.mnc", "w") as file:
        file.createDimension("xspace", 3)
    assert reason_of(tmp_path / "one.mnc") == "damaged"


@WRITERS
def test_an_affine_without_size_turns_nothing(tmp_path, monkeypatch, write):
    monkeypatch.setitem(STEPS, "yspace", 0.0)
    volume = load_volume(write(tmp_path / "scan.mnc", stored()))
    assert [note.partition(":")[0] for note in volume.notes] == ["affine_singular"]
    assert volume.array.shape == (6, 7, 8)


@WRITERS
def test_a_wrong_suffix_is_named(tmp_path, write):
    path = write(tmp_path / "scan.mnc.gz", stored())
    with pytest.raises(BadInput, match=r"rename to \.mnc") as caught:
        load_volume(path)
    assert caught.value.reason == "wrong_suffix"
