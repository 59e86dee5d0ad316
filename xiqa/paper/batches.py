"""The loop behind all maps of a prepared data set: images a batch at a time, normalised, in the layout for CPUs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.models.devices import device
from xiqa.paper.arguments import Network

LAYOUT = torch.channels_last
BASELINES = ("random", "constant_point")


class Batch(NamedTuple):
    """Some images of a split."""

    rows: NDArray[np.intp]  # (B,) positions in the records of the split
    records: pd.DataFrame  # columns ``image`` and ``unit``, B rows
    inputs: Tensor  # (B, 3, H, W), normalised, on the run's device


def batches(data: Prepared, split: str, rows: NDArray[np.intp], batch: int) -> Iterator[Batch]:
    """Images at ``rows`` of a split as inputs of a network, ``batch`` at a time."""
    records = data.records(split)[["image", "unit"]]
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        pixels = torch.from_numpy(np.ascontiguousarray(data.images(split)[some]))
        inputs = models.normalise(pixels.to(device())).contiguous(memory_format=LAYOUT)
        yield Batch(some, records.iloc[some].reset_index(drop=True), inputs)


def answers(logits: Tensor) -> dict[str, NDArray]:
    """Predicted class (B,) and probability (B,) of the positive class."""
    logits = logits.float().cpu()
    return {"predicted": logits.argmax(1).numpy(), "probability": logits.softmax(1)[:, 1].numpy()}


class Explanation(NamedTuple):
    """Some images and their maps."""

    rows: NDArray[np.intp]  # (B,) positions in the records of the split
    images: Tensor  # (B, 3, H, W), normalised, on the run's device
    predicted: NDArray[np.int64]  # (B,) classes
    probability: NDArray[np.float32]  # (B,) of the positive class
    maps: dict[str, Tensor]  # method -> (B, H, W) on the CPU


class Explainer:
    """A trained network, and ``BASELINES`` without a network, that explain the images of a prepared data set.

    ``random`` draws uniform pixels by the network's seed and the row. ``constant_point`` is a Gaussian, as wide as the
    tolerance (pixels), at the point that hits most training masks; without ground truth it has no map.
    """

    def __init__(self, prepared: Path, network: Network, methods: Sequence[str], tolerance: float):
        self.data, self.seed, self.methods = Prepared(prepared), network.seed, list(methods)
        self.model = network.load()
        self.point = _bump(self.data, tolerance) if "constant_point" in self.methods else None

    def batches(self, split: str, rows: NDArray, batch: int, target: int | None = None) -> Iterator[Explanation]:
        """Explain the images at ``rows``, ``batch`` at a time; target None is the predicted class."""
        methods = [method for method in self.methods if method not in BASELINES]
        for part in batches(self.data, split, rows, batch):
            logits, (explained,) = saliency.explain_classes(self.model, part.inputs, [target], methods, silu="clamp")
            maps = {method: values.cpu() for method, values in explained.items()} | self._baselines(part.rows)
            maps = {method: maps[method] for method in self.methods if method in maps}
            yield Explanation(part.rows, part.inputs, **answers(logits), maps=maps)

    def _baselines(self, rows: NDArray) -> dict[str, Tensor]:
        shape, maps = (self.data.size, self.data.size), {}
        if "random" in self.methods:
            drawn = [np.random.default_rng([self.seed, int(row)]).random(shape, dtype=np.float32) for row in rows]
            maps["random"] = torch.from_numpy(np.stack(drawn))
        if self.point is not None:
            maps["constant_point"] = self.point.expand(len(rows), *shape)
        return maps


def _bump(data: Prepared, tolerance: float) -> Tensor | None:
    """A Gaussian (1, H, W) at the point that hits most training masks; None where there are none."""
    masks = data.truth("train", data.located("train"))
    if not len(masks):
        return None
    row, column = pointing_game.constant_point(masks, tolerance, (data.size, data.size))
    squares = np.square(np.arange(data.size) - np.array([[row], [column]], dtype=np.float32))
    return torch.from_numpy(np.exp(-(squares[0][:, None] + squares[1]) / (2 * tolerance**2))).float()[None]
