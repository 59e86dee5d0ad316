r"""The unitary, centred Fourier transform, and filters that are a product of one factor per axis.

.. math:: X = \mathrm{fftshift}\,\mathrm{fftn}\,\mathrm{ifftshift}\,x / \sqrt{N_0 N_1 N_2}

with the zero frequency at index floor(N / 2) of every axis. A filter commutes with shifts of the image, so `filtered`
needs neither of the two shifts.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from xiqa.synthetic.kspace.arguments import check_volume

SPACE = (-3, -2, -1)


def to_kspace(x: Tensor) -> Tensor:
    """k-space (..., X, Y, Z), complex, of a real or complex image; the sum of squares stays the same."""
    check_volume(x)
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(x, SPACE), dim=SPACE, norm="ortho"), SPACE)


def to_image(kspace: Tensor) -> Tensor:
    """The complex image (..., X, Y, Z) of a k-space; the inverse of `to_kspace`."""
    check_volume(kspace)
    return torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(kspace, SPACE), dim=SPACE, norm="ortho"), SPACE)


def frequencies(x: Tensor, dim: int) -> Tensor:
    """Whole frequencies k in the order of torch's FFT, float64: 0, 1, ..., -1; for even N, -N/2 and not N/2."""
    return torch.fft.fftfreq(x.shape[dim], 1 / x.shape[dim], device=x.device, dtype=torch.float64).round()


def along(values: Tensor, dim: int) -> Tensor:
    """Values (N,) shaped to be broadcast along the tensor dimension ``dim`` (-3, -2 or -1)."""
    return values.reshape(-1, *[1] * (-1 - dim))


def filtered(x: Tensor, factors: Mapping[int, Tensor]) -> Tensor:
    """The complex image after k-space was multiplied by a factor (N,) per tensor dimension, in the FFT's order."""
    dims = tuple(factors)
    kspace = torch.fft.fftn(x, dim=dims)
    for dim, factor in factors.items():
        kspace *= along(factor, dim).to(kspace.dtype if factor.is_complex() else kspace.real.dtype)
    return torch.fft.ifftn(kspace, dim=dims)


def like(x: Tensor, y: Tensor) -> Tensor:
    """The result ``y`` of an operator on ``x``, or its magnitude if ``x`` is real."""
    return y if x.is_complex() else y.abs()


def times(x: Tensor, gain: Tensor) -> Tensor:
    """x * gain for a real gain; a complex x is not multiplied by complex numbers, which takes twice as long."""
    return torch.view_as_complex(torch.view_as_real(x) * gain[..., None]) if x.is_complex() else x * gain
