import numpy as np
import pandas as pd
import pytest

from xiqa.paper.appendix.explained_mri import PRIMARY, tables


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


def test_numbers_of_one_map():
    flat = {"hit": [1, 0, np.nan, 1], "average_precision": [0.2, 0.4, np.nan, 1]}
    numbers = tables.summary(rows(**flat).iloc[:3])
    assert (numbers["hit"][0], numbers["chance"][0], numbers["average_precision"][0]) == pytest.approx((0.5, 0.2, 0.3))
    assert numbers["hit"][1] == pytest.approx(0.0945, abs=1e-4)  # Wilson, 1 of 2
    # t quantile 12.706 at one degree of freedom, standard error 0.1: cut at both ends
    assert numbers["energy"][1:] == (0, 1)
    one = tables.summary(rows().iloc[2:3])
    assert one["energy"] == pytest.approx((0.6, np.nan, np.nan), nan_ok=True)
    assert np.isnan(tables.summary(rows(**flat).iloc[2:3])["hit"]).all()


def test_seeds_are_pooled_on_the_scans_that_each_of_them_scores():
    both = tables.summary(pd.concat([rows().iloc[:3], rows(seed=1, hit=[1, 1, np.nan, 1]).iloc[:3]]))
    assert both["hit"][0] == pytest.approx(0.75)  # p: 1, 1; q: 0, 1
    # s_subject^2 / 2 = s_seed^2 / 2 = 0.0625, each of one degree of freedom: two together, t quantile 4.303
    assert both["hit"][1] == pytest.approx(max(0.75 - 4.303 * 0.125**0.5, 0), abs=1e-3)
    same = tables.summary(pd.concat([rows(seed=seed, hit=[1.0] * 4).iloc[:3] for seed in (0, 1)]))
    assert same["hit"] == pytest.approx((1, 3 / (3 + 1.959964**2), 1))  # Wilson, 3 of 3


def test_the_lead_is_paired_and_averages_the_seeds_of_the_other():
    ours = [rows(PRIMARY, seed=k, hit=hit) for k, hit in enumerate(([1, 1, 0, 0.0], [1, 0, 0, 0.0]))]
    theirs = [rows(PRIMARY, "untrained", k, hit=hit) for k, hit in enumerate(([0, 0, 1, 1.0], [1, 0, 1, 1.0]))]

    def lead(*parts, state="untrained", method=PRIMARY):
        frame = pd.concat(parts)
        return tables.lead(frame[frame["label"] == 1], state, method)

    # p: 1 - 1/2, q: 1/2 - 0, r: 0 - 1; three subjects that differ this much give no bound
    assert lead(*ours, *theirs) == pytest.approx(((0.5 + 0.5 - 1) / 3, -1, 1))
    assert np.isnan(lead(*ours, method="gradcam")).all()
    assert lead(*ours, *(part.assign(state="untrained", seed=0) for part in ours))[0] == 0
    level = lead(rows(PRIMARY), rows(), state="trained", method="gradcam")
    assert level == pytest.approx((0, np.nan, np.nan), nan_ok=True)


def test_the_table_has_every_map_on_all_artifacts_and_the_main_ones_by_family():
    flat = {"hit": [1, 0, np.nan, 1], "degenerate": [False, False, True, False]}
    parts = [rows(PRIMARY), rows(PRIMARY, "untrained"), rows("gradcam", **flat)]
    parts += [rows(name, "no network") for name in ("random", "gradient_magnitude")]
    table = tables.explained(pd.concat(parts))[0]
    assert table["artifact"].drop_duplicates().to_list() == ["all local ones", "spike", "zipper"]
    assert table["artifact"].value_counts().to_dict() == {"all local ones": 5, "zipper": 3, "spike": 3}
    first = table.iloc[0]
    assert (first["map"], first["scans (subjects)"]) == ("NormGrad scaling, combined", "3 (3)")
    assert first["hits %"] == "66.7 [20.8, 93.9]"  # Wilson, 2 of 3
    assert first["chance %"] == "20.0"
    assert table["constant maps"][:3].to_list() == ["0", "0", "1 of 3"]
    assert table.notna().all(axis=None)


@pytest.mark.parametrize("frame", [rows().iloc[:0], rows(label=[0, 0, 0, 0])])
def test_without_a_mask_one_row_has_the_reason(frame):
    table = tables.explained(frame)[0]
    assert len(table) == 1
    assert table["map"][0].startswith("not run")
