"""Predictions in the two files that the Object-CXR challenge asks for, and read back."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from xiqa.data.records.tables import decoded
from xiqa.errors import BadInput
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
    images : names or paths as the challenge's table has them.
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
            "give one of each an image"
        )
    if len(set(images)) < len(images):
        raise ValueError("an image is named twice: give each image once")
    texts = [";".join(" ".join(map(_text, point)) for point in some) for some in points]
    _write(Path(folder) / CLASSIFICATION, zip(images, map(_text, probabilities), strict=True))
    _write(Path(folder) / LOCALIZATION, zip(images, texts, strict=True))


def read_localization(path: str | Path) -> dict[str, list[Point]]:
    """Points of each image, (probability, x, y), from a ``prediction_localization.csv``, in the order of its lines.

    Raises
    ------
    BadInput
        ``unreadable``, ``missing_column``, ``bad_table`` (quotes that do not close), and with the line ``bad_row``,
        ``wrong_count``, ``not_a_number``, ``not_finite``, ``duplicate``.

    """
    path = Path(path)
    text, _ = decoded(path)
    found: dict[str, list[Point]] = {}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [field.strip() for field in next(reader, [])]
        if header != list(COLUMNS):
            raise BadInput("missing_column", f"{path} begins with '{','.join(header)[:60]}': write {','.join(COLUMNS)}")
        for fields in reader:
            if fields:
                name, points = _row(fields, f"{path}, line {reader.line_num}")
                if name in found:
                    raise BadInput(
                        "duplicate", f"{path}, line {reader.line_num}, names {name} again: give each image one line"
                    )
                found[name] = points
    except csv.Error as error:
        raise BadInput(
            "bad_table", f"{path} cannot be read at line {reader.line_num} ({error}): check its quotation marks"
        ) from error
    return found


def _row(fields: list[str], place: str) -> tuple[str, list[Point]]:
    if len(fields) != len(COLUMNS) or not fields[0].strip():
        raise BadInput(
            "bad_row", f"{place}, is not an image and its points: write one comma between them, also without a point"
        )
    pieces = [piece.split() for piece in fields[1].split(";")]
    return fields[0].strip(), [_point(words, place) for words in pieces if words]


def _point(words: list[str], place: str) -> Point:
    shown = " ".join(words)[:60]
    if len(words) != 3:
        raise BadInput("wrong_count", f"{place}, holds the point '{shown}': write probability, x and y with one space")
    try:
        probability, x, y = (float(word.replace("_", "?")) for word in words)  # Python would read 1_0 as ten
    except ValueError:
        raise BadInput("not_a_number", f"{place}, holds the point '{shown}': write three numbers") from None
    if not all(map(math.isfinite, (probability, x, y))):
        raise BadInput("not_finite", f"{place}, holds the point '{shown}': write finite numbers")
    return probability, x, y


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
