"""Bodies as distances to their surface in mm, negative inside, exact to first order near the surface.

A point set is a tuple of three arrays of one shape, one for each coordinate.
"""

import numpy as np

Points = tuple[np.ndarray, np.ndarray, np.ndarray]


def ellipsoid(points: Points, centre: tuple, radii: tuple) -> np.ndarray:
    """(q - 1) / |grad q| with q = sum ((x - c) / R)^2; an infinite radius makes a cylinder along that axis."""
    total, slope = 0.0, 1e-9
    for values, middle, radius in zip(points, centre, radii, strict=True):
        if np.isinf(radius):
            continue
        part = (values - np.float32(middle)) / np.float32(radius)
        square = part * part
        total, slope = total + square, slope + square / np.float32(radius**2)
    return (total - 1) / (2 * np.sqrt(slope))


def rod(points: Points, start: tuple, end: tuple, first: float, last: float) -> np.ndarray:
    """A rod with round ends whose radius runs from ``first`` to ``last``."""
    start, step = np.asarray(start, np.float64), np.asarray(end, np.float64) - np.asarray(start, np.float64)
    weights = (step / max(step @ step, 1e-9)).astype(np.float32)
    away = [values - np.float32(s) for values, s in zip(points, start, strict=True)]
    along = np.clip(sum(d * w for d, w in zip(away, weights, strict=True)), 0, 1)
    square = sum((d - along * np.float32(s)) ** 2 for d, s in zip(away, step, strict=True))
    return np.sqrt(square) - (np.float32(first) + np.float32(last - first) * along)


def tube(points: Points, path: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Rods along a path (M, 3) with a radius (M,) at every point of it."""
    parts = [rod(points, *path[i : i + 2], *radii[i : i + 2]) for i in range(len(path) - 1)]
    return np.minimum.reduce(parts)


def skirt(points: Points, centre: tuple, radius: float, tip: float, depth: float, half: float) -> np.ndarray:
    """A thin conical sheet about the second axis, from a ring of ``radius`` to one of radius ``tip`` at ``depth``.

    Open leaflets of an atrioventricular valve are such a sheet; ``half`` is half of their thickness.
    """
    out = np.hypot(points[0] - np.float32(centre[0]), points[2] - np.float32(centre[2])) - np.float32(radius)
    down = points[1] - np.float32(centre[1])
    step = np.array([tip - radius, depth])
    weights = (step / (step @ step)).astype(np.float32)
    along = np.clip(out * weights[0] + down * weights[1], 0, 1)
    return np.hypot(out - along * np.float32(step[0]), down - along * np.float32(step[1])) - np.float32(half)


def join(parts: list[np.ndarray], width: float) -> np.ndarray:
    """Union whose creases are filled over about ``width`` mm (polynomial smooth minimum)."""
    result = parts[0]
    for part in parts[1:]:
        overlap = np.maximum(width - np.abs(result - part), 0)
        result = np.minimum(result, part) - overlap * overlap / (4 * width)
    return result


def waves(points: Points, rng: np.random.Generator, length: tuple[float, float], count: int) -> np.ndarray:
    """A smooth random field of standard deviation 1: plane waves of random direction, wavelengths in mm."""
    total = np.zeros(np.broadcast_shapes(*(values.shape for values in points)), np.float32)
    for _ in range(count):
        direction = rng.normal(size=3)
        direction *= 2 * np.pi / (np.linalg.norm(direction) * rng.uniform(*length))
        phase = rng.uniform(0, 2 * np.pi)
        total += np.cos(sum(np.float32(k) * v for k, v in zip(direction, points, strict=True)) + np.float32(phase))
    return total * np.float32(np.sqrt(2 / count))
