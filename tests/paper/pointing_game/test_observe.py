import numpy as np
import pytest
import torch

from xiqa import models, pointing_game, recipes, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.paper.arguments import Images, Network, Rule
from xiqa.paper.pointing_game import observe as observe_module
from xiqa.paper.pointing_game import published, scores
from xiqa.saliency.methods import tabulated


def observe(prepared, weights, state="trained", once=False, count=None, **changes):
    arguments = {
        "network": Network("resnet18", state, 0, weights), "images": Images("test", once, count),
        "rule": Rule(15, **recipes.SMOOTHING), "targets": None, "methods": ["gradcam", "guided_backprop"], "batch": 3,
    }  # fmt: skip
    return observe_module.observe(prepared, **(arguments | changes))


def test_a_row_for_each_image_with_an_object_method_and_smoothing(films, weights):
    frame = observe(films, weights)
    assert len(frame) == 4 * 2 * 2
    assert frame.groupby(["image", "method", "smoothed"]).size().eq(1).all()
    assert set(frame["target"]) == {-1}


def test_rows_are_what_the_parts_give(films, weights):
    frame = observe(films, weights)
    data = Prepared(films)
    model = models.build("resnet18", weights=weights).eval()
    images = models.normalise(torch.from_numpy(np.array(data.images("test")[:4])))
    maps = saliency.explain(model, images, "guided_backprop")["guided_backprop"]
    expected = pointing_game.play(pointing_game.smooth(maps), data.truth("test", range(4)), 15)
    rows = frame[(frame["method"] == "guided_backprop") & frame["smoothed"]].sort_values("image")
    assert rows["row"].tolist() == expected["row"].tolist()
    assert rows["distance"].to_numpy() == pytest.approx(expected["distance"].to_numpy())


def test_one_image_of_each_unit_and_no_more_than_asked_for(films, weights, monkeypatch):
    records = Prepared.records
    units = lambda self, split: records(self, split).assign(unit=list("aabcdef")[: len(records(self, split))])  # noqa: E731
    monkeypatch.setattr(Prepared, "records", units)
    every, once, two = (observe(films, weights, **kind) for kind in ({}, {"once": True}, {"once": True, "count": 2}))
    first = every.drop_duplicates("unit")["image"].to_list()
    assert once["image"].unique().tolist() == first
    assert two["image"].unique().tolist() == first[:2]
    assert len(first) < every["image"].nunique()


def test_both_targets_of_a_random_network(films):
    frame = observe(films, None, state="fully_random", targets=[0, 1])
    assert set(frame["target"]) == {0, 1}
    table = scores.outcomes(frame, "guided_backprop", smoothed=True)
    assert table.shape == (4, 1)


def test_the_batch_changes_nothing_but_rounding(films, weights):
    one, four = (observe(films, weights, batch=batch) for batch in (1, 4))
    key = ["image", "method", "smoothed"]
    a, b = (frame.sort_values(key).reset_index(drop=True) for frame in (one, four))
    assert (a["outcome"] == b["outcome"]).all()
    assert a["probability"].to_numpy() == pytest.approx(b["probability"].to_numpy(), abs=1e-4)


def test_a_registered_method_is_observed_by_every_program(films, weights, toy):
    frame = observe(films, weights, methods=tabulated())
    assert toy in set(frame["method"])
    arguments = {"network": Network("resnet18", weights=weights), "images": Images(), "rule": Rule(15, 1.0, 11)}
    theirs = published.observe(films, variants=["published"], batch=4, **arguments)
    assert toy in set(scores.with_variant(frame, theirs, "published")["method"])


def test_images_without_truth_are_not_explained(films, weights, monkeypatch):
    monkeypatch.setattr(Prepared, "located", lambda self, split: np.array([1, 2]))
    assert observe(films, weights)["image"].nunique() == 2
