"""The tidy table of the explainability study: one row for each image, method, smoothing and explained network."""

from pathlib import Path

import pandas as pd

from xiqa import saliency
from xiqa.data.arrays.images import Prepared
from xiqa.paper.arguments import Images, Network, Rule
from xiqa.paper.batches import answers, batches
from xiqa.saliency.methods import tabulated


def observe(
    prepared: Path,
    network: Network,
    images: Images,
    rule: Rule,
    targets: list[int] | None,
    batch: int,
    silu: str = "clamp",
    methods: list[str] | None = None,
) -> pd.DataFrame:
    """Explain one network on images that show an object, and score the maps by the pointing game.

    ``targets`` are the classes to explain; None is the class that the network predicts (the papers' rule). ``batch``
    images are explained together: fixed, so that numbers repeat. ``silu`` is as in :func:`xiqa.saliency.explain`, and
    ``methods`` None is all of :func:`xiqa.saliency.methods.tabulated`. Columns: those of
    :func:`xiqa.pointing_game.play`, and image, unit, predicted, probability (of the positive class), target (-1:
    predicted), method, smoothed, network, state, seed, split; a unit is a radiograph, or the patient of a frame.
    """
    data, model = Prepared(prepared), network.load()
    classes = [None] if targets is None else targets
    methods = tabulated() if methods is None else methods
    parts = []
    for part in batches(data, images.split, images.rows(data), batch):
        truth = data.truth(images.split, part.rows)
        logits, explained = saliency.explain_classes(model, part.inputs, classes, methods, silu=silu)
        records = part.records.assign(**answers(logits))
        for target, maps in zip(classes, explained, strict=True):
            records["target"] = -1 if target is None else target
            parts += outcomes(maps, truth, rule, records)
    return labelled(parts, network, images.split)


def outcomes(maps: dict, truth, rule: Rule, records: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows of the pointing game of every method's maps, as they are and smoothed."""
    return [
        pd.concat([rule.outcomes(values.cpu(), truth, smoothed), records], axis=1).assign(
            method=method, smoothed=smoothed
        )
        for method, values in maps.items()
        for smoothed in (False, True)
    ]


def labelled(parts: list[pd.DataFrame], network: Network, split: str) -> pd.DataFrame:
    """All rows of a network, with the columns network, state, seed and split."""
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(network=network.name, state=network.state, seed=network.seed, split=split)
