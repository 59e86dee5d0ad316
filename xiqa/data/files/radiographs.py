"""Radiographs from disk: a picture or a DICOM file becomes one grey array, or an error of one sentence."""

from pathlib import Path

from xiqa.data.files.dicom import is_dicom, load_dicom
from xiqa.data.files.pictures import Radiograph, check_picture, load_picture


def load_radiograph(path: str | Path) -> Radiograph:
    """Decode one radiograph: a picture (:func:`xiqa.data.files.pictures.load_picture`) or a DICOM file.

    Raises ``BadInput`` with one of the reasons ``missing``, ``directory``, ``unreadable``, ``empty_file``,
    ``not_an_image``, ``unsupported``, ``truncated``, ``bad_crc``, ``damaged``, ``too_small``, ``too_large``,
    ``constant``, ``not_finite``, ``multi_frame``; for DICOM also ``no_pixels`` and ``unsupported_transfer_syntax``.
    """
    path = Path(path)
    check_picture(path)
    return load_dicom(path) if is_dicom(path) else load_picture(path)
