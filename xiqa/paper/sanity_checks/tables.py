"""Table and curves of the randomisation test."""

import pandas as pd

from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.numbers import cell
from xiqa.paper.sanity_checks.results import SanityChecks
from xiqa.saliency.names import METHOD_NAMES

MEASURES = {"spearman": "Spearman", "ssim": "SSIM", "hog": "HOG (Spearman)"}
STAGES = ("head random", "all random", "one block random", "other image", "retrained")
EXCESS = "all random - other image"
UNCHANGED = 0.95  # Spearman from which on two maps count as the same
FLIPPED = {"measure": "share of images", "method": "another class predicted"}


def randomisation(checks: SanityChecks) -> tuple[pd.DataFrame, str]:
    """Table of the stages of the randomisation test: a row a data set, measure and method."""
    parts = []
    for label, rows in checks.rows.items():
        numbers = pd.concat([stages(rows), flips(rows)], ignore_index=True)
        numbers["cell"] = [cell(interval, digits=2) for interval in numbers[["mean", "low", "high"]].to_numpy()]
        table = numbers.pivot(index=["measure", "method"], columns="stage", values="cell")
        table["degenerate"] = table.index.get_level_values("method").map(degenerate(rows))
        order = numbers.drop_duplicates(["measure", "method"])[["measure", "method"]]
        parts.append(table.reindex(pd.MultiIndex.from_frame(order)).reset_index().assign(**{"data set": label}))
    table = pd.concat(parts, ignore_index=True).fillna("-").replace({"method": METHOD_NAMES, "measure": MEASURES})
    images = ", ".join(f"{rows['unit'].nunique()} on {label}" for label, rows in checks.rows.items())
    caption = (
        "Similarity to the trained network's map of the same image and class, mean and 95 % interval over images "
        f"({images}), after the head, all blocks, or one block (mean over blocks) were drawn anew; beside it the "
        "similarity to maps of other images, and to maps of the same network trained with another seed. Degenerate: "
        "maps along the cascade that are constant and have no similarity. The last row of a data set is the share of "
        "images with another predicted class."
    )
    return table[["data set", "measure", "method", *STAGES, EXCESS, "degenerate"]], caption


def curve(frame: pd.DataFrame) -> pd.DataFrame:
    """Means along the cascade: a row a measure, method and step, and one each for ``retrained`` and ``chance``.

    Columns: measure, kind, method, step, layer, mean, low, high (95 % over images), units, degenerate (pairs without a
    similarity). ``frame`` is that of :func:`xiqa.paper.sanity_checks.observe.randomisation`, here and below.
    """
    keys = ["kind", "method", "step", "layer"]
    groups = frame[frame["kind"] != "independent"].groupby(keys, sort=False)
    rows = [
        {"measure": measure, **dict(zip(keys, key, strict=True))}
        | _mean(_by_unit(part, measure))
        | {"degenerate": int(part["degenerate"].sum())}
        for measure in MEASURES
        for key, part in groups
    ]
    return pd.DataFrame(rows)


def stages(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean similarity by stage: columns measure, method, stage, mean, low, high (95 % over images), units.

    The stages are those of ``STAGES``, and ``EXCESS``, the difference of two of them, paired by image.
    """
    rows = []
    for measure in MEASURES:
        for method, part in frame.groupby("method", sort=False):
            values = {stage: _by_unit(some, measure) for stage, some in _stages(part).items()}
            values[EXCESS] = values["all random"].sub(values["other image"].mean(axis=1), axis=0)
            about = {"measure": measure, "method": method}
            rows += [about | {"stage": stage} | _mean(table) for stage, table in values.items()]
    return pd.DataFrame(rows)


def degenerate(frame: pd.DataFrame) -> dict[str, str]:
    """Pairs of maps along the cascade without a similarity, by method: ``3 of 48``."""
    pairs = frame[(frame["kind"] == "cascade") & (frame["step"] > 0)].groupby("method")["degenerate"]
    return {method: f"{int(values.sum())} of {len(values)}" for method, values in pairs}


def flips(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of images with another predicted class (each counts once, by its share of blocks), Wilson's interval."""
    rows = []
    for stage, part in _stages(frame[frame["method"] == frame["method"].iloc[0]]).items():
        if stage != "other image":
            shares = part.groupby("unit")["flipped"].mean()
            low, high = wilson(shares.sum(), len(shares))
            rows.append({**FLIPPED, "stage": stage, "mean": shares.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def summary(checks: SanityChecks) -> pd.DataFrame:
    """Methods whose maps do not depend on the head, or on any training (both by Spearman); a column a data set."""
    columns = {}
    for label, rows in checks.rows.items():
        numbers = stages(rows).query("measure == 'spearman'")
        parts = {
            f"similarity above {UNCHANGED} with a new head": "stage == 'head random' and mean > @UNCHANGED",
            "all blocks drawn anew: more similar than other images": "stage == @EXCESS and low > 0",
        }
        columns[label] = {
            name: "; ".join(numbers.query(part)["method"].map(METHOD_NAMES)) for name, part in parts.items()
        }
    return pd.DataFrame(columns).replace("", "none")


def _stages(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    kinds = {kind: frame[frame["kind"] == kind] for kind in ("cascade", "independent", "chance", "retrained")}
    cascade = kinds.pop("cascade")
    head, whole = (cascade[cascade["step"] == step] for step in (1, cascade["step"].max()))
    return dict(zip(STAGES, [head, whole, *kinds.values()], strict=True))


def _by_unit(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Similarities as a table (units x draws), averaged over blocks where there are several."""
    return rows.pivot_table(measure, "unit", "repeat", dropna=False)


def _mean(values: pd.DataFrame) -> dict[str, float]:
    interval = crossed_mean(values.to_numpy())
    return {name: interval[name] for name in ("mean", "low", "high")} | {"units": interval["images"]}
