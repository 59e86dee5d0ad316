"""Tables of localisation measures."""

import numpy as np
import pandas as pd

from xiqa.paper.pointing_game.tables import _share

# Columns of `xiqa.paper.appendix.localisation.observe.localise` and what they are called; shares unless marked otherwise.
MEASURES = {
    "hit_usual": "pointing game",
    "hit_silhouette": "pointing game, drawn silhouette",
    "hit_causal": "pointing game, causal mask",
    "on_distractor": "misses on other metal",
    "energy": "energy inside",
    "average_precision": "pixel average precision",
    "iou_best": "IoU, threshold of validation",
    "insertion": "insertion",
    "deletion": "deletion",
}


def localised(frame: pd.DataFrame, froc: pd.DataFrame | None = None) -> pd.DataFrame:
    """Means of every measure of localisation: a row a method and measure, with the columns mean, low, high, units.

    Parameters
    ----------
    frame : rows of :func:`xiqa.paper.appendix.localisation.observe.localise`, of one or several seeds.
    froc : rows of :func:`xiqa.paper.appendix.localisation.detection.froc_scores`, if there are any.

    """
    rows = [
        {"method": method, "measure": name} | over_units(part, column)
        for method, part in frame.groupby("method", sort=False)
        for column, name in MEASURES.items()
    ]
    if froc is not None:
        rows += froc.rename(columns={"froc": "mean"}).assign(measure="FROC").to_dict("records")
    return pd.DataFrame(rows)


def over_units(frame: pd.DataFrame, column: str) -> dict[str, float]:
    """Mean of a column over units and seeds with its 95 % interval, cut to [0, 1]; seeds without a value are left out.

    A column of misses (``on_distractor``) has a value where there is a miss only, so each seed is averaged alone first
    and the interval is over the units that have one.
    """
    units = frame.pivot_table(column, "unit", "seed", aggfunc="mean") if frame[column].notna().any() else pd.DataFrame()
    if column == "on_distractor" and len(units):
        units = units.mean(axis=1).to_frame()
    return _share(units.to_numpy() if len(units) else np.zeros((0, 1)))
