import pytest
import torch

from xiqa import models


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(5)
    models.save(models.build("resnet18"), path)
    return path


def test_a_trained_network_is_the_file(weights):
    model = models.network("resnet18", "trained", weights=weights)
    assert torch.equal(model.fc.weight, models.build("resnet18", weights=weights).fc.weight)
    assert not model.training


def test_a_semi_random_network_keeps_the_backbone_and_draws_the_head(weights):
    trained = models.network("resnet18", "trained", weights=weights)
    first, second = (models.network("resnet18", "semi_random", seed, weights) for seed in (0, 1))
    assert torch.equal(first.layer3[0].conv1.weight, trained.layer3[0].conv1.weight)
    for a, b in ((first, trained), (first, second)):
        assert not torch.equal(a.fc.weight, b.fc.weight)


def test_a_fully_random_network_is_its_seed():
    first, again, other = (models.network("resnet18", "fully_random", seed) for seed in (0, 0, 1))
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_the_callers_generator_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    models.network("resnet18", "fully_random", seed=7)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("state", "given"), [("trained", None), ("semi_random", None), ("fully_random", "x.pt")])
def test_weights_must_fit_the_state(state, given):
    with pytest.raises(ValueError, match="weights"):
        models.network("resnet18", state, weights=given)


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="semi_random"):
        models.network("resnet18", "half")
