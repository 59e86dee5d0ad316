"""The pointing game of the published programs: what each defect alone, and all of a program together, do to hits.

Rows are those of `xiqa.paper.pointing_game.observe`, with the column ``variant``: a name of `VARIANTS`. Only methods whose maps a
variant changes are explained; all others keep the rows of the corrected program, and `with_variant` puts them together.
As in the published programs the class explained is the one that the network predicts, for untrained networks too.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.models.states import evaluating
from xiqa.saliency import published
from xiqa.training.loop import device

PROGRAMS = ("published", "published_midl")
ALONE = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "positive")
# Variant -> the defects that are switched on.
VARIANTS = {name: saliency.MODES[name] for name in PROGRAMS} | {name: (name,) for name in ALONE}


def observe(
    prepared: Path,
    weights: Path | str | None,
    network: str,
    state: str,
    seed: int,
    split: str,
    variants: list[str],
    tolerance: float,
    smoothing: dict,
    methods: list[str],
    batch: int,
    once: bool = False,
    images: list[str] | None = None,
) -> pd.DataFrame:
    """Explain one network with the defects of each variant, and play the pointing game.

    Parameters
    ----------
    variants : names of `VARIANTS`; ``S3`` alone changes no map and has no rows here (see `transposed`).
    methods : names of saliency methods; those that a variant leaves as they are have no rows in it.
    prepared, weights, network, state, seed, split, tolerance, smoothing, batch, once, images : as for
        :func:`xiqa.paper.pointing_game.observe.observe`.

    Returns
    -------
    DataFrame with the columns of :func:`xiqa.paper.pointing_game.observe.observe` and ``variant``.

    """
    data, where = Prepared(prepared), device()
    model = models.network(network, state, seed, weights).to(where, memory_format=torch.channels_last)
    records, rows = data.records(split), data.located(split)
    rows = rows[~records["unit"].iloc[rows].duplicated().to_numpy()] if once else rows
    if images is not None:
        rows = rows[records["image"].iloc[rows].isin(images).to_numpy()]
    guided = any(not {"S1"} & set(VARIANTS[v]) and published.affected("guided_backprop", VARIANTS[v]) for v in variants)
    parts = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        inputs = models.normalise(torch.from_numpy(np.ascontiguousarray(data.images(split)[some])).to(where))
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with evaluating(model):
            passes = published.Passes(model, inputs, None, model.saliency_layers, "clamp", guided)
        logits = passes.plain.logits.float().cpu()
        about = {name: records[name].to_numpy()[some] for name in ("image", "unit")}
        about |= {"predicted": logits.argmax(1).numpy(), "probability": logits.softmax(1)[:, 1].numpy()}
        truth = data.truth(split, some)
        for variant in variants:
            switched = VARIANTS[variant]
            names = [name for name in methods if published.affected(name, switched)]
            with evaluating(model):
                maps, _ = passes.maps(names, switched)
            scored = published.truth(truth, switched, drawn=data.has_masks(split))
            for name, plain in maps.items():
                for smoothed in (False, True):
                    one = pointing_game.smooth(plain.cpu(), **smoothing) if smoothed else plain.cpu()
                    played = pointing_game.play(one, scored, tolerance)
                    parts.append(played.assign(**about, method=name, smoothed=smoothed, variant=variant))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(network=network, state=state, seed=seed, split=split, target=-1)


def transposed(frame: pd.DataFrame, prepared: Path, split: str, tolerance: float) -> pd.DataFrame:
    """Rows of observations scored against transposed masks (S3), from their peaks; boxes are left as they are."""
    data = Prepared(prepared)
    if not data.has_masks(split):
        return frame
    rows = data.located(split)
    names = data.records(split)["image"].iloc[rows].to_numpy()
    truth = published.truth(data.truth(split, rows), {"S3"}, drawn=True)
    place = dict(zip(names, range(len(names)), strict=True))
    played = frame["distance"].notna().to_numpy()
    found = frame["distance"].to_numpy(dtype=float, copy=True)
    for i in np.flatnonzero(played):
        row, column, image = frame["row"].iat[i], frame["column"].iat[i], frame["image"].iat[i]
        true_rows, true_columns = np.nonzero(truth[place[image]])
        found[i] = np.hypot(true_rows - row, true_columns - column).min()
    hit = found < tolerance
    outcome = np.where(played, np.where(hit, "hit", "miss"), frame["outcome"])
    score = np.where(played, hit.astype(float), np.nan)
    return frame.assign(distance=found, score=score, outcome=outcome)


def as_predicted(frame: pd.DataFrame) -> pd.DataFrame:
    """Of observations that explain both classes, the rows of the class that the network predicts."""
    return frame[(frame["target"] == -1) | (frame["target"] == frame["predicted"])]


def with_variant(corrected: pd.DataFrame, defective: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Observations of a variant: its own rows where it changes a method, the corrected ones elsewhere."""
    own = defective[defective["variant"] == variant]
    left = as_predicted(corrected)
    # The programs know no combined Grad-CAM.
    gone = {*own["method"].unique(), *(["gradcam_combined"] if variant in PROGRAMS else [])}
    left = left[~left["method"].isin(gone)]
    return pd.concat([left, own.drop(columns="variant")], ignore_index=True)
