import numpy as np
import pandas as pd
import pytest

from xiqa.metrics.agreement import bca
from xiqa.metrics.verdicts import NOT_TESTABLE, SUPPORTED
from xiqa.paper.pointing_game import claims, scores


def observed(hits, method, smoothed=True):
    """Observations of a table of hits (images, seeds)."""
    images, seeds = (index.ravel() for index in np.indices(hits.shape))
    names = [f"{i:03d}" for i in images]
    about = {"image": names, "unit": names, "seed": seeds, "method": method, "smoothed": smoothed}
    return pd.DataFrame({**about, "target": -1, "score": hits.ravel(), "outcome": "hit"})


def evidence(**changes):
    rng = np.random.default_rng(0)
    shares = dict.fromkeys(scores.NORMGRAD, 0.9) | dict.fromkeys(scores.RIVALS, 0.2) | {"gradcam_combined": 0.9}
    shares |= {m: 0.3 for m in scores.NORMGRAD if m.endswith("single")}

    def draw(scale, seeds=3):
        def one(m, smoothed):
            gradient = m in claims.GRADIENT_MAPS and not smoothed
            share = 0.02 if gradient else shares[m] * scale
            return observed((rng.random((200, seeds)) < share).astype(float), m, smoothed)

        return pd.concat([one(m, s) for m in shares for s in (False, True)])

    ceilings = pd.DataFrame({"layer": ["layer4.2"], "single": [True], "smoothed": [True], "ceiling": [0.95]})
    given = {
        "trained": draw(1), "semi_random": {"shapes": draw(0.2), "textures": draw(0.2)},
        "fully_random": draw(0.1), "other": draw(1, 1),
        "chosen": "normgrad_scaling_combined", "ceilings": ceilings, "auc_low": 0.9, "other_auc_low": 0.9,
        "delta": 0.02,
    }  # fmt: skip
    return claims.Evidence(**(given | changes))


def verdicts(frame):
    return frame.drop_duplicates("claim").set_index("claim")["verdict on the claim"].to_dict()


def test_clear_evidence_supports_the_claims():
    found = verdicts(evidence().claims())
    assert [found[n] for n in (1, 2, 3, 4)] == [SUPPORTED] * 4


def test_a_low_ceiling_bars_the_comparisons_that_need_resolution():
    ceilings = pd.DataFrame({"layer": ["layer4.2"], "single": [True], "smoothed": [True], "ceiling": [0.7]})
    found = verdicts(evidence(ceilings=ceilings).claims())
    assert found[1] == found[2] == "not testable (resolution)"
    assert found[3] == SUPPORTED


def test_a_classifier_that_did_not_learn_bars_everything():
    found = verdicts(evidence(auc_low=0.55).claims())
    assert all(v.startswith(NOT_TESTABLE) for v in found.values())


def test_an_architecture_that_did_not_learn_bars_only_its_comparison():
    found = evidence(other_auc_low=0.5).claims().set_index("comparison")
    assert found.loc["architectures", "verdict"] == claims.DID_NOT_LEARN
    assert found.loc["seed 0 - seed 1", "verdict"] != claims.DID_NOT_LEARN


def test_without_a_second_architecture_claim_five_is_not_testable():
    assert verdicts(evidence(other=None).claims())[5] == NOT_TESTABLE


def test_pretexts_that_disagree_leave_claim_four_undecided():
    whole, parts = evidence(), evidence()
    parts.semi_random = {"shapes": whole.semi_random["shapes"], "textures": whole.trained}
    assert verdicts(whole.claims())[4] == SUPPORTED
    found = parts.claims()
    assert verdicts(found)[4] == claims.DISAGREE
    assert found.set_index("comparison").loc["shapes", "verdict"] == SUPPORTED


def test_one_pretext_cannot_disagree():
    alone = evidence()
    alone.semi_random = {"SR": alone.semi_random["shapes"]}
    assert verdicts(alone.claims())[4] == SUPPORTED


def test_programs_without_a_combined_gradcam_are_judged_by_normgrad():
    given = evidence()
    given.trained = given.trained[given.trained["method"] != "gradcam_combined"]
    found = given.claims()
    assert set(found[found["claim"] == 2]["comparison"]) == {
        f"normgrad_{v}_combined" for v in ("scaling", "conv1x1", "conv3x3")
    }
    assert verdicts(found)[2] == SUPPORTED


def test_a_bootstrap_stands_beside_every_difference():
    given = evidence()
    found = given.claims().set_index("comparison")
    values = scores.differences(given.trained, given.chosen, ["gradcam"])["gradcam"]
    row = found.loc["gradcam"]
    assert (row["bootstrap low"], row["bootstrap high"]) == pytest.approx(bca(values))
    assert row["bootstrap low"] < row["difference"] < row["bootstrap high"]
