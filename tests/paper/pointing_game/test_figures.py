import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.paper.pointing_game.conftest import make_game
from xiqa.data.shapes import Shape
from xiqa.paper.pointing_game import figures
from xiqa.paper.pointing_game.shown import ELSEWHERE, Shown
from xiqa.saliency.methods import tabulated
from xiqa.saliency.names import METHOD_NAMES


@pytest.fixture(autouse=True)
def _closed():
    plt.rcParams["figure.constrained_layout.use"] = True
    yield
    plt.close("all")
    plt.rcdefaults()


def shown(maps, method="normgrad_scaling_combined"):
    """Two images with a peak in the middle of every map."""
    rows = [(image, name, 8, 8, 1, 0.0, 1.0, "hit") for name in maps for image in ("a.png", "b.png")]
    columns = ["image", "map", "row", "column", "tied", "distance", "score", "outcome"]
    peaked = np.zeros((2, 16, 16), np.float32)
    peaked[:, 8, 8] = 1
    return Shown(
        "object_cxr", "resnet34", method, ["a.png", "b.png"], np.zeros((2, 16, 16), np.uint8),
        [[Shape("rectangle", ((4, 4), (9, 9)))]] * 2, ["hit", ELSEWHERE], dict.fromkeys(maps, peaked),
        pd.DataFrame(rows, columns=columns),
    )  # fmt: skip


def test_a_registered_method_is_in_every_figure_of_methods(toy):
    games = {"object_cxr": make_game(), "lvot": make_game("lvot", second=False)}
    for make in (figures.tolerance, figures.consistency):
        _, data, caption = make(games)
        assert toy in set(data["name"])
        assert set(data["dataset"]) == {"object_cxr", "lvot"}
        assert not set("{}") & set(caption)
    _, data, _ = figures.examples(shown(tabulated()))
    assert toy in set(data["method"])


def test_a_column_for_each_method_with_the_one_that_images_were_chosen_by():
    figure, data, _ = figures.examples(shown(METHOD_NAMES, "normgrad_bias_combined"))
    assert data["image"].tolist()[:11] == ["a.png"] * 11
    assert data["method"].tolist()[10] == "normgrad_bias_combined"
    assert len(figure.axes) == 2 * (2 + 11)


def test_a_row_for_each_image_and_a_column_for_each_layer():
    parts = [shown(["layer2", "layer4", "product"]), shown(["layer4", "product"], "gradcam_combined")]
    figure, data, _ = figures.layers(parts)
    assert len(figure.axes) == 4 * 4
    assert data.groupby("method", sort=False)["layer"].unique().map(list).to_dict() == {
        "normgrad_scaling": ["layer2", "layer4", "product"],
        "gradcam": ["layer4", "product"],
    }


def test_what_is_not_run_is_a_figure_with_the_reason():
    figure, data, caption = figures.not_run("no masks")
    assert figure.texts[0].get_text() == "not run: no masks"
    assert data["not run"].item() in caption
