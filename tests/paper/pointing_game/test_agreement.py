import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.paper.pointing_game.conftest import observations
from xiqa.paper.pointing_game.agreement import kappas

FIRST = [1.0] * 25 + [0.0] * 25
SECOND = [1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15


def test_kappa_of_two_seeds():
    row = kappas(observations(np.transpose([FIRST, SECOND])), None, ["gradcam"]).iloc[0]
    assert (row["comparison"], row["method"], row["images"]) == ("seed 0 and seed 1", "gradcam", 50)
    assert row["kappa"] == pytest.approx(cohen_kappa_score(FIRST, SECOND)) == pytest.approx(0.4)
    assert row["low"] < 0.2 < 0.6 < row["high"]
    assert row["agreement"] == pytest.approx(0.7)


def test_first_seed_with_every_other_and_with_the_second_network():
    trained = observations(np.transpose([FIRST, FIRST, SECOND]))
    second = observations(np.transpose([SECOND]), network="efficientnet_b0")
    table = kappas(trained, second, ["gradcam"]).set_index("comparison")["kappa"]
    assert table.to_dict() == pytest.approx(
        {"seed 0 and seed 1": 1.0, "seed 0 and seed 2": 0.4, "resnet34 and efficientnet_b0": 0.4}
    )


def test_images_without_a_verdict_in_one_network_are_left_out():
    hits = np.transpose([[*FIRST, np.nan, 1.0], [*SECOND, 1.0, np.nan]])
    row = kappas(observations(hits), None, ["gradcam"]).iloc[0]
    assert (row["kappa"], row["images"]) == (pytest.approx(0.4), 50)


def test_frames_of_a_patient_are_drawn_together():
    hits, patients = np.transpose([FIRST, SECOND]), [f"p{i // 5}" for i in range(50)]
    one, ten = (kappas(observations(hits, units=units), None, ["gradcam"]).iloc[0] for units in (None, patients))
    assert one["kappa"] == ten["kappa"]
    assert ten["high"] - ten["low"] > 1.3 * (one["high"] - one["low"])


def test_kappa_is_low_where_nearly_all_hit():
    row = kappas(observations(np.transpose([[1.0] * 49 + [0.0], [0.0] + [1.0] * 49])), None, ["gradcam"]).iloc[0]
    assert row["agreement"] == pytest.approx(0.96)
    assert row["kappa"] < 0


def test_no_verdict_and_no_second_training():
    assert np.isnan(kappas(observations(np.full((4, 2), np.nan)), None, ["gradcam"]).iloc[0]["kappa"])
    alone = kappas(observations([[1.0], [0.0]]), None, ["gradcam"])
    assert len(alone) == 0
    assert {"comparison", "method", "kappa"} <= set(alone)
