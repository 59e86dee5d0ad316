"""The pretext task: classification of small shapes on noise.

No pretrained weights are available offline, and a ResNet with random weights does not learn from 1,000 radiographs.
A network that has first learned eight kinds of small shapes learns the radiographs within a few epochs, and it
gives "pretrained backbone, untrained head" a meaning offline. The choice is ours; tables call it by its name.
"""

import torch
from torch import Tensor
from torch.nn import functional

KINDS = ("disc", "ring", "square", "frame", "triangle", "cross", "bar", "pair")


def draw(count: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Grey images of one shape each, with the number of its kind.

    Returns
    -------
    images : (count, size, size) uint8
    kinds : (count,) int64, positions in ``KINDS``
    """
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(len(KINDS), (count,), generator=generator)
    parts = [
        _batch(kinds[start : start + 256], size, generator)
        for start in range(0, count, 256)  # a few hundred at a time keep the memory small
    ]
    return torch.cat(parts), kinds


def _batch(kinds: Tensor, size: int, generator: torch.Generator) -> Tensor:
    count = len(kinds)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count, 1, 1).uniform_(low, high, generator=generator)

    radius, angle = uniform(0.06, 0.17) * size, uniform(0, 2 * torch.pi)
    x0, y0 = uniform(0.2, 0.8) * size, uniform(0.2, 0.8) * size
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    dx, dy = x - x0, y - y0
    u, v = (dx * angle.cos() + dy * angle.sin()) / radius, (dy * angle.cos() - dx * angle.sin()) / radius
    outline = _distance(kinds.view(-1, 1, 1), u, v) * radius
    cover = (0.5 - outline).clamp(0, 1)  # one pixel of soft edge
    sign = torch.where(uniform(0, 1) < 0.3, -1.0, 1.0)
    image = 0.5 + _noise(count, size, generator) + sign * uniform(0.15, 0.5) * cover
    return image.clamp(0, 1).mul(255).round().to(torch.uint8)


def _distance(kinds: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Signed distance to the outline, negative inside, in units of the radius; u, v (B, S, S) are scaled positions."""
    r, box = (u**2 + v**2).sqrt(), torch.maximum(u.abs(), v.abs())
    rod = torch.maximum(u.abs() - 1, v.abs() - 0.22)
    post = torch.maximum(v.abs() - 1, u.abs() - 0.22)
    tip = torch.maximum(v - 0.5, (u.abs() * 3**0.5 - v) / 2 - 0.5)
    dots = (((u.abs() - 0.6) ** 2) + v**2).sqrt() - 0.38
    each = (
        r - 0.85,
        (r - 0.75).abs() - 0.2,
        box - 0.75,
        (box - 0.7).abs() - 0.18,
        tip,
        torch.minimum(rod, post),
        rod,
        dots,
    )
    result = torch.zeros_like(u)
    for number, distance in enumerate(each):
        result = torch.where(kinds == number, distance, result)
    return result


def _noise(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Noise at three scales, about as rough as a radiograph: standard deviation near 0.1."""
    total = torch.zeros(count, 1, size, size)
    for step, strength in ((16, 0.10), (4, 0.04), (1, 0.03)):
        coarse = torch.randn(count, 1, -(-size // step), -(-size // step), generator=generator)
        total += strength * functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return total.squeeze(1)
