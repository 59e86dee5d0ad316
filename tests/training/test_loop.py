import warnings

import pytest
import torch

from xiqa.training import loop


def test_a_gpu_that_torch_cannot_use_is_said(monkeypatch):
    monkeypatch.setenv("XIQA_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="--device cpu"):
        loop.device()


def test_the_device_is_the_wished_one(monkeypatch):
    monkeypatch.setenv("XIQA_DEVICE", "cpu")
    assert loop.device() == torch.device("cpu")


def test_a_step_draws_the_same_whatever_was_drawn_before():
    drawn = []
    for seed, step in ((0, 3), (0, 3), (0, 4), (1, 3)):
        torch.rand(7)
        loop.seed_step(seed, step)
        drawn.append(torch.rand(5).tolist())
    assert drawn[0] == drawn[1]
    assert len({tuple(each) for each in drawn}) == 3


def test_no_two_steps_of_two_seeds_share_their_draws():
    """Seeds lie further apart than any training has steps."""
    drawn = []
    for seed, step in ((0, 208_789), (1, 0)):
        loop.seed_step(seed, step)
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(("precision", "name"), [("32", "32-true"), ("bf16", "bf16-mixed")])
def test_the_trainer_is_deterministic_silent_and_writes_nothing(precision, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XIQA_DEVICE", "cpu")
    with warnings.catch_warnings(record=True) as said, loop.trainer(3, precision, []) as trainer:
        assert (trainer.max_epochs, trainer.precision, trainer.logger) == (3, name, None)
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not said
    assert not list(tmp_path.iterdir())
