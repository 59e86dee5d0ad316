from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from xiqa import models, recipes
from xiqa.synthetic import shapes
from xiqa.training.images import augmentation, fit, predict, rate

SMALL = asdict(replace(recipes.Pretext("resnet18"), size=32, images=48, epochs=2, batch=8, warmup=2, precision="32"))


@pytest.fixture(scope="module")
def pairs():
    images, kinds = shapes.draw(48, 32, seed=0)
    return (images[:32], kinds[:32]), (images[32:], kinds[32:])


def trained(pairs, folder, **changes):
    torch.manual_seed(0)
    model = models.build("resnet18", num_classes=8)
    history = fit(model, *pairs, SMALL | changes, folder)
    return model, history


@pytest.fixture(scope="module")
def once(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    return (*trained(pairs, folder), folder)


def test_a_training_repeats_exactly_whatever_was_drawn_before(once, pairs, tmp_path):
    torch.manual_seed(99)
    torch.rand(7)
    again, history = trained(pairs, tmp_path)
    assert history.equals(once[1])
    for a, b in zip(once[0].state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_another_seed_is_another_network(once, pairs, tmp_path):
    other, _ = trained(pairs, tmp_path, seed=1)
    assert not torch.equal(once[0].fc.weight, other.fc.weight)


def test_history_has_a_row_an_epoch_and_nothing_else_is_left(once):
    _, history, folder = once
    assert list(history["epoch"]) == [0, 1]
    assert history["kept"].sum() >= 1
    assert history.loc[history["kept"], "val_auc"].max() == history["val_auc"].max()
    assert not list(folder.iterdir())


def test_the_kept_epoch_is_the_one_that_is_returned(once, pairs):
    model, history, _ = once
    logits = predict(model, pairs[1][0].numpy())
    accuracy = (logits.argmax(1) == pairs[1][1]).float().mean().item()
    best = history.loc[history["val_auc"].idxmax(), "val_accuracy"]
    assert accuracy == pytest.approx(best, abs=0.07)  # one image may fall the other way in channels-last layout


@pytest.mark.parametrize("batch", [1, 5])
def test_predict_does_not_depend_on_the_batch(once, pairs, batch):
    images = pairs[1][0].numpy()
    torch.testing.assert_close(predict(once[0], images, batch), predict(once[0], images), atol=1e-4, rtol=1e-4)


def test_step_schedule_is_the_authors():
    recipe = asdict(recipes.Classifier("object_cxr", "resnet34", 0))
    steps, per_epoch = 20 * 500, 500
    factor = [rate(step, steps, recipe) for step in range(steps)]
    assert factor[0] == pytest.approx(1e-3)
    assert factor[499] == pytest.approx(1.0)
    assert factor[5 * per_epoch - 1] == 1.0
    assert factor[5 * per_epoch] == pytest.approx(0.1)
    assert np.all(np.diff(factor[:500]) > 0)


def test_cosine_schedule_rises_then_falls_to_nothing():
    recipe = SMALL | {"warmup": 10, "epochs": 4}
    factor = [rate(step, 400, recipe) for step in range(401)]
    assert max(factor) == pytest.approx(1.0, abs=1e-3)
    assert factor[400] == pytest.approx(0.0, abs=1e-9)


def test_augmentation_keeps_shape_and_type_and_can_be_left_out():
    image = torch.randint(0, 255, (1, 40, 40), dtype=torch.uint8)
    augment = augmentation(asdict(recipes.Classifier("object_cxr", "resnet34", 0)))
    torch.manual_seed(0)
    out = augment(image)
    assert (out.shape, out.dtype) == (image.shape, image.dtype)
    assert not torch.equal(out, image)
    assert augmentation(SMALL) is None
