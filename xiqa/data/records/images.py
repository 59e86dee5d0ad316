"""Images of a data set, looked at one by one: size and notes, or the error of each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xiqa.data.files.radiographs import load_radiograph, radiograph_size
from xiqa.errors import BadInput

Use = Callable[[Path, NDArray[np.float32]], None]


def look(path: Path, decode: bool = True, use: Use | None = None) -> tuple[int, int, list[str]] | BadInput:
    """(height, width, notes) of an image, or its error; ``use`` gets path and array where it is decoded."""
    try:
        if not decode:
            return *radiograph_size(path), []
        radiograph = load_radiograph(path)
    except BadInput as error:
        return error
    if use is not None:
        use(path, radiograph.array)
    return *radiograph.array.shape, radiograph.notes
