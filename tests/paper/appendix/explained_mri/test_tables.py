import numpy as np
import pandas as pd
import pytest

from xiqa.paper.appendix.explained_mri import observe, tables


def rows(method="gradcam", state="trained", seed=0, **columns):
    """Four scans of three subjects; the last one is not an artifact to the rater."""
    given = {
        "image": list("abcd"), "subject": list("pqrr"), "label": [1, 1, 1, 0],
        "artifact": ["zipper", "zipper", "spike", "spike"], "hit": [1, 0, 1, 1.0],
        "average_precision": [0.2, 0.4, 0.6, 1], "chance": [0.1, 0.3, 0.2, 0.1], "share": [0.1, 0.2, 0.3, 0.1],
        "degenerate": False,
    } | columns  # fmt: skip
    given |= {"energy": given["average_precision"], "hit_tied": np.array(given["hit"]) / 2}
    return pd.DataFrame(given).assign(method=method, state=state, seed=seed)


def found(frame, **given):
    return tables.table(frame, **given).set_index(["artifact", "state", "method"])


def test_a_table_by_map_and_family_with_chance():
    flat = {
        "hit": [1, 0, np.nan, 1],
        "average_precision": [0.2, 0.4, np.nan, 1],
        "degenerate": [False, False, True, False],
    }
    frame = pd.concat([rows("m", **flat), rows("n")])
    table = found(frame)
    assert list(table.index) == [(f, "trained", m) for f in ("all", "spike", "zipper") for m in "mn"]
    first = table.loc[("all", "trained", "m")]
    assert tuple(first[["scans", "subjects", "seeds", "maps", "degenerate", "judged"]]) == (3, 3, 1, 3, 1, 2)
    assert (first["hit"], first["chance"], first["average_precision"]) == pytest.approx((0.5, 0.2, 0.3))
    assert first["hit_tied"] == 0.25
    assert first["hit_low"] == pytest.approx(0.0945, abs=1e-4)  # Wilson, 1 of 2
    # t quantile 12.706 at one degree of freedom, standard error 0.1: cut at both ends
    assert (first["energy_low"], first["energy_high"]) == (0, 1)
    lonely = table.loc[("spike", "trained", "n")]
    assert lonely["energy"] == pytest.approx(0.6)
    assert np.isnan(lonely["energy_low"])
    assert np.isnan(table.loc[("spike", "trained", "m"), "hit"])
    mild = found(frame, label=None).loc[("all", "trained", "n")]
    assert (mild["scans"], mild["subjects"]) == (4, 3)
    assert mild["hit"] == pytest.approx(2 / 3)  # of subjects: 1, 0, 1
    assert mild["chance"] == pytest.approx((0.1 + 0.3 + 0.15) / 3)


def test_seeds_are_pooled_on_the_scans_that_each_of_them_judges():
    frame = pd.concat([rows(), rows(seed=1, hit=[1, 1, np.nan, 1], degenerate=[False, False, True, False])])
    both = found(frame).loc[("all", "trained", "gradcam")]
    assert tuple(both[["scans", "seeds", "maps", "degenerate", "judged"]]) == (3, 2, 6, 1, 2)
    assert both["hit"] == pytest.approx(0.75)  # p: 1, 1; q: 0, 1
    # s_subject^2 / 2 = s_seed^2 / 2 = 0.0625, each of one degree of freedom: two together, t quantile 4.303
    assert both["hit_low"] == pytest.approx(max(0.75 - 4.303 * 0.125**0.5, 0), abs=1e-3)
    same = found(pd.concat([rows(hit=[1, 1, 1, 1.0]), rows(seed=1, hit=[1, 1, 1, 1.0])])).loc[
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
    assert np.isnan(tables.lead(pd.concat([ours, *theirs]), "untrained", observe.PRIMARY, family="spike")["low"])
    assert np.isnan(tables.lead(ours, "untrained", "gradcam")["mean"])
    assert (lead["low"], lead["high"]) == (-1, 1)  # three subjects that differ this much say nothing
    same = tables.lead(pd.concat([ours, ours.assign(state="untrained", seed=0)]), "untrained", observe.PRIMARY)
    assert same["mean"] == 0
    level = tables.lead(pd.concat([rows(observe.PRIMARY), rows()]), "trained", "gradcam")
    assert level["mean"] == 0
    assert np.isnan([level["low"], level["high"]]).all()


def test_the_paper_shows_every_map_on_all_and_the_main_ones_by_family():
    parts = [rows(observe.PRIMARY), rows(observe.PRIMARY, "untrained"), rows("gradcam")]
    parts += [rows(name, "no network") for name in ("random", "gradient_magnitude")]
    shown = tables.display(pd.concat(parts))
    assert (shown["artifact"] == "all local ones").sum() == 5
    assert (shown["artifact"] == "zipper").sum() == (shown["artifact"] == "spike").sum() == 3
    first = shown.iloc[0]
    assert first["map"] == "NormGrad scaling, combined"
    assert first["scans (subjects)"] == "3 (3)"
    assert first["hits %"] == "66.7 [20.8, 93.9]"  # Wilson, 2 of 3
    assert first["chance %"] == "20.0"
    assert shown["map"].is_unique is False
    assert "random voxel" in set(shown["map"])
    assert "untrained" in shown["map"][1]
    assert shown.notna().all(axis=None)


def test_without_a_mask_one_row_says_why():
    shown = tables.display(rows().iloc[:0])
    assert len(shown) == 1
    assert "mask" in shown["map"][0]
    assert len(tables.display(rows(label=[0, 0, 0, 0]))) == 1


def moving(count, rng, **columns):
    frame = {"subject": np.arange(count), "label": 1, "hit": rng.integers(0, 2, count).astype(float)}
    numbers = {name: rng.random(count) for name in ("spread", "probability", "mutual_information")}
    return pd.DataFrame(frame | numbers | columns)


def test_three_questions_of_moving_peaks():
    rng = np.random.default_rng(0)
    local, clean = moving(60, rng), moving(90, rng, label=np.arange(90) % 3 == 0)
    local["spread"] = 1 - local["probability"]  # misses of the network have the larger spread
    frame = pd.concat([local.assign(set=tables.LOCAL), clean.astype({"label": int}).assign(set=tables.CALLED_CLEAN)])
    shown = tables.peaks_table(frame, 0.5, draws=50)
    assert shown["scans"].to_list() == ["60", "60", "90"]
    below = int((local["probability"] < 0.5).sum())
    assert shown["misses"].to_list() == [str(int((local["hit"] == 0).sum())), str(below), "30"]
    assert shown["AUC of the spread %"][1].startswith("100.0")
    assert (shown.loc[1, list(tables.BEYOND)] == "-").all()
    assert (shown.loc[[0, 2], list(tables.BEYOND)] != "-").all(axis=None)


def test_few_misses_are_said_to_be_few():
    few = moving(12, np.random.default_rng(0), set=tables.CALLED_CLEAN)
    shown = tables.peaks_table(few, 0.5)
    assert shown["scans"].to_list() == ["0", "0", "12"]
    assert shown["AUC of the spread %"].str.startswith("too few").all()
