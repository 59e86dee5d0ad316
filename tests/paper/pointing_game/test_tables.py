import numpy as np
import pytest

from tests.paper.pointing_game.conftest import make_game, observations
from xiqa.paper.numbers import percent
from xiqa.paper.pointing_game import claims, scores, tables
from xiqa.saliency.names import MIDL_ROWS, ROWS, label


def every_table(games, missing):
    return {
        "table_2_smoothing": tables.smoothing(games, missing),
        "table_3_lvot": tables.states(games, missing, "lvot"),
        "table_4_object_cxr": tables.states(games, missing, "object_cxr"),
        "table_5_architectures": tables.architectures(games, missing),
        "midl_table_2": tables.midl(games, missing),
        "table_published_vs_corrected": tables.published_vs_corrected(games, 0.02, missing),
        "table_claims_saliency": claims.table_claims_saliency(games, missing, 0.02),
    }


@pytest.fixture
def games():
    return {"object_cxr": make_game(), "lvot": make_game("lvot", second=False)}


def test_every_registered_method_is_in_every_table_and_captions_are_plain(toy):
    made = every_table({"object_cxr": make_game()}, {"lvot": "its test split has no masks"})
    for name, (frame, caption) in made.items():
        assert not set("{}[]") & set(caption), name
        assert "None" not in caption, name
        assert caption.replace("et al.", "").count(". ") <= 2, name
        if name not in ("table_3_lvot", "table_published_vs_corrected"):
            assert toy in set(frame["comparison" if "claims" in name else "method"]), name


def test_smoothing_shows_the_best_network_above_the_baselines(games):
    frame, _ = tables.smoothing(games, {})
    game = games["object_cxr"]
    assert frame["method"].tolist() == [*map(label, ROWS), "Best constant point", "Centre of the image", "Chance"]
    best = scores.score(game.trained[game.trained["seed"] == 1], "gradcam", True)
    row = frame.set_index("method").loc["Grad-CAM"]
    assert row["Object-CXR, smoothed"] == percent(best["mean"], best["low"], best["high"])
    assert frame.set_index("method").loc["Chance", "Object-CXR"] == "8.3"
    assert frame.set_index("method").loc["Chance", "Object-CXR, smoothed"] == "-"


def test_states_count_networks_and_correct_for_chance():
    frame, _ = tables.states({"object_cxr": make_game(trained=observations(np.ones((12, 2))))}, {}, "object_cxr")
    assert list(frame.columns[1:6]) == [
        "FR (2)",
        "SR* (shapes) (2)",
        "SR* (textures) (2)",
        "Repeated (2)",
        "above chance",
    ]
    assert frame.set_index("method").loc["Grad-CAM", "above chance"] == "100.0"
    printed = frame[frame["method"].str.startswith("NormGrad, as printed")]
    assert printed["Repeated (2)"].tolist() == ["85.3", "86.3"]


def test_architectures_show_the_difference_and_kappa(games):
    frame, _ = tables.architectures(games, {})
    game, row = games["object_cxr"], frame.set_index("method").loc["Grad-CAM"]
    expected = scores.dom(game.trained, game.second, "gradcam")
    assert row["Object-CXR: DoM*"] == f"{expected['dom']:.3f}"
    assert {"Object-CXR: kappa, seed 0 and seed 1", "Object-CXR: kappa, resnet34 and efficientnet_b0"} <= set(frame)
    assert row["LVOT: second network"] == "not run: one network only"
    plain = frame.set_index("method").loc["Guided Backprop, plain SiLU"]
    assert plain["Object-CXR: efficientnet_b0 (1)"] != "-"


def test_midl_is_not_smoothed_and_has_its_own_tolerance():
    at_20 = observations(np.ones((12, 2)), "normgrad_bias_combined", smoothed=False).assign(distance=20.0, score=0.0)
    game = make_game(trained=at_20)
    frame, _ = tables.midl({"object_cxr": game}, {})
    assert frame["method"].tolist() == [label("normgrad_bias_combined")]
    assert frame["test"].item().startswith("100.0")
    assert len(tables.midl({"object_cxr": make_game()}, {})[0]) == len(MIDL_ROWS)


def test_programs_have_a_column_each_and_transposed_masks_only_where_there_are_masks(games):
    assert "S3" not in games["object_cxr"].variants
    frame, caption = tables.published_vs_corrected(games, 0.02, {})
    assert len(frame) == 10
    assert frame.loc[frame["data set"] == "Object-CXR", "S3"].eq("-").all()
    whole = tables.programs(games["object_cxr"], 0.02)
    shown = frame[frame["data set"] == "Object-CXR"].reset_index(drop=True)
    same = whole["published"] == whole["corrected"]
    assert (shown["published"] == whole["published"].mask(same, "=")).all()
    assert "S3: masks" in caption


def test_a_data_set_without_a_game_is_a_row_or_column_with_the_reason():
    games, missing = {"object_cxr": make_game()}, {"lvot": "its test split has no masks"}
    reason = "not run: its test split has no masks"
    assert tables.smoothing(games, missing)[0]["LVOT"].iloc[0] == reason
    assert tables.states(games, missing, "lvot")[0].to_dict("list") == {"not run": [reason]}
    assert tables.architectures(games, missing)[0]["LVOT"].iloc[0] == reason
    assert f"LVOT {reason}" in tables.published_vs_corrected(games, 0.02, missing)[1]
