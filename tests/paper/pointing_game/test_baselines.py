import numpy as np
import pytest

from xiqa import models, pointing_game
from xiqa.data.arrays.images import Prepared
from xiqa.paper.arguments import Rule
from xiqa.paper.pointing_game import baselines


def test_every_baseline_and_chance_are_scored(films):
    frame = baselines.baselines(films, "test", tolerance=15)
    assert set(frame["method"]) == {
        "constant_point", "centre", "random", "difference_of_gaussians", "gradient_magnitude", "chance",
    }  # fmt: skip
    assert (frame["unit"] == frame["image"]).all()
    truth = Prepared(films).truth("test", range(4))
    chance = frame.loc[frame["method"] == "chance", "score"]
    assert chance.to_numpy() == pytest.approx(pointing_game.chance(truth, 15))
    assert (frame.loc[frame["method"] == "difference_of_gaussians", "outcome"] == "hit").all()


def test_without_truth_to_fit_on_there_is_no_constant_point(films, monkeypatch):
    located = Prepared.located
    none = lambda self, split: located(self, split)[: 0 if split == "train" else None]  # noqa: E731
    monkeypatch.setattr(Prepared, "located", none)
    methods = set(baselines.baselines(films, "test", tolerance=15)["method"])
    assert "constant_point" not in methods
    assert {"centre", "chance"} < methods


def test_ceilings_are_those_of_the_grids_of_the_layers(films):
    frame = baselines.ceilings(films, "test", Rule(6, 1.0, 11), "resnet18")
    layers = models.build("resnet18").saliency_layers
    assert set(frame["layer"]) == {*layers["single"], *layers["combined"]}
    assert set(frame.loc[frame["single"], "layer"]) == set(layers["single"])
    last = frame[frame["single"] & ~frame["smoothed"]].iloc[0]
    assert last["cells"] == "2 x 2"  # 64 px at stride 32
    truth = Prepared(films).truth("test", np.arange(4))
    assert last["ceiling"] == pointing_game.grid_ceiling(truth, 6, (2, 2))[0]
