import csv

import numpy as np
import pandas as pd
import pytest

from xiqa.paper.appendix.localisation.results import write_predictions

NAMES = ("classification", "localization")


def write(folder, images, probabilities, points):
    points = pd.DataFrame(points, columns=["image", "probability", "x", "y"])
    write_predictions(folder, pd.DataFrame({"image": images, "probability": probabilities}), points)
    return [list(csv.reader((folder / f"prediction_{name}.csv").open(newline=""))) for name in NAMES]


def test_the_challenge_s_two_files(tmp_path):
    point = 1 / 3, 0.1, 1e-7
    points = [("9.jpg", 0.9, 10.5, 20.0), ("3.jpg", *point), ("9.jpg", 0.1, 3.0, 4.25)]
    classified, localised = write(tmp_path, ["9.jpg", "a, b.jpg", "3.jpg"], [0.9, 0.25, np.float32(0.5)], points)
    head = ["image_path", "prediction"]
    assert classified == [head, ["9.jpg", "0.9"], ["a, b.jpg", "0.25"], ["3.jpg", "0.5"]]
    assert localised[:3] == [head, ["9.jpg", "0.9 10.5 20.0;0.1 3.0 4.25"], ["a, b.jpg", ""]]
    assert tuple(map(float, localised[3][1].split())) == point, "numbers are written to the last bit"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"prediction_{name}.csv" for name in NAMES]


def test_no_point_at_all(tmp_path):
    assert write(tmp_path, ["a"], [0.5], [])[1] == [["image_path", "prediction"], ["a", ""]]


@pytest.mark.parametrize(
    ("images", "probabilities", "points"),
    [(["a", "a"], [0.5, 0.5], []), (["a"], [np.nan], []), (["a"], [0.5], [("a", 0.5, np.inf, 1)])],
)
def test_what_does_not_fit_is_not_written(tmp_path, images, probabilities, points):
    with pytest.raises(ValueError, match=r"twice|finite"):
        write(tmp_path / "new", images, probabilities, points)
    assert not (tmp_path / "new").exists()
