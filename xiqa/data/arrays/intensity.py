"""Intensity scales of brain volumes: what a network sees of the values of a scan."""

import numpy as np
from numpy.typing import NDArray

SCALES = ("log", "zscore")
LOWEST, DARK, BRIGHT = 0.1, 5, 98  # percentiles of a volume
MOST, SOFT = 4.0, 0.02  # of brightness: largest value, and what is added before the logarithm
CENTRE, SPREAD = np.log(0.1), 1.2


def rescale(values: NDArray[np.float32], scale: str) -> tuple[NDArray[np.float32], float]:
    """Values of a scan, (X, Y, Z) and not constant, on an intensity scale; and the value of padding.

    ``log`` : (ln(u + 0.02) - ln 0.1) / 1.2, where brightness u is 0 at the lowest values (0.1st percentile), 1 at the
    98th percentile and at most 4; so -1.3 to 3.1. Padding is the scan's own dark level, its 5th percentile. Ghosts,
    spikes and wrap-around in the air, which a linear scale hides, become visible (ours).

    ``zscore`` : z-scores over all voxels; padding is 0 (Pizarro et al. 2023). ValueError for another scale.
    """
    if scale not in SCALES:
        raise ValueError(f"no intensity scale {scale!r}: choose one of {', '.join(SCALES)}")
    if scale == "zscore":
        scores = (values - values.mean(dtype=np.float64)) / values.std(dtype=np.float64)
        return scores.astype(np.float32), 0.0
    low, dark, bright = np.percentile(values, (LOWEST, DARK, BRIGHT))
    if not bright > low:  # nearly all voxels have one value
        low, bright = values.min(), values.max()
    unit = np.clip((np.append(values, np.float32(dark)) - low) / (bright - low), 0, MOST)
    scaled = ((np.log(unit + SOFT) - CENTRE) / SPREAD).astype(np.float32)
    return scaled[:-1].reshape(values.shape), float(scaled[-1])


def linear(values: NDArray, scale: str) -> NDArray[np.float32]:
    """Rescaled values as brightness on a linear scale: u of ``log``; z-scores are linear already."""
    values = np.asarray(values, dtype=np.float32)
    return np.exp(SPREAD * values + CENTRE) - SOFT if scale == "log" else values
