"""Where objects lie, how they are rasterised, whether they can be seen, and how people would annotate them."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull, QhullError

from xiqa.synthetic.chest.film import Chain
from xiqa.synthetic.chest.objects import Stroke, Thing

# Matched-filter d' below which an object counts as not seen: as a whole, and per cell of 3 x 3 mm of what it covers,
# for a long thing that is faint everywhere adds up to a high d' and yet is overlooked.
VISIBLE, VISIBLE_CELL, CELL = 12.0, 4.0, 3.0
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
        """Whether a careful reader would find it."""
        return self.dprime >= self.bound

    def paint(self, canvas: np.ndarray, value: np.ndarray) -> None:
        """Add to a canvas what lies on it."""
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
    """Where on a canvas objects may lie: in the lung field or clear of it, inside the open field, apart."""

    def __init__(self, chain: Chain, lungs: np.ndarray, forbidden: np.ndarray, supersampling: int):
        self.chain, self.view, self.lungs = chain, chain.view, lungs
        self.field = chain.open_field(3.5)
        step = supersampling
        near = gaussian_filter((lungs | forbidden)[::step, ::step].astype(np.float32), 2.5 / (self.view.pixel * step))
        self.clear = repeat(near < 0.02, step)
        self.free = np.ones_like(lungs)
        self.supersampling = supersampling
        self.lung_spots, self.other_spots = np.argwhere(lungs & self.field), np.argwhere(self.clear & self.field)
        self.unseen = self.noise()

    def noise(self) -> np.ndarray:
        """Variance per pixel of the canvas that an object must stand out of: quantum noise and anatomical structure."""
        chain, step = self.chain, self.supersampling
        pixel, plain = self.view.pixel, chain.plain[::step, ::step]
        busy = plain - gaussian_filter(plain, 5 / (pixel * step), truncate=2.5)
        clutter = gaussian_filter(busy**2, 12 / (pixel * step), truncate=2)
        light = np.exp(-chain.clean[::step, ::step])
        slope = plain * (1 - plain) * 4
        quantum = slope**2 / (np.maximum(light, 1e-4) * chain.given.photons * pixel**2)
        # Structure is correlated over about a cell, so that a finer grid does not count it as more evidence.
        return repeat(clutter * max(1.0, (CELL / pixel) ** 2) + quantum + 1e-6, step)

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

    def place(self, thing: Thing, lung: bool, rng: np.random.Generator) -> Placed | None:
        """Put an object where it can be seen; None where it does not fit. Keeps its place free of others."""
        pixel, best = self.view.pixel, None
        spots = self.lung_spots if lung else self.other_spots
        if len(spots) == 0:
            return None
        fine = 4 if self.supersampling > 1 else 3
        for attempt in range(4):
            angle = thing.angle + (rng.normal(0, 0.4) if attempt else 0.0)
            strokes = turned(thing.strokes, angle + self.view.angle, rng.uniform(-0.5, 0.5, 2) * pixel)
            tau, left, top = rasterise(strokes, pixel, fine)
            cells = np.count_nonzero(tau > 0.15 * tau.max()) * (pixel / CELL) ** 2
            bound = max(VISIBLE, VISIBLE_CELL * float(np.sqrt(cells)))
            for row, column in self.fitting(tau, left, top, spots[rng.integers(len(spots), size=TRIES)], lung)[:4]:
                found = Placed(thing, tau, row, column, self.dprime(tau, row, column), bound, lung)
                if best is None or found.dprime > best.dprime:
                    best = found
                if best.visible():
                    break
            if best is not None and best.visible():
                break
        if best is not None:
            self.occupy(best)
        return best

    def fitting(self, tau: np.ndarray, left: float, top: float, spots: np.ndarray, lung: bool) -> list[tuple[int, int]]:
        """Those of the given middles (row, column) at which a patch fits, as its upper left corners."""
        corners = spots + np.array([int(top), int(left)])
        inked = np.argwhere(tau > 0.15 * tau.max())
        inked = inked[:: max(len(inked) // 250, 1)]
        rows, columns = corners[:, :1] + inked[:, 0], corners[:, 1:] + inked[:, 1]
        side = self.view.side
        on = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        at = np.clip(rows, 0, side - 1), np.clip(columns, 0, side - 1)
        good = (on & self.field[at]).mean(1) >= 0.97
        good &= self.free[at].mean(1) >= 0.97
        good &= self.lungs[at].mean(1) >= 0.9 if lung else self.clear[at].all(1)
        return [tuple(corner) for corner in corners[good].tolist()]

    def occupy(self, placed: Placed) -> None:
        """Keep others away from an object."""
        rows, columns, part = clip(placed.tau.shape, placed.row, placed.column, self.view.side)
        self.free[rows, columns] &= ~(gaussian_filter((placed.tau > 0).astype(np.float32), 2 / self.view.pixel) > 0.02)[
            part
        ]


def repeat(image: np.ndarray, step: int) -> np.ndarray:
    """Each pixel ``step`` x ``step`` times."""
    return image.repeat(step, 0).repeat(step, 1)


def silhouette(placed: Placed, side: int, supersampling: int) -> np.ndarray:
    """Pixels of the finished film, bool (side, side), that an object covers to a fifth or more."""
    canvas = np.zeros((side * supersampling,) * 2, np.float32)
    placed.paint(canvas, (placed.tau > 0.1 * placed.tau.max()).astype(np.float32))
    return np.asarray(Image.fromarray(canvas).reduce(supersampling)) >= 0.2


def annotate(mask: np.ndarray, rng: np.random.Generator) -> str:
    """A shape drawn around a silhouette as people draw: rectangle, ellipse or polygon with a small margin."""
    rows, columns = np.nonzero(mask)
    last = mask.shape[0] - 1
    margin = rng.uniform(0.5, 1.0 + 0.007 * mask.shape[0], 4)
    kind = rng.choice([0, 1, 2], p=[0.5, 0.25, 0.25])
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
    if kind == 2:
        spots = np.stack([columns, rows], 1).astype(float)
        shape = outline(spots, margin[0] + 1)
        if shape is not None:
            return "2 " + " ".join(str(value) for value in np.clip(shape, 0, last).ravel())
        kind = 0
    if kind == 1:
        middle, half = (low + high) / 2, np.maximum((high - low) / 2, 0.5)
        reach = np.sqrt((((np.stack([columns, rows], 1) - middle) / half) ** 2).sum(1).max())
        low, high = middle - half * reach, middle + half * reach
    low, high = np.floor(low - margin[:2]).astype(int), np.ceil(high + margin[2:]).astype(int)
    low, high = np.clip(low, 0, last), np.clip(high, 0, last)
    return f"{kind} {low[0]} {low[1]} {high[0]} {high[1]}"


def outline(spots: np.ndarray, margin: float) -> np.ndarray | None:
    """Corners (n, 2), whole pixels, of a loose convex polygon around spots; None if they lie on a line."""
    angle = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * (margin / np.cos(np.pi / 8) + 0.75)
    try:
        hull = spots[ConvexHull(spots).vertices]
        grown = (hull[:, None] + ring).reshape(-1, 2)
        grown = grown[ConvexHull(grown).vertices]
    except QhullError:
        return None
    corners = np.unique(np.round(grown).astype(int), axis=0)
    away = corners - corners.mean(0)
    return corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]
