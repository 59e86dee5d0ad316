"""Table of the explained artifacts: how often the peak of a map lies on the changed voxels, beside baselines."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa import metrics
from xiqa.paper.appendix.explained_mri import NO_NETWORK, PRIMARY, TRAINED, UNTRAINED
from xiqa.paper.numbers import percent
from xiqa.saliency.names import METHOD_NAMES

DETAILED = ((TRAINED, PRIMARY), (UNTRAINED, PRIMARY), (NO_NETWORK, "gradient_magnitude"))  # shown family by family
NAMES = {
    "random": "random voxel",
    "centre": "centre of the scan",
    "gradient_magnitude": "gradient magnitude of the scan",
}
NO_MASK = "not run: no scan of the test split has a mask of its artifact"


def explained(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table of every map on all local artifacts, and of the main ones family by family, and its caption.

    ``frame`` has the rows of ``observe`` and ``baselines`` (:mod:`xiqa.paper.appendix.explained_mri.observe`); without
    a labelled artifact that has a mask the table is one row with the reason.
    """
    labelled = frame[frame["label"] == 1]
    maps = list(dict.fromkeys(zip(labelled["state"], labelled["method"], strict=True)))
    rows = [_cells("all local ones", labelled, *pair, difference=pair != (TRAINED, PRIMARY)) for pair in maps]
    for family, own in labelled.groupby("artifact"):
        name = family.replace("_", " ")
        rows += [_cells(name, own, *pair) for pair in maps if pair in DETAILED and len(_of(own, *pair))]
    caption = (
        "Maps of the class artifact on the test scans that the rater calls artifact and whose artifact has a mask: "
        "hits of the map's peak on the changed voxels, and average precision and energy of the map's voxels. Means "
        "over subjects with 95 % intervals over subjects and, where there are several, networks, not adjusted for "
        "their number; scans whose map is constant in any network are left out of their row."
    )
    return pd.DataFrame(rows or [{"artifact": "-", "map": NO_MASK}]), caption


def _cells(artifact: str, rows: pd.DataFrame, state: str, method: str, difference: bool = False) -> dict[str, str]:
    """Row of the table; a single family has too few scans for the paired difference."""
    own = _of(rows, state, method)
    numbers, constant = summary(own), int(own["degenerate"].sum())
    name = NAMES[method] if state == NO_NETWORK else METHOD_NAMES[method]
    return {
        "artifact": artifact,
        "map": name + (", untrained network" if state == UNTRAINED else ""),
        "scans (subjects)": f"{own['image'].nunique()} ({own['subject'].nunique()})",
        "networks": "-" if state == NO_NETWORK else str(own["seed"].nunique()),
        "constant maps": f"{constant} of {len(own)}" if constant else "0",
        "hits %": percent(*numbers["hit"]),
        "chance %": percent(*numbers["chance"]),
        "hits of trained NormGrad minus these, points": percent(*lead(rows, state, method)) if difference else "-",
        "average precision %": percent(*numbers["average_precision"]),
        "energy %": percent(*numbers["energy"]),
        "map without information %": percent(*numbers["share"]),
    }


def summary(rows: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    """Means of one map over subjects: hit, average_precision and energy with 95 % intervals, chance and share.

    Seeds are pooled: only scans with a verdict in every seed are scored (degenerate maps have none), and the intervals
    are those of :func:`xiqa.metrics.crossed_mean` (subjects x seeds), cut at 0 and 1; that of hits is Wilson's over
    subjects where there is one seed, or nothing that varies. ``share`` is the expected average precision and energy of
    a map without information.
    """
    scored = _scored(rows)
    numbers = {name: (_by_subject(scored, name).mean(),) for name in ("chance", "share")}
    for name in ("hit", "average_precision", "energy"):
        values = _by_subject(scored, name)
        interval = metrics.crossed_mean(values)
        low, high = (float(np.clip(interval[end], 0, 1)) for end in ("low", "high"))
        if name == "hit" and len(scored) and (values.shape[1] == 1 or not low < high):
            low, high = metrics.wilson(values.mean() * len(values), len(values))
        numbers[name] = values.mean(), low, high
    return numbers


def lead(rows: pd.DataFrame, state: str, method: str) -> tuple[float, float, float]:
    """Hits of the trained NormGrad minus those of another map, on the scans that both score, with the 95 % interval.

    The other map's hits are averaged over its seeds: they are a reference, and not a sample. The interval is that of
    :func:`xiqa.metrics.crossed_mean` (subjects x seeds), cut at -1 and 1; it is NaN for fewer than two subjects, and
    where all subjects agree: they measure no spread.
    """
    ours, theirs = _scored(_of(rows, TRAINED, PRIMARY)), _scored(_of(rows, state, method))
    reference = theirs.groupby("image")["hit"].mean().rename("reference")
    both = ours.join(reference, on="image", how="inner")
    estimate = metrics.crossed_mean(_by_subject(both.assign(lead=both["hit"] - both["reference"]), "lead"))
    bounds = (np.nan, np.nan) if estimate["se"] == 0 else np.clip([estimate["low"], estimate["high"]], -1, 1)
    return estimate["mean"], *map(float, bounds)


def _of(rows: pd.DataFrame, state: str, method: str) -> pd.DataFrame:
    return rows[(rows["state"] == state) & (rows["method"] == method)]


def _scored(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of scans with a verdict in every seed, so that all seeds have the same scans."""
    seeds = rows.dropna(subset=["hit"]).groupby("image")["seed"].nunique()
    return rows[rows["image"].isin(seeds.index[seeds == rows["seed"].nunique()])]


def _by_subject(scored: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Means (subjects, seeds)."""
    return scored.pivot_table(name, "subject", "seed").to_numpy() if len(scored) else np.full((1, 1), np.nan)
