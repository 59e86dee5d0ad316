"""Faults of single slices, and clipped intensities."""

import math

import torch
from torch import Tensor

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import along, filtered, frequencies, like, times


def dropped_slices(
    x: Tensor,
    severity: float = 1.0,
    *,
    axis: int = 2,
    generator: torch.Generator | None = None,
    count: int | None = None,
) -> Tensor:
    """Dim or drop single slices through the head.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : share of the signal that the slices lose, in [0, 1]; 1 drops them.
    axis : slice axis.
    generator : draws the slices.
    count : number of slices; None draws 1 to an eighth of those through the head.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity, 1)
    dim = arguments.dimension(axis)
    if count is not None:
        arguments.whole("count", count, 1, x.shape[dim])
    if severity == 0:
        return x
    low, high = reference.box(reference.head(reference.thinned(x, dim)[0]))[dim]
    through = high - low + 1
    count = count or 1 + int(arguments.uniform(generator, 0, max(1, through // 8)))
    hit = low + arguments.random(generator, (through,)).argsort()[: min(count, through)]
    gain = torch.ones(x.shape[dim], dtype=x.real.dtype)
    gain[hit.cpu()] = 1 - severity
    return like(x, times(x, along(gain, dim).to(x.device)))


def interleave_step(
    x: Tensor,
    severity: float = 2.0,
    *,
    axis: int = 2,
    generator: torch.Generator | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    packages: int = 2,
) -> Tensor:
    """Shift every second slice in its plane: the head moved between two interleaved packages of slices.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : distance in mm of the last package from the first; the others lie between them.
    axis : slice axis.
    generator : draws the direction.
    spacing : voxel sizes in mm.
    packages : number of interleaved packages.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity)
    dim, sizes = arguments.dimension(axis), arguments.millimetres(spacing)
    packages = arguments.whole("packages", packages, 2, max(2, x.shape[dim]))
    if severity == 0:
        return x
    angle = arguments.uniform(generator, 0, 2 * math.pi)
    away = (torch.arange(x.shape[dim], device=x.device, dtype=torch.float64) % packages) / (packages - 1)
    plane = [other for other in (-3, -2, -1) if other != dim]
    kspace = torch.fft.fftn(x, dim=plane)
    for other, part in zip(plane, (math.cos(angle), math.sin(angle)), strict=True):
        voxels = severity * part / float(sizes[other]) * along(away, dim)
        phase = along(frequencies(x, other) / x.shape[other], other) * voxels
        kspace *= torch.exp(-2j * math.pi * phase).to(kspace.dtype)
    return like(x, torch.fft.ifftn(kspace, dim=plane))


def thick_slices(
    x: Tensor,
    severity: float = 4.0,
    *,
    axis: int = 2,
    generator: torch.Generator | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Average along the slice axis over a thickness, so that tissues share voxels.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : thickness in mm of the average, in addition to that of the voxels: k-space is multiplied by
        sinc(severity k / (N spacing)).
    axis : slice axis.
    generator : not used.
    spacing : voxel sizes in mm.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments; slices thicker than the volume.
    """
    dim, sizes = arguments.dimension(axis), arguments.millimetres(spacing)
    arguments.check_volume(x)
    arguments.number("severity", severity, 0, x.shape[dim] * float(sizes[dim]))
    if severity == 0:
        return x
    return like(x, filtered(x, {dim: torch.sinc(severity * frequencies(x, dim) / (x.shape[dim] * float(sizes[dim])))}))


def clipped(x: Tensor, severity: float = 0.05, *, axis: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """Clip the brightest magnitudes, as a receiver or a conversion that overflows does; phases stay.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : share of the head's voxels that are clipped, in [0, 1).
    axis : not used, as in every operator that has no direction.
    generator : not used.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity, 1 - 1e-9)
    arguments.dimension(axis)
    if severity == 0:
        return x
    y = reference.magnitude(x)
    most = reference.percentile(y[reference.head(y)], 100 * (1 - severity))
    return like(x, times(x, most / x.abs().clamp_(min=most)))
