"""The tidy table of the explainability study: one row for each image, method, smoothing and explained network.

Every pointing-game table and figure of the paper is a group-by of these rows. Only images whose ground truth says where
the object is are explained: the pointing game has no answer for the others. ``unit`` is what is independent of its
like: the image itself for radiographs, the patient for frames of a cine.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, pointing_game, saliency, sanity
from xiqa.data.prepared import Prepared
from xiqa.training import device

METHODS = tuple(saliency.ALL)
COLUMNS = [
    "row", "column", "tied", "distance", "score", "outcome",
    "image", "unit", "predicted", "probability", "target", "method", "smoothed",
]  # fmt: skip


def observe(
    prepared: Path,
    weights: Path | str | None,
    network: str,
    state: str,
    seed: int,
    split: str,
    targets: list[int] | None,
    tolerance: float,
    smoothing: dict,
    methods: list[str],
    batch: int,
    once: bool = False,
    images: list[str] | None = None,
    silu: str = "clamp",
) -> pd.DataFrame:
    """Explain one network on the images of a split that hold an object, and play the pointing game.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepared.prepare`.
    weights : weights file, "imagenet", or None for a fully random network.
    network, state, seed : as in :func:`xiqa.sanity.network`.
    targets : classes to explain one after the other; None for the class that the network predicts (the papers' rule).
    tolerance : pixels, strict.
    smoothing : ``sigma`` and ``size`` of :func:`xiqa.pointing_game.smooth`, in pixels.
    methods : names of saliency methods.
    batch : images explained together; fixed, so that numbers repeat.
    once : only the first image of each unit, since frames of a patient are much alike.
    images : only these of them, by name; there may be none.
    silu : how guided methods treat SiLU, as in :func:`xiqa.saliency.explain`.

    Returns
    -------
    DataFrame with the columns network, state, seed, split, image, unit, target (-1: predicted), predicted, probability
    (of the positive class), method, smoothed, and those of :func:`xiqa.pointing_game.play`.

    """
    data, where = Prepared(prepared), device()
    # The layout is the faster one on a CPU.
    layout = {"memory_format": torch.channels_last}
    model = sanity.network(network, state, seed, weights).to(where, **layout)
    records, rows = data.records(split), data.located(split)
    rows = rows[~records["unit"].iloc[rows].duplicated().to_numpy()] if once else rows
    if images is not None:
        rows = rows[records["image"].iloc[rows].isin(images).to_numpy()]
    classes = [None] if targets is None else targets
    parts = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        inputs = models.normalise(torch.from_numpy(np.ascontiguousarray(data.images(split)[some])).to(where))
        truth = data.truth(split, some)
        logits, found = saliency.explain_classes(model, inputs.contiguous(**layout), classes, methods, silu=silu)
        logits = logits.float().cpu()
        about = {
            **_named(records, some),
            "predicted": logits.argmax(1).numpy(),
            "probability": logits.softmax(1)[:, 1].numpy(),
        }
        for target, maps in zip(classes, found, strict=True):
            for method, plain in maps.items():
                plain = plain.cpu()
                for smoothed in (False, True):
                    played = pointing_game.play(
                        pointing_game.smooth(plain, **smoothing) if smoothed else plain, truth, tolerance
                    )
                    named = {"target": -1 if target is None else target, "method": method, "smoothed": smoothed}
                    parts.append(played.assign(**about, **named))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    return frame.assign(network=network, state=state, seed=seed, split=split)


def _named(records: pd.DataFrame, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {column: records[column].to_numpy()[rows] for column in ("image", "unit")}


def rivals(prepared: Path, split: str, tolerance: float, fitted_on: str = "train", seed: int = 0) -> pd.DataFrame:
    """The pointing game of rivals that see no network, and the chance of a hit, for the images with an object.

    Where the split to fit on has no ground truth there is no constant point.

    Returns
    -------
    DataFrame with the columns image, unit, method, smoothed (False) and those of :func:`xiqa.pointing_game.play`; for
    the method ``chance`` the score is the share of pixels that would hit.

    """
    data = Prepared(prepared)
    known = data.truth(fitted_on, data.located(fitted_on))
    rows = data.located(split)
    truth, about = data.truth(split, rows), _named(data.records(split), rows)
    maps = pointing_game.baselines(np.asarray(data.images(split)[rows], dtype=np.float32), known, tolerance, seed)
    if not len(known):
        del maps["constant_point"]
    parts = [pointing_game.play(m, truth, tolerance).assign(**about, method=name) for name, m in maps.items()]
    chance = pointing_game.chance(truth, tolerance)
    parts.append(pd.DataFrame({**about, "method": "chance", "score": chance, "outcome": "expected"}))
    return pd.concat(parts, ignore_index=True).assign(split=split, smoothed=False)


def outcomes(frame: pd.DataFrame, method: str, smoothed: bool, tolerance: float | None = None) -> pd.DataFrame:
    """Scores as a table (unit and image x seeds) of one method; targets of randomised networks are averaged.

    With ``tolerance`` the outcome is read from the distance, which serves every tolerance; without, from the score.
    """
    chosen = frame[(frame["method"] == method) & (frame["smoothed"] == smoothed)]
    score = chosen["score"]
    if tolerance is not None:
        score = (chosen["distance"] < tolerance).astype(float).where(chosen["distance"].notna())
    groups = chosen.assign(value=score).groupby(["unit", "image", "seed"], dropna=False)
    return groups["value"].mean().unstack("seed")


def by_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of each independent unit's images (units x seeds) of a table of ``outcomes``.

    Images without a verdict in some seed are left out, so that every seed speaks of the same images.
    """
    return table.dropna().groupby(level="unit", dropna=False).mean()


def ceilings(prepared: Path, split: str, tolerance: float, grids: dict[str, list[int]], smoothing: int) -> pd.DataFrame:
    """Grid ceiling of each layer: the share of images that the best map on its grid could hit.

    ``grids`` gives rows and columns of cells by layer; see :func:`xiqa.pointing_game.grid_ceiling`.
    """
    data = Prepared(prepared)
    truth = data.truth(split, data.located(split))
    found = []
    for layer, grid in grids.items():
        for smoothed in (False, True):
            ceiling, _ = pointing_game.grid_ceiling(truth, tolerance, tuple(grid), smoothing if smoothed else None)
            found.append({"layer": layer, "cells": f"{grid[0]} x {grid[1]}", "smoothed": smoothed, "ceiling": ceiling})
    return pd.DataFrame(found)
