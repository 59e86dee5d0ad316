"""Brain volumes from disk: NIfTI or MINC becomes one array in RAS, or one sentence that says why not.

Nothing is repaired silently: whatever was done beside decoding stands in ``Volume.notes``.
"""

import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from xiqa.data.bad_input import BadInput

SUFFIXES = (".nii", ".nii.gz", ".mnc", ".mnc.gz")
# Bytes that the voxels of a file may take as float32; no scan of a head has a quarter of it.
LARGEST = 2_000_000_000
# Share of voxels that may be NaN or infinite; more than that is not a blemish but another kind of file.
NOT_FINITE_AT_MOST = 0.01
BEGINNING = 540  # bytes, the longest of the headers that tell what a file is
CHUNK = 1 << 20
STREAM_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
GZIP, NETCDF, HDF5 = b"\x1f\x8b", (b"CDF\x01", b"CDF\x02"), b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Volume:
    """One volume, turned so that the axes run to the right, to the front and upwards (RAS).

    Attributes
    ----------
    array : float32 (X, Y, Z) in the units of the file (scale factors applied), finite, C-contiguous.
    affine : float64 (4, 4), voxel indices of ``array`` to millimetres.
    notes : what was done beside decoding, sentences that begin with one stable word: ``affine_singular: ...``.

    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    notes: list[str] = field(default_factory=list)

    @property
    def oriented(self) -> bool:
        """Whether the file tells which side is left; if not, ``array`` stands as it was stored."""
        return not any(note.startswith(("affine_singular", "no_orientation")) for note in self.notes)


@dataclass(frozen=True)
class Stored:
    """What a format's reader hands over: values (X, Y, Z) as stored, affine (None where unknown), voxel sizes in mm."""

    values: NDArray
    affine: NDArray[np.float64] | None
    zooms: tuple[float, float, float]
    notes: list[str]


def load_volume(path: str | Path, volume: int | None = None) -> Volume:
    """Decode one volume from NIfTI (1 or 2, ``.nii``, ``.nii.gz``) or MINC (1 or 2, ``.mnc``, ``.mnc.gz``).

    A compressed file is read to its end, so that its checksum is compared. Complex values become magnitudes; at most
    1 % of NaN or infinite voxels become 0; a single volume stored as 4D is squeezed; an array whose orientation is
    unknown stays as it is stored. Each of these is a note.

    Parameters
    ----------
    path : the file.
    volume : which volume of a 4D file is meant, counted from 0. Without it only a file of one volume is read.

    Raises
    ------
    BadInput
        ``missing``, ``directory``, ``unreadable``, ``not_nifti``, ``wrong_suffix``, ``truncated``, ``bad_crc``,
        ``damaged``, ``unsupported``, ``too_large``, ``not_3d``, ``several_volumes``, ``no_such_volume``,
        ``not_finite``, ``constant``.

    """
    path = Path(path)
    with _guarded(path):
        return _finished(path, _stored(path, volume))


def as_volume(values: NDArray, affine: NDArray[np.float64], name: str = "a volume in memory") -> Volume:
    """What `load_volume` makes of a file that holds these values (X, Y, Z) and this affine; errors as its."""
    zooms = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    return _finished(Path(name), Stored(values, affine, zooms, []))


def _stored(path: Path, volume: int | None) -> Stored:
    with _opened(path) as stream:
        start = stream.read(BEGINNING)
        try:
            return _reader(path, start)(path, stream, start, volume)
        except STREAM_ERRORS:
            raise
        except Exception:
            drain(stream)  # raises where a checksum does not fit, which explains a strange header better
            raise


def _finished(path: Path, stored: Stored) -> Volume:
    """Magnitude, RAS, float32, finite, and not constant."""
    notes = list(stored.notes)
    values = np.abs(stored.values) if np.iscomplexobj(stored.values) else stored.values
    if values is not stored.values:
        notes.append("complex: the values are complex numbers, their magnitude is used")
    if stored.affine is None:
        affine = np.diag([*stored.zooms, 1.0])
    else:
        turn = nib.io_orientation(stored.affine)
        affine = stored.affine @ nib.orientations.inv_ornt_aff(turn, values.shape)
        values = nib.apply_orientation(values, turn)
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float32, order="C")
    _make_finite(path, array, notes)
    low, high = array.min(), array.max()
    if low == high:
        raise BadInput(
            "constant", f"{path} has the same value ({low:g}) in every voxel: it shows nothing, export it again"
        )
    return Volume(array, affine, notes)


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


