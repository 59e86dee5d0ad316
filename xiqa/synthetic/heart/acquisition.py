"""One chain for every frame: complex signal, k-space, its sampled part with noise, filter, magnitude, 8 bits."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import fft

from xiqa.synthetic.heart.looks import Look


@dataclass(frozen=True)
class Scan:
    """Sampling and grey scale of a cine.

    kept : shares of the k-space lines that are read, for rows and columns; the rest is filled with zeros.
    noise : standard deviation of each part of the complex noise, as a share of the blood's signal.
    apodise : how far the common filter falls at the edge of the sampled part, from 0 to 1.
    white : percentile of the cine's magnitudes that becomes white.
    gamma : exponent of the grey scale.
    """

    kept: tuple[float, float]
    noise: float
    apodise: float
    white: float
    gamma: float = 1.0

    def about(self) -> dict:
        """Plain values for a sidecar."""
        return asdict(self)


def scan(rng: np.random.Generator, look: Look) -> Scan:
    """Settings of one cine."""
    kept = [float(rng.uniform(*look.coarse)), float(rng.uniform(*look.fine))]
    if rng.random() < 0.5:
        kept.reverse()
    rest = [float(rng.uniform(*bounds)) for bounds in (look.noise, look.apodise, look.white, look.gamma)]
    return Scan(tuple(kept), *rest)


def window(size: int, kept: float, apodise: float) -> np.ndarray:
    """Sampling and filter of one axis, (size,), DC at size // 2: a raised cosine over the lines read, zero outside."""
    away = np.abs(np.arange(size) - size // 2)
    edge = max(int(kept * size / 2), 1)
    cosine = 1 - apodise * 0.5 * (1 - np.cos(np.pi * np.minimum(away / edge, 1)))
    return np.where(away <= edge, cosine, 0).astype(np.float32)


def acquire(signal: np.ndarray, settings: Scan, blood: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude (S, S) float32 of a complex signal (S, S); ``blood`` scales the noise, which is drawn from ``rng``."""
    size = len(signal)
    lines = fft.fftshift(fft.fft2(fft.ifftshift(signal), norm="ortho"))
    noise = rng.standard_normal((2, size, size), np.float32) * np.float32(settings.noise * blood)
    filtered = np.outer(*(window(size, kept, settings.apodise) for kept in settings.kept))
    lines = (lines + noise[0] + 1j * noise[1]) * filtered
    return np.abs(fft.fftshift(fft.ifft2(fft.ifftshift(lines), norm="ortho"))).astype(np.float32)


def white(magnitudes: np.ndarray, settings: Scan) -> float:
    """The magnitude that becomes white: the given percentile of all frames."""
    return float(np.percentile(magnitudes, settings.white))


def show(magnitudes: np.ndarray, top: float, settings: Scan) -> np.ndarray:
    """Magnitudes of any shape as uint8, from 0 to the white level ``top``."""
    share = np.minimum(magnitudes / np.float32(top), 1)
    return (255 * share**settings.gamma + 0.5).astype(np.uint8)
