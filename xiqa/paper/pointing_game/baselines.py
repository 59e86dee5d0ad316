"""Baselines of the pointing game without a network, and grid ceilings."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, pointing_game
from xiqa.data.arrays.images import Prepared
from xiqa.paper.arguments import Rule


def baselines(prepared: Path, split: str, tolerance: float, fitted_on: str = "train", seed: int = 0) -> pd.DataFrame:
    """Pointing game of maps that see no network, on images with an object; a row an image and method.

    Where the split to fit on has no ground truth there is no constant point. The score of the method ``chance`` is the
    share of pixels that would hit.
    """
    data = Prepared(prepared)
    masks = data.truth(fitted_on, data.located(fitted_on))
    rows = data.located(split)
    truth, records = data.truth(split, rows), data.records(split)[["image", "unit"]].iloc[rows].reset_index(drop=True)
    maps = pointing_game.baselines(np.asarray(data.images(split)[rows], dtype=np.float32), masks, tolerance, seed)
    if not len(masks):
        del maps["constant_point"]
    scored = {name: pointing_game.play(values, truth, tolerance) for name, values in maps.items()}
    scored["chance"] = pd.DataFrame({"score": pointing_game.chance(truth, tolerance), "outcome": "expected"})
    parts = [pd.concat([frame, records], axis=1).assign(method=name) for name, frame in scored.items()]
    return pd.concat(parts, ignore_index=True).assign(split=split, smoothed=False)


def ceilings(prepared: Path, split: str, rule: Rule, network: str) -> pd.DataFrame:
    """Grid ceiling of each saliency layer: the share of images that the best map on its grid could hit.

    Columns: layer, cells ("5 x 5"), smoothed, ceiling (in [0, 1]) and single (the layer is one of those read alone).
    """
    data, model = Prepared(prepared), models.build(network).eval()
    truth, layers = data.truth(split, data.located(split)), model.saliency_layers
    rows = []
    for layer, grid in _grids(model, [*layers["single"], *layers["combined"]], data.size).items():
        for smoothed in (False, True):
            ceiling, _ = pointing_game.grid_ceiling(truth, rule.tolerance, grid, rule.size if smoothed else None)
            rows.append((layer, f"{grid[0]} x {grid[1]}", smoothed, ceiling, layer in layers["single"]))
    return pd.DataFrame(rows, columns=["layer", "cells", "smoothed", "ceiling", "single"])


def _grids(model: torch.nn.Module, names: list[str], size: int) -> dict[str, tuple[int, int]]:
    """Rows and columns of cells of the named layers for an input of that size."""
    grids, hooks = {}, []
    for name in dict.fromkeys(names):
        keep = lambda module, inputs, output, name=name: grids.__setitem__(name, tuple(output.shape[-2:]))  # noqa: E731
        hooks.append(model.get_submodule(name).register_forward_hook(keep))
    with torch.inference_mode():
        model(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return grids
