import numpy as np
import pandas as pd
import pytest

from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.pointing_game import scores
from xiqa.paper.pointing_game.scores import outcomes


def observed(hits, method="gradcam", smoothed=True, state="trained", units=None):
    """Observations of a table of hits (images, seeds): distance 5 for a hit, 50 for a miss."""
    hits = np.asarray(hits)
    rows = [
        {
            "image": f"{i:03d}", "unit": f"{i:03d}" if units is None else units[i], "seed": seed, "method": method,
            "smoothed": smoothed, "state": state, "target": -1,
            "distance": 5.0 if hit == 1 else 50.0 if hit == 0 else np.nan,
            "score": hit, "outcome": {1: "hit", 0: "miss"}.get(hit, "degenerate"),
        }
        for (i, seed), hit in np.ndenumerate(hits)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_score_of_one_network_is_a_proportion_with_wilsons_interval():
    found = scores.score(observed([[1.0], [1.0], [0.0], [1.0]]), "gradcam", True)
    assert found["mean"] == 0.75
    assert (found["low"], found["high"]) == wilson(3, 4)


def test_patients_count_once_however_many_frames_they_have():
    frame = observed([[1.0], [1.0], [1.0], [0.0], [0.0], [1.0]], units=["p1", "p1", "p1", "p1", "p2", "p3"])
    found = scores.score(frame, "gradcam", True)
    expected = crossed_mean(np.array([[0.75], [0.0], [1.0]]))
    assert found["mean"] == pytest.approx(7 / 12)
    assert (found["low"], found["high"]) == (max(expected["low"], 0), min(expected["high"], 1))
    assert (found["images"], found["units"]) == (6, 3)


def test_wilson_only_where_every_image_is_a_unit_of_its_own():
    hits = np.tile([[1.0], [0.0]], (30, 1))
    alone = scores.score(observed(hits), "gradcam", True)
    assert (alone["low"], alone["high"]) == wilson(30, 60)
    paired = scores.score(observed(hits, units=[f"p{i // 2}" for i in range(60)]), "gradcam", True)
    halves = scores.score(observed(np.sort(hits, axis=0), units=[f"p{i // 2}" for i in range(60)]), "gradcam", True)
    assert paired["mean"] == halves["mean"] == 0.5
    assert halves["high"] - halves["low"] > alone["high"] - alone["low"] > paired["high"] - paired["low"]


def test_units_that_all_agree_get_wilsons_interval_over_units():
    found = scores.score(observed(np.ones((12, 2)), units=[f"p{i // 3}" for i in range(12)]), "gradcam", True)
    assert found["mean"] == 1
    assert (found["low"], found["high"]) == wilson(4, 4)


def test_one_patient_alone_has_a_score():
    found = scores.score(observed([[1.0], [0.0]], units=["p1", "p1"]), "gradcam", True)
    assert found["mean"] == 0.5
    assert np.isnan(found["low"])


def test_a_method_that_nobody_observed_scores_nan():
    assert np.isnan(scores.score(observed([[1.0]]), "guided_backprop", True)["mean"])


def test_rivals_have_intervals_over_units_and_chance_has_none():
    units = [f"p{i // 2}" for i in range(8)]
    parts = [observed(np.tile([[1.0], [0.0]], (4, 1)), m, smoothed=False, units=units) for m in ("centre", "chance")]
    found = scores.rival_scores(pd.concat(parts).drop(columns="seed"))
    assert found.loc["centre", "units"] == 4
    assert found["mean"].tolist() == [0.5, 0.5]
    assert np.isnan(found.loc["chance", "low"])


def test_degenerate_maps_leave_the_denominator_and_are_counted():
    found = scores.score(observed([[1.0], [np.nan], [0.0]]), "gradcam", True)
    assert (found["mean"], found["images"], found["degenerate"]) == (0.5, 2, 1)


def test_a_method_without_any_verdict_scores_nan():
    found = scores.score(observed([[np.nan], [np.nan]]), "gradcam", True)
    assert np.isnan(found["mean"])
    assert np.isnan(found["low"])


def test_tolerance_is_strict_and_read_from_the_distance():
    frame = observed([[1.0], [0.0]])
    assert scores.score(frame, "gradcam", True, tolerance=5)["mean"] == 0
    assert scores.score(frame, "gradcam", True, tolerance=5.01)["mean"] == 0.5
    assert scores.score(frame, "gradcam", True, tolerance=51)["mean"] == 1


def test_targets_of_a_random_network_are_averaged():
    frame = pd.concat([observed([[1.0]]).assign(target=0), observed([[0.0]]).assign(target=1)])
    assert outcomes(frame, "gradcam", True).to_numpy() == pytest.approx(np.array([[0.5]]))


def test_the_variant_is_chosen_on_validation_by_its_smoothed_score():
    good = observed([[1.0], [1.0]], "normgrad_scaling_combined")
    poor = observed([[0.0], [1.0]], "normgrad_bias_single")
    other = [observed([[0.0], [0.0]], m) for m in scores.NORMGRAD if m not in (good.method[0], poor.method[0])]
    assert scores.best_on_validation(pd.concat([poor, good, *other])) == "normgrad_scaling_combined"


def test_differences_pair_images_by_name():
    first = observed([[1.0], [0.0], [1.0]], "a")
    second = observed([[1.0], [1.0], [0.0]], "b").iloc[::-1]
    values = scores.differences(pd.concat([first, second]), "a", ["b"])["b"]
    assert values[:, 0].tolist() == [0.0, -1.0, 1.0]


def test_differences_are_taken_image_by_image_and_then_averaged_by_patient():
    units = ["p1", "p1", "p1", "p2"]
    first = observed([[1.0], [np.nan], [1.0], [1.0]], "a", units=units)
    second = observed([[0.0], [0.0], [1.0], [0.0]], "b", units=units)
    values = scores.differences(pd.concat([first, second]), "a", ["b"])["b"]
    # The frame without a verdict on one side is left out on both.
    assert values.tolist() == [[0.5], [1.0]]


def test_dom_of_frames_is_over_patients():
    units = ["p1", "p1", "p2"]
    first, second = (observed(hits, units=units) for hits in ([[1.0], [1.0], [0.0]], [[0.0], [1.0], [0.0]]))
    expected = crossed_mean(np.array([[0.5], [0.0]]), confidence=0.9)
    found = scores.dom(first, second, "gradcam")
    assert (found["dom"], found["low"], found["high"]) == (0.25, expected["low"], expected["high"])


def test_dom_is_the_absolute_difference_of_means():
    first, second = observed([[1.0, 1.0], [0.0, 1.0]]), observed([[0.0], [1.0]])
    found = scores.dom(first, second, "gradcam")
    assert found["dom"] == pytest.approx(0.25)
    assert found["difference"] == pytest.approx(0.25)
    assert found["low"] < found["difference"] < found["high"]


def test_the_same_frames_twice_are_worth_no_more_than_once():
    hits = np.random.default_rng(0).random((30, 2)) < 0.5
    units = [f"p{i // 2}" for i in range(30)]
    once = pd.concat([observed(part.astype(float), m, units=units) for part, m in ((hits, "a"), (~hits, "b"))])
    twice = pd.concat([once, once.assign(image=once["image"] + "x")])
    assert scores.differences(twice, "a", ["b"])["b"].tolist() == scores.differences(once, "a", ["b"])["b"].tolist()
    assert scores.score(twice, "a", True)["low"] == scores.score(once, "a", True)["low"]
