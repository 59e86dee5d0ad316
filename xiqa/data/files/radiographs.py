"""Radiographs from disk: a picture or a DICOM file becomes one grey array, or an error of one sentence."""

from pathlib import Path

from xiqa.data.files.dicom import is_dicom, read_dicom, size_of_dicom
from xiqa.data.files.pictures import Radiograph, check_file, check_size, load_picture, picture_size, to_unit


def load_radiograph(path: str | Path) -> Radiograph:
    """Decode one radiograph: a picture (:func:`xiqa.data.files.pictures.load_picture`) or a DICOM file.

    Raises
    ------
    BadInput
        ``missing``, ``directory``, ``unreadable``, ``empty_file``, ``not_an_image``, ``unsupported``, ``truncated``,
        ``bad_crc``, ``damaged``, ``too_small``, ``too_large``, ``constant``, ``not_finite``, ``multi_frame``; for
        DICOM also ``no_pixels`` and ``unsupported_transfer_syntax``.
    """
    path = Path(path)
    check_file(path)
    if not is_dicom(path):
        return load_picture(path)
    check_size(path, *size_of_dicom(path))
    values, inverted, notes = read_dicom(path)
    array = to_unit(path, values, notes)
    return Radiograph(1 - array if inverted else array, notes)


def radiograph_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a radiograph as it is shown, from its header; errors as far as the header allows."""
    path = Path(path)
    check_file(path)
    if not is_dicom(path):
        return picture_size(path)
    width, height = size_of_dicom(path)
    check_size(path, width, height)
    return height, width
