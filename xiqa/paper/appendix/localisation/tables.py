"""Table of localisation measures."""

import numpy as np
import pandas as pd

from xiqa import recipes
from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.appendix.localisation.results import Localisation
from xiqa.paper.numbers import percent
from xiqa.saliency.names import label, ordered

BASELINES = ("random", "constant_point")  # last rows of a data set
# Columns of `xiqa.paper.appendix.localisation.observe.localise` and their headings; all are shares.
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


def localisation(results: Localisation) -> tuple[pd.DataFrame, str]:
    """Table of all measures: a row a data set and method."""
    rows = []
    for name, frame in results.rows.items():
        froc = results.froc[name].set_index("method") if name in results.froc else pd.DataFrame()
        parts = dict(list(frame.groupby("method")))
        methods = [*ordered(method for method in parts if method not in BASELINES), *BASELINES]
        for method in [method for method in methods if method in parts]:
            cells = {title: percent(*over_units(parts[method], column)) for column, title in MEASURES.items()}
            cells["FROC"] = percent(*froc.loc[method, ["froc", "low", "high"]]) if method in froc.index else "-"
            rows.append({"data set": name, "method": label(method)} | cells)
    rows += [{"data set": name, "method": f"not run: {reason}"} for name, reason in results.missing.items()]
    table = pd.DataFrame(rows, columns=["data set", "method", *MEASURES.values(), "FROC"]).fillna("-")
    networks = " and ".join(f"{network} on {name}" for name, network in results.networks.items())
    seeds = max(frame["seed"].nunique() for frame in results.rows.values())
    caption = (
        f"Localisation by maps of the predicted class ({networks}; {seeds} seed{'s' * (seeds > 1)}), in percent with "
        "95 % intervals over radiographs or patients and seeds; pointing games of smoothed maps, "
        f"{recipes.TOLERANCE} px. Insertion and deletion are areas under the probability ({results.perturbed} images, "
        "first seed, some methods). FROC is the mean sensitivity at 0.125 to 8 false positives an image, on all test "
        "images, for the positive class, with a bootstrap interval (first seed)."
    )
    return table, caption


def over_units(frame: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """Mean of a column over units and seeds, and its 95 % interval, cut to [0, 1]; seeds without a value are left out.

    Where all units agree on 0 or 1 the interval is Wilson's. A column of misses (``on_distractor``) has no value for
    hits, so it is averaged over seeds first, and the interval is over the units that have a miss.
    """
    units = frame.pivot_table(column, "unit", "seed", aggfunc="mean")
    units = units.mean(axis=1).to_frame() if column == "on_distractor" else units.dropna()
    if units.empty:
        return np.nan, np.nan, np.nan
    interval = crossed_mean(units.to_numpy())
    mean, low, high = units.to_numpy().mean(), *(np.clip(interval[end], 0, 1) for end in ("low", "high"))
    if mean in (0, 1) and not low < high:
        low, high = wilson(mean * len(units), len(units))
    return float(mean), float(low), float(high)
