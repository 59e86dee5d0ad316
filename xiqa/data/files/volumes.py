"""Read brain volumes: NIfTI or MINC becomes one array in RAS, or an error of one sentence.

Nothing is repaired silently: ``Volume.notes`` lists everything done beside decoding.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from xiqa.data.files.stored import Stored, cut_short, drain
from xiqa.data.geometry import Volume, oriented
from xiqa.errors import BadInput

SUFFIXES = (".nii", ".nii.gz", ".mnc", ".mnc.gz")
BEGINNING = 540  # bytes, the longest header that shows the format
STREAM_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
GZIP, NETCDF, HDF5 = b"\x1f\x8b", (b"CDF\x01", b"CDF\x02"), b"\x89HDF\r\n\x1a\n"


def load_volume(path: str | Path, volume: int | None = None) -> Volume:
    """Decode one volume from NIfTI (1 or 2, ``.nii``, ``.nii.gz``) or MINC (1 or 2, ``.mnc``, ``.mnc.gz``).

    A compressed file is read to its end, so that its checksum is compared. Complex values become magnitudes; at most
    1 % of NaN or infinite voxels become 0; a single volume stored as 4D is squeezed; an array whose orientation is
    unknown stays as it is stored. Each of these is a note.

    Parameters
    ----------
    path : the file.
    volume : number of the volume in a 4D file, from 0. Without it only a file of one volume is read.

    Raises
    ------
    BadInput
        ``missing``, ``directory``, ``unreadable``, ``not_nifti``, ``wrong_suffix``, ``truncated``, ``bad_crc``,
        ``damaged``, ``unsupported``, ``too_large``, ``not_3d``, ``several_volumes``, ``no_such_volume``,
        ``not_finite``, ``constant``.
    """
    path = Path(path)
    with _guarded(path):
        stored = _stored(path, volume)
        affine = np.diag([*stored.zooms, 1.0]) if stored.affine is None else stored.affine
        return oriented(path, stored.values, affine, stored.notes)


def _stored(path: Path, volume: int | None) -> Stored:
    with _opened(path) as stream:
        start = stream.read(BEGINNING)
        try:
            return _reader(path, start)(path, stream, start, volume)
        except STREAM_ERRORS:
            raise
        except Exception:
            drain(stream)  # raises where a checksum does not fit, which is the better reason
            raise


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


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The uncompressed content of a file as a stream."""
    # os.path answers also for names that no file can have.
    if os.path.isdir(path):
        raise BadInput("directory", f"{path} is a folder: name the volume's file itself")
    if not os.path.exists(path):
        raise BadInput("missing", f"{path} does not exist: check the name, or copy the file there")
    try:
        handle = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise BadInput("unreadable", f"{path} cannot be opened ({error.strerror}): check its permissions") from error
    with handle:
        start = handle.read(BEGINNING)
        handle.seek(0)
        compressed, named = start.startswith(GZIP), path.name.lower().endswith(".gz")
        if not compressed and named and _kind(start):
            plain = path.name[: -len(".gz")]
            raise BadInput(
                "wrong_suffix",
                f"{path} is not compressed although its name says so: rename to {Path(plain).suffix}, that is {plain}",
            )
        if compressed and path.suffix.lower() in (".nii", ".mnc"):
            raise BadInput(
                "wrong_suffix", f"{path} is compressed although its name does not say so: rename to {path.name}.gz"
            )
        yield gzip.GzipFile(fileobj=handle) if compressed else handle


def _kind(start: bytes) -> str | None:
    """Format of a file, from its first bytes."""
    if start.startswith(NETCDF):
        return "minc1"
    if start.startswith(HDF5):
        return "minc2"
    sizes = [int.from_bytes(start[:4], order) for order in ("little", "big")]
    return "nifti" if 348 in sizes or 540 in sizes else None


def _reader(path: Path, start: bytes):
    from xiqa.data.files import minc, nifti

    kind = _kind(start)
    if kind is None:
        what = "has no content (0 bytes)" if not start else "is neither a NIfTI nor a MINC file"
        raise BadInput("not_nifti", f"{path} {what}: give the scan as .nii, .nii.gz or .mnc, or copy it again")
    return {"nifti": nifti.read, "minc1": minc.read_netcdf, "minc2": minc.read_hdf5}[kind]


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turn any error into ``BadInput``, since decoders may raise anything on a damaged file."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        if isinstance(error, MemoryError):
            message = f"{path} does not fit into the memory of this machine: make it smaller"
            raise BadInput("too_large", message) from error
        if isinstance(error, EOFError) or "truncated" in words.lower():
            raise cut_short(path) from error
        if isinstance(error, STREAM_ERRORS):
            message = f"{path} has changed since it was written (its gzip checksum or code does not fit): "
            raise BadInput("bad_crc", message + "copy or download it again") from error
        message = f"{path} cannot be decoded ({words or type(error).__name__}): copy or download it again"
        raise BadInput("damaged", message) from error
