"""Structures inside the lungs: the branching vessels, the fine pattern of the interstitium, calcified granulomas."""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from xiqa.synthetic.chest.anatomy import Subject
from xiqa.synthetic.chest.geometry import View, add_body, splat

GENERATIONS = 6


def vessels(view: View, person: Subject, air: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Path through vessels in mm: trees of either hilum, each branch in two, thinner and shorter."""
    parts = [part for side in (-1, 1) for part in tree(view, person, side, rng)]
    kept = []
    for (x, y, z), volume in parts:
        column, row = view.to_pixel(x, y, z)
        column, row = (np.clip(part + 0.5, 0, view.side - 1).astype(np.int32) for part in (column, row))
        kept.append(((x, y, z), volume * np.minimum(air[row, column] / 40, 1)))
    return splat(view, kept)


def tree(view: View, person: Subject, side: int, rng: np.random.Generator) -> list:
    """Samples and volumes of one tree, a pair for each generation of branches."""
    count = 9
    hilum = np.array([side * 30.0, (116 if side < 0 else 106) * person.tall, -5.0])
    start = hilum + rng.normal(0, 1, (count, 3)) * [4, 12, 5]
    # Arteries and veins fan out; the lower lobes get more than their share of blood in an upright person.
    angle = np.linspace(-1.25, 1.5, count) + rng.normal(0, 0.12, count)
    direction = np.stack([side * np.cos(angle), np.sin(angle) * 1.15, rng.normal(0, 0.4, count)], axis=1)
    radius, length = rng.uniform(2.6, 4.4, count), rng.uniform(24, 36, count) * person.tall
    parts = []
    for generation in range(GENERATIONS):
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        bend = rng.normal(0, 0.16, direction.shape)
        parts.append(branches(view, start, direction, bend, length, radius))
        end = start + (direction + 0.5 * bend) * length[:, None]
        start, direction = np.repeat(end, 2, axis=0), np.repeat(direction + bend, 2, axis=0)
        spread = rng.normal(0, 1, direction.shape)
        spread[1::2] = -spread[::2]
        direction = direction + (0.34 + 0.03 * generation) * spread
        shrink = rng.uniform(0.6, 0.86, len(start))
        radius, length = np.repeat(radius, 2) * shrink, np.repeat(length, 2) * rng.uniform(0.62, 1.0, len(start))
    return parts


def branches(view: View, start, direction, bend, length, radius):
    """Samples (n, 3) and volumes of one generation of slightly bent branches."""
    steps = max(int(length.max() * view.dense * 1.25 / view.pixel), 2)
    across = int(np.clip(2.4 * view.dense * radius.max() / view.pixel, 1, 24))
    t = ((np.arange(steps) + 0.5) / steps)[None, :, None]
    path = start[:, None] + (direction[:, None] * t + bend[:, None] * t**2 * 0.5) * length[:, None, None]
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    offset = (np.arange(across) + 0.5) / across * 2 - 1
    points = np.repeat(path[:, :, None], across, axis=2)
    points[..., :2] += (offset[:, None] * radius[:, None, None, None]) * normal[:, None, None]
    chord = np.sqrt(1 - offset**2)
    volume = (np.pi * radius**2 * length / steps)[:, None, None] * (chord / chord.sum())
    volume = np.broadcast_to(volume, points.shape[:3])
    return [points[..., i].ravel().astype(np.float32) for i in range(3)], volume.ravel().astype(np.float32)


def pattern(view: View, rng: np.random.Generator, scales: tuple[float, ...]) -> np.ndarray:
    """Random texture with blobs of the given sizes (mm), mean 0, spread 1."""
    total = np.zeros((view.side, view.side), np.float32)
    for scale in scales:
        cells = int(np.clip(view.field / scale, 8, 600))
        coarse = gaussian_filter(rng.standard_normal((cells, cells), dtype=np.float32), 0.8)
        coarse *= 1 / max(float(coarse.std()), 1e-6)
        total += np.asarray(Image.fromarray(coarse).resize((view.side, view.side), Image.Resampling.BICUBIC))
    return total / np.float32(np.sqrt(len(scales)))


def granulomas(view: View, lungs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Path through calcified granulomas in mm: none in most lungs, one to three elsewhere."""
    total = np.zeros_like(view.x)
    rows, columns = np.nonzero(lungs)
    if len(rows) == 0 or rng.random() > 0.3:
        return total
    for _ in range(rng.integers(1, 4)):
        pick = rng.integers(len(rows))
        centre = (view.x[rows[pick], columns[pick]], view.y[rows[pick], columns[pick]])
        size = rng.uniform(1.8, 4.5)
        add_body(total, view, centre, (size, size * rng.uniform(0.7, 1), size * 0.8), rng.uniform(0, 3))
    return total
