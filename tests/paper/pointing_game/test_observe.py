import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xiqa import models, pointing_game, recipes, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import write_png
from xiqa.data.prepare_images import prepare
from xiqa.paper.pointing_game import baselines, scores
from xiqa.paper.pointing_game import observe as pointing_game_observe

SIZE = 64


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Six films a split, four with a bright square whose box is annotated."""
    root, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    for split, table in (("train", "train.csv"), ("val", "dev.csv"), ("test", "test.csv")):
        lines = ["image_name,annotation"]
        for i in range(6):
            image = rng.uniform(0.3, 0.5, (SIZE, SIZE))
            x, y = rng.integers(8, 40, 2)
            annotation = f"0 {x} {y} {x + 8} {y + 8}" if i < 4 else ""
            if annotation:
                image[y : y + 8, x : x + 8] = 1
            write_png(root / f"object-CXR_{split}" / "images" / f"{i}.png", image)
            lines.append(f"{i}.png,{annotation}")
        (root / f"object-CXR_{split}" / table).write_text("\n".join(lines) + "\n")
    prepare(folder, root, SIZE)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("resnet18"), path)
    return path


def observe(prepared, weights, **changes):
    given = {
        "network": "resnet18", "state": "trained", "seed": 0, "split": "test", "targets": None, "tolerance": 15,
        "smoothing": recipes.SMOOTHING, "methods": ["gradcam", "guided_backprop"], "batch": 3,
    }  # fmt: skip
    return pointing_game_observe.observe(prepared, weights, **(given | changes))


def test_a_row_for_each_image_with_an_object_method_and_smoothing(prepared, weights):
    frame = observe(prepared, weights)
    assert len(frame) == 4 * 2 * 2
    assert frame.groupby(["image", "method", "smoothed"]).size().eq(1).all()
    assert set(frame["target"]) == {-1}


def test_rows_are_what_the_parts_give(prepared, weights):
    frame = observe(prepared, weights)
    data = Prepared(prepared)
    model = models.build("resnet18", weights=weights).eval()
    images = models.normalise(torch.from_numpy(np.array(data.images("test")[:4])))
    maps = saliency.explain(model, images, "guided_backprop")["guided_backprop"]
    expected = pointing_game.play(pointing_game.smooth(maps), data.truth("test", range(4)), 15)
    rows = frame[(frame["method"] == "guided_backprop") & frame["smoothed"]].sort_values("image")
    assert rows["row"].tolist() == expected["row"].tolist()
    assert rows["distance"].to_numpy() == pytest.approx(expected["distance"].to_numpy())


def test_one_image_of_each_unit_if_that_is_enough(prepared, weights, monkeypatch):
    records = Prepared.records
    monkeypatch.setattr(
        Prepared,
        "records",
        lambda self, split: records(self, split).assign(unit=list("aabbcdef")[: len(records(self, split))]),
    )
    every, once = observe(prepared, weights), observe(prepared, weights, once=True)
    first = every.drop_duplicates("unit")["image"]
    assert set(once["image"]) == set(first) < set(every["image"])


def test_both_targets_of_a_random_network(prepared):
    frame = observe(prepared, None, state="fully_random", targets=[0, 1])
    assert set(frame["target"]) == {0, 1}
    table = scores.outcomes(frame, "guided_backprop", smoothed=True)
    assert table.shape == (4, 1)


def test_the_batch_changes_nothing_but_rounding(prepared, weights):
    one, four = (observe(prepared, weights, batch=batch) for batch in (1, 4))
    key = ["image", "method", "smoothed"]
    a, b = (frame.sort_values(key).reset_index(drop=True) for frame in (one, four))
    assert (a["outcome"] == b["outcome"]).all()
    assert a["probability"].to_numpy() == pytest.approx(b["probability"].to_numpy(), abs=1e-4)


def test_rows_name_their_unit(prepared, weights):
    frame = pd.concat([observe(prepared, weights), baselines.rivals(prepared, "test", tolerance=15)])
    assert (frame["unit"] == frame["image"]).all()


def test_units_are_means_of_their_images():
    rows = [("p1", "a", 0, 1.0), ("p1", "b", 0, 0.0), ("p2", "c", 0, 1.0), ("p2", "d", 0, np.nan)]
    frame = pd.DataFrame(rows, columns=["unit", "image", "seed", "score"]).assign(method="m", smoothed=True)
    table = scores.outcomes(frame, "m", True)
    assert table.index.tolist() == [("p1", "a"), ("p1", "b"), ("p2", "c"), ("p2", "d")]
    assert scores.by_unit(table)[0].to_dict() == {"p1": 0.5, "p2": 1.0}


def test_without_truth_to_fit_on_there_is_no_constant_point(prepared, monkeypatch):
    located = Prepared.located
    monkeypatch.setattr(
        Prepared, "located", lambda self, split: located(self, split)[: 0 if split == "train" else None]
    )
    methods = set(baselines.rivals(prepared, "test", tolerance=15)["method"])
    assert "constant_point" not in methods
    assert {"centre", "chance"} < methods


def test_images_without_truth_are_not_explained(prepared, weights, monkeypatch):
    monkeypatch.setattr(Prepared, "located", lambda self, split: np.array([1, 2]))
    assert observe(prepared, weights)["image"].nunique() == 2


def test_rivals_and_chance_stand_beside(prepared):
    frame = baselines.rivals(prepared, "test", tolerance=15)
    assert set(frame["method"]) == {
        "constant_point", "centre", "random", "difference_of_gaussians", "gradient_magnitude", "chance",
    }  # fmt: skip
    truth = Prepared(prepared).truth("test", range(4))
    chance = frame.loc[frame["method"] == "chance", "score"]
    assert chance.to_numpy() == pytest.approx(pointing_game.chance(truth, 15))
    assert (frame.loc[frame["method"] == "difference_of_gaussians", "outcome"] == "hit").all()


def test_ceilings_grow_with_the_grid(prepared):
    frame = baselines.ceilings(prepared, "test", 6, {"coarse": [1, 1], "fine": [64, 64]}, smoothing=11)
    plain = frame[~frame["smoothed"]].set_index("layer")["ceiling"]
    assert plain["fine"] == 1
    assert plain["coarse"] < 1


def test_the_model_is_explained_in_evaluation_mode(prepared, weights, monkeypatch):
    seen = []
    original = saliency.explain_classes

    def spy(model: nn.Module, *args, **kwargs):
        seen.append(model.training)
        return original(model, *args, **kwargs)

    monkeypatch.setattr(saliency, "explain_classes", spy)
    observe(prepared, weights)
    assert seen == [False, False]


def test_only_the_images_that_are_asked_for(prepared, weights):
    every = observe(prepared, weights)
    some = sorted(every["image"].unique())[:1]
    found = observe(prepared, weights, images=some, targets=[1])
    assert set(found["image"]) == set(some)
    assert found["target"].eq(1).all()
    assert len(observe(prepared, weights, images=[])) == 0


def test_no_image_leaves_a_table_with_the_same_columns(prepared, weights):
    assert set(observe(prepared, weights, images=[]).columns) == set(observe(prepared, weights).columns)
