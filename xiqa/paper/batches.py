"""A network and its rivals explaining the images of a prepared data set, a batch at a time.

Maps are those of :func:`xiqa.saliency.explain` on the preprocessing of :mod:`xiqa.paper.pointing_game.observe`. Two rivals that see no
network may stand among the methods: ``random`` (every pixel an independent uniform value) and ``constant_point`` (a
Gaussian, as wide as the tolerance, at the point that hits most training masks).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.training.loop import device

RIVALS = ("random", "constant_point")


class Batch(NamedTuple):
    """Some images and their maps.

    Attributes
    ----------
    rows : (B,) positions in the split's records.
    images : (B, 3, H, W), normalised, on the run's device.
    predicted, probability : (B,) predicted class, and probability of the positive one.
    maps : method -> (B, H, W) on the CPU.

    """

    rows: NDArray[np.intp]
    images: Tensor
    predicted: NDArray[np.int64]
    probability: NDArray[np.float32]
    maps: dict[str, Tensor]


class Explainer:
    """A trained network and the rivals, explaining the images of a prepared data set.

    Parameters
    ----------
    prepared, weights, network : as for `localise`.
    methods : names of saliency methods, and of `RIVALS`.
    seed : of the random maps; an image's does not depend on the batch.
    tolerance : pixels, of the constant point. Without ground truth to fit it on it has no map, and no row.

    """

    def __init__(
        self, prepared: Path, weights: Path | str, network: str, methods: Sequence[str], seed: int, tolerance: float
    ):
        self.data, self.seed = Prepared(prepared), seed
        # The layout is the faster one on a CPU.
        self.layout = {"memory_format": torch.channels_last}
        self.model: nn.Module = models.network(network, "trained", seed, weights).to(device(), **self.layout)
        self.methods = list(methods)
        self.point = _bump(self.data, tolerance) if "constant_point" in self.methods else None

    def batches(self, split: str, rows: NDArray, batch: int, target: int | None = None) -> Iterator[Batch]:
        """Explain the images at ``rows``, ``batch`` at a time; target None is the predicted class."""
        real = [method for method in self.methods if method not in RIVALS]
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            pictures = torch.from_numpy(np.ascontiguousarray(self.data.images(split)[some]))
            images = models.normalise(pictures.to(device())).contiguous(**self.layout)
            logits, (found,) = saliency.explain_classes(self.model, images, [target], real, silu="clamp")
            maps = {method: one.cpu() for method, one in found.items()} | self._rivals(some)
            logits = logits.float().cpu()
            ordered = {method: maps[method] for method in self.methods if method in maps}
            yield Batch(some, images, logits.argmax(1).numpy(), logits.softmax(1)[:, 1].numpy(), ordered)

    def _rivals(self, rows: NDArray) -> dict[str, Tensor]:
        shape, found = (self.data.size, self.data.size), {}
        if "random" in self.methods:
            drawn = [np.random.default_rng([self.seed, int(row)]).random(shape, dtype=np.float32) for row in rows]
            found["random"] = torch.from_numpy(np.stack(drawn))
        if self.point is not None:
            found["constant_point"] = self.point.expand(len(rows), *shape)
        return found


def _bump(data: Prepared, tolerance: float) -> Tensor | None:
    """A Gaussian (1, H, W) at the point that hits most training masks; None where there are none."""
    known = data.truth("train", data.located("train"))
    if not len(known):
        return None
    row, column = pointing_game.constant_point(known, tolerance, (data.size, data.size))
    squares = np.square(np.arange(data.size) - np.array([[row], [column]], dtype=np.float32))
    return torch.from_numpy(np.exp(-(squares[0][:, None] + squares[1]) / (2 * tolerance**2))).float()[None]
