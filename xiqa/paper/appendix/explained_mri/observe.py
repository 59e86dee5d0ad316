"""Maps of one network, and baselines that use none, scored on every scan that has a mask."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor

from xiqa import models, saliency
from xiqa.data.arrays import drawn
from xiqa.localisation.overlap import average_precision, energy_pointing_game
from xiqa.models.devices import device
from xiqa.paper.appendix.explained_mri import ABOUT, FILLED, NO_NETWORK, TRAINED, UNTRAINED
from xiqa.uncertainty import sampling


class Truth:
    """The scans of a split that have a mask, in the order of the entry of masks."""

    def __init__(self, prepared: Path, masks: Path, split: str):
        data = drawn.read_volumes(prepared)
        self.shape, self.volumes = data.shape, data.volumes(split)
        self.masks, self.rows = np.load(masks / "masks.npy"), masked(masks)

    def inputs(self, places: Sequence[int]) -> Tensor:
        """Inputs of the network, (n, 1, X, Y, Z) float32."""
        rows = self.rows["row"].to_numpy(int)[list(places)]
        return torch.from_numpy(np.asarray(self.volumes[rows], dtype=np.float32))[:, None].to(device())

    def cut(self, values: NDArray, place: int) -> NDArray:
        """Values (X, Y, Z) of the input without the padding of that scan."""
        return values[tuple(slice(int(side)) for side in self.rows.loc[place, FILLED])]


def observe(
    prepared: Path,
    masks: Path,
    weights: Path | None,
    network: str,
    seed: int,
    split: str,
    methods: list[str],
    batch: int,
) -> pd.DataFrame:
    """Store function: explain the class artifact on the scans that have a mask, and score the maps.

    ``masks`` is the entry of :func:`xiqa.paper.appendix.explained_mri.truth.masks` of the same split. Without weights
    the network is drawn from the seed and never trained. ``batch`` scans are explained together: a fixed number, so
    that numbers repeat. A row a scan and method: the columns ``ABOUT``, probability (of an artifact, dropout off),
    method, state (trained or untrained), those of :func:`score`, seed, network, split.
    """
    truth, rows = Truth(prepared, masks, split), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = models.build(network, weights=weights, shape=truth.shape)
    model = model.to(device()).eval()
    state = UNTRAINED if weights is None else TRAINED
    for start in range(0, len(truth.rows), batch):
        places = range(start, min(start + batch, len(truth.rows)))
        logits, (maps,) = saliency.explain_classes(model, truth.inputs(places), [1], methods)
        probability = logits.float().softmax(1)[:, 1].tolist()
        for i, place in enumerate(places):
            about, mask = truth.rows.loc[place, ABOUT].to_dict(), truth.cut(truth.masks[place], place)
            for method in methods:
                heat = truth.cut(maps[method][i].cpu().numpy(), place)
                columns = {"probability": probability[i], "method": method, "state": state}
                rows.append(about | columns | score(heat, mask))
    return _frame(rows, seed, network, split)


def baselines(prepared: Path, masks: Path, split: str) -> pd.DataFrame:
    """Store function: rows as of :func:`observe` for baselines that use no network; ``probability`` is NaN.

    ``random``: independent noise in every voxel; ``centre``: closeness to the middle of the scan;
    ``gradient_magnitude`` of the scan, after a Gaussian of one voxel.
    """
    truth, rows = Truth(prepared, masks, split), []
    seeds = sampling.scan_seeds(truth.rows["image"].to_list(), 0)
    for place in range(len(truth.rows)):
        scan = truth.cut(truth.inputs([place])[0, 0].cpu().numpy(), place)
        middle = np.ones(scan.shape, bool)
        middle[tuple(side // 2 for side in scan.shape)] = False
        heats = {
            "random": np.random.default_rng(seeds[place]).random(scan.shape),
            "centre": 1 / (1 + ndimage.distance_transform_edt(middle)),
            "gradient_magnitude": ndimage.gaussian_gradient_magnitude(scan, 1.0, mode="nearest"),
        }
        about, mask = truth.rows.loc[place, ABOUT].to_dict(), truth.cut(truth.masks[place], place)
        about |= {"probability": np.nan, "state": NO_NETWORK}
        rows += [about | {"method": method} | score(heat, mask) for method, heat in heats.items()]
    return _frame(rows, 0, "", split)


def score(heat: ArrayLike, mask: NDArray[np.bool_]) -> dict[str, float | int | bool]:
    """Score one non-negative map (X, Y, Z) against the mask of its scan, of the same shape and not empty.

    ``x``, ``y``, ``z`` is the first maximum in raster order (-1 for a degenerate map), ``hit`` whether it lies in the
    mask, ``distance`` that to the mask in voxels, ``tied`` the number of voxels at the maximum (a map of coarse cells
    is constant beyond the centres of the outermost, so its first maximum tends to lie at the low edges of the volume)
    and ``hit_tied`` the share of these that hit; ``average_precision`` that of the voxels, ``energy`` the share of the
    map's sum inside the mask, ``chance`` the share of the voxels that would hit, ``share`` that of the voxels in the
    mask (expected average precision and energy of a map without information). All but the shares are NaN for a
    ``degenerate`` map.
    """
    heat = np.asarray(heat)
    if heat.shape != mask.shape or not mask.any():
        raise ValueError(f"shapes {heat.shape} and {mask.shape}: give one volume of each, and a mask that is not empty")
    flat = bool(saliency.degenerate(torch.from_numpy(np.ascontiguousarray(heat))[None]).item())
    peak = (-1, -1, -1) if flat else tuple(map(int, np.unravel_index(int(heat.argmax()), heat.shape)))
    distance = np.sqrt(np.square(np.argwhere(mask) - peak).sum(1).min())
    top, share = heat == heat.max(), float(mask.mean())
    # Neither measure depends on the order of voxels, so the last two axes may be one.
    rows, inside = heat.reshape(1, len(heat), -1), mask.reshape(1, len(heat), -1)
    return {
        **dict(zip("xyz", peak, strict=True)),
        "hit": np.nan if flat else float(mask[peak]),
        "hit_tied": np.nan if flat else float(mask[top].mean()),
        "tied": int(top.sum()),
        "distance": np.nan if flat else float(distance),
        "average_precision": float(average_precision(rows, inside)[0]),
        "energy": float(energy_pointing_game(rows, inside)[0]),
        "chance": share,
        "share": share,
        "degenerate": flat,
    }


def masked(masks: Path) -> pd.DataFrame:
    """Scans of an entry of masks, a row each: ``rows.csv``; names such as "00001" and "" stay text."""
    text = dict.fromkeys(("image", "path", "subject", "artifact", "contrast"), str)
    return pd.read_csv(masks / "rows.csv", dtype=text, keep_default_na=False, na_values={"severity": [""]})


def _frame(rows: list[dict], seed: int, network: str, split: str) -> pd.DataFrame:
    """Table of the rows, which has its columns without a row too."""
    columns = [*ABOUT, "probability", "method", "state", *score(np.eye(2)[None], np.ones((1, 2, 2), bool))]
    return pd.DataFrame(rows, columns=None if rows else columns).assign(seed=seed, network=network, split=split)
