"""Possible places of objects, their rasterisation and their visibility."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter

from xiqa.synthetic.chest.film import Chain
from xiqa.synthetic.chest.objects import Thing
from xiqa.synthetic.chest.strokes import Stroke

# Matched-filter d' below which an object counts as not seen: as a whole, and per cell of 3 x 3 mm of its area,
# since a long faint object has a high d' and is missed.
VISIBLE, VISIBLE_CELL, CELL = 32.0, 7.5, 3.0
# How far inside the lung field the designated objects lie and how far outside all others, mm: readers disagree
# about its border.
INSIDE, OUTSIDE = 5.0, 8.0
TRIES = 40


@dataclass
class Placed:
    """An object on the canvas: attenuation ``tau`` (rows, columns) with its upper left corner at (row, column)."""

    thing: Thing
    tau: np.ndarray
    row: int
    column: int
    dprime: float
    bound: float
    lung: bool

    def visible(self) -> bool:
        """Whether a careful reader detects it."""
        return self.dprime >= self.bound

    def paint(self, canvas: np.ndarray, value: np.ndarray) -> None:
        """Add the part of the object that lies on a canvas."""
        rows, columns, part = clip(self.tau.shape, self.row, self.column, canvas.shape[0])
        canvas[rows, columns] += value[part]


def clip(shape: tuple[int, int], row: int, column: int, side: int) -> tuple[slice, slice, tuple[slice, slice]]:
    """Slices of the canvas and of a patch put at (row, column), cut at the borders."""
    top, left = max(row, 0), max(column, 0)
    bottom, right = max(min(row + shape[0], side), top), max(min(column + shape[1], side), left)
    return (
        slice(top, bottom),
        slice(left, right),
        (slice(top - row, bottom - row), slice(left - column, right - column)),
    )


def rasterise(strokes: list[Stroke], pixel: float, fine: int) -> tuple[np.ndarray, float, float]:
    """Attenuation of strokes in mm on a patch of pixels, drawn ``fine`` times finer and averaged.

    Returns the patch and the position of its upper left corner in pixels, relative to the origin of the strokes.
    """
    points = np.concatenate([stroke.points for stroke in strokes]) / pixel
    margin = max(stroke.width for stroke in strokes) / pixel / 2 + 1.5
    low, high = np.floor(points.min(0) - margin), np.ceil(points.max(0) + margin)
    wide, high = (high - low).astype(int)
    picture = Image.new("F", (int(wide) * fine, int(high) * fine))
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        ink(pen, stroke, (stroke.points / pixel - low) * fine, fine / pixel)
    return np.asarray(picture.reduce(fine)), float(low[0]), float(low[1])


def ink(pen: ImageDraw.ImageDraw, stroke: Stroke, spots: np.ndarray, scale: float) -> None:
    """Draw a stroke through spots (x, y in pixels of the picture), ``scale`` pixels to the mm."""
    corners = [tuple(spot) for spot in spots.tolist()]
    if not stroke.width:
        pen.polygon(corners, fill=stroke.tau)
        return
    # A pen is a whole number of pixels wide: attenuation makes up for the rest, so that a wire keeps its shadow.
    width = stroke.width * scale
    nib = max(round(width), 1)
    pen.line(corners, fill=stroke.tau * width / nib, width=nib, joint="curve" if nib > 2 else None)


def turned(strokes: list[Stroke], angle: float, shift: np.ndarray) -> list[Stroke]:
    """Strokes turned about the origin, then shifted by some mm."""
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [Stroke(stroke.points @ matrix + shift, stroke.tau, stroke.width) for stroke in strokes]


class Ground:
    """Possible places on a canvas: well inside the lung field or well clear of it, in the open field, apart."""

    def __init__(self, chain: Chain, lungs: np.ndarray, forbidden: np.ndarray, support: np.ndarray, supersampling: int):
        self.chain, self.view, self.supersampling = chain, chain.view, supersampling
        self.step = max(supersampling, round(self.view.side / 600))  # of the grid that regions are found on
        self.field = chain.open_field(3.5)
        self.regions = {
            "deep": self.further(~lungs, INSIDE),
            "lungs": lungs,
            "clear": self.further(lungs | forbidden, OUTSIDE),
        }
        self.spots = {name: np.flatnonzero(region & self.field) for name, region in self.regions.items()}
        coarse = np.asarray(Image.fromarray(support).reduce(self.step))
        self.free = ~self.repeat(self.near(coarse, self.step))
        self.unseen = self.noise()

    def further(self, region: np.ndarray, margin: float) -> np.ndarray:
        """Pixels of the canvas more than ``margin`` mm away from a region."""
        away = distance_transform_edt(~region[:: self.step, :: self.step]) * self.view.pixel * self.step
        return self.repeat(away > margin)

    def repeat(self, coarse: np.ndarray) -> np.ndarray:
        """A picture of the coarser grid on the canvas."""
        return coarse.repeat(self.step, 0).repeat(self.step, 1)[: self.view.side, : self.view.side]

    def noise(self) -> np.ndarray:
        """Variance of the background per pixel of the canvas: quantum noise and anatomical structure."""
        chain, step = self.chain, self.step
        pixel, plain = self.view.pixel, chain.plain[::step, ::step]
        busy = plain - gaussian_filter(plain, 5 / (pixel * step), truncate=2.5)
        clutter = gaussian_filter(busy**2, 12 / (pixel * step), truncate=2)
        light = np.exp(-chain.clean[::step, ::step])
        slope = plain * (1 - plain) * 4
        quantum = slope**2 / (np.maximum(light, 1e-4) * chain.given.photons * pixel**2)
        # Structure is correlated over about a cell, so that a finer grid does not count it as more evidence.
        return self.repeat(clutter * max(1.0, (CELL / pixel) ** 2) + quantum + 1e-6)

    def dprime(self, tau: np.ndarray, row: int, column: int) -> float:
        """Matched-filter visibility: root of the sum over pixels of (difference / noise)^2, noise-free difference."""
        rows, columns, part = clip(tau.shape, row, column, self.view.side)
        tau, chain = tau[part], self.chain
        if tau.size == 0:
            return 0.0
        base = np.exp(-chain.clean[rows, columns])
        primary = np.maximum(base - chain.scatter[rows, columns], 0)
        soft = gaussian_filter(np.exp(-tau), 0.6 * self.supersampling, mode="nearest")
        deeper = -np.log(np.maximum(base - primary * (1 - soft), 1e-4))
        change = (deeper - chain.clean[rows, columns]) * (1 + chain.given.detail)
        difference = chain.tone(chain.enhanced[rows, columns] + change) - chain.plain[rows, columns]
        return float(np.sqrt((difference**2 / self.unseen[rows, columns])[self.field[rows, columns]].sum()))

    def place(self, thing: Thing, where: str, rng: np.random.Generator) -> Placed | None:
        """An object where it can be seen among some places; None where it fits nowhere.

        ``where``: ``deep`` inside the lung field, anywhere in the ``lungs``, or ``clear`` of them.
        """
        pixel, best, spots = self.view.pixel, None, self.spots[where]
        if len(spots) == 0:
            return None
        fine = 4 if self.supersampling > 1 else 3
        for attempt in range(4):
            angle = thing.angle + (rng.normal(0, 0.4) if attempt else 0.0)
            strokes = turned(thing.strokes, angle + self.view.angle, rng.uniform(-0.5, 0.5, 2) * pixel)
            tau, left, top = rasterise(strokes, pixel, fine)
            cells = np.count_nonzero(tau > 0.15 * tau.max()) * (pixel / CELL) ** 2
            bound = max(VISIBLE, VISIBLE_CELL * float(np.sqrt(cells)))
            tried = np.stack(np.divmod(spots[rng.integers(len(spots), size=TRIES)], self.view.side), 1)
            for row, column in self.fitting(tau, left, top, tried, where)[:4]:
                found = Placed(thing, tau, row, column, self.dprime(tau, row, column), bound, where != "clear")
                if best is None or found.dprime > best.dprime:
                    best = found
                if best.visible():
                    return best
        return best

    def force(self, thing: Thing, where: str) -> Placed:
        """An object as far inside the lungs, or as far from them, as there is: for films on which it fits nowhere."""
        step, lung = self.step, where != "clear"
        region = (self.regions["lungs"] == lung) & self.field
        depth = distance_transform_edt(region[::step, ::step])
        row, column = np.array(np.unravel_index(depth.argmax(), depth.shape)) * step
        tau, left, top = rasterise(turned(thing.strokes, thing.angle, np.zeros(2)), self.view.pixel, 4)
        row, column = int(row + top), int(column + left)
        return Placed(thing, tau, row, column, self.dprime(tau, row, column), VISIBLE, lung)

    def fitting(self, tau: np.ndarray, left: float, top: float, spots: np.ndarray, where: str) -> list[tuple[int, int]]:
        """Those of the given middles (row, column) at which a patch fits into a region, as its upper left corners."""
        corners = spots + np.array([int(top), int(left)])
        inked = np.argwhere(tau > 0.15 * tau.max())
        inked = inked[:: max(len(inked) // 250, 1)]
        rows, columns = corners[:, :1] + inked[:, 0], corners[:, 1:] + inked[:, 1]
        side = self.view.side
        on = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        at = np.clip(rows, 0, side - 1), np.clip(columns, 0, side - 1)
        good = (on & self.field[at]).mean(1) >= 0.97
        good &= self.free[at].mean(1) >= 0.97
        good &= self.regions[where][at].all(1)
        return [tuple(corner) for corner in corners[good].tolist()]

    def near(self, tau: np.ndarray, step: int = 1) -> np.ndarray:
        """Mask of about 4 mm around drawn pixels, on a grid of every ``step``-th pixel."""
        return gaussian_filter((tau > 0).astype(np.float32), 2 / (self.view.pixel * step), truncate=2.5) > 0.02

    def occupy(self, placed: Placed) -> None:
        """Keep others away from an object."""
        rows, columns, part = clip(placed.tau.shape, placed.row, placed.column, self.view.side)
        self.free[rows, columns] &= ~self.near(placed.tau)[part]
