"""The pointing game of the published programs: what each defect alone, and all of a program together, change.

Only methods whose maps a variant changes have rows; all others keep those of the corrected program. As in the published
programs the class explained is the one that the network predicts, for untrained networks too.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from xiqa.data.arrays.images import Prepared
from xiqa.models.states import evaluating
from xiqa.paper.arguments import Images, Network, Rule
from xiqa.paper.batches import answers, batches
from xiqa.paper.pointing_game.observe import labelled, outcomes
from xiqa.paper.pointing_game.programs import VARIANTS
from xiqa.saliency import published
from xiqa.saliency.methods import tabulated
from xiqa.store.files import read_frame


def observe(
    prepared: Path, network: Network, images: Images, rule: Rule, variants: list[str], batch: int
) -> pd.DataFrame:
    """Explain one network with the defects of each variant, and score the maps by the pointing game.

    ``variants`` are names of ``VARIANTS``; ``S3`` alone changes no map and has no rows here (see ``transposed``).
    Columns: those of :func:`xiqa.paper.pointing_game.observe.observe` and ``variant``.
    """
    data, model = Prepared(prepared), network.load()
    guided = any("S1" not in VARIANTS[v] and published.affected("guided_backprop", VARIANTS[v]) for v in variants)
    parts = []
    for part in batches(data, images.split, images.rows(data), batch):
        with evaluating(model):
            passes = published.Passes(model, part.inputs, None, model.saliency_layers, "clamp", guided)
        truth = data.truth(images.split, part.rows)
        for variant in variants:
            defects = VARIANTS[variant]
            with evaluating(model):
                maps = passes.maps([name for name in tabulated() if published.affected(name, defects)], defects)
            masks = published.truth(truth, defects, drawn=data.has_masks(images.split))
            records = part.records.assign(**answers(passes.plain.logits), target=-1, variant=variant)
            parts += outcomes(maps, masks, rule, records)
    return labelled(parts, network, images.split)


def transposed(prepared: Path, observed: Path, split: str, tolerance: float) -> pd.DataFrame:
    """Score peaks of an entry of ``observe.observe`` against transposed masks (S3); boxes are left as they are."""
    data, frame = Prepared(prepared), read_frame(observed / "frame.csv.gz")
    if not data.has_masks(split):
        return frame
    rows = data.located(split)
    masks = published.truth(data.truth(split, rows), {"S3"}, drawn=True)
    inside = dict(zip(data.records(split)["image"].iloc[rows], map(np.nonzero, masks), strict=True))
    with_peak = frame["distance"].notna().to_numpy()
    distance = frame["distance"].to_numpy(dtype=float, copy=True)
    for i in np.flatnonzero(with_peak):
        below, right = inside[frame["image"].iat[i]]
        distance[i] = np.hypot(below - frame["row"].iat[i], right - frame["column"].iat[i]).min()
    hit = distance < tolerance
    outcome = np.where(with_peak, np.where(hit, "hit", "miss"), frame["outcome"])
    return frame.assign(distance=distance, score=np.where(with_peak, hit.astype(float), np.nan), outcome=outcome)
