"""Maps of one network, and rivals that see none, scored on every scan that has a mask."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from xiqa import saliency
from xiqa.paper.appendix.explained_mri.truth import Truth, columns, network_of, score
from xiqa.uncertainty import sampling

PRIMARY = "normgrad_scaling_combined"
METHODS = (PRIMARY, "gradcam_combined", "gradcam")
RIVALS = ("random", "centre", "gradient_magnitude")
TRAINED, UNTRAINED, NO_NETWORK = "trained", "untrained", "no network"


def observe(
    prepared: Path,
    weights: Path | None,
    network: str,
    seed: int,
    split: str,
    methods: list[str],
    batch: int,
    root: Path,
    tolerance: float = 1.0,
) -> pd.DataFrame:
    """Store function: explain the class artifact on the scans that have a mask, and score the maps.

    Parameters
    ----------
    prepared, root, split : see :func:`masks`; ``root`` is not part of the key.
    weights, network, seed : of a training; without weights the network is drawn from the seed and never trained.
    methods : names of saliency methods.
    batch : scans explained together; fixed, so that numbers repeat.
    tolerance : voxels, strict.

    Returns
    -------
    DataFrame, a row a scan and method: image, subject, label, artifact, contrast, severity, probability (of an
    artifact, dropout off), method, state (trained or untrained), seed, network, split, and what :func:`score` tells.

    """
    truth = Truth(prepared, root, split)
    model, rows = network_of(network, weights, truth.data.shape, seed), []
    state = UNTRAINED if weights is None else TRAINED
    for start in range(0, len(truth.rows), batch):
        places = range(start, min(start + batch, len(truth.rows)))
        inputs = truth.inputs(places)
        logits, (maps,) = saliency.explain_classes(model, inputs, [1], methods)
        probability = logits.float().softmax(1)[:, 1].tolist()
        for i, place in enumerate(places):
            away = truth.away(place)
            for method in methods:
                heat = truth.cut(maps[method][i].cpu().numpy(), place)
                about = truth.about(place) | {"probability": probability[i], "method": method, "state": state}
                rows.append(about | score(heat, away, tolerance))
    return pd.DataFrame(rows, columns=None if rows else columns()).assign(seed=seed, network=network, split=split)


def rivals(prepared: Path, split: str, root: Path, seed: int = 0, tolerance: float = 1.0) -> pd.DataFrame:
    """Store function: rows as of :func:`observe` for rivals that see no network; ``probability`` is NaN.

    ``random``: independent noise in every voxel; ``centre``: closeness to the middle of the scan;
    ``gradient_magnitude`` of the scan, after a Gaussian of one voxel.
    """
    truth, rows = Truth(prepared, root, split), []
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
        rows += [about | {"method": name} | score(heats[name], away, tolerance) for name in RIVALS]
    return pd.DataFrame(rows, columns=None if rows else columns()).assign(seed=seed, network="", split=split)
