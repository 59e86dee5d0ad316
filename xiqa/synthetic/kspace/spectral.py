r"""Faults of single points, lines and the extent of k-space: ringing, spikes, zippers, blur.

With X the k-space of x, k and r from -floor(N/2), and N0 N1 N2 voxels:

- ringing: X' = X where abs(k) <= K, else 0: convolution with the Dirichlet kernel sin(pi L n/N) / (N sin(pi n/N)),
  L = 2K + 1.
- spike: X'(k0) = X(k0) + A exp(i phi), so y = x + a exp(i (2 pi k0 r/N + phi)) with a = A / sqrt(N0 N1 N2).
- zipper: X' = X + A exp(-2 pi i k r0/N) exp(i phi(line)) / sqrt(N): noise of RMS A on the plane r = r0 of the readout.
- blur: X' = X exp(-2 pi^2 sum sigma_a^2 k_a^2 / N_a^2).
"""

import math
from collections.abc import Sequence

import torch
from scipy.signal import windows
from torch import Tensor

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import along, filtered, frequencies, like

WINDOWS = ("none", "hamming", "tukey")
ACQUISITIONS = ("2d", "3d")


def gibbs_ringing(
    x: Tensor,
    severity: float = 0.5,
    *,
    axis: int | Sequence[int] = (0, 1, 2),
    generator: torch.Generator | None = None,
    acquisition: str = "3d",
    slice_axis: int = 2,
    window: str = "none",
) -> Tensor:
    """Truncate k-space, so that edges ring.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : share of the lines left out on each axis, in [0, 1): L = 2K + 1 of N are kept, L the odd number nearest
        to N (1 - severity) and below N.
    axis : one or more axes.
    generator : not used.
    acquisition : "2d" leaves out ``slice_axis``, "3d" takes all of ``axis``.
    window : "none", or "hamming" or "tukey" over the lines kept, which trades ringing for blur.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments; only the slice axis in a 2D acquisition.
    """
    arguments.check(x, severity, 1 - 1e-9)
    dims = _in_acquisition(arguments.dimensions(axis), acquisition, slice_axis)
    arguments.choice("window", window, WINDOWS)
    if severity == 0:
        return x
    factors = {}
    for dim in dims:
        lines = x.shape[dim]
        largest = (lines - 2) // 2 if lines > 1 else 0
        last = min(max(round((lines * (1 - severity) - 1) / 2), 0), max(largest, 0))
        factors[dim] = taper(frequencies(x, dim), last, window)
    return like(x, filtered(x, factors))


def taper(k: Tensor, last: int, window: str) -> Tensor:
    """Weights of the lines k: a window over abs(k) <= last, 0 beyond."""
    if window == "none":
        return (k.abs() <= last).double()
    shape = windows.hamming(2 * last + 1) if window == "hamming" else windows.tukey(2 * last + 3, 0.5)[1:-1]
    weights = torch.from_numpy(shape[last:]).to(k.device)
    return torch.where(k.abs() <= last, weights[k.abs().clamp(max=last).long()], 0.0)


def _in_acquisition(dims: list[int], acquisition: str, slice_axis: int) -> list[int]:
    """The encoded ones of ``dims``: a 2D acquisition does not encode its slices."""
    across = arguments.dimension(slice_axis)
    if arguments.choice("acquisition", acquisition, ACQUISITIONS) == "2d":
        dims = [dim for dim in dims if dim != across]
    if not dims:
        raise ValueError("a 2D acquisition has no k-space along its slices: choose another axis, or another slice_axis")
    return dims


