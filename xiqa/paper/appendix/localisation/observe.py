"""Observations of the localisation table: all measures but FROC, on the images that have an object."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xiqa import pointing_game
from xiqa.localisation.overlap import average_precision, best_threshold, energy_pointing_game, iou_curve
from xiqa.localisation.perturbation import area, insertion_deletion
from xiqa.paper.appendix.localisation.masks import Truths, hits, on_distractor
from xiqa.paper.arguments import Network, Rule
from xiqa.paper.batches import BASELINES, Explainer
from xiqa.saliency.methods import tabulated
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

STEPS = 10  # portions of pixels inserted and deleted


def localise(
    prepared: Path,
    network: Network,
    truths: Path,
    thresholds: Path,
    split: str,
    rule: Rule,
    perturbed: dict[str, int],
    batch: int,
    methods: list[str] | None = None,
) -> pd.DataFrame:
    """Store function: explain the predicted class on the images that have an object, and measure localisation.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepare_images.prepare`.
    network : a trained network; its seed is also that of the random maps.
    truths : entry of :func:`xiqa.paper.appendix.localisation.truths.write_truths` for the same split.
    thresholds : entry of `iou_thresholds`; a method without a threshold has no IoU.
    rule : hits and distractors are those of smoothed maps; all else is measured on the maps as they are.
    perturbed : method -> number of units of which the first image gets insertion and deletion, with a blurred baseline.
    batch : number of images explained together; fixed, so that numbers repeat.
    methods : names of saliency methods and of baselines; None for all of them.

    Returns
    -------
    DataFrame, a row an image and method: image, unit, method, probability (of the positive class), predicted, energy,
    iou_best, average_precision (these three against the usual truth), on_distractor, hit_usual, hit_silhouette,
    hit_causal (1, 0), insertion, deletion (areas), network, seed, split. NaN for a degenerate map, a truth that is
    absent or empty, and a measure that is not computed.

    Raises
    ------
    ValueError : truths of other images.
    """
    explainer = Explainer(prepared, network, methods or [*tabulated(), *BASELINES], rule.tolerance)
    data, masks = explainer.data, Truths(truths)
    rows = data.located(split)
    if masks.split != split or masks.size != data.size or not np.array_equal(masks.rows, rows):
        raise ValueError(f"{truths} holds truths of other images than the {split} split of {prepared}")
    records = data.records(split).iloc[rows]
    units, first = pd.factorize(records["unit"])[0], ~records["unit"].duplicated().to_numpy()
    best = read_frame(thresholds / FRAME).set_index("method")["threshold"].dropna()
    parts, done = [], 0
    for some in explainer.batches(split, rows, batch):
        here = slice(done, done := done + len(some.rows))
        targets = {name: masks.masks(name, here) for name in masks.names}
        about = records.iloc[here][["image", "unit"]].reset_index(drop=True)
        about = about.assign(probability=some.probability, predicted=some.predicted)
        for method, maps in some.maps.items():
            values = measures(maps, targets, rule, best.get(method))
            which = first[here] & (units[here] < perturbed.get(method, 0))
            areas = _areas(explainer.model, some.images, maps, which, some.predicted)
            parts.append(pd.concat([about.assign(method=method), values, areas], axis=1))
    return pd.concat(parts, ignore_index=True).assign(network=network.name, seed=network.seed, split=split)


def measures(maps: Tensor, masks: Mapping[str, NDArray[np.bool_]], rule: Rule, threshold: float | None) -> pd.DataFrame:
    """Measures of maps (B, H, W) against truths (name -> (B, H, W) bool) that need no network; see `localise`."""
    usual, distractors = masks["usual"], masks.get("distractors")
    targets = {name: mask for name, mask in masks.items() if name != "distractors"}
    peaks = hits(pointing_game.smooth(maps, rule.sigma, rule.size), targets, rule.tolerance)
    absent = np.full(len(maps), np.nan)
    return pd.DataFrame(
        {
            "energy": energy_pointing_game(maps, usual),
            "iou_best": absent if threshold is None else iou_curve(maps, usual, [threshold])["iou"].to_numpy(),
            "average_precision": average_precision(maps, usual),
            "on_distractor": absent
            if distractors is None
            else on_distractor(peaks["row"], peaks["column"], distractors, usual, rule.tolerance),
        }
        | {f"hit_{name}": peaks.get(f"hit_{name}", absent) for name in ("usual", "silhouette", "causal")}
    )


def _areas(model: nn.Module, images: Tensor, maps: Tensor, which: NDArray[np.bool_], target: NDArray) -> pd.DataFrame:
    """Insertion and deletion of the images of a batch at ``which`` (B,) bool; NaN for the others."""
    areas = pd.DataFrame(np.nan, index=range(len(maps)), columns=["insertion", "deletion"])
    if which.any():
        rows = torch.from_numpy(np.flatnonzero(which))
        frame = insertion_deletion(model, images[rows], maps[rows], torch.from_numpy(target)[rows], STEPS)
        areas.loc[which] = area(frame)[["insertion", "deletion"]].to_numpy()
    return areas


def iou_thresholds(
    prepared: Path, network: Network, split: str, tolerance: float, batch: int, methods: list[str] | None = None
) -> pd.DataFrame:
    """Store function: threshold of the highest mean IoU with the usual truth of a split, to be used on another split.

    Parameters as of `localise`; ``tolerance`` (pixels) is that of the constant point.

    Returns
    -------
    DataFrame with the columns method, threshold, iou (mean over images at that threshold); no row where the split has
    no ground truth, NaN for a method whose maps are all degenerate.
    """
    explainer = Explainer(prepared, network, methods or [*tabulated(), *BASELINES], tolerance)
    curves: dict[str, list[pd.DataFrame]] = {}
    for some in explainer.batches(split, explainer.data.located(split), batch):
        truth = explainer.data.truth(split, some.rows)
        for method, maps in some.maps.items():
            curves.setdefault(method, []).append(iou_curve(maps, truth))
    rows = []
    for method, parts in curves.items():
        curve = pd.concat(parts, ignore_index=True)
        best = best_threshold(curve)
        rows.append((method, best, curve.loc[curve["threshold"] == best, "iou"].mean()))
    return pd.DataFrame(rows, columns=["method", "threshold", "iou"])
