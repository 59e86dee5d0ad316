"""What notebooks set side by side, on made-up observations."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from xiqa.metrics.agreement import mcnemar
from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.appendix.localisation import tables as localisation_tables
from xiqa.paper.pointing_game import tables


def rows(hits, method="a", predicted=1, seed=0, units=None):
    count = len(hits)
    return pd.DataFrame(
        {
            "image": [f"{i}" for i in range(count)], "unit": units or [f"{i}" for i in range(count)], "seed": seed,
            "method": method, "smoothed": True, "score": np.asarray(hits, float), "predicted": predicted,
            "target": -1, "outcome": "hit", "network": "resnet34", "state": "trained",
            "distance": np.where(hits, 3.0, 30.0),
        }
    )  # fmt: skip


def game(**given):
    usual = {"dataset": "object_cxr", "network": "resnet34", "other": None, "second": None, "chosen": "a"}
    return SimpleNamespace(**(usual | given))


def test_means_are_over_units_and_seeds():
    frame = pd.concat([rows([1, 0, 1, 1], seed=s).assign(energy=[0.2, 0.4, 0.6, 0.8]) for s in (0, 1)])
    found = localisation_tables.over_units(frame, "energy")
    expected = crossed_mean(np.array([[0.2, 0.2], [0.4, 0.4], [0.6, 0.6], [0.8, 0.8]]))
    assert (found["mean"], found["low"], found["high"]) == pytest.approx(
        (expected["mean"], expected["low"], expected["high"])
    )


def test_a_measure_of_one_seed_only_ignores_the_others():
    frame = pd.concat([rows([1, 0]).assign(insertion=[0.4, 0.6]), rows([1, 0], seed=1).assign(insertion=np.nan)])
    found = localisation_tables.over_units(frame, "insertion")
    assert found["mean"] == pytest.approx(0.5)
    assert found["units"] == 2


def test_a_measure_that_nobody_has_is_no_number():
    assert np.isnan(localisation_tables.over_units(rows([1, 0]).assign(energy=np.nan), "energy")["mean"])


def test_misses_on_other_metal_need_not_be_of_the_same_images_in_every_seed():
    parts = [rows([0, 0, 1]).assign(on_distractor=[1.0, 0.0, np.nan]),
             rows([1, 0, 0], seed=1).assign(on_distractor=[np.nan, 1.0, 0.0])]  # fmt: skip
    found = localisation_tables.over_units(pd.concat(parts), "on_distractor")
    assert found["mean"] == pytest.approx(np.mean([1.0, 0.5, 0.0]))
    assert found["units"] == 3


def test_localised_has_a_row_a_method_and_measure_and_froc():
    measures = dict.fromkeys(localisation_tables.MEASURES, 0.5)
    frame = pd.concat([rows([1, 0, 1], m).assign(**measures) for m in ("a", "b")])
    froc = pd.DataFrame({"method": ["a", "b"], "froc": [0.3, 0.1], "low": [0.2, 0.0], "high": [0.4, 0.2]})
    found = localisation_tables.localised(frame, froc)
    assert len(found) == 2 * (len(localisation_tables.MEASURES) + 1)
    assert found.query("measure == 'FROC' and method == 'a'")["mean"].item() == 0.3


def test_answers_split_by_what_the_network_said():
    trained = rows([1, 1, 0, 0])
    trained["predicted"] = [1, 1, 1, 0]
    missed = rows([1]).assign(image="3", unit="3", predicted=0, target=1)
    study = SimpleNamespace(missed=lambda dataset, network: missed)
    found = tables.by_answer(game(trained=trained, study=study), ["a"]).iloc[0]
    assert found["positive"]["mean"] == pytest.approx(2 / 3)
    assert (found["negative"]["mean"], found["negative"]["maps"]) == (0, 1)
    assert found["positive class"]["mean"] == pytest.approx(3 / 4)


def test_no_missed_image_leaves_no_number():
    study = SimpleNamespace(missed=lambda dataset, network: rows([]))
    found = tables.by_answer(game(trained=rows([1, 0]), study=study), ["a"]).iloc[0]
    assert np.isnan(found["negative"]["mean"])
    assert found["negative"]["maps"] == 0


def test_mcnemar_stands_beside_every_method_but_the_speaker():
    ours, theirs = [1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1, 1]
    found = tables.against(game(best=pd.concat([rows(ours), rows(theirs, "b")])), ["a", "b"])
    assert found["b"] == pytest.approx(mcnemar(ours, theirs))
    assert np.isnan(found["a"])


def test_frames_of_a_patient_get_no_mcnemar():
    units = ["p", "p", "q"]
    frame = pd.concat([rows([1, 1, 0], units=units), rows([0, 1, 1], "b", units=units)])
    assert np.isnan(tables.against(game(best=frame), ["b"])["b"])


def test_programs_show_a_column_each():
    claims = {"claim": [1, 1, 2], "statement": ["x", "x", "y"]}

    def judged(delta, variant=None, ours=True):
        assert variant or not ours
        said = ["supported"] * 2 + ["undecided"] if variant is None else ["not supported"] * 3
        return pd.DataFrame({**claims, "verdict on the claim": said})

    found = tables.programs(game(claims=judged, variants=lambda: ["published", "S1"]), 0.02)
    assert found["corrected"].tolist() == ["supported", "undecided"]
    assert found["S1"].tolist() == ["not supported"] * 2
    assert list(found.columns) == ["claim", "statement", "corrected", "published", "S1"]


def test_scores_by_program():
    published = {"Repeated": rows([0, 0])}
    trained = pd.concat([rows([1, 0]), rows([1, 1]).assign(smoothed=False)])
    given = game(trained=trained, published=lambda name: published, variants=lambda: ["published"])
    found = tables.by_program(given, ["a"]).set_index(["program", "smoothed"])["mean"]
    assert found.to_dict() == {("corrected", True): 0.5, ("corrected", False): 1.0, ("published", True): 0.0}


def test_agreement_is_asked_over_seeds_and_with_the_second_network():
    trained = pd.concat([rows([1, 0, 1, 0], seed=s) for s in (0, 1)])
    second = rows([1, 0, 0, 1]).assign(network="efficientnet_b0")
    found = tables.agreed(game(trained=trained, second=second, other="efficientnet_b0"), ["a"])
    assert found["second"].tolist() == ["resnet34 s1", "efficientnet_b0 s0"]
    assert found["kappa"].tolist() == pytest.approx([1.0, 0.0])


def test_one_training_alone_agrees_with_nobody():
    found = tables.agreed(game(trained=rows([1, 0])), ["a"])
    assert len(found) == 0
    assert {"method", "kappa", "agreement"} <= set(found)


def test_units_that_all_agree_get_wilsons_interval():
    found = localisation_tables.over_units(rows([1, 1, 1]).assign(hit_causal=1.0), "hit_causal")
    assert (found["mean"], found["low"], found["high"]) == (1, *wilson(3, 3))
    study = SimpleNamespace(missed=lambda dataset, network: rows([]))
    said = tables.by_answer(game(trained=rows([0, 0], predicted=0), study=study), ["a"]).iloc[0]
    assert (said["negative"]["low"], said["negative"]["high"]) == wilson(0, 2)