def spike(
    x: Tensor,
    severity: float = 0.3,
    *,
    axis: int = 0,
    generator: torch.Generator | None = None,
    acquisition: str = "3d",
    slice_axis: int = 2,
    burst: int | None = None,
    place: Sequence[int] | None = None,
    phase: float | None = None,
) -> Tensor:
    """Stripes over the whole image (herringbone), from a few samples that a spark has hit.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : amplitude of the stripes (root mean square over the hit volume or slice) divided by the 99th percentile
        of x.
    axis : readout axis, along which the samples of a burst lie.
    generator : draws the parameters that are not given.
    acquisition : "3d": all slices have stripes; "2d": one slice of ``slice_axis``, through the head.
    burst : number of adjacent samples hit, each with a phase of its own; 1 gives stripes of constant amplitude. None
        draws 1 to 5.
    place : (3,) frequencies k of the first sample, -floor(N/2) to ceil(N/2) - 1; in 2D, the index of the slice stands
        in the slice's place. None draws it away from the centre of k-space.
    phase : phi in rad of the first sample; None draws it.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity)
    dim, across = arguments.dimension(axis), arguments.dimension(slice_axis)
    flat = arguments.choice("acquisition", acquisition, ACQUISITIONS) == "2d"
    if flat and dim == across:
        raise ValueError("a 2D acquisition does not read out along its slices: choose another axis or slice_axis")
    place = _checked_place(x, place, across if flat else None)
    if burst is not None:
        arguments.whole("burst", burst, 1, x.shape[dim])
    if severity == 0:
        return x
    if place is None:
        place = _drawn_place(x, generator, dim, across if flat else None)
    burst = burst or min(1 + int(arguments.uniform(generator, 0, 5)), x.shape[dim])
    phases = 2 * math.pi * arguments.random(generator, (burst,))
    if phase is not None:
        phases[0] = arguments.number("phase", phase)
    amplitude = severity * reference.bright(x) / math.sqrt(burst)
    wave = _wave(x, dim, [place[dim + 3] + step for step in range(burst)], phases)
    for other in {-3, -2, -1} - {dim} - ({across} if flat else set()):
        wave = wave * _wave(x, other, [place[other + 3]], torch.zeros(1))
    wave = amplitude * wave.to(x.dtype.to_complex())
    y = x.to(wave.dtype, copy=True)
    target = y.narrow(across, place[across + 3], 1) if flat else y
    target += wave
    return like(x, y)


def _wave(x: Tensor, dim: int, places: Sequence[int], phases: Tensor) -> Tensor:
    """Sum of exp(i (2 pi k r/N + phase)) over the places k, shaped to be broadcast along ``dim``."""
    r = torch.arange(x.shape[dim], device=x.device, dtype=torch.float64) - x.shape[dim] // 2
    k = torch.tensor(places, device=x.device, dtype=torch.float64)
    angle = 2 * math.pi * k[:, None] * r / x.shape[dim] + phases.to(x.device)[:, None]
    return along(torch.exp(1j * angle).sum(0), dim)


def _checked_place(x: Tensor, place: Sequence[int] | None, across: int | None) -> list[int] | None:
    if place is None:
        return None
    if len(place) != 3:
        raise ValueError(f"place must be three whole numbers, and is {place}")
    for dim, k in zip((-3, -2, -1), place, strict=True):
        lowest = 0 if dim == across else -(x.shape[dim] // 2)
        arguments.whole("place", k, lowest, lowest + x.shape[dim] - 1)
    return [int(k) for k in place]


def _drawn_place(x: Tensor, generator: torch.Generator | None, dim: int, across: int | None) -> list[int]:
    """A place in k-space 10 to 40 % of N away from the centre on two axes, and in 2D a slice through the head."""
    place = []
    for other in (-3, -2, -1):
        share = arguments.uniform(generator, 0.1, 0.4) * arguments.pick(generator, (-1, 1))
        if other == across:
            low, high = reference.box(reference.head(reference.thinned(x, other)[0]))[other + 3]
            place.append(low + int(arguments.uniform(generator, 0.1, 0.9) * (high - low + 1)))
        else:
            place.append(int(share * x.shape[other]))
    return place


def zipper(
    x: Tensor,
    severity: float = 0.3,
    *,
    axis: int = 0,
    generator: torch.Generator | None = None,
    width: int = 1,
    place: int | None = None,
) -> Tensor:
    """Noise on one plane across the readout, from a radio-frequency tone with a random phase in each line.

    In 2D and 3D acquisitions alike every line has a phase of its own, so the noise is the same.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : root mean square of the noise divided by the 99th percentile of x.
    axis : readout axis; the zipper lies across it.
    generator : draws the phases and the place.
    width : neighbouring planes hit, 1 or more.
    place : index of the first plane; None draws it.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity)
    dim = arguments.dimension(axis)
    width = arguments.whole("width", width, 1, x.shape[dim])
    if place is not None:
        arguments.whole("place", place, 0, x.shape[dim] - width)
    if severity == 0:
        return x
    if place is None:
        place = int(arguments.uniform(generator, 0.1, 0.9) * (x.shape[dim] - width + 1))
    shape = list(x.shape[-3:])
    shape[dim] = width
    phases = arguments.random(generator, shape).to(x.device)
    lines = [other for other in (-3, -2, -1) if other != dim]
    noise = torch.fft.ifftn(torch.exp(2j * math.pi * phases), dim=lines, norm="ortho")
    y = x.to(x.dtype.to_complex(), copy=True)
    band = y.narrow(dim, place, width)
    band += (severity * reference.bright(x) * noise).to(y.dtype)
    return like(x, y)


def gaussian_blur(
    x: Tensor,
    severity: float = 1.0,
    *,
    axis: int | Sequence[int] = (0, 1, 2),
    generator: torch.Generator | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Gaussian blur in k-space; the volume is periodic.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : standard deviation in mm.
    axis : one or more axes.
    generator : not used.
    spacing : voxel sizes in mm.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity)
    dims, sizes = arguments.dimensions(axis), arguments.millimetres(spacing)
    if severity == 0:
        return x
    cycles = {dim: frequencies(x, dim) / (x.shape[dim] * float(sizes[dim])) for dim in dims}
    return like(x, filtered(x, {dim: torch.exp(-2 * (math.pi * severity * k) ** 2) for dim, k in cycles.items()}))
