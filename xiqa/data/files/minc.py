"""Read MINC files, version 1 (NetCDF classic) and 2 (HDF5): bytes become values, affine and notes."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel.externals.netcdf import netcdf_file
from nibabel.minc1 import Minc1File
from nibabel.minc2 import Minc2File

from xiqa.data.files.checks import cut_short
from xiqa.data.files.stored import LARGEST, Stored, choose, copy
from xiqa.errors import BadInput


def read_netcdf(path: Path, stream: BinaryIO, start: bytes, volume: int | None) -> Stored:
    """Read MINC 1 from its uncompressed stream, whose first bytes ``start`` are consumed already.

    Raises ``BadInput`` as ``xiqa.data.files.volumes.load_volume``; decoders' own errors pass through.
    """
    content = _content(path, stream, start)
    try:
        # The whole header lies before the voxels, so a file that is cut short shows it here.
        with netcdf_file(content) as parsed:
            return _read(path, Minc1File(parsed), volume)
    except BadInput:
        raise
    except (ValueError, IndexError, TypeError) as error:
        if any(words in str(error) for words in ("buffer", "reshape", "size", "index out of")):
            raise cut_short(path) from error
        raise


def read_hdf5(path: Path, stream: BinaryIO, start: bytes, volume: int | None) -> Stored:
    """Read MINC 2 likewise."""
    import h5py

    with h5py.File(_content(path, stream, start), "r") as parsed:
        if "minc-2.0" not in parsed:
            raise BadInput("not_nifti", f"{path} is an HDF5 file but not MINC: give the volume as NIfTI or MINC")
        return _read(path, Minc2File(parsed), volume)


def _content(path: Path, stream: BinaryIO, start: bytes) -> BytesIO:
    content = copy(start, stream, LARGEST + 1)
    if content.tell() > LARGEST:
        raise BadInput("too_large", f"{path} has more than the {LARGEST / 1e9:g} GB read here: make it smaller")
    content.seek(0)
    return content


def _read(path: Path, file: Minc1File, volume: int | None) -> Stored:
    names = list(file._dim_names)  # no public attribute of nibabel has the names of the axes
    space = [place for place, name in enumerate(names) if name.endswith("space")]
    others = [place for place in range(len(names)) if place not in space]
    if len(space) != 3:
        raise BadInput("not_3d", f"{path} has the axes {', '.join(names)}: give a volume with three axes in space")
    shape, zooms = file.get_data_shape(), file.get_zooms()
    index, notes = choose(path, [shape[place] for place in space + others], volume)
    slicer = [slice(None) if place in space else 0 for place in range(len(names))]
    if others:
        slicer[others[0]] = index
    affine = np.asarray(file.get_affine(), dtype=np.float64)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        notes.append("affine_singular: the header's affine is singular, the array stays as it is stored")
        affine = None
    values = np.array(file.get_scaled_data(tuple(slicer)))
    return Stored(values, affine, tuple(zooms[place] for place in space), notes)
