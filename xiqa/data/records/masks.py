"""Read pixel masks of ground truth, and find the mask of an image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.records.rows import pictures
from xiqa.errors import BadInput

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
            values = np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    return values > THRESHOLD, int(values.max())


def find_masks(folder: Path, images: Sequence[PurePath]) -> tuple[list[Path | None], set[Path]]:
    """Find the mask of each image (None without one), and the masks that fit several images.

    ``images`` are paths below the data set's folder. A mask has the image's path below ``folder``, or the end of it,
    down to the file's name alone; its suffix may be another one (PNG masks of JPEG images).
    """
    paths: dict[str, Path] = {}
    for path in pictures(folder):
        below = path.relative_to(folder)
        paths[below.as_posix()] = path
        paths.setdefault(below.with_suffix("").as_posix(), path)
    masks = []
    for image in images:
        ends = [PurePath(*image.parts[start:]) for start in range(len(image.parts))]
        names = [name for end in ends for name in (end.as_posix(), end.with_suffix("").as_posix())]
        masks.append(next((paths[name] for name in names if name in paths), None))
    claims = Counter(path for path in masks if path is not None)
    return masks, {path for path, count in claims.items() if count > 1}
