"""The tidy table of the explainability study: one row for each image, method, smoothing and explained network.

Every pointing-game table and figure of the paper is a group-by of these rows. Only images with an object are explained:
the pointing game has no answer for the others.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, pointing_game, saliency, sanity
from xiqa.data.prepared import Prepared
from xiqa.training import device

METHODS = tuple(saliency.ALL)


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

    Returns
    -------
    DataFrame with the columns network, state, seed, split, image, target (-1: predicted), predicted, probability (of
    the positive class), method, smoothed, and those of :func:`xiqa.pointing_game.play`.

    """
    data, where = Prepared(prepared), device()
    model = sanity.network(network, state, seed, weights).to(where)
    records = data.records(split)
    rows = np.flatnonzero(records["label"].to_numpy() == 1)
    parts = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        images = models.normalise(torch.from_numpy(np.ascontiguousarray(data.images(split)[some])).to(where))
        truth = data.truth(split, some)
        with torch.inference_mode():
            logits = model(images).float().cpu()
        about = {
            "image": records["image"].to_numpy()[some],
            "predicted": logits.argmax(1).numpy(),
            "probability": logits.softmax(1)[:, 1].numpy(),
        }
        for target in targets if targets is not None else [None]:
            maps = saliency.explain(model, images, methods, target=target, silu="clamp")
            for method, plain in maps.items():
                plain = plain.cpu()
                for smoothed in (False, True):
                    played = pointing_game.play(
                        pointing_game.smooth(plain, **smoothing) if smoothed else plain, truth, tolerance
                    )
                    named = {"target": -1 if target is None else target, "method": method, "smoothed": smoothed}
                    parts.append(played.assign(**about, **named))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(network=network, state=state, seed=seed, split=split)


def rivals(prepared: Path, split: str, tolerance: float, fitted_on: str = "train", seed: int = 0) -> pd.DataFrame:
    """The pointing game of rivals that see no network, and the chance of a hit, for the images with an object.

    Returns
    -------
    DataFrame with the columns image, method, smoothed (False) and those of :func:`xiqa.pointing_game.play`; for the
    method ``chance`` the score is the share of pixels that would hit.

    """
    data = Prepared(prepared)
    fitted = np.flatnonzero(data.records(fitted_on)["label"].to_numpy() == 1)
    known = data.truth(fitted_on, fitted)
    records = data.records(split)
    rows = np.flatnonzero(records["label"].to_numpy() == 1)
    truth, names = data.truth(split, rows), records["image"].to_numpy()[rows]
    maps = pointing_game.baselines(np.asarray(data.images(split)[rows], dtype=np.float32), known, tolerance, seed)
    parts = [pointing_game.play(m, truth, tolerance).assign(image=names, method=name) for name, m in maps.items()]
    chance = pointing_game.chance(truth, tolerance)
    parts.append(pd.DataFrame({"image": names, "method": "chance", "score": chance, "outcome": "expected"}))
    return pd.concat(parts, ignore_index=True).assign(split=split, smoothed=False)


def outcomes(frame: pd.DataFrame, method: str, smoothed: bool, tolerance: float | None = None) -> pd.DataFrame:
    """Scores as a table (images x seeds) of one method; targets of randomised networks are averaged.

    With ``tolerance`` the outcome is read from the distance, which serves every tolerance; without, from the score.
    """
    chosen = frame[(frame["method"] == method) & (frame["smoothed"] == smoothed)]
    score = chosen["score"]
    if tolerance is not None:
        score = (chosen["distance"] < tolerance).astype(float).where(chosen["distance"].notna())
    return chosen.assign(value=score).pivot_table("value", "image", "seed", dropna=False)


def ceilings(prepared: Path, split: str, tolerance: float, grids: dict[str, list[int]], smoothing: int) -> pd.DataFrame:
    """Grid ceiling of each layer: the share of images that the best map on its grid could hit.

    ``grids`` gives rows and columns of cells by layer; see :func:`xiqa.pointing_game.grid_ceiling`.
    """
    data = Prepared(prepared)
    rows = np.flatnonzero(data.records(split)["label"].to_numpy() == 1)
    truth = data.truth(split, rows)
    found = []
    for layer, grid in grids.items():
        for smoothed in (False, True):
            ceiling, _ = pointing_game.grid_ceiling(truth, tolerance, tuple(grid), smoothing if smoothed else None)
            found.append({"layer": layer, "cells": f"{grid[0]} x {grid[1]}", "smoothed": smoothed, "ceiling": ceiling})
    return pd.DataFrame(found)
