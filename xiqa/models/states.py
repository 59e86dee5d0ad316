"""Networks in three states: trained, pretrained backbone with untrained head, untrained."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from xiqa.models.networks import build
from xiqa.models.weights import head_of

PURPOSE = 0x5A17  # sets the draws of this module apart from every other use of the same seed
STATES = ("trained", "semi_random", "fully_random")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module gets its own flag back, also after an exception."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


def network(name: str, state: str, seed: int = 0, weights: str | Path | None = None) -> nn.Module:
    """A network in evaluation mode in one of three states.

    ``trained``: ``weights`` is the classifier's file; ``semi_random``: ``weights`` is the pretext's file or
    ``"imagenet"``, and the head is drawn from ``seed``; ``fully_random``: everything is drawn from ``seed``.
    """
    if state not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}, not {state!r}")
    if (weights is None) != (state == "fully_random"):
        raise ValueError(f"a {state} network {'takes no' if state == 'fully_random' else 'needs'} weights")
    with drawing(seed):
        model = build(name, weights=weights)
        if state == "semi_random":
            # Drawn anew, so that the head is the seed's whatever was loaded.
            head_of(model).reset_parameters()
    return model.eval()


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Draws of torch's global generator follow from ``seed``; the caller's generators do not change."""
    # PURPOSE: a training of seed 0 begins with torch.manual_seed(0), and a head drawn from the same number would be
    # the training's start, from which a head hardly moves.
    key = int(np.random.SeedSequence([seed, PURPOSE]).generate_state(1)[0])
    with torch.random.fork_rng(devices=[]):
        # Networks are drawn on the CPU, and torch.manual_seed would reseed GPUs too.
        torch.default_generator.manual_seed(key)
        yield
