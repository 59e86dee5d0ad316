import contextlib

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from xiqa.data.files.radiographs import load_radiograph
from xiqa.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def dataset(values, syntax=ExplicitVRLittleEndian, **elements):
    """A computed radiography image as a scanner writes it."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3.4"
    if values is not None:
        data.Rows, data.Columns = values.shape[:2]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 8 * values.dtype.itemsize
        data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(values.dtype.kind == "i")
        data.PixelData = values.tobytes()
        data["PixelData"].VR = "OW" if values.dtype.itemsize > 1 else "OB"
    for name, value in elements.items():
        setattr(data, name, value)
    return data


@pytest.fixture
def save(tmp_path):
    def write(values, name="a.dcm", **elements):
        path = tmp_path / name
        dataset(values, **elements).save_as(path, enforce_file_format=True)
        return path

    return write


def reason_of(path):
    with pytest.raises(BadInput) as caught:
        load_radiograph(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("name", ["a.dcm", "no_suffix"])
def test_eight_bits_without_a_window_are_divided_by_255(save, film, syntax, name):
    path = save(film(), name, syntax=syntax)
    radiograph = load_radiograph(path)
    np.testing.assert_array_equal(radiograph.array, film().astype(np.float32) / 255)
    assert radiograph.array.dtype == np.float32
    assert radiograph.notes == []


def test_big_endian(tmp_path, film):
    values = film().astype(np.uint16) * 9
    data = dataset(values.astype(">u2"), ExplicitVRBigEndian, BitsAllocated=16, BitsStored=16, HighBit=15)
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_allclose(load_radiograph(tmp_path / "a.dcm").array, film() / 255, atol=1e-6)


def test_sixteen_bits_rescaled(save, film):
    path = save(film().astype(np.int16) * 3 - 200, RescaleSlope="2", RescaleIntercept="-1000")
    radiograph = load_radiograph(path)
    np.testing.assert_allclose(radiograph.array, film() / 255, atol=1e-6)
    assert radiograph.notes == ["more than 8 bits, scaled from its own range (-1400 to 130)"]
    path = save(film().astype(np.uint16), RescaleSlope="-1", RescaleIntercept="255")
    np.testing.assert_allclose(load_radiograph(path).array, 1 - film() / 255, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_monochrome1_is_inverted(save, film, dtype):
    radiograph = load_radiograph(save(film().astype(dtype), PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(radiograph.array, 1 - film() / 255, atol=1e-6)
    assert radiograph.notes[0] == "MONOCHROME1, inverted"


def test_the_window_is_applied(save, film):
    # DICOM PS3.3 C.11.2.1.2: linear between centre - 0.5 -+ (width - 1) / 2, flat beyond.
    path = save(film().astype(np.uint16), WindowCenter=["100.5", "9"], WindowWidth=["101", "9"])
    radiograph = load_radiograph(path)
    expected = np.clip((film().astype(float) - 50) / 100, 0, 1)
    np.testing.assert_allclose(radiograph.array, expected, atol=1e-4)
    assert radiograph.notes[0] == "DICOM window applied"


def test_rle_and_colour(save, film, tmp_path):
    data = dataset(film())
    data.compress(RLELossless)
    data.save_as(tmp_path / "rle.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(load_radiograph(tmp_path / "rle.dcm").array, film().astype(np.float32) / 255)
    colour = np.stack([film(0), film(1), film(2)], axis=-1)
    path = save(colour, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    radiograph = load_radiograph(path)
    np.testing.assert_allclose(radiograph.array * 255, colour @ (0.299, 0.587, 0.114), atol=0.51)
    assert "colour, turned to grey by ITU-R 601 luma" in radiograph.notes


def test_old_files_without_preamble_are_read_by_their_suffix(tmp_path, film):
    data = dataset(film())
    data.file_meta = FileMetaDataset()
    pydicom.dcmwrite(tmp_path / "a.dcm", data, implicit_vr=True, little_endian=True)
    assert b"DICM" not in (tmp_path / "a.dcm").read_bytes()[:200]
    np.testing.assert_array_equal(load_radiograph(tmp_path / "a.dcm").array, film().astype(np.float32) / 255)


def test_what_cannot_be_used(save, film):
    assert reason_of(save(None)) == "no_pixels"
    assert reason_of(save(np.stack([film(), film(1)]), NumberOfFrames=2, Rows=40, Columns=48)) == "multi_frame"
    assert reason_of(save(np.full((40, 40), 9, np.uint16))) == "constant"
    assert reason_of(save(film()[:20])) == "too_small"
    assert reason_of(save(film(), Rows=60_000, Columns=60_000)) == "too_large"
    assert reason_of(save(film(), Rows=50_000, Columns=1_000)) == "truncated"


def test_a_compression_without_decoder_is_named(tmp_path, film):
    data = dataset(film(), JPEGLSLossless)
    data.PixelData = pydicom.encaps.encapsulate([b"1234"])
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(BadInput, match=r"a\.dcm is stored .*JPEG-LS.*: export it uncompressed") as caught:
        load_radiograph(tmp_path / "a.dcm")
    assert caught.value.reason == "unsupported_transfer_syntax"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_never_read_in_part(save, film, share):
    path = save(film())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert reason_of(path) in ("truncated", "no_pixels")


def test_damaged_files_never_raise_anything_else(save, film):
    path = save(film().astype(np.uint16), WindowCenter="100", WindowWidth="100")
    content, generator = path.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(content)
        for place in generator.integers(128, 700, 5):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(BadInput):
            load_radiograph(path)
