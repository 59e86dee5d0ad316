"""Baselines of the pointing game that see no network, and grid ceilings."""

from pathlib import Path

import numpy as np
import pandas as pd

from xiqa import pointing_game
from xiqa.data.arrays.images import Prepared
from xiqa.paper.pointing_game.observe import _named


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
