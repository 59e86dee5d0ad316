"""Predictions in the two files of the Object-CXR challenge."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from xiqa.localisation.challenge import Point
from xiqa.store.files import write_frame


def write_predictions(
    folder: Path, images: Sequence[str], probabilities: Sequence[float], points: Sequence[Sequence[Point]]
) -> None:
    """Write ``prediction_classification.csv`` and ``prediction_localization.csv``, each complete or not at all.

    Both have the columns image_path and prediction, one line an image: the probability of a foreign object, or
    ``probability x y;probability x y`` in original pixels (nothing where there is no point). ValueError for lists of
    different lengths, an image named twice, and a number that is not finite.
    """
    if not len(images) == len(probabilities) == len(points):
        raise ValueError(
            f"{len(images)} images, {len(probabilities)} probabilities and points of {len(points)} images differ: "
            "pass one of each an image"
        )
    if len(set(images)) < len(images):
        raise ValueError("an image is named twice: pass each image once")
    texts = {
        "classification": [_text(probability) for probability in probabilities],
        "localization": [";".join(" ".join(map(_text, point)) for point in some) for some in points],
    }
    for task, predictions in texts.items():
        frame = pd.DataFrame({"image_path": images, "prediction": predictions})
        write_frame(frame, folder / f"prediction_{task}.csv")


def _text(value: float) -> str:
    """The shortest text that reads back as the same number."""
    if not math.isfinite(value):
        raise ValueError(f"a prediction must be a finite number, not {value}")
    return repr(float(value))
