import numpy as np
import pandas as pd
import pytest

from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.appendix.localisation import tables
from xiqa.paper.appendix.localisation.results import Localisation


def rows(seed=0, method="gradcam", **columns):
    """Images of units "0", "1" ..., one each."""
    count = len(next(iter(columns.values())))
    units = list(map(str, range(count)))
    return pd.DataFrame({"unit": units, "seed": seed, "method": method} | columns)


def test_means_are_over_units_and_seeds():
    values = np.array([[0.2, 0.3], [0.4, 0.4], [0.6, 0.9], [0.8, 0.8]])
    frame = pd.concat([rows(seed, energy=values[:, seed]) for seed in (0, 1)])
    expected = crossed_mean(values)
    assert tables.over_units(frame, "energy") == pytest.approx([expected[k] for k in ("mean", "low", "high")])


def test_shares_without_spread_get_wilsons_interval():
    low, high = wilson(3, 3)
    assert tables.over_units(rows(hit_usual=[1.0] * 3), "hit_usual") == (1, low, high)


def test_seeds_without_a_value_are_left_out():
    frame = pd.concat([rows(insertion=[0.4, 0.6]), rows(1, insertion=[np.nan] * 2)])
    assert tables.over_units(frame, "insertion")[0] == pytest.approx(0.5)
    assert np.isnan(tables.over_units(rows(energy=[np.nan] * 2), "energy")).all()


def test_misses_on_other_metal_need_not_be_of_the_same_images_in_every_seed():
    parts = rows(on_distractor=[1.0, 0.0, np.nan]), rows(1, on_distractor=[np.nan, 1.0, 0.0])
    assert tables.over_units(pd.concat(parts), "on_distractor")[0] == pytest.approx(np.mean([1.0, 0.5, 0.0]))


def test_the_table_has_baselines_last_and_froc_where_it_is_scored():
    columns = {name: [0.25, 0.5, 0.75] for name in tables.MEASURES} | {"hit_causal": [np.nan] * 3}
    frame = pd.concat([rows(method=method, **columns) for method in ("random", "guided_backprop", "gradcam")])
    froc = pd.DataFrame({"method": ["gradcam"], "froc": [0.3], "low": [0.2], "high": [0.4]})
    results = Localisation({"A": "n", "B": "n"}, {"A": frame, "B": frame}, {"A": froc}, 2, {"C": "no masks"})
    table, caption = tables.localisation(results)
    assert table["method"].tolist() == ["Grad-CAM", "Guided Backprop", "Random pixel"] * 2 + ["not run: no masks"]
    assert table["FROC"].tolist() == ["30.0 [20.0, 40.0]", *["-"] * 6]
    assert table["pointing game, causal mask"].tolist() == ["-"] * 7
    assert table["energy inside"][0].startswith("50.0 [")
    assert "n on A and n on B; 1 seed)" in caption
