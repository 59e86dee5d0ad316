"""Observations of the localisation table: all measures but FROC, on the images that have an object."""

import json
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
from xiqa.paper.arguments import Network, Rule
from xiqa.paper.batches import BASELINES, Explainer
from xiqa.saliency.methods import tabulated
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

STEPS = 10  # portions of pixels inserted and deleted


class Truths:
    """Masks that :func:`xiqa.paper.appendix.localisation.truths.write_truths` wrote into a folder.

    ``names`` are ``usual`` and, of embedded films, ``silhouette``, ``distractors`` and ``causal``. ``rows`` (n,) are
    the positions of the images in ``Prepared.records(split)``, in the order of the masks; ``size`` is in pixels.
    """

    def __init__(self, folder: Path):
        self.folder, about = folder, json.loads((folder / "truths.json").read_text())
        self.split, self.size, self.names = about["split"], about["size"], tuple(about["names"])
        self.rows = np.array(about["rows"], dtype=np.intp)

    def masks(self, name: str, where: slice = slice(None)) -> NDArray[np.bool_]:
        """Masks of a truth, bool (n, size, size), of the images at ``where``."""
        packed = np.load(self.folder / f"{name}.npy", mmap_mode="r")[where]
        return np.unpackbits(packed, axis=1, count=self.size**2).astype(bool).reshape(-1, self.size, self.size)


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

    ``truths`` is the entry of ``write_truths`` for the same split (ValueError otherwise), ``thresholds`` that of
    `iou_thresholds` (a method without a threshold has no IoU). Hits and distractors are those of maps smoothed by
    ``rule``, all else is measured on the maps as they are. ``perturbed`` : method -> number of units of which the first
    image gets insertion and deletion, with a blurred baseline. ``batch`` is fixed, so that numbers repeat.

    A row an image and method: image, unit, probability (of the positive class), predicted, method, those of
    `measures`, insertion, deletion (areas), network, seed, split; NaN for a measure that is not computed.
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
    """Measures of maps (B, H, W) against truths (name -> (B, H, W) bool) that need no network; see `localise`.

    Columns energy, iou_best and average_precision against the usual truth; on_distractor (of the peaks that miss the
    usual truth, 1 for those on metal without annotation, else 0); hit_usual, hit_silhouette and hit_causal (1, 0). NaN
    for a degenerate map, and for a truth that is absent or empty.
    """
    usual, absent = masks["usual"], np.full(len(maps), np.nan)
    smoothed = pointing_game.smooth(maps, rule.sigma, rule.size)
    games = {name: pointing_game.play(smoothed, mask, rule.tolerance) for name, mask in masks.items()}
    values = {
        "energy": energy_pointing_game(maps, usual),
        "iou_best": absent if threshold is None else iou_curve(maps, usual, [threshold])["iou"].to_numpy(),
        "average_precision": average_precision(maps, usual),
        "on_distractor": absent,
    }
    if "distractors" in games:
        on_metal = games["distractors"]["outcome"] == "hit"
        values["on_distractor"] = np.where(games["usual"]["outcome"] == "miss", on_metal.astype(float), np.nan)
    for name in ("usual", "silhouette", "causal"):
        values[f"hit_{name}"] = games[name]["score"] if name in games else absent
    return pd.DataFrame(values)


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

    Columns method, threshold, iou (mean over images at that threshold); no row where the split has no ground truth,
    NaN for a method whose maps are all degenerate. ``tolerance`` (pixels) is that of the constant point.
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
