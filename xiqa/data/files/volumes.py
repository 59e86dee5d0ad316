"""Read brain volumes: NIfTI or MINC becomes one array in RAS, or an error of one sentence."""

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from xiqa.data.files.checks import check_file, cut_short, guarded
from xiqa.data.files.stored import Stored, drain
from xiqa.data.geometry import Volume, oriented
from xiqa.errors import BadInput

SUFFIXES = (".nii", ".nii.gz", ".mnc", ".mnc.gz")
BEGINNING = 540  # bytes, the longest header that shows the format
STREAM_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
GZIP, NETCDF, HDF5 = b"\x1f\x8b", (b"CDF\x01", b"CDF\x02"), b"\x89HDF\r\n\x1a\n"


def load_volume(path: str | Path, volume: int | None = None) -> Volume:
    """Decode one volume from NIfTI (1 or 2, ``.nii``, ``.nii.gz``) or MINC (1 or 2, ``.mnc``, ``.mnc.gz``).

    ``volume`` is the number of the volume in a 4D file, from 0; without it only a file of one volume is read. A
    compressed file is read to its end, so that its checksum is compared. Nothing is repaired silently, each of these is
    a note: complex values become magnitudes; at most 1 % of NaN or infinite voxels become 0; a single volume stored as
    4D is squeezed; an array whose orientation is unknown stays as it is stored.

    Raises ``BadInput`` with one of the reasons ``missing``, ``directory``, ``unreadable``, ``not_nifti``,
    ``wrong_suffix``, ``truncated``, ``bad_crc``, ``damaged``, ``unsupported``, ``too_large``, ``not_3d``,
    ``several_volumes``, ``no_such_volume``, ``not_finite``, ``constant``.
    """
    path = Path(path)
    check_file(path, "the volume's file")
    with guarded(path, _error), open(path, "rb") as handle:
        stored = _stored(path, _uncompressed(path, handle), volume)
        affine = np.diag([*stored.zooms, 1.0]) if stored.affine is None else stored.affine
        return oriented(path, stored.values, affine, stored.notes)


def is_volume(path: Path) -> bool:
    """Whether a file is a volume (or means to be) by its suffix or, failing that, by its first bytes."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        with open(path, "rb") as handle:
            start = handle.read(BEGINNING)
    except OSError:
        return False
    return start.startswith(GZIP) or _kind(start) is not None


def _uncompressed(path: Path, handle: BinaryIO) -> BinaryIO:
    """The uncompressed content of a file as a stream."""
    start = handle.read(BEGINNING)
    handle.seek(0)
    compressed = start.startswith(GZIP)
    if not compressed and path.name.lower().endswith(".gz") and _kind(start):
        plain = path.name[: -len(".gz")]
        message = f"{path} is not compressed although its name says so: rename to {Path(plain).suffix}, that is {plain}"
        raise BadInput("wrong_suffix", message)
    if compressed and path.suffix.lower() in (".nii", ".mnc"):
        message = f"{path} is compressed although its name does not say so: rename to {path.name}.gz"
        raise BadInput("wrong_suffix", message)
    return gzip.GzipFile(fileobj=handle) if compressed else handle


def _stored(path: Path, stream: BinaryIO, volume: int | None) -> Stored:
    from xiqa.data.files import minc, nifti

    start = stream.read(BEGINNING)
    kind = _kind(start)
    try:
        if kind is None:
            what = "is neither a NIfTI nor a MINC file" if start else "has no content (0 bytes)"
            raise BadInput("not_nifti", f"{path} {what}: give the scan as .nii, .nii.gz or .mnc, or copy it again")
        read = {"nifti": nifti.read, "minc1": minc.read_netcdf, "minc2": minc.read_hdf5}[kind]
        return read(path, stream, start, volume)
    except STREAM_ERRORS:
        raise
    except Exception:
        drain(stream)  # raises where a checksum does not fit, which is the better reason
        raise


def _kind(start: bytes) -> str | None:
    """Format of a file, from its first bytes."""
    if start.startswith(NETCDF):
        return "minc1"
    if start.startswith(HDF5):
        return "minc2"
    sizes = [int.from_bytes(start[:4], order) for order in ("little", "big")]
    return "nifti" if 348 in sizes or 540 in sizes else None


def _error(path: Path, error: Exception, words: str) -> BadInput:
    """The reason of an error that a decoder raised."""
    if isinstance(error, MemoryError):
        return BadInput("too_large", f"{path} does not fit into the memory of this machine: make it smaller")
    if isinstance(error, EOFError) or "truncated" in words.lower():
        return cut_short(path)
    if isinstance(error, STREAM_ERRORS):
        message = f"{path} has changed since it was written (its gzip checksum or code does not fit): "
        return BadInput("bad_crc", message + "copy or download it again")
    message = f"{path} cannot be decoded ({words or type(error).__name__}): copy or download it again"
    return BadInput("damaged", message)
