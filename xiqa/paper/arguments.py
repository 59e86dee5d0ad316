"""Arguments of the functions that explain networks, frozen so that they enter the keys of the store, without torch."""

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
    """A network to explain; the fields are the arguments of :func:`xiqa.models.network`."""

    name: str  # ``resnet34``
    state: str = "trained"  # or ``semi_random`` (pretrained backbone, untrained head), or ``fully_random``
    seed: int = 0  # of what is drawn at random
    weights: Path | str | None = None  # weights file, ``imagenet``, or None for a fully random network

    def load(self) -> "nn.Module":
        """The network in evaluation mode, on the run's device, in the layout that is faster on a CPU."""
        import torch

        from xiqa import models
        from xiqa.models.devices import device

        model = models.network(self.name, self.state, self.seed, self.weights)
        return model.to(device(), memory_format=torch.channels_last)


@dataclass(frozen=True)
class Images:
    """A choice among the images of a split that have ground truth."""

    split: str = "test"
    once: bool = False  # only the first image of each unit, since frames of a patient are much alike
    count: int | None = None  # only the first ``count`` of them; None for all

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
