"""Read DICOM radiographs as grey values."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xiqa.errors import BadInput

SUFFIXES = (".dcm", ".dicom")


def is_dicom(path: Path) -> bool:
    """Whether a file bears DICOM's mark behind the preamble, or at least its suffix (old files have no preamble)."""
    return _marked(path) or path.suffix.lower() in SUFFIXES


def size_of_dicom(path: Path) -> tuple[int, int]:
    """Width and height that the header declares."""
    with _guarded(path):
        header = _read(path, stop_before_pixels=True)
        if "Rows" in header and "Columns" in header:
            return int(header.Columns), int(header.Rows)
        # Without the mark any file parses as some elements; only DICOM has a SOP class.
        is_header = _marked(path) or header.get("SOPClassUID")
    raise _no_pixels(path) if is_header else _not_dicom(path)


def read_dicom(path: Path) -> tuple[NDArray, bool, list[str]]:
    """Grey values (H, W) after rescale and window, whether they have to be inverted, and notes.

    The first window of the file, or its VOI table, is applied; values without either come as they are stored.
    """
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

    notes = []
    with _guarded(path):
        dataset = _read(path)
        _check(path, dataset)
        values = pixel_array(dataset)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            values = apply_color_lut(values, dataset)
        if values.ndim == 3:
            values = np.rint(values.astype(np.float64) @ (0.299, 0.587, 0.114)).astype(values.dtype)
            notes.append("colour, turned to grey by ITU-R 601 luma")
        values = apply_modality_lut(values, dataset)
        if "WindowWidth" in dataset or "VOILUTSequence" in dataset:
            values = apply_voi_lut(values, dataset)
            notes.append("DICOM window applied")
        inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if inverted:
        notes.append("MONOCHROME1, inverted")
    return values, inverted, notes


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turn any error into ``BadInput``: pydicom converts elements when they are read, so damage may raise anything."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        if isinstance(error, EOFError) or "less than expected" in str(error):
            raise _cut_short(path) from error
        words = " ".join(str(error).split())
        if "not support" in words:
            message = f"{path} is stored in a way that no installed decoder reads ({words}): export it uncompressed"
            raise BadInput("unsupported_transfer_syntax", message) from error
        raise BadInput("damaged", f"{path} cannot be decoded ({words}): export it again") from error


def _read(path: Path, stop_before_pixels: bool = False):
    import pydicom

    marked = _marked(path)
    try:
        return pydicom.dcmread(path, stop_before_pixels=stop_before_pixels, force=not marked)
    except Exception as error:
        raise _cut_short(path) if marked else _not_dicom(path) from error


def _check(path: Path, dataset) -> None:
    """Refuse what pydicom would refuse later and less clearly, or not at all."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise BadInput("multi_frame", f"{path} holds {frames} frames: export the one that is meant as a single image")
    if not dataset.get("PixelData"):
        raise _no_pixels(path)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise BadInput(
            "unsupported_transfer_syntax",
            f"{path} is stored as '{syntax.name}', which needs a decoder that is not installed: export it uncompressed",
        )


def _marked(path: Path) -> bool:
    with open(path, "rb") as handle:
        return handle.read(132)[128:] == b"DICM"


def _not_dicom(path: Path) -> BadInput:
    return BadInput("not_an_image", f"{path} is not a DICOM file: give the exported radiograph")


def _cut_short(path: Path) -> BadInput:
    return BadInput("truncated", f"{path} is cut short: export or copy it again")


def _no_pixels(path: Path) -> BadInput:
    return BadInput("no_pixels", f"{path} holds no image, or breaks off before it: export the radiograph itself")
