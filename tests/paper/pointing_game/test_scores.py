import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.paper.pointing_game.conftest import observations
from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.pointing_game import scores
from xiqa.paper.pointing_game.scores import outcomes

FIRST = [1.0] * 25 + [0.0] * 25
SECOND = [1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15


def test_score_of_one_network_is_a_proportion_with_wilsons_interval():
    result = scores.score(observations([[1.0], [1.0], [0.0], [1.0]]), "gradcam", True)
    assert result["mean"] == 0.75
    assert (result["low"], result["high"]) == wilson(3, 4)


def test_patients_count_once_however_many_frames_they_have():
    frame = observations([[1.0], [1.0], [1.0], [0.0], [0.0], [1.0]], units=["p1", "p1", "p1", "p1", "p2", "p3"])
    result = scores.score(frame, "gradcam", True)
    expected = crossed_mean(np.array([[0.75], [0.0], [1.0]]))
    assert result["mean"] == pytest.approx(7 / 12)
    assert (result["low"], result["high"]) == (max(expected["low"], 0), min(expected["high"], 1))
    assert (result["images"], result["units"]) == (6, 3)


def test_wilson_only_where_every_image_is_a_unit_of_its_own():
    hits = np.tile([[1.0], [0.0]], (30, 1))
    alone = scores.score(observations(hits), "gradcam", True)
    assert (alone["low"], alone["high"]) == wilson(30, 60)
    paired = scores.score(observations(hits, units=[f"p{i // 2}" for i in range(60)]), "gradcam", True)
    halves = scores.score(observations(np.sort(hits, axis=0), units=[f"p{i // 2}" for i in range(60)]), "gradcam", True)
    assert paired["mean"] == halves["mean"] == 0.5
    assert halves["high"] - halves["low"] > alone["high"] - alone["low"] > paired["high"] - paired["low"]


def test_units_that_all_agree_get_wilsons_interval_over_units():
    result = scores.score(observations(np.ones((12, 2)), units=[f"p{i // 3}" for i in range(12)]), "gradcam", True)
    assert result["mean"] == 1
    assert (result["low"], result["high"]) == wilson(4, 4)


def test_one_patient_alone_has_a_score():
    result = scores.score(observations([[1.0], [0.0]], units=["p1", "p1"]), "gradcam", True)
    assert result["mean"] == 0.5
    assert np.isnan(result["low"])


def test_a_method_that_nobody_observed_scores_nan():
    assert np.isnan(scores.score(observations([[1.0]]), "guided_backprop", True)["mean"])


def test_baselines_have_intervals_over_units_and_chance_has_none():
    units = [f"p{i // 2}" for i in range(8)]
    parts = [
        observations(np.tile([[1.0], [0.0]], (4, 1)), m, smoothed=False, units=units) for m in ("centre", "chance")
    ]
    result = scores.baseline_scores(pd.concat(parts).drop(columns="seed"))
    assert result.loc["centre", "units"] == 4
    assert result["mean"].tolist() == [0.5, 0.5]
    assert np.isnan(result.loc["chance", "low"])


def test_degenerate_maps_leave_the_denominator_and_are_counted():
    result = scores.score(observations([[1.0], [np.nan], [0.0]]), "gradcam", True)
    assert (result["mean"], result["images"], result["degenerate"]) == (0.5, 2, 1)


def test_a_method_without_any_verdict_scores_nan():
    result = scores.score(observations([[np.nan], [np.nan]]), "gradcam", True)
    assert np.isnan(result["mean"])
    assert np.isnan(result["low"])


def test_tolerance_is_strict_and_read_from_the_distance():
    frame = observations([[1.0], [0.0]])
    assert scores.score(frame, "gradcam", True, tolerance=5)["mean"] == 0
    assert scores.score(frame, "gradcam", True, tolerance=5.01)["mean"] == 0.5
    assert scores.score(frame, "gradcam", True, tolerance=51)["mean"] == 1


def test_targets_of_a_random_network_are_averaged():
    frame = pd.concat([observations([[1.0]]).assign(target=0), observations([[0.0]]).assign(target=1)])
    assert outcomes(frame, "gradcam", True).to_numpy() == pytest.approx(np.array([[0.5]]))


def test_the_variant_is_chosen_on_validation_by_its_smoothed_score():
    good = observations([[1.0], [1.0]], "normgrad_scaling_combined")
    poor = observations([[0.0], [1.0]], "normgrad_bias_single")
    other = [observations([[0.0], [0.0]], m) for m in scores.NORMGRAD if m not in (good.method[0], poor.method[0])]
    assert scores.best_on_validation(pd.concat([poor, good, *other])) == "normgrad_scaling_combined"


def test_differences_pair_images_by_name():
    first = observations([[1.0], [0.0], [1.0]], "a")
    second = observations([[1.0], [1.0], [0.0]], "b").iloc[::-1]
    values = scores.differences(pd.concat([first, second]), "a", ["b"])["b"]
    assert values[:, 0].tolist() == [0.0, -1.0, 1.0]


def test_differences_are_taken_image_by_image_and_then_averaged_by_patient():
    units = ["p1", "p1", "p1", "p2"]
    first = observations([[1.0], [np.nan], [1.0], [1.0]], "a", units=units)
    second = observations([[0.0], [0.0], [1.0], [0.0]], "b", units=units)
    values = scores.differences(pd.concat([first, second]), "a", ["b"])["b"]
    # The frame without a verdict on one side is left out on both.
    assert values.tolist() == [[0.5], [1.0]]


def test_dom_of_frames_is_over_patients():
    units = ["p1", "p1", "p2"]
    first, second = (observations(hits, units=units) for hits in ([[1.0], [1.0], [0.0]], [[0.0], [1.0], [0.0]]))
    expected = crossed_mean(np.array([[0.5], [0.0]]), confidence=0.9)
    result = scores.dom(first, second, "gradcam")
    assert (result["dom"], result["low"], result["high"]) == (0.25, expected["low"], expected["high"])


def test_dom_is_the_absolute_difference_of_means():
    first, second = observations([[1.0, 1.0], [0.0, 1.0]]), observations([[0.0], [1.0]])
    result = scores.dom(first, second, "gradcam")
    assert result["dom"] == pytest.approx(0.25)
    assert result["difference"] == pytest.approx(0.25)
    assert result["low"] < result["difference"] < result["high"]


def test_the_same_frames_twice_are_worth_no_more_than_once():
    hits = np.random.default_rng(0).random((30, 2)) < 0.5
    units = [f"p{i // 2}" for i in range(30)]
    once = pd.concat([observations(part.astype(float), m, units=units) for part, m in ((hits, "a"), (~hits, "b"))])
    twice = pd.concat([once, once.assign(image=once["image"] + "x")])
    assert scores.differences(twice, "a", ["b"])["b"].tolist() == scores.differences(once, "a", ["b"])["b"].tolist()
    assert scores.score(twice, "a", True)["low"] == scores.score(once, "a", True)["low"]


def test_units_are_means_of_their_images():
    frame = observations([[1.0], [0.0], [1.0], [np.nan]], units=["p1", "p1", "p2", "p2"])
    assert scores.by_unit(outcomes(frame, "gradcam", True))[0].to_dict() == {"p1": 0.5, "p2": 1.0}


def test_what_a_variant_does_not_change_is_taken_from_the_corrected_program():
    def row(method, score, target=-1, **more):
        return {"method": method, "score": score, "target": target, "predicted": 1} | more

    corrected = pd.DataFrame(
        [row("a", 1.0, 0), row("a", 0.5, 1), row("b", 0.2, 0), row("b", 0.7, 1), row("gradcam_combined", 0.9, 1)]
    )
    wrong = pd.DataFrame([row("a", 0.0, variant="S1"), row("a", 0.1, variant="published")])
    alone = scores.with_variant(corrected, wrong, "S1")
    assert dict(zip(alone["method"], alone["score"], strict=True)) == {"b": 0.7, "gradcam_combined": 0.9, "a": 0.0}
    whole = scores.with_variant(corrected, wrong, "published")
    assert dict(zip(whole["method"], whole["score"], strict=True)) == {"b": 0.7, "a": 0.1}
    unchanged = scores.with_variant(corrected, wrong, "S8")
    assert unchanged["score"].tolist() == [0.5, 0.7, 0.9]


def test_consistency_has_a_row_a_network_and_method():
    table = scores.consistency({"FR": observations([[1.0, 0.0]]), "Repeated": observations([[1.0, 1.0]])}, ["gradcam"])
    assert table[["state", "seed", "mean"]].to_numpy().tolist() == [
        ["FR", 0, 1.0], ["FR", 1, 0.0], ["Repeated", 0, 1.0], ["Repeated", 1, 1.0],
    ]  # fmt: skip


def test_curves_of_all_seeds_of_each_and_of_the_constant_point():
    fixed = observations([[1.0]], "constant_point", smoothed=False).drop(columns="seed")
    table = scores.curve(observations([[1.0, 0.0]]), fixed, ["gradcam"], [4, 15])
    assert table.set_index(["method", "seed", "tolerance"])["mean"].to_dict() == {
        ("gradcam", "all", 4): 0.0, ("gradcam", "all", 15): 0.5, ("gradcam", "0", 4): 0.0, ("gradcam", "0", 15): 1.0,
        ("gradcam", "1", 4): 0.0, ("gradcam", "1", 15): 0.0, ("constant_point", "all", 4): 0.0,
        ("constant_point", "all", 15): 1.0,
    }  # fmt: skip


def test_kappa_of_two_seeds():
    row = scores.kappas(observations(np.transpose([FIRST, SECOND])), None, ["gradcam"]).iloc[0]
    assert (row["comparison"], row["method"], row["images"]) == ("seed 0 and seed 1", "gradcam", 50)
    assert row["kappa"] == pytest.approx(cohen_kappa_score(FIRST, SECOND)) == pytest.approx(0.4)
    assert row["low"] < 0.2 < 0.6 < row["high"]
    assert row["agreement"] == pytest.approx(0.7)


def test_first_seed_with_every_other_and_with_the_second_network():
    trained = observations(np.transpose([FIRST, FIRST, SECOND]))
    second = observations(np.transpose([SECOND]), network="efficientnet_b0")
    table = scores.kappas(trained, second, ["gradcam"]).set_index("comparison")["kappa"]
    assert table.to_dict() == pytest.approx(
        {"seed 0 and seed 1": 1.0, "seed 0 and seed 2": 0.4, "resnet34 and efficientnet_b0": 0.4}
    )


def test_images_without_a_verdict_in_one_network_are_left_out():
    hits = np.transpose([[*FIRST, np.nan, 1.0], [*SECOND, 1.0, np.nan]])
    row = scores.kappas(observations(hits), None, ["gradcam"]).iloc[0]
    assert (row["kappa"], row["images"]) == (pytest.approx(0.4), 50)


def test_frames_of_a_patient_are_drawn_together():
    hits, patients = np.transpose([FIRST, SECOND]), [f"p{i // 5}" for i in range(50)]
    one, ten = (scores.kappas(observations(hits, units=units), None, ["gradcam"]).iloc[0] for units in (None, patients))
    assert one["kappa"] == ten["kappa"]
    assert ten["high"] - ten["low"] > 1.3 * (one["high"] - one["low"])


def test_kappa_is_low_where_nearly_all_hit():
    row = scores.kappas(observations(np.transpose([[1.0] * 49 + [0.0], [0.0] + [1.0] * 49])), None, ["gradcam"]).iloc[0]
    assert row["agreement"] == pytest.approx(0.96)
    assert row["kappa"] < 0


def test_no_verdict_and_no_second_training():
    assert np.isnan(scores.kappas(observations(np.full((4, 2), np.nan)), None, ["gradcam"]).iloc[0]["kappa"])
    alone = scores.kappas(observations([[1.0], [0.0]]), None, ["gradcam"])
    assert len(alone) == 0
    assert {"comparison", "method", "kappa"} <= set(alone)
