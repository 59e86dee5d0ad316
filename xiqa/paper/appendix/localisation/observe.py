"""Every measure of localisation on the images that hold an object, for the paper's table: for a notebook's store."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xiqa import pointing_game
from xiqa.localisation.overlap import THRESHOLDS, average_precision, best_threshold, energy_pointing_game, iou_curve
from xiqa.localisation.perturbation import area, insertion_deletion
from xiqa.paper.appendix.localisation.truths import Truths, hits, on_distractor
from xiqa.paper.batches import Explainer

TOLERANCE = 15.0  # px, of the constant point where no other is asked for
STEPS = 10  # portions of pixels inserted and deleted


def localise(
    prepared: Path,
    weights: Path | str,
    network: str,
    seed: int,
    split: str,
    truths: Path,
    methods: list[str],
    tolerance: float,
    smoothing: dict,
    iou_threshold: dict[str, float] | None,
    perturbed: int,
    batch: int,
    perturbed_methods: list[str] | None = None,
    steps: int = STEPS,
) -> pd.DataFrame:
    """Explain the predicted class on the images that hold an object, and judge the maps in every way but froc.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepare_images.prepare`.
    weights : weights file of a classifier.
    network, seed : its name and training seed; the seed is also that of the random maps.
    truths : entry of :func:`xiqa.paper.appendix.localisation.truths.write_truths` for the same split.
    methods : names of saliency methods, and of ``random`` and ``constant_point``.
    tolerance : pixels, strict.
    smoothing : ``sigma`` and ``size`` of :func:`xiqa.pointing_game.smooth`, in pixels; hits and distractors are judged
        on smoothed maps, everything else on the maps as they are.
    iou_threshold : of each method, chosen on validation (`iou_thresholds`); None for none.
    perturbed : insertion and deletion are computed for the first image of so many units, with the blurred baseline.
    batch : images explained together; fixed, so that numbers repeat.
    perturbed_methods : the methods that insertion and deletion are computed for; None for all.
    steps : of insertion and deletion.

    Returns
    -------
    DataFrame, a row an image and method: image, unit, method, probability (of the positive class), predicted, energy,
    iou_best, average_precision (these three against the usual truth), on_distractor, hit_usual, hit_silhouette,
    hit_causal (1, 0), insertion, deletion (areas), network, seed, split. NaN where there is no verdict: degenerate map,
    truth that is absent or empty, measure not asked for.

    """
    explainer = Explainer(prepared, weights, network, methods, seed, tolerance)
    data, known = explainer.data, Truths(truths)
    rows = data.located(split)
    if known.split != split or known.size != data.size or not np.array_equal(known.rows, rows):
        raise ValueError(f"{truths} holds truths of other images than the {split} split of {prepared}")
    records = data.records(split).iloc[rows]
    units = pd.factorize(records["unit"])[0]
    first = ~records["unit"].duplicated().to_numpy() & (units < perturbed)
    parts, done = [], 0
    for some in explainer.batches(split, rows, batch):
        here = slice(done, done := done + len(some.rows))
        masks = {name: known.masks(name, here) for name in known.names()}
        about = records.iloc[here][["image", "unit"]].reset_index(drop=True)
        about = about.assign(probability=some.probability, predicted=some.predicted)
        for method, maps in some.maps.items():
            threshold = (iou_threshold or {}).get(method)
            judged = judge(maps, masks, tolerance, smoothing, threshold)
            wanted = first[here] & (perturbed_methods is None or method in perturbed_methods)
            areas = _areas(explainer.model, some.images, maps, wanted, some.predicted, steps)
            parts.append(pd.concat([about.assign(method=method), judged, areas], axis=1))
    return pd.concat(parts, ignore_index=True).assign(network=network, seed=seed, split=split)


def judge(
    maps: Tensor, masks: Mapping[str, NDArray[np.bool_]], tolerance: float, smoothing: dict, threshold: float | None
) -> pd.DataFrame:
    """Everything that maps (B, H, W) and truths (name -> (B, H, W) bool) tell without the network; see `localise`."""
    usual, distractors = masks["usual"], masks.get("distractors")
    targets = {name: mask for name, mask in masks.items() if name != "distractors"}
    played = hits(pointing_game.smooth(maps, **smoothing), targets, tolerance)
    absent = np.full(len(maps), np.nan)
    return pd.DataFrame(
        {
            "energy": energy_pointing_game(maps, usual),
            "iou_best": absent if threshold is None else iou_curve(maps, usual, [threshold])["iou"].to_numpy(),
            "average_precision": average_precision(maps, usual),
            "on_distractor": absent
            if distractors is None
            else on_distractor(played["row"], played["column"], distractors, usual, tolerance),
        }
        | {f"hit_{name}": played.get(f"hit_{name}", absent) for name in ("usual", "silhouette", "causal")}
    )


def _areas(
    model: nn.Module, images: Tensor, maps: Tensor, wanted: NDArray[np.bool_], target: NDArray, steps: int
) -> pd.DataFrame:
    """Insertion and deletion of the wanted images of a batch; NaN for the others."""
    found = pd.DataFrame(np.nan, index=range(len(maps)), columns=["insertion", "deletion"])
    if wanted.any():
        chosen = torch.from_numpy(np.flatnonzero(wanted))
        frame = insertion_deletion(model, images[chosen], maps[chosen], torch.from_numpy(target)[chosen], steps)
        found.loc[wanted] = area(frame)[["insertion", "deletion"]].to_numpy()
    return found


def iou_thresholds(
    prepared: Path,
    weights: Path | str,
    network: str,
    methods: list[str],
    batch: int,
    split: str = "val",
    seed: int = 0,
    tolerance: float = TOLERANCE,
    thresholds: Sequence[float] = THRESHOLDS,
) -> pd.DataFrame:
    """For each method the threshold of the best mean IoU with the usual truth of a split, to be used on another.

    Parameters as for `localise`; the predicted class is explained.

    Returns
    -------
    DataFrame with the columns method, threshold, iou (mean over images at that threshold); no row where the split has
    no ground truth, NaN for a method whose maps are all degenerate.

    """
    explainer = Explainer(prepared, weights, network, methods, seed, tolerance)
    rows, curves = explainer.data.located(split), {}
    for some in explainer.batches(split, rows, batch):
        truth = explainer.data.truth(split, some.rows)
        for method, maps in some.maps.items():
            curves.setdefault(method, []).append(iou_curve(maps, truth, thresholds))
    found = []
    for method, parts in curves.items():
        curve = pd.concat(parts, ignore_index=True)
        best = best_threshold(curve)
        found.append((method, best, curve.loc[curve["threshold"] == best, "iou"].mean()))
    return pd.DataFrame(found, columns=["method", "threshold", "iou"])
