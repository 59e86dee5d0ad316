"""Annotated shapes of Object-CXR: their text, their geometry, their masks.

Coordinates are those of the annotation: x to the right, y downwards, in pixels of the picture as it is shown, and whole
numbers stand at pixel centres, so the pixel in column 3 and row 2 is the point (3, 2). Edges belong to a shape.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xiqa.errors import BadInput

KINDS = {"0": "rectangle", "1": "ellipse", "2": "polygon"}
# Distance below which two computed points are the same, in pixels.
SAME = 1e-9


@dataclass(frozen=True)
class Shape:
    """One annotated object.

    ``points`` are corners (x, y): of a rectangle or an ellipse the upper left and the lower right one of its bounding
    box; of a polygon three or more, closed without repeating the first.
    """

    kind: Literal["rectangle", "ellipse", "polygon"]
    points: tuple[tuple[float, float], ...]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounding box (x1, y1, x2, y2), edges included."""
        x, y = zip(*self.points, strict=True)
        return min(x), min(y), max(x), max(y)

    def contains(self, x: ArrayLike, y: ArrayLike) -> bool | NDArray[np.bool_]:
        """Whether points lie in the shape or on its edge; ``x`` and ``y`` broadcast, numbers give a bool.

        A rectangle holds its edges, an ellipse the points where its equation is at most 1 (one without width or height
        is a line or a point), a polygon is filled by the even-odd rule.
        """
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        x1, y1, x2, y2 = self.box
        inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
        if self.kind == "ellipse":
            inside = inside & _in_ellipse(x, y, self.box)
        elif self.kind == "polygon":
            inside = inside & _in_polygon(x, y, self.points)
        return bool(inside) if inside.ndim == 0 else inside

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """Boolean array (height, width) in the annotation's own pixels, ``mask[y, x] == contains(x, y)``.

        What lies outside the picture is cut off.
        """
        mask = np.zeros((height, width), dtype=bool)
        x1, y1, x2, y2 = self.box
        left, right = max(math.ceil(x1), 0), min(math.floor(x2) + 1, width)
        top, bottom = max(math.ceil(y1), 0), min(math.floor(y2) + 1, height)
        if left < right and top < bottom:
            mask[top:bottom, left:right] = self.contains(np.arange(left, right), np.arange(top, bottom)[:, None])
        return mask

    def scaled(self, sx: float, sy: float) -> "Shape":
        """The shape with every x multiplied by ``sx`` and every y by ``sy`` (both above zero)."""
        return replace(self, points=tuple((x * sx, y * sy) for x, y in self.points))

    def moved(self, dx: float, dy: float) -> "Shape":
        """The shape moved by ``dx`` to the right and ``dy`` downwards, in pixels."""
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


def _in_ellipse(x: NDArray, y: NDArray, box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Multiplied out, so that whole numbers are exact and an axis of length zero needs no case of its own."""
    x1, y1, x2, y2 = box
    a, b = (x2 - x1) / 2, (y2 - y1) / 2
    return ((x - (x1 + x2) / 2) * b) ** 2 + ((y - (y1 + y2) / 2) * a) ** 2 <= (a * b) ** 2


def _in_polygon(x: NDArray, y: NDArray, points: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Even-odd rule: count the edges to the right of a point; a point on an edge is inside whatever the count."""
    odd = np.zeros(np.broadcast(x, y).shape, dtype=bool)
    edge = np.zeros_like(odd)
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        # Twice the area of the triangle (corner, corner, point): its sign is the side, zero the line itself.
        side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
        odd ^= ((y1 > y) != (y2 > y)) & ((side > 0) == (y2 > y1))
        near = (x >= min(x1, x2) - SAME) & (x <= max(x1, x2) + SAME) & (y >= min(y1, y2) - SAME)
        edge |= near & (y <= max(y1, y2) + SAME) & (abs(side) <= SAME * math.hypot(x2 - x1, y2 - y1))
    return odd | edge


def parse_annotation(text: str | float | None) -> list[Shape]:
    """Shapes of one annotation cell: ``TYPE x1 y1 x2 y2 ...`` separated by ``;``, TYPE 0, 1 or 2.

    Empty text, None and NaN (what pandas makes of an empty cell) mean no object. Repeated spaces and a trailing ``;``
    are tolerated. Raises ``BadInput``: ``unknown_shape``, ``not_a_number``, ``not_finite``, ``odd_coordinates``,
    ``wrong_count``, ``too_few_points`` or ``reversed_box``.
    """
    if text is None or (isinstance(text, float) and math.isnan(text)) or str(text).strip().lower() == "nan":
        return []
    pieces = [piece.split() for piece in str(text).split(";")]
    return [_parse_shape(words) for words in pieces if words]


def _parse_shape(words: list[str]) -> Shape:
    shown = " ".join(words[:9]) + (" ..." if len(words) > 9 else "")
    kind = KINDS.get(words[0])
    if kind is None:
        remedy = "write 0 (rectangle), 1 (ellipse) or 2 (polygon) first"
        raise BadInput("unknown_shape", f"'{shown}' begins with the unknown shape type '{words[0]}': {remedy}")
    values = [_parse_number(word, shown) for word in words[1:]]
    if len(values) % 2:
        message = f"'{shown}' has {len(values)} coordinates, an odd number: write x and y for every point"
        raise BadInput("odd_coordinates", message)
    points = tuple(zip(values[::2], values[1::2], strict=True))
    if kind == "polygon":
        if len(points) < 3:
            raise BadInput("too_few_points", f"'{shown}' is a polygon of {len(points)} points: it needs at least three")
        return Shape(kind, points)
    if len(points) != 2:
        message = f"'{shown}' has {len(values)} coordinates: a {kind} takes four, x1 y1 x2 y2 of its box"
        raise BadInput("wrong_count", message)
    (x1, y1), (x2, y2) = points
    if x2 < x1 or y2 < y1:
        remedy = "write the upper left corner first, then the lower right one (x1 <= x2, y1 <= y2)"
        raise BadInput("reversed_box", f"'{shown}' has its corners the wrong way round: {remedy}")
    return Shape(kind, points)


def _parse_number(word: str, shown: str) -> float:
    try:
        value = float(word.replace("_", "?"))  # Python would read 1_0 as ten
    except ValueError:
        message = f"'{shown}' holds '{word}', which is not a number: write coordinates in pixels"
        raise BadInput("not_a_number", message) from None
    if not math.isfinite(value):
        raise BadInput("not_finite", f"'{shown}' holds the coordinate '{word}': write a finite number of pixels")
    return value
