"""Acquisition of a scan from a signal, the same for clean and corrupted scans."""

from collections.abc import Callable

import torch
from torch import Tensor

from xiqa.synthetic.kspace import arguments
from xiqa.synthetic.kspace.noise import complex_noise
from xiqa.synthetic.kspace.spectral import WINDOWS, taper
from xiqa.synthetic.kspace.transform import along, frequencies


def acquire(
    signal: Tensor,
    operator: Callable[[Tensor], Tensor] | None = None,
    *,
    noise: float = 0.0,
    filter: str = "tukey",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Acquire a scan: complex signal -> artifact or identity -> k-space -> noise -> filter -> magnitude.

    A clean scan runs through the same steps, so that the two differ by the artifact only. With one generator
    seed, the scan with and the scan without an artifact have the same noise.

    Parameters
    ----------
    signal : (X, Y, Z) complex, with the phase and the coil profile of the object.
    operator : the artifact, a function of the complex image; it may change the shape (`fold`, `crop`). None: a clean
        scan; give a clean scan the same crop as the others.
    noise : standard deviation of each channel, in the units of the signal, before the filter.
    filter : "tukey" (taper over the outer half of k-space), "hamming" or "none".
    generator : draws the noise only.

    Returns
    -------
    (X, Y, Z) float32 magnitudes, of the shape that the operator returns.

    Raises
    ------
    ValueError : bad arguments; an operator that returns no complex volume.
    """
    arguments.check_volume(signal)
    arguments.number("noise", noise, 0)
    arguments.choice("filter", filter, WINDOWS)
    if not signal.is_complex() or signal.ndim != 3:
        raise ValueError("give a complex signal (X, Y, Z); a magnitude has lost its phase")
    image = signal if operator is None else operator(signal)
    if not image.is_complex() or image.ndim != 3:
        raise ValueError("the operator must return a complex volume (X, Y, Z)")
    return read(torch.fft.fftn(image, norm="ortho"), noise, filter, generator)


def read(kspace: Tensor, noise: float, filter: str = "tukey", generator: torch.Generator | None = None) -> Tensor:
    """The second half of `acquire`, for a k-space: noise -> filter -> magnitude.

    Parameters
    ----------
    kspace : (X, Y, Z) complex, unitary, in the order of torch's FFT; changed in place.
    noise, filter, generator : see `acquire`.

    Returns
    -------
    (X, Y, Z) float32 magnitudes.
    """
    kspace += complex_noise(kspace, noise, generator)
    if filter != "none":
        for dim in (-3, -2, -1):
            weights = taper(frequencies(kspace, dim), kspace.shape[dim] // 2, filter)
            kspace *= along(weights, dim).to(kspace.real.dtype)
    return torch.fft.ifftn(kspace, norm="ortho").abs().float()
