r"""Rician noise: the magnitude of a signal with Gaussian noise in both channels.

.. math:: y = \sqrt{(x + n_1)^2 + n_2^2},\quad E[y^2] = x^2 + 2\sigma^2

In air the mean is sigma sqrt(pi/2) and the standard deviation sigma sqrt(2 - pi/2).
"""

import torch
from torch import Tensor

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import like


def rician_noise(
    x: Tensor,
    severity: float = 0.05,
    *,
    axis: int = 1,
    generator: torch.Generator | None = None,
    signal: float | None = None,
) -> Tensor:
    """Add noise.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : sigma of each channel divided by the reference signal; BrainWeb's 3 % noise is 0.03.
    axis : not used, as in every operator that has no direction.
    generator : draws the noise, the same for all leading axes.
    signal : the reference signal in the units of x: white matter on T1, cerebrospinal fluid on T2 and PD (BrainWeb).
        None takes the 99th percentile of x.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude (Rician); ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments.
    """
    arguments.check(x, severity)
    arguments.dimension(axis)
    if signal is not None:
        arguments.positive("signal", signal)
    if severity == 0:
        return x
    sigma = severity * (reference.bright(x) if signal is None else signal)
    return like(x, x + complex_noise(x, sigma, generator))


def complex_noise(x: Tensor, sigma: float, generator: torch.Generator | None) -> Tensor:
    """Complex Gaussian noise (X, Y, Z) with standard deviation ``sigma`` in each channel, on the device of ``x``."""
    device = "cpu" if generator is None else generator.device
    dtype = x.dtype.to_complex()
    noise = torch.randn(x.shape[-3:], generator=generator, device=device, dtype=dtype)
    # torch's complex normal has variance 1 in both channels together
    return noise.mul_(2**0.5 * sigma).to(x.device)
