"""Table of localisation measures."""

import numpy as np
import pandas as pd

from xiqa import recipes
from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.appendix.localisation.results import BASELINES, Localisation
from xiqa.paper.numbers import percent
from xiqa.saliency.names import label, ordered

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
FROC = "FROC"
COLUMNS = [*MEASURES.values(), FROC]


def localisation(results: Localisation) -> tuple[pd.DataFrame, str]:
    """Table of all measures: a row a data set and method."""
    parts = []
    for name, frame in results.rows.items():
        means = measured(frame, results.froc.get(name))
        means["cell"] = list(map(percent, means["mean"], means["low"], means["high"]))
        table = means.pivot(index="method", columns="measure", values="cell").reindex(columns=COLUMNS)
        methods = [*ordered(m for m in table.index if m not in BASELINES), *BASELINES]
        table = table.reindex([method for method in methods if method in table.index]).rename(index=label)
        parts.append(table.rename_axis("method").reset_index().assign(**{"data set": name}))
    parts += [pd.DataFrame({"data set": [n], "method": [f"not run: {r}"]}) for n, r in results.missing.items()]
    table = pd.concat(parts, ignore_index=True).fillna("-")
    networks = " and ".join(f"{network} on {name}" for name, network in results.networks.items())
    seeds = max(frame["seed"].nunique() for frame in results.rows.values())
    caption = (
        f"Localisation by maps of the predicted class ({networks}; {seeds} seed{'s' * (seeds > 1)}), in percent with "
        "95 % intervals over radiographs or patients and seeds; pointing games of smoothed maps, "
        f"{recipes.TOLERANCE} px. Insertion and deletion are areas under the probability ({results.perturbed} images, "
        "first seed, some methods). FROC is the mean sensitivity at 0.125 to 8 false positives an image, on all test "
        "images, for the positive class, with a bootstrap interval (first seed)."
    )
    return table[["data set", "method", *COLUMNS]], caption


def measured(frame: pd.DataFrame, froc: pd.DataFrame | None = None) -> pd.DataFrame:
    """Means of every measure: a row a method and measure, with the columns method, measure, mean, low, high.

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
        rows += froc.rename(columns={"froc": "mean"}).assign(measure=FROC).to_dict("records")
    return pd.DataFrame(rows)


def over_units(frame: pd.DataFrame, column: str) -> dict[str, float]:
    """Mean of a column over units and seeds, and its 95 % interval, cut to [0, 1]; seeds without a value are left out.

    Where all units agree on 0 or 1 the interval is Wilson's. A column of misses (``on_distractor``) has no value for
    hits, so it is averaged over seeds first, and the interval is over the units that have a miss.
    """
    units = frame.pivot_table(column, "unit", "seed", aggfunc="mean")
    units = units.mean(axis=1).to_frame() if column == "on_distractor" else units.dropna()
    if units.empty:
        return dict.fromkeys(("mean", "low", "high"), np.nan)
    interval = crossed_mean(units.to_numpy())
    mean, low, high = units.to_numpy().mean(), *(np.clip(interval[end], 0, 1) for end in ("low", "high"))
    if mean in (0, 1) and not low < high:
        low, high = wilson(mean * len(units), len(units))
    return {"mean": float(mean), "low": float(low), "high": float(high)}
