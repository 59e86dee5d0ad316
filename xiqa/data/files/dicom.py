"""Read DICOM radiographs as grey values."""

from pathlib import Path

import numpy as np

from xiqa.data.files.checks import cut_short, guarded
from xiqa.data.files.pictures import Radiograph, check_size, to_unit
from xiqa.errors import BadInput

SUFFIXES = (".dcm", ".dicom")


def is_dicom(path: Path) -> bool:
    """Whether a file bears DICOM's mark behind the preamble, or at least its suffix (old files have no preamble)."""
    return _marked(path) or path.suffix.lower() in SUFFIXES


def load_dicom(path: Path) -> Radiograph:
    """Decode a DICOM radiograph: rescaled, windowed, turned to bright = dense.

    The first window of the file, or its VOI table, is applied; values without either come as they are stored.
    """
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

    notes = []
    with guarded(path, _error):
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
    array = to_unit(path, values, notes)
    return Radiograph(1 - array if inverted else array, notes)


def _marked(path: Path) -> bool:
    with open(path, "rb") as handle:
        return handle.read(132)[128:] == b"DICM"


def _read(path: Path):
    import pydicom

    marked = _marked(path)
    try:
        return pydicom.dcmread(path, force=not marked)
    except Exception as error:
        raise cut_short(path) if marked else _not_dicom(path) from error


def _check(path: Path, dataset) -> None:
    """Refuse what pydicom would refuse later and less clearly, or not at all."""
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    sized = "Rows" in dataset and "Columns" in dataset
    # Without the mark any file parses as some elements; only DICOM has a SOP class.
    if not sized and not _marked(path) and not dataset.get("SOPClassUID"):
        raise _not_dicom(path)
    if sized:
        check_size(path, int(dataset.Columns), int(dataset.Rows))
    frames = int(dataset.get("NumberOfFrames") or 1) if sized else 1
    if frames > 1:
        raise BadInput("multi_frame", f"{path} holds {frames} frames: export the one that is meant as a single image")
    if not sized or not dataset.get("PixelData"):
        raise BadInput("no_pixels", f"{path} holds no image, or breaks off before it: export the radiograph itself")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _not_dicom(path: Path) -> BadInput:
    return BadInput("not_an_image", f"{path} is not a DICOM file: give the exported radiograph")


def _error(path: Path, error: Exception, words: str) -> BadInput:
    """The reason of an error that pydicom or a decoder raised; elements are converted only when they are read."""
    if isinstance(error, EOFError) or "less than expected" in words:
        return cut_short(path)
    if "not support" in words or "missing dependencies" in words:
        message = f"{path} is stored in a way that no installed decoder reads ({words}): export it uncompressed"
        return BadInput("unsupported_transfer_syntax", message)
    return BadInput("damaged", f"{path} cannot be decoded ({words}): export it again")
