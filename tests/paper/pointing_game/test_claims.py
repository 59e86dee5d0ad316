from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.paper.pointing_game.conftest import make_game, observations
from xiqa.metrics.agreement import bca
from xiqa.metrics.verdicts import NOT_TESTABLE, SUPPORTED
from xiqa.paper.pointing_game import claims, scores


@pytest.fixture(scope="module")
def game():
    """Clear observations: NormGrad, combined, hits on nine of ten images, and all others on few."""
    rng = np.random.default_rng(0)
    shares = dict.fromkeys(scores.NORMGRAD, 0.9) | dict.fromkeys(scores.OTHERS, 0.2) | {"gradcam_combined": 0.9}
    shares |= {m: 0.3 for m in scores.NORMGRAD if m.endswith("single")}

    def draw(scale, seeds=3):
        def one(m, smoothed):
            gradient = m in claims.GRADIENT_MAPS and not smoothed
            share = 0.02 if gradient else shares[m] * scale
            return observations((rng.random((200, seeds)) < share).astype(float), m, smoothed)

        return pd.concat([one(m, s) for m in shares for s in (False, True)])

    semi_random = {"shapes": draw(0.2), "textures": draw(0.2)}
    changes = {"trained": draw(1), "semi_random": semi_random, "fully_random": draw(0.1), "second": draw(1, 1)}
    return replace(make_game(), **changes)


def judged(game, **changes):
    return claims.claims(replace(game, **changes), 0.02)


def verdicts(frame):
    return frame.drop_duplicates("claim").set_index("claim")["verdict on the claim"].to_dict()


def test_clear_evidence_supports_the_claims(game):
    rows = verdicts(judged(game))
    assert [rows[n] for n in (1, 2, 3, 4)] == [SUPPORTED] * 4


def test_a_low_ceiling_bars_the_comparisons_that_need_resolution(game):
    rows = verdicts(judged(game, ceilings=game.ceilings.assign(ceiling=0.7)))
    assert rows[1] == rows[2] == "not testable (resolution)"
    assert rows[3] == SUPPORTED


def test_a_classifier_that_did_not_learn_bars_everything(game):
    rows = verdicts(judged(game, auc_low=0.55))
    assert all(v.startswith(NOT_TESTABLE) for v in rows.values())


def test_an_architecture_that_did_not_learn_bars_only_its_comparison(game):
    rows = judged(game, other_auc_low=0.5).set_index("comparison")
    assert rows.loc["architectures", "verdict"] == claims.DID_NOT_LEARN
    assert rows.loc["seed 0 - seed 1", "verdict"] != claims.DID_NOT_LEARN


def test_without_a_second_architecture_claim_five_is_not_testable(game):
    assert verdicts(judged(game, second=None))[5] == NOT_TESTABLE


def test_pretexts_that_disagree_leave_claim_four_undecided(game):
    shapes = game.semi_random["shapes"]
    parts = judged(game, semi_random={"shapes": shapes, "textures": game.trained})
    assert verdicts(parts)[4] == claims.DISAGREE
    assert parts.set_index("comparison").loc["shapes", "verdict"] == SUPPORTED
    assert verdicts(judged(game, semi_random={"SR": shapes}))[4] == SUPPORTED


def test_without_combined_gradcam_claim_two_is_about_normgrad(game):
    rows = judged(game, trained=game.trained[game.trained["method"] != "gradcam_combined"])
    assert set(rows[rows["claim"] == 2]["comparison"]) == {
        f"normgrad_{v}_combined" for v in ("scaling", "conv1x1", "conv3x3")
    }
    assert verdicts(rows)[2] == SUPPORTED


def test_a_bootstrap_stands_beside_every_difference(game):
    row = judged(game).set_index("comparison").loc["gradcam"]
    values = scores.differences(game.trained, game.best_normgrad, ["gradcam"])["gradcam"]
    assert (row["bootstrap low"], row["bootstrap high"]) == pytest.approx(bca(values))
    assert row["bootstrap low"] < row["difference"] < row["bootstrap high"]


def test_claims_of_a_data_set_are_over_patients():
    rows = claims.claims(make_game("lvot", second=False), 0.02)
    assert set(rows["claim"]) == {1, 2, 3, 4, 5}
    assert rows.loc[rows["claim"] == 1, "units"].eq(4).all()
    assert rows.loc[rows["comparison"] == "architectures", "units"].tolist() == [0]


def test_claims_of_a_published_program_use_its_own_rows():
    game = make_game()
    rows = claims.claims(game, 0.02, "published")
    assert rows[rows["claim"] == 1]["difference"].eq(0).all()
    assert not claims.claims(game, 0.02)["difference"].eq(0).all()


def test_additions_are_left_out_beside_the_published_programs():
    game = make_game()
    whole, theirs = claims.claims(game, 0.02), claims.claims(game, 0.02, additions=False)
    assert set(whole["comparison"]) - set(theirs["comparison"]) == {"gradcam_combined", "SR* (textures)"}
    assert set(claims.claims(game, 0.02, "published")["comparison"]) == set(theirs["comparison"])


def test_the_table_has_both_programs_and_a_further_method(toy):
    table, caption = claims.table_claims_saliency({"object_cxr": make_game()}, {"lvot": "no masks"}, 0.02)
    assert set(table["program"]) == {"corrected", "published"}
    assert toy in set(table["comparison"])
    assert "LVOT not run: no masks" in caption
    assert claims.verdicts(table).shape == (5, 2)
