import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import figures_arms
from xiqa.recipes.kinds import VolumeClassifier

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_primed_arms_are_drawn_after_the_priming_steps():
    recipes = {
        "p": VolumeClassifier("priming", 0),
        "b": VolumeClassifier("baseline", 0),
        "r0": VolumeClassifier("ramp_medium", 0, start="priming"),
    }
    steps = {"p": [10, 20], "b": [10], "r0": [5]}
    histories = {name: pd.DataFrame({"steps": s, "train_loss": 1.0, "val_ap": 0.1}) for name, s in steps.items()}
    figure, data, _ = figures_arms.training(histories, recipes, 0.02)
    losses = figure.axes[0]
    assert [list(line.get_xdata()) for line in losses.lines] == [[10, 20], [10], [25]]
    assert data["steps"].tolist() == [10, 20, 10, 5]
    assert data["arm"].unique().tolist() == ["priming", "baseline", "ramp medium"]
    alone = figures_arms.training({"r0": histories["r0"]}, recipes, 0.02)[0].axes[0]
    assert list(alone.lines[0].get_xdata()) == [5]


def test_ramps_of_the_paper_and_the_first_seed_of_each_own_ramp():
    recipes = {f"{arm}{seed}": VolumeClassifier(arm, seed) for arm in ("ramp", "focal", "baseline") for seed in (0, 1)}
    history = pd.DataFrame({"epoch": [0, 1], "size": [10, 20], "clean_share": [0.5, 0.75]})
    histories = {name: history.assign(size=history["size"] + recipe.seed) for name, recipe in recipes.items()}
    _, data, _ = figures_arms.ramps(histories, recipes, "quick")
    published = data[data["study"] == "published sizes"].set_index(["ramp", "epoch"])
    assert published.loc[("over 5 epochs", 0), ["size", "clean"]].tolist() == [834, 0.5]
    assert published.loc[("over 20 epochs", 59), "size"] == 20_879
    own = data[data["study"] == "here, profile quick"]
    assert own["ramp"].unique().tolist() == ["baseline", "ramp"]
    assert own["size"].tolist() == [10, 20, 10, 20]


def test_the_curves_of_an_arm_hold_its_area_precision_and_operating_point():
    rng = np.random.default_rng(0)
    test = pd.DataFrame({"label": np.repeat([0, 1], [150, 50]), "subject": np.arange(200)})
    test_set = EnrichedTestSet(test, draws=2)
    p = 1 / (1 + np.exp(-rng.normal(size=200) - 2 * test["label"].to_numpy()))
    curves = figures_arms.arm_curves(test_set, {"one": (p, 0.4), "two": (1 - p, 2.0)})
    part = dict(list(curves[curves["arm"] == "one"].groupby("part")))
    assert np.trapezoid(part["roc"]["y"], part["roc"]["x"]) == pytest.approx(test_set.rank(p)["auc"][0])
    recall = np.append(part["pr"]["x"], 0)
    assert -(np.diff(recall) * part["pr"]["y"]).sum() == pytest.approx(test_set.rank(p)["ap"][0])
    decided = {name: values[0] for name, values in test_set.decide(p >= 0.4).items()}
    point = part["pr point"][["x", "y"]].to_numpy()[0]
    assert point == pytest.approx([decided["sensitivity"], decided["precision"]])
    assert part["roc point"]["x"].iloc[0] == pytest.approx(1 - decided["specificity"])
