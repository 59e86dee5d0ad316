"""Networks that cannot know the task: what a saliency map shows of them is not what the trained network learned.

In prose these are the "untrained network" and the "pretrained backbone, untrained head"; the papers call them FR (fully
random) and SR (semi-random). Without ImageNet weights the backbone is the pretext's and the row is called SR*, since it
cannot be compared with the published one. Neither is the cascading randomisation of Adebayo et al. (2018).
"""

from pathlib import Path

import torch
from torch import nn

from xiqa import models

STATES = ("trained", "semi_random", "fully_random")


def network(name: str, state: str, seed: int = 0, weights: str | Path | None = None) -> nn.Module:
    """A network in one of three states, in evaluation mode.

    Parameters
    ----------
    name : network, as in :func:`xiqa.models.build`.
    state : ``trained`` (``weights`` is the classifier's file), ``semi_random`` (``weights`` is the pretext's file or
        ``"imagenet"``; the head is drawn from ``seed``) or ``fully_random`` (everything is drawn from ``seed``).

    """
    if state not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}, not {state!r}")
    if (weights is None) != (state == "fully_random"):
        raise ValueError(f"a {state} network {'takes no' if state == 'fully_random' else 'needs'} weights")
    # Only the draw of the start is ours; the caller's generator is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = models.build(name, weights=weights)
        if state == "semi_random":
            # Drawn anew, so that the head is the seed's whatever was loaded.
            models.head_of(model).reset_parameters()
    return model.eval()
