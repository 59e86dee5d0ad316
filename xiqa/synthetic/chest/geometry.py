"""Line integrals through simple bodies: chords in closed form, and swept tubes as weighted samples.

Body coordinates are millimetres: x to the right of the image (the patient's left, as in a postero-anterior film), y
downwards from the first thoracic vertebra, z from back to front, which is the direction of the parallel rays. Turning
the patient about the long axis shifts whatever lies in front against whatever lies behind; it is applied to x as a
shear in z.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator, make_interp_spline


@dataclass
class View:
    """The canvas a film is drawn on: ``side`` x ``side`` pixels over ``field`` x ``field`` millimetres.

    ``x`` and ``y`` are the body coordinates of the pixel centres, float32 (side, side). ``centre`` is the body point in
    the middle of the canvas, ``angle`` the rotation of the patient in the plane (radians), ``turn`` the shear in z,
    ``dense`` how closely tubes are sampled (less is enough where several canvas pixels make one of the film).
    """

    side: int
    field: float
    centre: tuple[float, float]
    angle: float = 0.0
    turn: float = 0.0
    dense: float = 1.0

    def __post_init__(self):
        self.pixel = self.field / self.side
        axis = (np.arange(self.side, dtype=np.float32) + 0.5) * self.pixel - self.field / 2
        cosine, sine = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        self.x = axis * cosine + axis[:, None] * sine + np.float32(self.centre[0])
        self.y = axis[:, None] * cosine - axis * sine + np.float32(self.centre[1])

    def to_pixel(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Column and row (pixel centres at whole numbers) of points of the body."""
        x, y = x + float(self.turn) * z - float(self.centre[0]), y - float(self.centre[1])
        cosine, sine = float(np.cos(self.angle)), float(np.sin(self.angle))
        column = (x * cosine - y * sine + self.field / 2) / self.pixel - 0.5
        row = (x * sine + y * cosine + self.field / 2) / self.pixel - 0.5
        return column, row

    def window(self, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns that hold the body rectangle."""
        corners = self.to_pixel(np.array([left, right, left, right]), np.array([top, top, bottom, bottom]))
        low = [int(np.clip(np.floor(part.min()), 0, self.side)) for part in corners]
        high = [int(np.clip(np.ceil(part.max()) + 1, 0, self.side)) for part in corners]
        return slice(low[1], high[1]), slice(low[0], high[0])


def half_chord(x: np.ndarray, y: np.ndarray, centre: tuple, axes: tuple, angle: float = 0.0) -> np.ndarray:
    """Half the length of the chord that rays along z cut from an ellipsoid, 0 outside.

    With u, v the in-plane coordinates along the axes (a, b), turned by ``angle`` from x towards y, the ellipsoid
    (u/a)^2 + (v/b)^2 + (z/c)^2 <= 1 is cut along c sqrt(1 - (u/a)^2 - (v/b)^2) on either side of its centre.
    """
    u, v = x - np.float32(centre[0]), y - np.float32(centre[1])
    if angle:
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = u * cosine + v * sine, v * cosine - u * sine
    inside = 1 - (u / np.float32(axes[0])) ** 2 - (v / np.float32(axes[1])) ** 2
    return np.float32(axes[2]) * np.sqrt(np.maximum(inside, 0))


def add_body(total: np.ndarray, view: View, centre: tuple, axes: tuple, angle: float = 0.0, join=np.add) -> None:
    """Join the half chords of an ellipsoid to an image, looking only where it lies."""
    reach = max(axes[:2])
    at = view.window(centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach)
    join(total[at], half_chord(view.x[at], view.y[at], centre, axes, angle), out=total[at])


def overlap(low_a: np.ndarray, high_a: np.ndarray, low_b: np.ndarray, high_b: np.ndarray) -> np.ndarray:
    """Length of the intersection of two intervals, 0 where there is none."""
    return np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)


def profile(knots: Sequence[tuple[float, float]], at: np.ndarray) -> np.ndarray:
    """Smooth, overshoot-free curve through (position, value) pairs, constant beyond the ends."""
    return np.interp(at, *_table(tuple(knots))).astype(np.float32)


@functools.lru_cache(64)
def _table(knots: tuple) -> tuple[np.ndarray, np.ndarray]:
    positions, values = np.array(knots, float).T
    fine = np.linspace(positions[0], positions[-1], 257)
    return fine, PchipInterpolator(positions, values)(fine)


def smooth_path(points: list[tuple[float, float, float]], step: float) -> np.ndarray:
    """Points (n, 3) every ``step`` mm along a smooth curve through the given ones."""
    points = np.array(points, float)
    knots = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    return even(make_interp_spline(knots, points, k=min(3, len(points) - 1))(np.linspace(0, knots[-1], 80)), step)


def even(path: np.ndarray, step: float) -> np.ndarray:
    """A polyline (n, 3) sampled anew every ``step`` mm of its length."""
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    at = np.arange(step / 2, max(length[-1], step), step)
    return np.stack([np.interp(at, length, path[:, i]) for i in range(3)], axis=1)


def tube(view: View, paths: list[np.ndarray], height: np.ndarray | float, thickness: float, core: float = 1.0):
    """Samples (x, y, z, each (n,)) and volumes (n,) in mm^3 of tubes of elliptic section along paths of even steps.

    Parameters
    ----------
    view : canvas whose pixels the samples must cover without gaps.
    paths : of one tube each, (n, 3), even steps.
    height, thickness : half axes of the section in mm, the first as near to y as the path allows; the first for each
        point of all paths in a row, or one for all.
    core : density of the inner part of the section against its rim (cortical bone around trabecular bone).
    """
    tangent = np.concatenate([np.gradient(path, axis=0) for path in paths])
    path = np.concatenate(paths)
    step = np.linalg.norm(tangent, axis=1, keepdims=True)
    tangent /= np.maximum(step, 1e-9)
    up = np.array([1.0, 0, 0]) - 0 * tangent
    steep = np.abs(tangent[:, 1]) < 0.9
    up[steep] = [0, 1, 0]
    up -= (up * tangent).sum(1, keepdims=True) * tangent
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    across = np.cross(tangent, up)
    height = np.broadcast_to(height, len(path))
    height = np.broadcast_to(height, len(path))
    count = int(np.clip(2.2 * view.dense * height.max() / view.pixel, 1, 90)) + 1
    # Samples are shifted across the tube and in depth from step to step, or they would line up with the pixels.
    turn = np.arange(len(path)) * 0.618034 % 1
    b = (2 * (np.arange(count) + turn[:, None]) / count - 1).astype(np.float32)
    section = np.sqrt(1 - b**2)
    chord = section - np.float32((1 - core) * 0.75) * np.sqrt(np.maximum(1 - (b / np.float32(0.75)) ** 2, 0))
    depth = (turn[:, None] * 7 + np.arange(count) * 0.414214).astype(np.float32) % 1 * 2 - 1
    along, over = b * height[:, None].astype(np.float32), depth * section * np.float32(thickness)
    points = [
        (path[:, i, None] + along * up[:, i, None] + over * across[:, i, None]).astype(np.float32).ravel()
        for i in range(3)
    ]
    volume = (2 * height * thickness * step[:, 0] * 2 / count)[:, None] * chord
    return points, volume.astype(np.float32).ravel()


def splat(view: View, parts: list[tuple[list[np.ndarray], np.ndarray]]) -> np.ndarray:
    """Path length in mm, float32 (side, side), of samples with volumes: bilinear shares, so volume is kept."""
    x, y, z = (np.concatenate([points[i] for points, _ in parts]) for i in range(3))
    volume = np.concatenate([part[1] for part in parts]) / np.float32(view.pixel**2)
    column, row = view.to_pixel(x, y, z)
    side = view.side
    inside = (column > 0) & (column < side - 1) & (row > 0) & (row < side - 1)
    column, row, volume = column[inside], row[inside], volume[inside]
    left, top = column.astype(np.int32), row.astype(np.int32)
    right, down = column - left, row - top
    at = top * side + left
    low, high = volume * (1 - down), volume * down
    total = np.bincount(at, low * (1 - right), side * side)
    for offset, share in ((1, low * right), (side, high * (1 - right)), (side + 1, high * right)):
        total[offset:] += np.bincount(at, share, side * side)[:-offset]
    return total.reshape(side, side).astype(np.float32)
