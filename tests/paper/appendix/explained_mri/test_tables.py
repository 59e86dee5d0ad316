import numpy as np
import pandas as pd
import pytest

from xiqa.paper.appendix.explained_mri import observe, tables


def rows(method="gradcam", state="trained", seed=0, **columns):
    """Four scans of three subjects; the last one is not an artifact to the rater."""
    columns = {
        "image": list("abcd"), "subject": list("pqrr"), "label": [1, 1, 1, 0],
        "artifact": ["zipper", "zipper", "spike", "spike"], "hit": [1, 0, 1, 1.0],
        "average_precision": [0.2, 0.4, 0.6, 1], "chance": [0.1, 0.3, 0.2, 0.1], "share": [0.1, 0.2, 0.3, 0.1],
        "degenerate": False,
    } | columns  # fmt: skip
    columns |= {"energy": columns["average_precision"], "hit_tied": np.array(columns["hit"]) / 2}
    return pd.DataFrame(columns).assign(method=method, state=state, seed=seed)


def summary(frame):
    return tables.summary(frame).set_index(["artifact", "state", "method"])


def test_a_table_by_map_and_family_with_chance():
    flat = {
        "hit": [1, 0, np.nan, 1],
        "average_precision": [0.2, 0.4, np.nan, 1],
        "degenerate": [False, False, True, False],
    }
    frame = pd.concat([rows("m", **flat), rows("n")])
    table = summary(frame)
    assert list(table.index) == [(f, "trained", m) for f in ("all", "spike", "zipper") for m in "mn"]
    first = table.loc[("all", "trained", "m")]
    assert tuple(first[["scans", "subjects", "seeds", "maps", "degenerate", "scored"]]) == (3, 3, 1, 3, 1, 2)
    assert (first["hit"], first["chance"], first["average_precision"]) == pytest.approx((0.5, 0.2, 0.3))
    assert first["hit_tied"] == 0.25
    assert first["hit_low"] == pytest.approx(0.0945, abs=1e-4)  # Wilson, 1 of 2
    # t quantile 12.706 at one degree of freedom, standard error 0.1: cut at both ends
    assert (first["energy_low"], first["energy_high"]) == (0, 1)
    lonely = table.loc[("spike", "trained", "n")]
    assert lonely["energy"] == pytest.approx(0.6)
    assert np.isnan(lonely["energy_low"])
    assert np.isnan(table.loc[("spike", "trained", "m"), "hit"])


def test_seeds_are_pooled_on_the_scans_that_each_of_them_judges():
    frame = pd.concat([rows(), rows(seed=1, hit=[1, 1, np.nan, 1], degenerate=[False, False, True, False])])
    both = summary(frame).loc[("all", "trained", "gradcam")]
    assert tuple(both[["scans", "seeds", "maps", "degenerate", "scored"]]) == (3, 2, 6, 1, 2)
    assert both["hit"] == pytest.approx(0.75)  # p: 1, 1; q: 0, 1
    # s_subject^2 / 2 = s_seed^2 / 2 = 0.0625, each of one degree of freedom: two together, t quantile 4.303
    assert both["hit_low"] == pytest.approx(max(0.75 - 4.303 * 0.125**0.5, 0), abs=1e-3)
    same = summary(pd.concat([rows(hit=[1, 1, 1, 1.0]), rows(seed=1, hit=[1, 1, 1, 1.0])])).loc[
        ("all", "trained", "gradcam")
    ]
    assert (same["hit"], same["hit_high"]) == (1, 1)
    assert same["hit_low"] == pytest.approx(3 / (3 + 1.959964**2))  # Wilson, 3 of 3


def test_the_lead_is_paired_and_averages_the_seeds_of_the_other():
    ours = pd.concat([rows(observe.PRIMARY, hit=[1, 1, 0, 0.0]), rows(observe.PRIMARY, seed=1, hit=[1, 0, 0, 0.0])])
    theirs = [
        rows(observe.PRIMARY, "untrained", seed=k, hit=hit) for k, hit in enumerate(([0, 0, 1, 1.0], [1, 0, 1, 1.0]))
    ]
    lead = tables.lead(pd.concat([ours, *theirs]), "untrained", observe.PRIMARY)
    assert lead["mean"] == pytest.approx((0.5 + 0.5 - 1) / 3)  # p: 1 - 1/2, q: 1/2 - 0, r: 0 - 1
    assert (lead["images"], lead["seeds"]) == (3, 2)
    assert np.isnan(tables.lead(ours, "untrained", "gradcam")["mean"])
    assert (lead["low"], lead["high"]) == (-1, 1)  # three subjects that differ this much give no bound
    same = tables.lead(pd.concat([ours, ours.assign(state="untrained", seed=0)]), "untrained", observe.PRIMARY)
    assert same["mean"] == 0
    level = tables.lead(pd.concat([rows(observe.PRIMARY), rows()]), "trained", "gradcam")
    assert level["mean"] == 0
    assert np.isnan([level["low"], level["high"]]).all()


def test_the_table_has_every_map_on_all_artifacts_and_the_main_ones_by_family():
    parts = [rows(observe.PRIMARY), rows(observe.PRIMARY, "untrained"), rows("gradcam")]
    parts += [rows(name, "no network") for name in ("random", "gradient_magnitude")]
    table = tables.explained(pd.concat(parts))[0]
    assert table["artifact"].value_counts().to_dict() == {"all local ones": 5, "zipper": 3, "spike": 3}
    first = table.iloc[0]
    assert (first["map"], first["scans (subjects)"]) == ("NormGrad scaling, combined", "3 (3)")
    assert first["hits %"] == "66.7 [20.8, 93.9]"  # Wilson, 2 of 3
    assert first["chance %"] == "20.0"
    assert table.notna().all(axis=None)


@pytest.mark.parametrize("frame", [rows().iloc[:0], rows(label=[0, 0, 0, 0])])
def test_without_a_mask_one_row_has_the_reason(frame):
    table = tables.explained(frame)[0]
    assert len(table) == 1
    assert table["map"][0].startswith("not run")
