"""A volume file as it is stored: its limits, and reading in parts, common to NIfTI and MINC."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from xiqa.errors import BadInput

# Bytes that the voxels of a file may take as float32; no scan of a head has a quarter of it.
LARGEST = 2_000_000_000
CHUNK = 1 << 20


@dataclass(frozen=True)
class Stored:
    """Content of a volume file: values (X, Y, Z) as stored, affine (None where unknown), voxel sizes in mm."""

    values: NDArray
    affine: NDArray[np.float64] | None
    zooms: tuple[float, float, float]
    notes: list[str]


def choose(path: Path, shape: Sequence[int], volume: int | None) -> tuple[int | None, list[str]]:
    """Which volume of an array (X, Y, Z, ...) is meant, None where there is no fourth axis; and notes.

    Raises ``BadInput``: ``not_3d``, ``too_large`` (before anything is allocated), ``several_volumes``,
    ``no_such_volume``.
    """
    space, rest, words = shape[:3], shape[3:], " x ".join(map(str, shape))
    count = math.prod(rest)
    if len(space) < 3 or min(space) == 1:
        what = "a single slice over time" if count > 1 else "a single slice"
        raise BadInput("not_3d", f"{path} holds {words} voxels, {what}: give a three-dimensional volume")
    if math.prod(rest[1:]) > 1:
        raise BadInput("not_3d", f"{path} holds {words} values, several for each voxel: give a grey volume")
    size = 4 * math.prod(map(int, shape))
    if size > LARGEST:
        sizes = f"{words} voxels, {size / 1e9:,.1f} GB as float32 and more than the {LARGEST / 1e9:g} GB read here"
        remedy = "check where it comes from, or save one volume of it, or make it smaller"
        raise BadInput("too_large", f"{path} declares {sizes}: {remedy}")
    if volume is None and count > 1:
        last = f"choose one with volume=k (--volume k), k from 0 to {count - 1}"
        raise BadInput("several_volumes", f"{path} holds {count} volumes ({words}): {last}")
    if volume is not None and not 0 <= volume < count:
        have = "1 volume" if count == 1 else f"{count} volumes, 0 to {count - 1}"
        raise BadInput("no_such_volume", f"{path} holds {have}: volume {volume} is not among them, choose another")
    if rest and count == 1:
        return 0, [f"squeezed: the file holds {words} voxels, and its single volume was taken"]
    return (volume, []) if rest else (None, [])


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
