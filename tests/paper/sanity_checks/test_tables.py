import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xiqa.metrics.intervals import wilson
from xiqa.paper.sanity_checks import tables
from xiqa.paper.sanity_checks.results import SanityChecks

METHODS = ("input_x_gradient", "gradcam")
STEPS = {
    "cascade": ((0, "none"), (1, "head"), (2, "stem")),
    "independent": ((1, "head"), (2, "stem")),
    "chance": ((-1, "-"),),
    "retrained": ((-1, "-"),),
}


@pytest.fixture
def frame():
    """Three images, two methods, two blocks; random values, and Grad-CAM of the last image is constant."""
    rng = np.random.default_rng(0)
    rows = [
        {"kind": kind, "repeat": 0, "method": method, "step": step, "layer": layer, "unit": unit}
        | {"flipped": kind != "chance" and unit == "b" and step != 0, "degenerate": method == "gradcam" and unit == "c"}
        for kind, steps in STEPS.items()
        for (step, layer), method, unit in itertools.product(steps, METHODS, "abc")
    ]
    frame = pd.DataFrame(rows)
    for name in tables.MEASURES:
        frame[name] = np.where(frame["degenerate"], np.nan, rng.random(len(frame)))
    return frame


def cells(frame, measure, method):
    rows = tables.stages(frame).query("measure == @measure and method == @method")
    return rows.set_index("stage")[["mean", "low", "high", "units"]]


def test_the_curve_is_the_mean_with_its_t_interval(frame):
    curve = tables.curve(frame)
    assert len(curve) == 3 * 2 * 5
    row = curve.query("measure == 'ssim' and method == 'input_x_gradient' and layer == 'stem'").iloc[0]
    values = frame.query("kind == 'cascade' and method == 'input_x_gradient' and step == 2")["ssim"]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["high"] - row["mean"] == pytest.approx(stats.t.ppf(0.975, 2) * values.std() / np.sqrt(3))
    assert set(curve.query("method == 'gradcam'")["degenerate"]) == {1}


def test_blocks_are_averaged_by_image_and_the_excess_is_paired(frame):
    rows = frame[frame["method"] == "input_x_gradient"].set_index(["kind", "step", "unit"])["spearman"].sort_index()
    stages = cells(frame, "spearman", "input_x_gradient")
    assert stages.index.tolist() == [*tables.STAGES, tables.EXCESS]
    blocks = rows["independent"].groupby("unit").mean()
    assert stages.loc["one block random", "mean"] == pytest.approx(blocks.mean())
    half = stats.t.ppf(0.975, 2) * blocks.std() / np.sqrt(3)
    assert stages.loc["one block random", "high"] == pytest.approx(blocks.mean() + half)
    excess = rows["cascade", 2] - rows["chance", -1]
    assert stages.loc[tables.EXCESS, "mean"] == pytest.approx(excess.mean())
    assert stages.loc["head random", "mean"] == pytest.approx(rows["cascade", 1].mean())


def test_constant_maps_are_counted_and_left_out(frame):
    assert tables.degenerate(frame) == {"gradcam": "2 of 6", "input_x_gradient": "0 of 6"}
    assert cells(frame, "hog", "gradcam")["units"].tolist() == [2] * 6


def test_each_image_counts_once_in_the_flips(frame):
    flips = tables.flips(frame).set_index("stage")
    assert flips.index.tolist() == ["head random", "all random", "one block random", "retrained"]
    assert flips["mean"].tolist() == pytest.approx([1 / 3] * 4)
    assert flips.loc["one block random", ["low", "high"]].tolist() == pytest.approx(wilson(1, 3))


def test_the_table_has_a_row_a_measure_and_method_and_one_of_flips(frame):
    without = frame[frame["kind"] != "retrained"]
    checks = SanityChecks({"A": "n", "B": "n"}, {"A": frame, "B": without}, {})
    table, caption = tables.randomisation(checks)
    assert table["data set"].tolist() == ["A"] * 7 + ["B"] * 7
    assert table["method"].tolist() == [*["Input x Gradient", "Grad-CAM"] * 3, "another class predicted"] * 2
    mean, low, high, _ = cells(frame, "spearman", "input_x_gradient").loc["head random"]
    assert table.loc[0, "head random"] == f"{mean:.2f} [{low:.2f}, {high:.2f}]"
    assert (table.loc[7:, "retrained"] == "-").all()
    assert table.loc[6, ["other image", tables.EXCESS, "degenerate"]].tolist() == ["-"] * 3
    assert "3 on A, 3 on B" in caption


def test_the_summary_names_methods(frame):
    cascade = frame["kind"] == "cascade"
    same = (frame["method"] == "input_x_gradient") & cascade
    frame.loc[same, "spearman"], frame.loc[frame["kind"] == "chance", "spearman"] = 1.0, 0.2
    frame.loc[~same & cascade, "spearman"] = [0.1, 0.2, 0.3] * 3
    summary = tables.summary(SanityChecks({"A": "n"}, {"A": frame}, {}))
    assert summary["A"].tolist() == ["Input x Gradient"] * 2
