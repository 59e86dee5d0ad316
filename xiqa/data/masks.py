"""Pixel masks of ground truth: read, brought to another size, drawn around."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import measure

from xiqa.data.bad_input import BadInput
from xiqa.data.checks import pictures
from xiqa.data.images import load_radiograph, radiograph_size, to_original
from xiqa.data.shapes import Shape

THRESHOLD = 127  # of 255 (C: the authors' code); a mask stored as JPEG is not quite black and white


def read_mask(path: Path) -> tuple[NDArray[np.bool_], int]:
    """Mask (H, W), true where its value is above 127 of 255, and the largest value in the file.

    Deeper pictures than 8 bits are scaled from their own range first. Errors as ``load_radiograph``, but a mask of one
    value is a mask.
    """
    try:
        values = np.rint(load_radiograph(path).array * 255)
    except BadInput as error:
        if error.reason != "constant":
            raise
        with Image.open(path) as picture:
            values = np.full(radiograph_size(path), picture.convert("L").getextrema()[1])
    return values > THRESHOLD, int(values.max())


def find_masks(folder: Path, images: Sequence[PurePath]) -> tuple[list[Path | None], set[Path]]:
    """The mask of each image, and masks that several images would claim.

    ``images`` are paths below the data set's folder. A mask has the image's path below ``folder``, or the end of it,
    down to the file's name alone; its suffix may be another one (PNG masks of JPEG images).
    """
    known: dict[str, Path] = {}
    for path in pictures(folder):
        below = path.relative_to(folder)
        known[below.as_posix()] = path
        known.setdefault(below.with_suffix("").as_posix(), path)
    found = []
    for image in images:
        ends = [PurePath(*image.parts[start:]) for start in range(len(image.parts))]
        names = [name for end in ends for name in (end.as_posix(), end.with_suffix("").as_posix())]
        found.append(next((known[name] for name in names if name in known), None))
    claims = Counter(path for path in found if path is not None)
    return found, {path for path, count in claims.items() if count > 1}


def centres(size: int, length: int) -> NDArray[np.intp]:
    """Original pixel, of ``length``, at the centre of each of ``size`` pixels along an axis."""
    return (np.arange(size) * 2 + 1) * length // (2 * size)


def resize_mask(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Mask (H, W) at (size, size): a pixel belongs if the original pixel at its centre does.

    A mask too thin to hold any centre keeps the one pixel that holds the true pixel nearest to its centre.
    """
    height, width = mask.shape
    small = mask[np.ix_(centres(size, height), centres(size, width))]
    if mask.any() and not small.any():
        rows, columns = np.nonzero(mask)
        down, across = (2 * rows + 1) * size // (2 * height), (2 * columns + 1) * size // (2 * width)
        y, x = to_original(down, across, size, height, width)
        nearest = np.argmin((y - rows) ** 2 + (x - columns) ** 2)
        small[down[nearest], across[nearest]] = True
    return small


def outlines(mask: NDArray[np.bool_]) -> list[Shape]:
    """Polygons around the true pixels of a mask, half a pixel outside their centres, for drawing."""
    shapes = []
    for contour in measure.find_contours(np.pad(mask, 1).astype(float), 0.5):
        points = tuple((float(column) - 1, float(row) - 1) for row, column in contour[:-1])
        shapes.append(Shape("polygon", points))
    return shapes
