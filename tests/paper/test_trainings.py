import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa import recipes
from xiqa.paper import trainings
from xiqa.paper.trainings import Trainings

mpl.use("Agg")
NAMES = ("object_cxr-resnet18-s0", "lvot-resnet18-s0")


def predictions(probability):
    labels = np.arange(40) % 2
    test = pd.DataFrame({"split": "test", "unit": range(40), "label": labels, "probability": probability(labels)})
    return pd.concat([test, test.assign(split="val", probability=0.0)])


@pytest.fixture
def trained():
    """A perfect classifier of radiographs and one of frames without any information."""
    history = pd.DataFrame({"epoch": [0, 1], "train_loss": [1.0, 0.5], "val_auc": [0.6, 0.7], "kept": [False, True]})
    return Trainings(
        {name: recipes.recipe("smoke", name) for name in NAMES},
        dict.fromkeys(NAMES, history),
        dict(zip(NAMES, (predictions(lambda y: 0.1 + 0.8 * y), predictions(lambda y: 0.5 + 0.0 * y)), strict=True)),
        {"lvot-efficientnet_b0": "reason", "mri-arm": "reason"},
        {"object_cxr": "resnet18", "lvot": "resnet18"},
    )


def test_table_1_has_test_images_only_and_a_row_for_what_is_not_trained(trained):
    frame = trainings.performance(trained)
    assert frame["units"].to_list() == [40, 40]
    assert frame["auc"].to_list() == [1, 0.5]
    assert frame["brier"].to_list() == pytest.approx([0.01, 0.25])
    table = trainings.classifiers(frame, trained.missing)[0]
    assert table["AUC %"][0].startswith("100.0 [")
    assert table["start"].to_list() == ["pretext", "pretext", "not run: reason"]
    assert table["data set"].to_list() == ["object_cxr", "lvot", "lvot-efficientnet_b0"]


def test_a_classifier_without_information_has_not_learned(trained):
    lowest = trainings.learned(trainings.performance(trained), trained.primaries)
    assert lowest["object_cxr"] > trainings.LEARNED > lowest["lvot"]


def test_curves_count_epochs_from_one(trained):
    figure, data, _ = trainings.curves(trained)
    assert data["epoch"].to_list() == [1, 2] * 2
    assert data["recipe"].to_list() == [NAMES[0]] * 2 + [NAMES[1]] * 2
    plt.close(figure)
