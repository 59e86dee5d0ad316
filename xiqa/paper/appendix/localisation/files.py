"""Predictions in the two files of the Object-CXR challenge."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from xiqa.localisation.challenge import Point
from xiqa.store.files import write_bytes

CLASSIFICATION, LOCALIZATION = "prediction_classification.csv", "prediction_localization.csv"
COLUMNS = ("image_path", "prediction")


def write_predictions(
    folder: str | Path, images: Sequence[str], probabilities: Sequence[float], points: Sequence[Sequence[Point]]
) -> None:
    """Write ``prediction_classification.csv`` and ``prediction_localization.csv``, each complete or not at all.

    Both have the columns image_path and prediction, one line an image: the probability of a foreign object, or
    ``probability x y;probability x y`` (nothing where there is no point).

    Parameters
    ----------
    images : names or paths, as in the table of the challenge.
    probabilities : of each image, in [0, 1].
    points : for each image (probability, x, y) in original pixels.

    Raises
    ------
    ValueError : lists of different lengths, an image named twice, a number that is not finite.
    """
    images = [str(image) for image in images]
    if not len(images) == len(probabilities) == len(points):
        raise ValueError(
            f"{len(images)} images, {len(probabilities)} probabilities and points of {len(points)} images differ: "
            "pass one of each an image"
        )
    if len(set(images)) < len(images):
        raise ValueError("an image is named twice: pass each image once")
    texts = [";".join(" ".join(map(_text, point)) for point in some) for some in points]
    _write(Path(folder) / CLASSIFICATION, zip(images, map(_text, probabilities), strict=True))
    _write(Path(folder) / LOCALIZATION, zip(images, texts, strict=True))


def _text(value: float) -> str:
    """The shortest text that reads back as the same number."""
    if not math.isfinite(value):
        raise ValueError(f"a prediction must be a finite number, not {value}")
    return repr(float(value))


def _write(path: Path, rows) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())
