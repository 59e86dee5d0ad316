from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch

from xiqa import models, recipes
from xiqa.synthetic import textures
from xiqa.training import images

SMALL = asdict(replace(recipes.Pretext("resnet18"), size=32, images=80, epochs=2, batch=12, warmup=2, precision="32"))

# Eight held-out images do not hold every kind.
pytestmark = pytest.mark.filterwarnings("ignore:No positive samples")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretext")
    images.train_textures(folder, SMALL)
    return folder


def test_weights_load_into_a_classifier_with_a_new_head(trained):
    path = trained / "weights.pt"
    saved = torch.load(path, weights_only=True)["state"]
    assert saved["fc.weight"].shape == (8, 512)
    model = models.build("resnet18", weights=path)
    assert model.fc.out_features == 2
    assert torch.equal(model.conv1.weight, saved["conv1.weight"])
    assert torch.equal(model.layer4[1].bn2.running_var, saved["layer4.1.bn2.running_var"])


def test_the_file_says_what_it_was_trained_to_do(trained):
    assert models.describe(trained / "weights.pt") == {
        "network": "resnet18", "trained_to": "name textures", "kinds": list(textures.KINDS),
    }  # fmt: skip


def test_history_has_a_row_an_epoch_and_nothing_else_is_left(trained):
    history = pd.read_csv(trained / "history.csv")
    assert list(history["epoch"]) == [0, 1]
    assert set(history) == {"epoch", "train_loss", "val_loss", "val_auc", "val_accuracy", "kept"}
    assert history["train_loss"].iloc[1] < history["train_loss"].iloc[0]
    assert sorted(path.name for path in trained.iterdir()) == ["history.csv", "weights.pt"]


def test_a_training_repeats_exactly_whatever_was_drawn_before(tmp_path):
    states = []
    for run in ("first", "second"):
        torch.rand(7)
        (tmp_path / run).mkdir()
        images.train_textures(tmp_path / run, SMALL | {"images": 20, "epochs": 1})
        states.append(torch.load(tmp_path / run / "weights.pt", weights_only=True)["state"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("zero", [True, False])
def test_residual_blocks_begin_as_the_recipe_says(tmp_path, zero):
    still = {"learning_rate": 0.0, "zero_residual": zero, "images": 20, "epochs": 1}
    images.train_textures(tmp_path, SMALL | still)
    scale = torch.load(tmp_path / "weights.pt", weights_only=True)["state"]["layer3.0.bn2.weight"]
    assert (scale == (0 if zero else 1)).all()


def test_another_number_of_kinds_is_refused(tmp_path):
    with pytest.raises(ValueError, match="name textures has 8 kinds, not 6"):
        images.train_textures(tmp_path, SMALL | {"kinds": 6})
