"""Tables and curves of the randomisation test."""

import numpy as np
import pandas as pd

from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.sanity import similarity

MEASURES = ("spearman", "spearman_signed", "ssim", "hog")
STAGES = ("head random", "all random", "one block random", "other image", "retrained")
EXCESS = "all random - other image"


def curve(frame: pd.DataFrame, measures: tuple[str, ...] = similarity.MEASURES) -> pd.DataFrame:
    """Means along the cascade: a row a measure, method and step, and one each for ``retrained`` and ``chance``.

    Returns
    -------
    DataFrame with the columns measure, kind, method, step, layer, mean, low, high (95 % over images, and over draws if
    there are several), units, degenerate (pairs without a similarity).

    """
    shown = frame[frame["kind"] != "independent"]
    groups = shown.groupby(["kind", "method", "step", "layer"], sort=False)
    return pd.DataFrame(
        [
            {"measure": measure, **dict(zip(("kind", "method", "step", "layer"), key, strict=True))}
            | _mean(_by_unit(rows, measure))
            | {"degenerate": int(rows["degenerate"].sum())}
            for measure in measures
            for key, rows in groups
        ]
    )


def overview(frame: pd.DataFrame, measures: tuple[str, ...] = similarity.MEASURES) -> pd.DataFrame:
    """The table in numbers: a row a measure and method, and a column a stage of (mean, low, high) over images.

    The columns are those of ``STAGES``; then ``EXCESS``, paired by image: above 0 the map of a network that knows
    nothing is more like the trained one's than chance, so part of the map is the picture's and not the network's; and
    ``degenerate``, "3 of 48": pairs along the cascade without a similarity.
    """
    rows = []
    for measure in measures:
        for method, found in frame.groupby("method", sort=False):
            stages = {name: _by_unit(part, measure) for name, part in _stages(found).items()}
            cells = {name: _mean(values) for name, values in stages.items()}
            excess = stages["all random"].sub(stages["other image"].mean(axis=1), axis=0)
            cascade = found[(found["kind"] == "cascade") & (found["step"] > 0)]["degenerate"]
            rows.append(
                {"measure": measure, "method": method, **cells, EXCESS: _mean(excess)}
                | {"degenerate": f"{int(cascade.sum())} of {len(cascade)}"}
            )
    return pd.DataFrame(rows)


def flips(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Share of images for which the other network predicts another class, by stage, with Wilson's interval."""
    one = frame[frame["method"] == frame["method"].iloc[0]]
    found = {}
    for stage, rows in _stages(one).items():
        # Draws and blocks of one image are not independent: each image counts once, by its share.
        share = rows.groupby("unit")["flipped"].mean()
        low, high = wilson(share.sum(), len(share))
        known = len(share) > 0 and stage != "other image"
        found[stage] = dict(zip(("mean", "low", "high"), (share.mean(), low, high), strict=True)) if known else _NOTHING
    return found


_NOTHING = dict.fromkeys(("mean", "low", "high"), np.nan)


def _stages(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    cascade = frame[frame["kind"] == "cascade"]
    parts = (
        cascade[cascade["step"] == 1],
        cascade[cascade["step"] == cascade["step"].max()],
        frame[frame["kind"] == "independent"],
        frame[frame["kind"] == "chance"],
        frame[frame["kind"] == "retrained"],
    )
    return dict(zip(STAGES, parts, strict=True))


def _by_unit(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Similarities as a table (units x draws), averaged over blocks where there are several."""
    return rows.pivot_table(measure, "unit", "repeat", dropna=False)


def _mean(values: pd.DataFrame) -> dict[str, float]:
    found = crossed_mean(values.to_numpy())
    return {name: found[name] for name in ("mean", "low", "high")} | {"units": found["images"]}
