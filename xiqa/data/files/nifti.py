"""Read NIfTI files: a stream of bytes becomes values, affine and notes, after checks of the header."""

import math
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from xiqa.data.files.checks import cut_short
from xiqa.data.files.stored import Stored, choose, copy, drain
from xiqa.errors import BadInput

TEMPORAL = ("sec", "msec", "usec")


def read(path: Path, stream: BinaryIO, start: bytes, volume: int | None) -> Stored:
    """Read a NIfTI file of one part from its uncompressed stream, whose first bytes ``start`` are consumed already.

    Raises ``BadInput`` as ``xiqa.data.files.volumes.load_volume``; decoders' own errors pass through.
    """
    header = _header(path, start)
    index, notes = choose(path, _shape(path, header), volume)
    promised = _promised(path, header)
    content = copy(start, stream, promised)
    if content.tell() < promised:
        raise cut_short(path)
    if extra := content.tell() - promised + drain(stream):
        notes.append(f"longer: the file holds {extra} bytes more than its header says, which were left out")
    proxy = ArrayProxy(content, header)  # applies the header's scale factors
    values = proxy[() if index is None else (slice(None),) * 3 + (index,) + (0,) * (proxy.ndim - 4)]
    zooms = [abs(float(zoom)) for zoom in header["pixdim"][1:4]]
    zooms = tuple(zoom if np.isfinite(zoom) and zoom > 0 else 1.0 for zoom in zooms)
    return Stored(values, _affine(header, notes), zooms, notes)


def _header(path: Path, start: bytes) -> nib.Nifti1Header:
    second = 540 in (int.from_bytes(start[:4], order) for order in ("little", "big"))
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    if len(start) < kind.sizeof_hdr:
        raise cut_short(path)
    header = kind(start[: kind.sizeof_hdr], check=False)
    magic = bytes(header["magic"])[:3]
    if magic in (b"ni1", b"ni2") or not magic.strip(b"\0"):
        message = f"{path} is one half of a pair of files (.hdr and .img): convert the pair to a single .nii"
        raise BadInput("unsupported", message)
    if magic not in (b"n+1", b"n+2"):
        raise BadInput("not_nifti", f"{path} lacks the mark of a NIfTI file: copy or download it again")
    return header


def _shape(path: Path, header: nib.Nifti1Header) -> tuple[int, ...]:
    ndim, sizes = int(header["dim"][0]), [int(size) for size in header["dim"][1:]]
    shape = tuple(sizes[: max(ndim, 0)])
    if not 1 <= ndim <= 7 or min(shape) < 1:
        dimensions = list(map(int, header["dim"]))
        raise BadInput("damaged", f"{path} has a damaged header (its dimensions are {dimensions}): export it again")
    spatial, temporal = header.get_xyzt_units()
    if ndim == 3 and spatial == "unknown" and temporal in TEMPORAL:
        message = f"{path} holds slices over time (its header has seconds and no millimetres): give a volume"
        raise BadInput("not_3d", message)
    return shape


def _promised(path: Path, header: nib.Nifti1Header) -> int:
    """Length of the uncompressed file in bytes, by its header."""
    try:
        kind = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        message = f"{path} has voxels of an unknown type (code {int(header['datatype'])}): save it as float32"
        raise BadInput("unsupported", message) from error
    if kind.names or kind.itemsize == 0:
        raise BadInput("unsupported", f"{path} holds colours or other compound values: save one grey value a voxel")
    offset, first = float(header["vox_offset"]), header.single_vox_offset
    header["vox_offset"] = offset or first
    if not (np.isfinite(offset) and first <= header["vox_offset"] < 1e9):
        raise BadInput("damaged", f"{path} has a damaged header (its voxels begin at byte {offset:g}): export it again")
    return header.get_data_offset() + math.prod(_shape(path, header)) * kind.itemsize


def _affine(header: nib.Nifti1Header, notes: list[str]) -> NDArray[np.float64] | None:
    """Best affine of the header, None where it has none that can be used."""
    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        notes.append("no_orientation: the header does not state left and right, the array stays as it is stored")
        return None
    with suppress(HeaderDataError, ValueError):
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
        if np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3:
            return affine
    notes.append("affine_singular: the header's affine is singular, the array stays as it is stored")
    return None
