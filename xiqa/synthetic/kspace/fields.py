r"""Smooth fields: receive bias, and the magnetic field of air and metal.

Bias: y = x exp(sum c_ijk P_i P_j P_k), Legendre polynomials of total degree up to 3, without the constant.

Susceptibility, in 1/mm for k and with B0 along b:

.. math:: \Delta B(k) = B_0\,\Delta\chi(k)\,\left(\tfrac13 - \frac{(k\cdot b)^2}{|k|^2}\right),\quad \Delta B(0) = 0

Spin-warp sequences are displaced along the readout by gamma/2pi dB / (bandwidth per pixel), and gradient echoes lose
abs(sinc(gamma/2pi dB/dz dz TE)) over the slice thickness dz.
"""

import math

import numpy as np
import torch
from numpy.polynomial import legendre
from scipy import optimize
from torch import Tensor
from torch.nn import functional

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import along, like, times

SEQUENCES = ("gradient_echo", "spin_echo")

# gamma / 2 pi of the proton in Hz per T and per ppm.
_GAMMA = 42.577

# A voxel that loses 30 %: sinc(u) = 0.7, and a stretch of 1 / 0.7.
_SINC, _STRETCH = 0.4429470, 3 / 7

# A voxel is displaced in so many parts; less than half a part is no displacement.
_PARTS = 8

# A volume of so many voxels is large.
_LARGE = 2_000_000

# Drawn sources take this share of the volume that is to be damaged: so they come out at some 10 ppm, as air does, in a
# gradient echo of 20 ms, and at some 30 ppm in a spin echo.
_SOURCE = {"gradient_echo": 0.25, "spin_echo": 0.35}


