"""Hand-made features of a brain volume, for a baseline without a neural network.

They were chosen with the causes of artifacts in mind, and are computed from what networks see, on a linear scale.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft, ndimage

from xiqa.data.arrays import drawn
from xiqa.data.arrays.intensity import linear
from xiqa.data.names import SPLITS

MOST = (64, 64, 32)  # voxels; larger volumes are averaged in blocks first
DARK, BRIGHT = 5, 98  # percentiles: air, and the unit of brightness
HEAD = 0.2  # of the way from the one to the other: where the head begins
ROOM = 3  # voxels around the head that do not count as air
BANDS = (0.125, 0.25, 0.375, 0.5)  # upper ends, cycles a voxel
FEW = 5  # every fifth voxel is enough for a median
SMALL = 1e-6
LEAST = 10  # voxels, below which a region has no features
AIR = (
    "air_mean",
    "air_spread",
    "air_top",
    "air_tail",
    *(f"{part}_{axis}" for part in ("ghost", "air_plane") for axis in "xyz"),
)
EVENNESS = ("head_spread", "head_tail", *(f"{part}_{axis}" for part in ("slope", "bend") for axis in "xyz"), "mirror")


def volume_content(prepared: Path, intensity: str) -> pd.DataFrame:
    """Store function: ``content`` of every scan; columns split, image, unit (subject), label and one a feature.

    ``intensity`` : scale of the prepared volumes; the features are those of linear brightness.
    """
    data, parts = drawn.read_volumes(prepared), []
    for split in SPLITS:
        records = data.records(split).rename(columns={"subject": "unit"})
        array = data.volumes(split)
        rows = pd.DataFrame([content(linear(array[row], intensity)) for row in range(len(records))])
        parts.append(pd.concat([records[["split", "image", "unit", "label"]], rows], axis=1))
    return pd.concat(parts, ignore_index=True)


def content(volume: NDArray) -> dict[str, float]:
    """Features of one volume (X, Y, Z) of linear brightness in any unit, with padding of one value behind it.

    Finite numbers, the same names for every volume. Brightness is in units of that of the head (98th percentile) above
    that of the air (5th), but for ``air_level`` and ``range``.
    """
    cropped = unpadded(_reduced(np.asarray(volume, dtype=np.float32)))
    dark, bright = np.percentile(cropped.ravel()[::FEW], (DARK, BRIGHT))
    scaled = (cropped - dark) / max(bright - dark, SMALL)
    smooth = ndimage.uniform_filter(scaled, 3)
    head = smooth > HEAD
    features = {"air_level": dark, "range": bright - dark, "head_share": head.mean()}
    features |= {f"length_{axis}": length for axis, length in zip("xyz", scaled.shape, strict=True)}
    features |= _borders(scaled, head) | _air(scaled, head) | _planes(scaled) | _evenness(scaled, smooth, head)
    features |= _sharpness(scaled, head) | _spectrum(scaled)
    names = sorted(features)  # trees draw columns by their place
    values = np.nan_to_num(np.array([features[name] for name in names], dtype=float))
    return dict(zip(names, values.tolist(), strict=True))


def unpadded(volume: NDArray) -> NDArray:
    """The part that is no padding: planes of one value, that of the last voxel; a volume of nothing else stays."""
    filled = volume != volume[-1, -1, -1]
    for axis in range(3):
        there = np.flatnonzero(filled.any(axis=tuple(other for other in range(3) if other != axis)))
        if len(there):
            volume = volume.take(range(there[0], there[-1] + 1), axis)
    return volume


def _reduced(volume: NDArray) -> NDArray:
    for axis, most in enumerate(MOST):
        block = -(-volume.shape[axis] // most)
        if block > 1:
            whole = np.moveaxis(volume, axis, 0)[: volume.shape[axis] // block * block]
            volume = np.moveaxis(whole.reshape(-1, block, *whole.shape[1:]).mean(axis=1), 0, axis)
    return volume


def _borders(scaled: NDArray, head: NDArray) -> dict[str, float]:
    """Of the six outermost planes: mean brightness, and share that is head; and how much of each length is head."""
    features = {}
    for axis, name in enumerate("xyz"):
        for end, side in ((0, "low"), (-1, "high")):
            features[f"border_{name}_{side}"] = scaled.take(end, axis).mean()
            features[f"cut_{name}_{side}"] = head.take(end, axis).mean()
        there = np.flatnonzero(head.mean(axis=_others(axis)) > 0.01)
        features[f"extent_{name}"] = float(np.ptp(there) + 1) if len(there) else 0.0
    return features


def _air(scaled: NDArray, head: NDArray) -> dict[str, float]:
    """Brightness of the air: mean, spread and upper end, and in the shadow of the head along each axis (ghosts)."""
    air = ndimage.uniform_filter(head.astype(np.float32), 2 * ROOM + 1) < 1e-3  # less than one voxel
    if air.sum() < LEAST:
        return dict.fromkeys(AIR, 0.0)
    values = scaled[air]
    middle, high, top = np.percentile(values[::FEW], (50, 95, 99.5))
    features = {
        "air_mean": values.mean(),
        "air_spread": values.std(),
        "air_top": high - middle,
        "air_tail": top - middle,
    }
    for axis, name in enumerate("xyz"):
        shadow = air & head.any(axis=axis, keepdims=True)
        features[f"ghost_{name}"] = scaled[shadow].mean() - middle if shadow.any() else 0.0
        counts = air.sum(axis=_others(axis))
        planes = ((scaled**2 * air).sum(axis=_others(axis)) / np.maximum(counts, 1))[counts > 20]
        features[f"air_plane_{name}"] = planes.max() / max(np.median(planes), SMALL) if len(planes) else 0.0
    return features


def _planes(scaled: NDArray) -> dict[str, float]:
    """How far one plane stands out from its neighbours, along each axis: largest jump of the mean, and of detail."""
    features = {}
    for axis, name in enumerate("xyz"):
        moved = np.moveaxis(scaled, axis, 0)
        if len(moved) < 5:
            features |= {f"plane_{name}": 0.0, f"plane_jump_{name}": 0.0, f"plane_odd_{name}": 0.0}
            continue
        inner = moved[1:-1] - (moved[2:] + moved[:-2]) / 2
        means, odd = np.abs(inner.mean(axis=(1, 2))), (inner**2).mean(axis=(1, 2))
        features[f"plane_{name}"] = means.max()
        features[f"plane_jump_{name}"] = means.max() / max(np.median(means), SMALL)
        features[f"plane_odd_{name}"] = odd.max() / max(np.median(odd), SMALL)
    return features


def _evenness(scaled: NDArray, smooth: NDArray, head: NDArray) -> dict[str, float]:
    """Brightness within the head: spread, slope and curvature along each axis, and correlation with its mirror."""
    values = scaled[head]
    if len(values) < LEAST:
        return dict.fromkeys(EVENNESS, 0.0)
    low, middle, high = np.percentile(values[::FEW], (10, 50, 90))
    features = {"head_spread": (high - low) / max(middle, SMALL), "head_tail": values.max() / max(middle, SMALL)}
    for name, places in zip("xyz", np.nonzero(head), strict=True):
        at = (places - places.mean()) / max(places.std(), SMALL)
        features[f"slope_{name}"] = (at * values).mean() / max(values.std(), SMALL)
        features[f"bend_{name}"] = ((at**2 - 1) * values).mean() / max(values.std(), SMALL)
    box = ndimage.find_objects(head.astype(np.uint8))[0]
    one, two = (part - part.mean() for part in (smooth[box], smooth[box][::-1]))
    return features | {"mirror": (one * two).mean() / max(one.std() * two.std(), SMALL)}


def _sharpness(scaled: NDArray, head: NDArray) -> dict[str, float]:
    """Within the head, along each axis: spread of the second difference (noise), and of the first over it (edges)."""
    features = {}
    for axis, name in enumerate("xyz"):
        first = np.diff(scaled, axis=axis)
        second = np.abs(np.diff(first, axis=axis))
        inner = np.moveaxis(np.moveaxis(head, axis, 0)[1:-1], 0, axis)
        noise, beside = (np.median(second[part][::FEW]) if part.any() else 0.0 for part in (inner, ~inner))
        edge = np.abs(first).mean() if first.size else 0.0
        features |= {f"noise_{name}": noise, f"noise_air_{name}": beside, f"edge_{name}": edge}
        features[f"edge_to_noise_{name}"] = edge / max(noise, SMALL)
    return features


def _spectrum(scaled: NDArray) -> dict[str, float]:
    """Along each axis: energy of the spectrum in bands, how unevenly it falls from line to line, its largest spike.

    Motion and ghosts treat lines of k-space unlike; a spike is a single point of it.
    """
    power = np.abs(fft.rfftn(scaled - scaled.mean())) ** 2
    features = {}
    for axis, name in enumerate("xyz"):
        length = scaled.shape[axis]
        line = power.sum(axis=_others(axis))
        at = np.abs(fft.fftfreq(length))[: len(line)]
        line = np.log(np.maximum(line, SMALL))
        for low, high in zip((0, *BANDS), BANDS, strict=False):
            inside = (at > low) & (at <= high)
            features[f"band_{name}_{high:g}"] = line[inside].mean() - line.max() if inside.any() else 0.0
        side = line[1 : length // 2]
        ragged = np.diff(side, 2) if len(side) > 3 else np.zeros(1)
        features |= {f"ragged_{name}": ragged.std(), f"ragged_most_{name}": np.abs(ragged).max()}
    far = power[3:-3, 3:-3, 3:]
    middle = np.median(far.ravel()[::FEW]) if far.size else 0.0
    return features | {"spike": np.log(max(far.max(initial=0), SMALL) / max(middle, SMALL))}


def _others(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)