def choose(path: Path, shape: Sequence[int], volume: int | None) -> tuple[int | None, list[str]]:
    """Which volume of an array (X, Y, Z, ...) is meant, None where there is no fourth axis; and notes.

    Raises
    ------
    BadInput : ``not_3d``, ``several_volumes``, ``no_such_volume``, ``too_large`` (all volumes together).

    """
    space, rest, words = shape[:3], shape[3:], " x ".join(map(str, shape))
    if len(space) < 3 or min(space) == 1:
        what = "a single slice over time" if math.prod(rest) > 1 else "a single slice"
        raise BadInput("not_3d", f"{path} holds {words} voxels, {what}: give a three-dimensional volume")
    if math.prod(rest[1:]) > 1:
        raise BadInput("not_3d", f"{path} holds {words} values, several for each voxel: give a grey volume")
    check_size(path, shape)
    count = math.prod(rest)
    if volume is None and count > 1:
        raise BadInput(
            "several_volumes",
            f"{path} holds {count} volumes ({words}): choose one with volume=k (--volume k), k from 0 to {count - 1}",
        )
    if volume is not None and not 0 <= volume < count:
        have = "1 volume" if count == 1 else f"{count} volumes, 0 to {count - 1}"
        raise BadInput("no_such_volume", f"{path} holds {have}: volume {volume} is not among them, choose another")
    if rest and count == 1:
        return 0, [f"squeezed: the file holds {words} voxels, and its single volume was taken"]
    return (volume, []) if rest else (None, [])


def check_size(path: Path, shape: Sequence[int]) -> None:
    """Refuse, before anything is allocated, what does not fit into memory."""
    size = 4 * math.prod(map(int, shape))
    if size > LARGEST:
        raise BadInput(
            "too_large",
            f"{path} declares {' x '.join(map(str, shape))} voxels, {size / 1e9:,.1f} GB as float32 and more than the "
            f"{LARGEST / 1e9:g} GB read here: check where it comes from, or save one volume of it, or make it smaller",
        )


def copy(start: bytes, stream: BinaryIO, size: int) -> io.BytesIO:
    """The first ``size`` bytes of a stream of which ``start`` is read already, held as far as they are really there."""
    held = io.BytesIO()
    held.write(start)
    while held.tell() < size and (chunk := stream.read(min(CHUNK, size - held.tell()))):
        held.write(chunk)
    return held


def drain(stream: BinaryIO) -> int:
    """Read a stream to its end, at most as far as anything here is read; returns the number of bytes."""
    count = 0
    while count <= LARGEST and (chunk := stream.read(CHUNK)):
        count += len(chunk)
    return count


def cut_short(path: Path) -> BadInput:
    """The error for a file that ends before its header says."""
    return BadInput("truncated", f"{path} is cut short: copy or download it again")


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
    """Format that the first bytes announce."""
    if start.startswith(NETCDF):
        return "minc1"
    if start.startswith(HDF5):
        return "minc2"
    sizes = [int.from_bytes(start[:4], order) for order in ("little", "big")]
    return "nifti" if 348 in sizes or 540 in sizes else None


def _reader(path: Path, start: bytes):
    from xiqa.data import minc, nifti

    kind = _kind(start)
    if kind is None:
        what = "has no content (0 bytes)" if not start else "is neither a NIfTI nor a MINC file"
        raise BadInput("not_nifti", f"{path} {what}: give the scan as .nii, .nii.gz or .mnc, or copy it again")
    return {"nifti": nifti.read, "minc1": minc.read_netcdf, "minc2": minc.read_hdf5}[kind]


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Decoders may raise anything at all on a damaged file."""
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


def _make_finite(path: Path, array: NDArray[np.float32], notes: list[str]) -> None:
    """Set a few NaN and infinite voxels to 0 and say so; refuse many."""
    wrong = ~np.isfinite(array)
    count = int(wrong.sum())
    if not count:
        return
    share = f"{count} of {array.size} voxels ({100 * count / array.size:.2g} %)"
    if count > NOT_FINITE_AT_MOST * array.size:
        raise BadInput(
            "not_finite",
            f"{path}: {share} are NaN or infinite, more than {100 * NOT_FINITE_AT_MOST:g} %: export it with numbers",
        )
    array[wrong] = 0
    notes.append(f"not_finite: {share} are NaN or infinite and were set to 0")
