"""Checked arguments and random numbers of all operators.

Spatial axes are counted 0, 1, 2 (X, Y, Z of a tensor (..., X, Y, Z)), or -3, -2, -1 alike.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


def check_volume(x: Tensor) -> None:
    """Raise a ValueError unless ``x`` is a finite tensor (..., X, Y, Z) of one of `DTYPES`."""
    if not isinstance(x, Tensor) or x.dtype not in DTYPES:
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"give a tensor of float32, float64, complex64 or complex128; this is {kind}")
    if x.ndim < 3 or 0 in x.shape:
        raise ValueError(f"give a tensor (..., X, Y, Z) without empty axes; its shape is {tuple(x.shape)}")
    # The extremes are not finite where any value is not; torch finds them in a tenth of the time of isfinite.
    if not all(math.isfinite(value) for value in torch.aminmax(torch.view_as_real(x) if x.is_complex() else x)):
        raise ValueError("the volume holds values that are not finite: replace them first")


def check(x: Tensor, severity: float, most: float = math.inf) -> None:
    """Raise a ValueError unless ``x`` is a volume and ``severity`` a number in [0, most]."""
    check_volume(x)
    number("severity", severity, 0, most)


def number(name: str, value: float, least: float = -math.inf, most: float = math.inf) -> float:
    """``value`` as a float, or a ValueError unless it is finite and in [least, most]."""
    if not math.isfinite(value) or not least <= value <= most:
        limits = f"in [{least:g}, {most:g}]" if math.isfinite(most) else f"at least {least:g}"
        raise ValueError(f"{name} must be a finite number{f' {limits}' if least > -math.inf else ''}, and is {value}")
    return float(value)


def positive(name: str, value: float) -> float:
    """``value`` as a float, or a ValueError unless it is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, and is {value}")
    return float(value)


def whole(name: str, value: int, least: int, most: int) -> int:
    """``value`` as an int, or a ValueError unless it is a whole number in [least, most]."""
    if not least <= value <= most or int(value) != value:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, and is {value}")
    return int(value)


def choice(name: str, value: str, options: Sequence[str]) -> str:
    """``value``, or a ValueError unless it is one of ``options``."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, and is {value!r}")
    return value


def dimension(axis: int) -> int:
    """The tensor dimension (-3, -2 or -1) of a spatial axis."""
    if axis not in range(-3, 3):
        raise ValueError(f"axis must be 0, 1 or 2 (X, Y, Z), and is {axis}")
    return axis if axis < 0 else axis - 3


def dimensions(axes: int | Sequence[int]) -> list[int]:
    """The tensor dimensions of one or more different spatial axes."""
    found = [dimension(axis) for axis in ([axes] if isinstance(axes, int) else axes)]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"give one or more different axes of 0, 1, 2, not {axes}")
    return found


def millimetres(spacing: Sequence[float]) -> np.ndarray:
    """Voxel sizes (3,) in mm, or a ValueError unless they are three positive numbers."""
    values = np.asarray(spacing, float)
    if values.shape != (3,) or not np.isfinite(values).all() or not (values > 0).all():
        raise ValueError(f"spacing must be three positive voxel sizes in mm, and is {spacing}")
    return values


def vector(name: str, value: Sequence[float]) -> np.ndarray:
    """Three finite numbers, or a ValueError."""
    values = np.asarray(value, float)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f"{name} must be three finite numbers, and is {value}")
    return values


def uniform(generator: torch.Generator | None, low: float = 0.0, high: float = 1.0) -> float:
    """One number in [low, high) (torch's own generator where ``generator`` is None)."""
    return low + (high - low) * random(generator, (1,)).item()


def random(generator: torch.Generator | None, shape: Sequence[int], normal: bool = False) -> Tensor:
    """Float64 numbers, uniform in [0, 1) or standard normal, drawn where the generator lives."""
    device = "cpu" if generator is None else generator.device
    draw = torch.randn if normal else torch.rand
    return draw(tuple(shape), generator=generator, device=device, dtype=torch.float64)


def pick(generator: torch.Generator | None, options: Sequence):
    """One of ``options``, each as likely."""
    return options[int(uniform(generator, 0, len(options)))]
