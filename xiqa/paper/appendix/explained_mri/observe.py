"""Maps of one network, and baselines that use none, scored on every scan that has a mask."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from xiqa import models, saliency
from xiqa.data.arrays import drawn
from xiqa.models.devices import device
from xiqa.paper.appendix.explained_mri import ABOUT, FILLED
from xiqa.paper.appendix.explained_mri.score import distances, score
from xiqa.uncertainty import sampling

PRIMARY = "normgrad_scaling_combined"
METHODS = (PRIMARY, "gradcam_combined", "gradcam")
BASELINES = ("random", "centre", "gradient_magnitude")
TRAINED, UNTRAINED, NO_NETWORK = "trained", "untrained", "no network"


class Truth:
    """The scans of a split that have a mask, in the order of the entry of masks."""

    def __init__(self, prepared: Path, masks: Path, split: str):
        self.data = drawn.read_volumes(prepared)
        self.volumes = self.data.volumes(split)
        self.masks, self.rows = np.load(masks / "masks.npy"), masked(masks)

    def inputs(self, places: Sequence[int]) -> Tensor:
        """Inputs of the network, (n, 1, X, Y, Z) float32."""
        rows = self.rows["row"].to_numpy(int)[list(places)]
        return torch.from_numpy(np.asarray(self.volumes[rows], dtype=np.float32))[:, None].to(device())

    def cut(self, values: NDArray, place: int) -> NDArray:
        """Values (X, Y, Z) of the input without the padding of that scan."""
        return values[tuple(slice(int(side)) for side in self.rows.loc[place, FILLED])]

    def away(self, place: int) -> NDArray[np.float64]:
        """Distances to the mask of that scan, without its padding."""
        return distances(self.cut(self.masks[place], place))

    def about(self, place: int) -> dict:
        """Columns ``ABOUT`` of that scan."""
        return self.rows.loc[place, ABOUT].to_dict()


def observe(
    prepared: Path,
    masks: Path,
    weights: Path | None,
    network: str,
    seed: int,
    split: str,
    methods: list[str],
    batch: int,
    tolerance: float = 1.0,
) -> pd.DataFrame:
    """Store function: explain the class artifact on the scans that have a mask, and score the maps.

    Parameters
    ----------
    prepared : entry of checked and preprocessed volumes.
    masks : entry of :func:`xiqa.paper.appendix.explained_mri.truth.masks` of the same split.
    weights, network, seed : of a training; without weights the network is drawn from the seed and never trained.
    methods : names of saliency methods.
    batch : scans explained together; fixed, so that numbers repeat.
    tolerance : voxels, strict.

    Returns
    -------
    DataFrame, a row a scan and method: image, subject, label, artifact, contrast, severity, probability (of an
    artifact, dropout off), method, state (trained or untrained), seed, network, split, and those of :func:`score`.
    """
    truth = Truth(prepared, masks, split)
    model, rows = network_of(network, weights, truth.data.shape, seed), []
    state = UNTRAINED if weights is None else TRAINED
    for start in range(0, len(truth.rows), batch):
        places = range(start, min(start + batch, len(truth.rows)))
        logits, (maps,) = saliency.explain_classes(model, truth.inputs(places), [1], methods)
        probability = logits.float().softmax(1)[:, 1].tolist()
        for i, place in enumerate(places):
            away = truth.away(place)
            for method in methods:
                heat = truth.cut(maps[method][i].cpu().numpy(), place)
                about = truth.about(place) | {"probability": probability[i], "method": method, "state": state}
                rows.append(about | score(heat, away, tolerance))
    return pd.DataFrame(rows, columns=None if rows else columns()).assign(seed=seed, network=network, split=split)


def baselines(prepared: Path, masks: Path, split: str, seed: int = 0, tolerance: float = 1.0) -> pd.DataFrame:
    """Store function: rows as of :func:`observe` for baselines that use no network; ``probability`` is NaN.

    ``random``: independent noise in every voxel; ``centre``: closeness to the middle of the scan;
    ``gradient_magnitude`` of the scan, after a Gaussian of one voxel.
    """
    truth, rows = Truth(prepared, masks, split), []
    seeds = sampling.scan_seeds(truth.rows["image"].to_list(), seed)
    for place in range(len(truth.rows)):
        scan = truth.cut(truth.inputs([place])[0, 0].cpu().numpy(), place)
        away, middle = truth.away(place), np.ones(scan.shape, bool)
        middle[tuple(side // 2 for side in scan.shape)] = False
        heats = {
            "random": np.random.default_rng(seeds[place]).random(scan.shape),
            "centre": 1 / (1 + ndimage.distance_transform_edt(middle)),
            "gradient_magnitude": ndimage.gaussian_gradient_magnitude(scan, 1.0, mode="nearest"),
        }
        about = truth.about(place) | {"probability": np.nan, "state": NO_NETWORK}
        rows += [about | {"method": name} | score(heats[name], away, tolerance) for name in BASELINES]
    return pd.DataFrame(rows, columns=None if rows else columns()).assign(seed=seed, network="", split=split)


def masked(masks: Path) -> pd.DataFrame:
    """Scans of an entry of masks, a row each: ``rows.csv``; names such as "00001" and "" stay text."""
    text = dict.fromkeys(("image", "path", "subject", "artifact", "contrast"), str)
    return pd.read_csv(masks / "rows.csv", dtype=text, keep_default_na=False, na_values={"severity": [""]})


def network_of(network: str, weights: Path | None, shape: Sequence[int], seed: int = 0) -> nn.Module:
    """A network in evaluation mode on the device of this run: a trained one, or one drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = models.build(network, weights=weights, shape=shape)
    return model.to(device()).eval()


def columns() -> list[str]:
    """Columns of a table without a scan."""
    return [*ABOUT, "probability", "method", "state", *score(np.eye(2)[None], np.zeros((1, 2, 2)))]