def bias_field(
    x: Tensor,
    severity: float = 0.4,
    *,
    axis: int = 1,
    generator: torch.Generator | None = None,
    coefficients: Tensor | None = None,
) -> Tensor:
    """Multiply by a smooth field, as an uneven receive coil does.

    The field is a sum of products of one polynomial per axis, so it is computed in full at the cost of one matrix
    product. Its logarithm has mean 0 over the head.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : (P99 - P1) / mean of the field over the head, in [0, 2]; BrainWeb's 20 % is about 0.2.
    axis : not used, as in every operator that has no direction.
    generator : draws the coefficients.
    coefficients : (4, 4, 4) of P_i(x) P_j(y) P_k(z) on [-1, 1], scaled to the severity; None draws them, those of
        degree d with spread 1/d.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments; a field that cannot be so uneven.
    """
    arguments.check(x, severity, 2)
    arguments.dimension(axis)
    degrees = sum(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"))
    if coefficients is None:
        coefficients = arguments.random(generator, (4, 4, 4), normal=True).cpu() / torch.from_numpy(degrees).clamp(
            min=1
        )
    elif tuple(coefficients.shape) != (4, 4, 4) or not torch.isfinite(coefficients).all():
        raise ValueError("coefficients must be a tensor (4, 4, 4) of finite numbers")
    if severity == 0:
        return x
    weights = np.where((degrees > 0) & (degrees <= 3), np.asarray(coefficients.cpu(), float), 0.0)
    log_field = _polynomial(x, weights)
    over_head = reference.thinned(log_field)[0][reference.head(reference.thinned(x)[0])]
    mean = over_head.mean()
    strength = _strength(over_head - mean, severity)
    return like(x, times(x, log_field.sub_(mean).mul_(strength).exp_()))


def _polynomial(x: Tensor, weights: np.ndarray) -> Tensor:
    """Sum of weights[i, j, k] P_i P_j P_k (X, Y, Z) on [-1, 1], in the real type of ``x``."""
    bases = []
    for n in x.shape[-3:]:
        values = legendre.legvander(np.linspace(-1, 1, n) if n > 1 else np.zeros(1), 3)
        bases.append(torch.from_numpy(values).to(x.device, x.real.dtype))
    inner = torch.einsum("xi,yj,ijk->xyk", bases[0], bases[1], torch.from_numpy(weights).to(bases[0]))
    return inner @ bases[2].T


def _strength(log_field: Tensor, severity: float) -> float:
    """The factor on the log field (values over the head) with which (P99 - P1) / mean is the severity."""
    low, high = reference.percentile(log_field, 1), reference.percentile(log_field, 99)
    if high - low < 1e-9:
        raise ValueError("the field is constant over the head: give other coefficients")
    values = log_field.cpu().numpy()

    def excess(scale: float) -> float:
        return (math.exp(scale * high) - math.exp(scale * low)) / np.exp(scale * values).mean() - severity

    upper = severity / (high - low)
    while excess(upper) < 0:
        upper *= 1.3
        if upper > 40 / (high - low):
            raise ValueError(f"no field of this form is as uneven as {severity}: choose less")
    return optimize.brentq(excess, 0, upper)


def susceptibility(
    x: Tensor,
    severity: float = 0.05,
    *,
    axis: int = 0,
    generator: torch.Generator | None = None,
    sources: Tensor | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    affine: np.ndarray | None = None,
    slice_axis: int = 2,
    sequence: str = "gradient_echo",
    field: float = 3.0,
    bandwidth: float = 200.0,
    echo_time: float = 0.02,
) -> Tensor:
    """Signal loss and distortion around air or metal.

    The sources have no signal of their own. Their susceptibility is scaled until the severity is met, so damage grows
    with it as with stronger metal, or larger cavities.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : share of the head's voxels (outside the sources) that lose more than 30 %, in [0, 0.5]: by dephasing in
        a gradient echo, by stretching along the readout in a spin echo.
    axis : readout axis, along which voxels are displaced.
    generator : draws the sources where none are given.
    sources : (X, Y, Z) occupancy in [0, 1] of air or metal; None draws a ball over the sinuses, at an ear canal or at
        the teeth, growing with the severity, for volumes whose axes point right, anterior and superior.
    spacing : voxel sizes in mm.
    affine : (4, 4) voxel to RAS, for oblique volumes: gives the spacing and the direction of B0 (superior-inferior).
    slice_axis : axis of the slice thickness over which a gradient echo dephases.
    sequence : "gradient_echo" or "spin_echo" (which does not dephase).
    field : B0 in T. bandwidth : Hz per pixel of the readout. echo_time : s.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments; sources too few, too far or too even to do such damage.
    """
    arguments.check(x, severity, 0.5)
    dim, across = arguments.dimension(axis), arguments.dimension(slice_axis)
    arguments.choice("sequence", sequence, SEQUENCES)
    sizes, direction = _orientation(spacing, affine)
    for name, value in (("field", field), ("bandwidth", bandwidth), ("echo_time", echo_time)):
        arguments.positive(name, value)
    if min(x.shape[dim], x.shape[across]) < 2:
        raise ValueError("the readout and the slice axis must have two voxels at least, for a gradient along them")
    if sources is not None and sources.shape != x.shape[-3:]:
        raise ValueError(f"sources must have the shape {tuple(x.shape[-3:])} of the volume, not {tuple(sources.shape)}")
    if severity == 0:
        return x
    mask = reference.head(x)
    if sources is None:
        sources = _drawn_sources(mask, _SOURCE[sequence] * severity, generator, sizes)
    sources = sources.to(x.device, x.real.dtype)
    hertz = _GAMMA * field * _field(sources, sizes, direction)  # of 1 ppm
    around = mask & (sources < 0.5)
    if sequence == "gradient_echo":
        turns = torch.gradient(hertz, dim=across)[0].abs_() * echo_time
        scale = _SINC / _upper(turns[around], severity)
        y = times(x, torch.sinc(turns.mul_(scale)).abs_() * (1 - sources))
    else:
        stretch = torch.gradient(hertz, dim=dim)[0] / bandwidth
        scale = _STRETCH / _upper(stretch[around], severity, _STRETCH)
        y = times(x, 1 - sources)
    return like(x, displaced(y, hertz.mul_(scale / bandwidth), dim))


def _orientation(spacing, affine) -> tuple[np.ndarray, np.ndarray]:
    """Voxel sizes in mm, and the direction of B0 along the voxel axes."""
    if affine is None:
        return arguments.millimetres(spacing), np.array([0.0, 0.0, 1.0])
    affine = np.asarray(affine, float)
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError("affine must be a (4, 4) matrix that can be inverted")
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    direction = (affine[:3, :3] / sizes)[2]
    return sizes, direction / np.linalg.norm(direction)


def _field(sources: Tensor, spacing: np.ndarray, direction: np.ndarray) -> Tensor:
    """`dipole_field`; of a large volume on every second voxel, since the field is smooth, and interpolated."""
    if sources.numel() < _LARGE or min(sources.shape) < 32:
        return dipole_field(sources, spacing, direction)
    coarse = functional.avg_pool3d(sources[None, None], 2, ceil_mode=True)
    coarse = dipole_field(coarse[0, 0], 2 * spacing, direction)
    fine = functional.interpolate(coarse[None, None], scale_factor=2, mode="trilinear")[0, 0]
    return fine[tuple(slice(n) for n in sources.shape)].contiguous()


def dipole_field(sources: Tensor, spacing: np.ndarray, direction: np.ndarray) -> Tensor:
    """Field (X, Y, Z) in ppm of B0 of a susceptibility (X, Y, Z) in ppm, padded to twice the size.

    ``spacing`` (3,) in mm; ``direction`` (3,) of B0 along the voxel axes, of length 1. Planes of zeros are not
    transformed.
    """
    shape = sources.shape
    twice = [2 * n for n in shape]
    kspace = torch.fft.rfft(sources, n=twice[2], dim=2)
    kspace = torch.fft.fft(torch.fft.fft(kspace, n=twice[1], dim=1), n=twice[0], dim=0)
    kspace *= _dipole(twice, spacing, direction, sources)
    field = torch.fft.ifft(kspace, dim=0)[: shape[0]]
    field = torch.fft.ifft(field, dim=1)[:, : shape[1]]
    return torch.fft.irfft(field, n=twice[2], dim=2)[..., : shape[2]]


def _dipole(shape: list[int], spacing: np.ndarray, direction: np.ndarray, sources: Tensor) -> Tensor:
    """1/3 - (k . b)^2 / |k|^2 in the layout of a real transform of even sizes, 0 at k = 0."""
    squared, component = 0.0, 0.0
    for dim, (n, size, b) in enumerate(zip(shape, spacing, direction, strict=True)):
        k = torch.fft.rfftfreq(n, float(size)) if dim == 2 else torch.fft.fftfreq(n, float(size))
        k = along(k.to(sources), dim - 3)
        squared = squared + k**2
        component = component + float(b) * k if b else component
    squared[0, 0, 0] = 1
    kernel = (component**2 / squared).neg_().add_(1 / 3)
    kernel[0, 0, 0] = 0
    return kernel


def _upper(values: Tensor, share: float, stretch: float | None = None) -> float:
    """The value that a share of all values exceeds.

    With ``stretch``, values are stretches up to a factor, under which that value becomes ``stretch``, and a voxel
    stretched by s counts for the 1 + s voxels that it then fills.
    """
    wanted = share * len(values)
    count = min(max(math.ceil(wanted), 1), len(values))
    if stretch is None:
        value = reference.percentile(values, 100 * (1 - share)) if count else 0.0
    else:
        top = np.partition(values.cpu().numpy(), -count)[len(values) - count :] if count else np.zeros(1)
        top = np.sort(top)[::-1].clip(1e-9).astype(float)
        filled = np.arange(1, len(top) + 1) + stretch * np.cumsum(top) / top
        value = top[min(np.searchsorted(filled, wanted), len(top) - 1)]
    if not value > 1e-6:
        raise ValueError("the sources have no effect on the head: give larger or nearer ones")
    return float(value)


def _drawn_sources(mask: Tensor, share: float, generator: torch.Generator | None, spacing: np.ndarray) -> Tensor:
    """A ball over the sinuses, at an ear canal or at the teeth; ``share`` of the head's volume."""
    low, high = np.array(reference.box(mask), float).T
    place = arguments.pick(generator, ((0.5, 0.85, 0.4), (0.12, 0.45, 0.35), (0.88, 0.45, 0.35), (0.5, 0.9, 0.1)))
    jitter = 0.08 * (arguments.random(generator, (3,)).cpu().numpy() - 0.5)
    volume = share * mask.sum().item() * float(np.prod(spacing))
    radius = max((0.75 / math.pi * volume) ** (1 / 3), 0.7 * float(np.cbrt(np.prod(spacing))))
    return reference.ball(mask.shape, low + (np.array(place) + jitter) * (high - low), radius, spacing, mask.device)


def displaced(x: Tensor, shift: Tensor, dim: int) -> Tensor:
    """Signal moved by ``shift`` (X, Y, Z) voxels along a dimension, piled up and thinned out, its sum kept inside.

    Every voxel is cut into eight parts that travel by the shift interpolated between the voxels' centres and add to
    the voxel where they arrive; signal that leaves the volume is lost.
    """
    lines = (shift.abs() >= 0.5 / _PARTS).any(dim)
    if not lines.any():
        return x
    part_of_x = x.movedim(dim, -1)[..., lines, :] / _PARTS
    shift = shift.movedim(dim, -1)[lines]
    n = shift.shape[-1]
    edges = torch.cat([shift[:, :1], (shift[:, 1:] + shift[:, :-1]) / 2, shift[:, -1:]], -1)
    place = torch.arange(n, device=x.device, dtype=shift.dtype)
    # one more place on either side collects the signal that leaves the volume
    result = torch.zeros((*part_of_x.shape[:-1], n + 2), dtype=x.dtype, device=x.device)
    for part in range(_PARTS):
        inside = (part + 0.5) / _PARTS
        arrival = torch.lerp(edges[:, :-1], edges[:, 1:], inside).add_(place + inside)
        target = arrival.floor_().clamp_(-1, n).add_(1).long()
        result.scatter_add_(-1, target.expand_as(part_of_x), part_of_x)
    y = x.clone()
    y.movedim(dim, -1)[..., lines, :] = result[..., 1:-1]
    return y
