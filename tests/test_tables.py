import numpy as np
import pandas as pd
import pytest

from xiqa import claims, tables
from xiqa.metrics import wilson
from xiqa.observations import outcomes


def observed(hits, method="gradcam", smoothed=True, state="trained"):
    """Observations of a table of hits (images, seeds): distance 5 for a hit, 50 for a miss."""
    hits = np.asarray(hits)
    rows = [
        {
            "image": f"{i:03d}", "seed": seed, "method": method, "smoothed": smoothed, "state": state, "target": -1,
            "distance": 5.0 if hit == 1 else 50.0 if hit == 0 else np.nan,
            "score": hit, "outcome": {1: "hit", 0: "miss"}.get(hit, "degenerate"),
        }
        for (i, seed), hit in np.ndenumerate(hits)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_score_of_one_network_is_a_proportion_with_wilsons_interval():
    found = tables.score(observed([[1.0], [1.0], [0.0], [1.0]]), "gradcam", True)
    assert found["mean"] == 0.75
    assert (found["low"], found["high"]) == wilson(3, 4)


def test_degenerate_maps_leave_the_denominator_and_are_counted():
    found = tables.score(observed([[1.0], [np.nan], [0.0]]), "gradcam", True)
    assert (found["mean"], found["images"], found["degenerate"]) == (0.5, 2, 1)


def test_a_method_without_any_verdict_scores_nan():
    found = tables.score(observed([[np.nan], [np.nan]]), "gradcam", True)
    assert np.isnan(found["mean"])
    assert np.isnan(found["low"])


def test_tolerance_is_strict_and_read_from_the_distance():
    frame = observed([[1.0], [0.0]])
    assert tables.score(frame, "gradcam", True, tolerance=5)["mean"] == 0
    assert tables.score(frame, "gradcam", True, tolerance=5.01)["mean"] == 0.5
    assert tables.score(frame, "gradcam", True, tolerance=51)["mean"] == 1


def test_targets_of_a_random_network_are_averaged():
    frame = pd.concat([observed([[1.0]]).assign(target=0), observed([[0.0]]).assign(target=1)])
    assert outcomes(frame, "gradcam", True).to_numpy() == pytest.approx(np.array([[0.5]]))


def test_the_variant_is_chosen_on_validation_by_its_smoothed_score():
    good = observed([[1.0], [1.0]], "normgrad_scaling_combined")
    poor = observed([[0.0], [1.0]], "normgrad_bias_single")
    other = [observed([[0.0], [0.0]], m) for m in tables.NORMGRAD if m not in (good.method[0], poor.method[0])]
    assert tables.best_on_validation(pd.concat([poor, good, *other])) == "normgrad_scaling_combined"


def test_differences_pair_images_by_name():
    first = observed([[1.0], [0.0], [1.0]], "a")
    second = observed([[1.0], [1.0], [0.0]], "b").iloc[::-1]
    values = tables.differences(pd.concat([first, second]), "a", ["b"])["b"]
    assert values[:, 0].tolist() == [0.0, -1.0, 1.0]


def test_dom_is_the_absolute_difference_of_means():
    first, second = observed([[1.0, 1.0], [0.0, 1.0]]), observed([[0.0], [1.0]])
    found = tables.dom(first, second, "gradcam")
    assert found["dom"] == pytest.approx(0.25)
    assert found["difference"] == pytest.approx(0.25)
    assert found["low"] < found["difference"] < found["high"]


def evidence(**changes):
    rng = np.random.default_rng(0)
    shares = dict.fromkeys(tables.NORMGRAD, 0.9) | dict.fromkeys(tables.RIVALS, 0.2) | {"gradcam_combined": 0.9}
    shares |= {m: 0.3 for m in tables.NORMGRAD if m.endswith("single")}

    def draw(scale, seeds=3):
        def one(m, smoothed):
            gradient = m in tables.GRADIENT_MAPS and not smoothed
            share = 0.02 if gradient else shares[m] * scale
            return observed((rng.random((200, seeds)) < share).astype(float), m, smoothed)

        return pd.concat([one(m, s) for m in shares for s in (False, True)])

    ceilings = pd.DataFrame({"layer": ["layer4.2"], "single": [True], "smoothed": [True], "ceiling": [0.95]})
    given = {
        "trained": draw(1), "semi_random": draw(0.2), "fully_random": draw(0.1), "other": draw(1, 1),
        "validation": draw(1), "ceilings": ceilings, "auc_low": 0.9, "other_auc_low": 0.9, "delta": 0.02,
    }  # fmt: skip
    return tables.Evidence(**(given | changes))


def verdicts(frame):
    return frame.drop_duplicates("claim").set_index("claim")["verdict on the claim"].to_dict()


def test_clear_evidence_supports_the_claims():
    found = verdicts(evidence().claims())
    assert [found[n] for n in (1, 2, 3, 4)] == [claims.SUPPORTED] * 4


def test_a_low_ceiling_bars_the_comparisons_that_need_resolution():
    ceilings = pd.DataFrame({"layer": ["layer4.2"], "single": [True], "smoothed": [True], "ceiling": [0.7]})
    found = verdicts(evidence(ceilings=ceilings).claims())
    assert found[1] == found[2] == "not testable (resolution)"
    assert found[3] == claims.SUPPORTED


def test_a_classifier_that_did_not_learn_bars_everything():
    found = verdicts(evidence(auc_low=0.55).claims())
    assert all(v.startswith(claims.NOT_TESTABLE) for v in found.values())


def test_an_architecture_that_did_not_learn_bars_only_its_comparison():
    found = evidence(other_auc_low=0.5).claims().set_index("comparison")
    assert found.loc["architectures", "verdict"] == tables.DID_NOT_LEARN
    assert found.loc["seed 0 - seed 1", "verdict"] != tables.DID_NOT_LEARN


def test_without_a_second_architecture_claim_five_is_not_testable():
    assert verdicts(evidence(other=None).claims())[5] == claims.NOT_TESTABLE
