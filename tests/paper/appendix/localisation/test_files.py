import csv

import numpy as np
import pytest

from xiqa.paper.appendix.localisation.files import write_predictions

POINTS = [[(0.9, 10.5, 20.0), (0.1, 3.0, 4.25)], [], [(1 / 3, 0.1, 1e-7)]]
IMAGES = ["test/09001.jpg", "a, b.jpg", "00003.jpg"]


def test_the_challenge_s_two_files(tmp_path):
    write_predictions(tmp_path, IMAGES, [0.9, 0.25, np.float32(0.5)], POINTS)
    with open(tmp_path / "prediction_classification.csv", newline="") as handle:
        assert list(csv.reader(handle)) == [
            ["image_path", "prediction"], ["test/09001.jpg", "0.9"], ["a, b.jpg", "0.25"], ["00003.jpg", "0.5"],
        ]  # fmt: skip
    lines = (tmp_path / "prediction_localization.csv").read_text().splitlines()
    assert lines[0] == "image_path,prediction"
    assert lines[1] == "test/09001.jpg,0.9 10.5 20.0;0.1 3.0 4.25"
    assert lines[2] == '"a, b.jpg",'
    words = lines[3].split(",")[1].split()
    assert tuple(map(float, words)) == POINTS[2][0], "numbers are written to the last bit"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "prediction_classification.csv", "prediction_localization.csv",
    ]  # fmt: skip


def test_what_does_not_fit_is_not_written(tmp_path):
    for arguments in (
        (["a", "b"], [0.5], [[], []]),
        (["a", "a"], [0.5, 0.5], [[], []]),
        (["a"], [np.nan], [[]]),
        (["a"], [0.5], [[(0.5, np.inf, 1)]]),
    ):
        with pytest.raises(ValueError, match=r"differ|twice|finite"):
            write_predictions(tmp_path / "new", *arguments)
    assert not (tmp_path / "new" / "prediction_localization.csv").exists()
