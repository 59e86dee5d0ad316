"""The tidy table of the explainability study: one row for each image, method, smoothing and explained network.

Every pointing-game table and figure of the paper is a group-by of these rows. Only images whose ground truth says where
the object is are explained: the pointing game has no answer for the others. ``unit`` is what is independent of its
like: the image itself for radiographs, the patient for frames of a cine.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.training.loop import device

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
    prepared : entry of :func:`xiqa.data.prepare_images.prepare`.
    weights : weights file, "imagenet", or None for a fully random network.
    network, state, seed : as in :func:`xiqa.models.network`.
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
    model = models.network(network, state, seed, weights).to(where, **layout)
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
