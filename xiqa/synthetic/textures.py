r"""The other pretext task: classification of textures without any object.

Shapes (:mod:`xiqa.synthetic.shapes`) are similar to the task, so a backbone that classifies them may find objects for
that reason alone. These pictures have no object: each one is a Gaussian random field, which its power spectrum
describes completely, and all positions are equivalent. The choice of fields is ours; tables call it by its name.

With :math:`\rho` the frequency in cycles a pixel and :math:`\theta` its angle the amplitudes are

- white, pink, brown: :math:`(\rho^2 + \rho_0^2)^{-s/2}` with slopes s about 0, 1 and 2;
- band: a ring about one frequency, in all directions alike;
- streaks: slope 1 in a wedge of directions about one of three angles, 60 degrees apart;
- grating: a spot at one frequency and a random angle, so stripes whose phase wanders.

Brightness and contrast are set exactly, whatever the kind.
"""

import torch
from torch import Tensor

KINDS = ("white", "pink", "brown", "band", "streaks 0", "streaks 60", "streaks 120", "grating")
BRIGHTNESS, CONTRAST = (0.4, 0.6), (0.04, 0.11)  # mean and standard deviation: 3.6 of these below white and above black

_FLAT = 1 / 24  # cycles a pixel: below it spectra are flat, so no blot is as large as the picture


def draw(count: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Grey images of one texture each, with the number of its kind.

    Parameters
    ----------
    size : side in pixels, at least 8.

    Returns
    -------
    images : (count, size, size) uint8
    kinds : (count,) int64, positions in ``KINDS``
    """
    if size < 8:
        raise ValueError(f"a texture needs at least 8 pixels a side, not {size}")
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(len(KINDS), (count,), generator=generator)
    parts = [
        _batch(kinds[start : start + 256], size, generator)
        for start in range(0, count, 256)  # a few hundred at a time keep the memory small
    ]
    return torch.cat([torch.empty(0, size, size, dtype=torch.uint8), *parts]), kinds


def _batch(kinds: Tensor, size: int, generator: torch.Generator) -> Tensor:
    spectrum = torch.fft.rfft2(torch.randn(len(kinds), size, size, generator=generator))
    field = torch.fft.irfft2(spectrum * _amplitude(kinds, size, generator), s=(size, size))
    # Mean and variance must not predict the kind: both are drawn for each picture.
    field = (field - field.mean((1, 2), keepdim=True)) / field.std((1, 2), keepdim=True)
    image = _uniform(len(kinds), *BRIGHTNESS, generator) + _uniform(len(kinds), *CONTRAST, generator) * field
    return image.clamp(0, 1).mul(255).round().to(torch.uint8)


def _amplitude(kinds: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Amplitude (B, S, S // 2 + 1) of each frequency that ``rfft2`` gives."""
    fy, fx = torch.meshgrid(torch.fft.fftfreq(size), torch.fft.rfftfreq(size), indexing="ij")
    radius, angle, count = (fx**2 + fy**2).sqrt(), torch.atan2(fy, fx), len(kinds)
    wobble, place = _uniform(count, -1, 1, generator), _uniform(count, 0.08, 0.2, generator)
    turned = _uniform(count, 0, torch.pi, generator)

    def sloped(slope: float) -> Tensor:
        return (radius**2 + _FLAT**2) ** (-(slope + 0.2 * wobble) / 2)

    def wedge(middle: Tensor | float, width: float) -> Tensor:
        # Half a turn leads to the same waves.
        apart = torch.remainder(angle - middle + torch.pi / 2, torch.pi) - torch.pi / 2
        return torch.exp(-(apart**2) / (2 * width**2))

    ring = torch.exp(-((radius - place) ** 2) / (2 * (0.15 * place) ** 2))
    streaks = [sloped(1) * wedge(torch.pi * third / 3 + 0.15 * wobble, 0.3) for third in range(3)]
    each = (sloped(0), sloped(1), sloped(2), ring, *streaks, ring * wedge(turned, 0.15))
    result = torch.stack([amplitude.expand(count, *radius.shape) for amplitude in each], 1)
    result = result[torch.arange(count), kinds]
    result[:, 0, 0] = 0  # the mean is set by itself
    return result


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(count, 1, 1).uniform_(low, high, generator=generator)
