import numpy as np
import pytest

from xiqa.paper import numbers


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5, 0.4, 0.6], "0.500 [0.405, 0.595]"),
        ([np.nan, 0.1], "-"),
        ([-1e-9, -1e-9, 1e-9], "0.000 [0.000, 0.000]"),
        ([0.25], "0.250"),
    ],
)
def test_numbers_with_intervals(values, text):
    assert numbers.number(np.array(values)) == text


def test_cells_of_an_estimate():
    assert numbers.percents(np.array([0.5, 0.5, 0.5])) == numbers.percent(0.5, 0.5, 0.5) == "50.0 [50.0, 50.0]"
    assert numbers.percent(np.nan) == numbers.text(dict.fromkeys(("mean", "low", "high"), np.nan)) == "-"
    assert numbers.text({"mean": 0.312, "low": 0.2, "high": 0.4}) == "0.31 [0.20, 0.40]"
    assert numbers.cell((0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert numbers.cell((0.5, np.nan, np.nan)) == "0.500"
    assert numbers.cell((np.nan, np.nan, np.nan)) == "-"
    assert numbers.cell((-0.0001, -0.0002, 0.9), 100, 1) == "0.0 [0.0, 90.0]"
