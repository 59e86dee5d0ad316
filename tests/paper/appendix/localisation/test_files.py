import csv

import numpy as np
import pytest

from xiqa.data.shapes import parse_annotation
from xiqa.errors import BadInput
from xiqa.localisation.challenge import froc
from xiqa.paper.appendix.localisation.files import read_localization, write_predictions

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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "prediction_classification.csv", "prediction_localization.csv",
    ]  # fmt: skip


def test_points_are_read_back_to_the_last_bit_in_order(tmp_path):
    write_predictions(tmp_path, IMAGES, [0.5] * 3, POINTS)
    found = read_localization(tmp_path / "prediction_localization.csv")
    assert list(found) == IMAGES
    assert list(found.values()) == POINTS


def test_froc_of_an_exported_file(tmp_path):
    shapes = [parse_annotation("0 10 20 30 40"), [], []]
    write_predictions(tmp_path, IMAGES, [0.5] * 3, POINTS)
    found = read_localization(tmp_path / "prediction_localization.csv")
    assert froc(list(found.values()), shapes)[0] == froc(POINTS, shapes)[0] > 0


def test_what_does_not_fit_is_not_written(tmp_path):
    for given in (
        (["a", "b"], [0.5], [[], []]),
        (["a", "a"], [0.5, 0.5], [[], []]),
        (["a"], [np.nan], [[]]),
        (["a"], [0.5], [[(0.5, np.inf, 1)]]),
    ):
        with pytest.raises(ValueError, match=r"differ|twice|finite"):
            write_predictions(tmp_path / "new", *given)
    assert not (tmp_path / "new" / "prediction_localization.csv").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing_column"),
        ("image,points\n", "missing_column"),
        ("image_path,prediction\na.jpg,0.5 1\n", "wrong_count"),
        ("image_path,prediction\na.jpg,0.5 1 2 3\n", "wrong_count"),
        ("image_path,prediction\na.jpg,0.5 x 2\n", "not_a_number"),
        ("image_path,prediction\na.jpg,0.5 1_0 2\n", "not_a_number"),
        ("image_path,prediction\na.jpg,nan 1 2\n", "not_finite"),
        ("image_path,prediction\na.jpg\n", "bad_row"),
        ("image_path,prediction\na.jpg,0.5 1 2,\n", "bad_row"),
        ("image_path,prediction\n,0.5 1 2\n", "bad_row"),
        ("image_path,prediction\na.jpg,\na.jpg,\n", "duplicate"),
        ('image_path,prediction\n"a.jpg,0.5 1 2\n', "bad_table"),
    ],
)
def test_damaged_files_get_one_sentence(tmp_path, text, reason):
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        read_localization(path)
    assert error.value.reason == reason
    assert str(path) in str(error.value)
    if "\n" in text[:-1] and reason != "bad_table":
        assert f"line {text.count(chr(10))}" in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match=r"no\.csv"):
        read_localization(tmp_path / "no.csv")


def test_spaces_and_a_last_semicolon_are_tolerated(tmp_path):
    path = tmp_path / "points.csv"
    path.write_bytes("\ufeffimage_path, prediction\r\na.jpg, 0.5  1 2; \r\n\r\nb.jpg,\r\n".encode())
    assert read_localization(path) == {"a.jpg": [(0.5, 1, 2)], "b.jpg": []}
