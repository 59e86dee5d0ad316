"""Grids of images and masks: resizing and the way back to original pixels."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import measure

from xiqa.data.shapes import Shape


def resize(array: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Resample (H, W) in [0, 1] to uint8 (size, size) in 0..255, bilinear with antialiasing, each axis on its own.

    A picture that is not square is squeezed, as the papers' code does. Pixel centres map as in ``to_original``.
    """
    small = Image.fromarray(array).resize((size, size), Image.Resampling.BILINEAR)
    return np.rint(np.clip(np.asarray(small), 0, 1) * 255).astype(np.uint8)


def to_original(row, column, size: int, height: int, width: int) -> tuple:
    """Row and column (numbers or arrays) in a picture resized to (size, size), back in the (height, width) original.

    Whole numbers stand at pixel centres in both, and the outer edges of the pictures coincide:
    ``x' = (x + 0.5) * width / size - 0.5``.
    """
    return (row + 0.5) * (height / size) - 0.5, (column + 0.5) * (width / size) - 0.5


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
