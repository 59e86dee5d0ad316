"""Arguments of the functions that explain networks: a network, a choice of images, the rule of the pointing game.

They are frozen, so that they enter the keys of the store, and importing them loads no torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa.data.arrays.images import Prepared

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Network:
    """A network to explain; the fields are the arguments of :func:`xiqa.models.network`.

    Attributes
    ----------
    name : ``resnet34``.
    state : ``trained``, ``semi_random`` (pretrained backbone, untrained head) or ``fully_random``.
    seed : of what is drawn at random.
    weights : weights file, ``imagenet``, or None for a fully random network.
    """

    name: str
    state: str = "trained"
    seed: int = 0
    weights: Path | str | None = None

    def load(self) -> "nn.Module":
        """The network in evaluation mode, on the run's device, in the layout that is faster on a CPU."""
        import torch

        from xiqa import models
        from xiqa.models.devices import device

        model = models.network(self.name, self.state, self.seed, self.weights)
        return model.to(device(), memory_format=torch.channels_last)


@dataclass(frozen=True)
class Images:
    """A choice among the images of a split that have ground truth.

    Attributes
    ----------
    split : ``train``, ``val`` or ``test``.
    once : only the first image of each unit, since frames of a patient are much alike.
    count : only the first ``count`` of them; None for all.
    """

    split: str = "test"
    once: bool = False
    count: int | None = None

    def rows(self, data: Prepared) -> NDArray[np.intp]:
        """Their positions in the records of the split."""
        rows = data.located(self.split)
        if self.once:
            rows = rows[~data.records(self.split)["unit"].iloc[rows].duplicated().to_numpy()]
        return rows[: self.count]


@dataclass(frozen=True)
class Rule:
    """The rule of the pointing game: tolerance (pixels, strict), and the Gaussian before the maximum (pixels)."""

    tolerance: float
    sigma: float
    size: int

    def outcomes(self, maps: "Tensor", masks: NDArray[np.bool_], smoothed: bool) -> pd.DataFrame:
        """Pointing game of maps (B, H, W), as they are or smoothed; see :func:`xiqa.pointing_game.play`."""
        from xiqa import pointing_game

        maps = pointing_game.smooth(maps, self.sigma, self.size) if smoothed else maps
        return pointing_game.play(maps, masks, self.tolerance)
