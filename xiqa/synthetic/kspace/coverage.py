"""The field of view: too small for the head (wrap-around), or in the wrong place (cut).

One canvas larger than the head serves all three: a clean scan is its central crop to M voxels, wrap-around the canvas
folded to M, a cut the crop at a shifted place. `crop` and `fold` return the M voxels themselves; the two operators
keep the shape, with those M in the middle and zeros around, to be cropped away.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import like


def wrap_around(
    x: Tensor,
    severity: float = 0.1,
    *,
    axis: int = 1,
    generator: torch.Generator | None = None,
    size: int | None = None,
) -> Tensor:
    """Fold the signal outside the central M voxels of the phase-encode axis to the other side.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex; the canvas.
    severity : share of the head's signal that lies outside and is folded, in [0, 1): M is chosen so that the share is
        as near as whole voxels allow, and not 0.
    axis : phase-encode axis.
    generator : not used.
    size : M itself, whatever the severity (but 0).

    Returns
    -------
    (..., X, Y, Z) : the M voxels in the middle, zeros around; complex if ``x`` is, else the magnitude; ``x`` itself at
        severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity, 1 - 1e-9)
    dim = arguments.dimension(axis)
    if size is not None:
        arguments.whole("size", size, 1, x.shape[dim])
    if severity == 0:
        return x
    size = size or wrapped_size(x, severity, axis)
    return like(x, _centred(fold(x, size, axis), x.shape[dim], dim))


def field_of_view_cut(
    x: Tensor,
    severity: float = 0.1,
    *,
    axis: int = 2,
    generator: torch.Generator | None = None,
    size: int | None = None,
    offset: int | None = None,
) -> Tensor:
    """Crop to M voxels at a shifted place, so that one end of the head is missing.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex; the canvas, 0 beyond.
    severity : share of the head's signal that the shift loses, in [0, 1), as near as whole voxels allow, and not 0.
    axis : the axis of the shift.
    generator : draws the end that is lost.
    size : M; None takes the smallest central crop that holds the head.
    offset : the shift in voxels itself, whatever the severity (but 0).

    Returns
    -------
    (..., X, Y, Z) : the M voxels in the middle, zeros around; complex if ``x`` is, else the magnitude; ``x`` itself at
        severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity, 1 - 1e-9)
    dim = arguments.dimension(axis)
    if size is not None:
        arguments.whole("size", size, 1, x.shape[dim])
    if offset is not None:
        arguments.whole("offset", offset, -x.shape[dim], x.shape[dim])
    if severity == 0:
        return x
    side = arguments.pick(generator, (-1, 1))
    size = size or holding_size(x, axis)
    if offset is None:
        offset = cut_offset(x, severity, axis, size, side)
    sizes, offsets = list(x.shape[-3:]), [0, 0, 0]
    sizes[dim], offsets[dim] = size, offset
    return like(x, _centred(crop(x, sizes, offsets), x.shape[dim], dim))


def crop(x: Tensor, sizes: Sequence[int], offsets: Sequence[int] = (0, 0, 0)) -> Tensor:
    """The central block (..., M0, M1, M2) of a tensor (..., X, Y, Z), or one ``offsets`` voxels away; 0 beyond.

    The centre floor(M/2) of the block is the centre floor(N/2) of the volume plus the offset.
    """
    here, there = [], []
    for n, size, offset in zip(x.shape[-3:], sizes, offsets, strict=True):
        arguments.whole("sizes", size, 1, 1 << 30)
        start = n // 2 - size // 2 + offset
        first, last = min(max(start, 0), n), max(min(start + size, n), 0)
        here.append(slice(first, max(first, last)))
        there.append(slice(first - start, max(first, last) - start))
    if all(part == slice(size) for part, size in zip(there, sizes, strict=True)):
        return x[(..., *here)].clone()
    block = x.new_zeros((*x.shape[:-3], *sizes))
    block[(..., *there)] = x[(..., *here)]
    return block


def fold(x: Tensor, size: int, axis: int) -> Tensor:
    """Fold an axis to M voxels: y[j] = sum over m of x[j - floor(M/2) + floor(N/2) + m M]."""
    dim = arguments.dimension(axis)
    lines = x.shape[dim]
    arguments.whole("size", size, 1, lines)
    before = size // 2 - lines // 2
    low = before % size  # so that whole blocks lie below the first voxel of the central one
    blocks = -(-(low + lines) // size)
    margins = [0, 0] * (-dim - 1) + [low, blocks * size - low - lines]
    return functional.pad(x, margins).unflatten(dim, (blocks, size)).sum(dim - 1)


def wrapped_size(x: Tensor, severity: float, axis: int) -> int:
    """M whose central block leaves a share of the head's signal outside that is nearest to ``severity``, and not 0."""
    signal = head_signal(x, axis)
    n = len(signal)
    sizes = np.arange(1, n)
    shares = _missing(signal, n // 2 - sizes // 2, sizes)
    return _nearest(sizes, shares, severity)


def holding_size(x: Tensor, axis: int) -> int:
    """The smallest M whose central block holds all of the head, at most N."""
    dim = arguments.dimension(axis)
    low, high = reference.box(reference.head(reference.thinned(x, dim)[0]))[dim]
    half = x.shape[dim] // 2
    return min(max(2 * (half - low), 2 * (high - half) + 1), x.shape[dim])


def cut_offset(x: Tensor, severity: float, axis: int, size: int, side: int) -> int:
    """Shift (voxels, of the sign ``side``) of a block of M that loses the share nearest to ``severity``, and not 0.

    The share is the signal in the central and not in the shifted block, over all of the head's signal.
    """
    signal = head_signal(x, axis)
    n, start = len(signal), len(signal) // 2 - size // 2
    held = np.zeros(n)
    held[start : start + size] = signal[start : start + size]
    offsets = side * np.arange(1, n)
    return _nearest(offsets, _missing(held, start + offsets, np.full(n - 1, size)), severity)


def head_signal(x: Tensor, axis: int) -> np.ndarray:
    """Signal of the head (N,) in the planes across an axis, of sum 1."""
    dim = arguments.dimension(axis)
    y = reference.magnitude(reference.thinned(x, dim)[0])
    signal = reference.profile(y * reference.head(y), dim)
    return signal / signal.sum()


def _missing(signal: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Signal outside the blocks [start, start + size)."""
    until = np.concatenate([[0.0], np.cumsum(signal)])
    inside = until[np.clip(starts + sizes, 0, len(signal))] - until[np.clip(starts, 0, len(signal))]
    return until[-1] - inside


def _nearest(options: np.ndarray, shares: np.ndarray, severity: float) -> int:
    some = shares > 1e-9
    if not some.any():
        raise ValueError("no voxel of the head can be lost along this axis: it is one voxel wide")
    return int(options[some][abs(shares[some] - severity).argmin()])


def _centred(block: Tensor, lines: int, dim: int) -> Tensor:
    sizes = list(block.shape[-3:])
    sizes[dim] = lines
    return crop(block, sizes)
