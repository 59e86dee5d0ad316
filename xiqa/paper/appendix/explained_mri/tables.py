"""Table of the explained artifacts: how often the peak of a map lies on the changed voxels, beside baselines."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa import metrics
from xiqa.paper import numbers
from xiqa.paper.appendix.explained_mri.observe import NO_NETWORK, PRIMARY, TRAINED, UNTRAINED
from xiqa.saliency.names import METHOD_NAMES

ALL = "all"  # row of a table for every family together
DETAILED = ((TRAINED, PRIMARY), (UNTRAINED, PRIMARY), (NO_NETWORK, "gradient_magnitude"))  # shown family by family
NAMES = {
    "random": "random voxel",
    "centre": "centre of the scan",
    "gradient_magnitude": "gradient magnitude of the scan",
}
NO_MASK = "not run: no scan of the test split has a mask of its artifact"


def explained(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table of every map on all local artifacts, and of the main ones family by family, and its caption.

    Parameters
    ----------
    frame : rows of :func:`xiqa.paper.appendix.explained_mri.observe.observe` and ``baselines``; without a labelled
        artifact that has a mask the table is one row with the reason.
    """
    rows = []
    for row in summary(frame).itertuples():
        if row.artifact != ALL and (row.state, row.method) not in DETAILED:
            continue
        cells = {"artifact": "all local ones" if row.artifact == ALL else row.artifact.replace("_", " ")}
        cells |= {"map": _name(row.state, row.method), "scans (subjects)": f"{row.scans} ({row.subjects})"}
        cells |= {"networks": "-" if row.state == NO_NETWORK else str(row.seeds)}
        cells |= {"constant maps": f"{row.degenerate} of {row.maps}" if row.degenerate else "0"}
        cells |= {
            "hits %": numbers.percent(row.hit, row.hit_low, row.hit_high),
            "chance %": numbers.percent(row.chance),
        }
        cells |= {"hits of trained NormGrad minus these, points": _lead(frame, row)}
        for name, title in (("average_precision", "average precision %"), ("energy", "energy %")):
            cells[title] = numbers.percent(*(getattr(row, name + end) for end in ("", "_low", "_high")))
        rows.append(cells | {"map without information %": numbers.percent(row.share)})
    caption = (
        "Maps of the class artifact on the test scans that the rater calls artifact and whose artifact has a mask: "
        "hits of the map's peak on the changed voxels, and average precision and energy of the map's voxels. Means "
        "over subjects with 95 % intervals over subjects and, where there are several, networks, not adjusted for "
        "their number; scans whose map is constant in any network are left out of their row."
    )
    return pd.DataFrame(rows or [{"artifact": "-", "map": NO_MASK}]), caption


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Hits, average precision and energy by family, state and method on labelled artifacts, with 95 % intervals.

    All are means over subjects. Seeds are pooled: only scans with a verdict in every seed are scored (degenerate maps
    have none and are counted), and the intervals are those of :func:`xiqa.metrics.crossed_mean` (subjects x seeds), cut
    at 0 and 1; that of hits is Wilson's over subjects where there is one seed, or nothing that varies. ``share`` is
    the expected average precision and energy of a map without information.

    Returns
    -------
    DataFrame, a row a family (first ``all``), state and method: artifact, state, method, scans, subjects, seeds, maps,
    degenerate (of the maps), scored (scans), hit, hit_tied, chance, average_precision, energy, share; hit,
    average_precision and energy each with ``_low`` and ``_high``. Empty for no rows.
    """
    rows = frame[frame["label"] == 1]
    maps = list(dict.fromkeys(zip(rows["state"], rows["method"], strict=True)))
    cells = []
    for family in [ALL, *sorted(rows["artifact"].unique())]:
        for state, method in maps:
            own = _of(rows, state, method)
            own = own if family == ALL else own[own["artifact"] == family]
            if len(own):
                cells.append({"artifact": family, "state": state, "method": method} | _summary(own))
    return pd.DataFrame(cells)


def lead(frame: pd.DataFrame, state: str, method: str) -> dict[str, float]:
    """Hits of the trained NormGrad minus those of another map, on the scans that both score.

    The other map's hits are averaged over its seeds: they are a reference, and not a sample.

    Returns
    -------
    :func:`xiqa.metrics.crossed_mean` of subjects x seeds: mean, low, high, p and more; NaN for fewer than two subjects.
    The interval is cut at -1 and 1, and NaN where all subjects agree: they measure no spread.
    """
    rows = frame[frame["label"] == 1]
    ours, theirs = _scored(_of(rows, TRAINED, PRIMARY)), _scored(_of(rows, state, method))
    reference = theirs.groupby("image")["hit"].mean().rename("reference")
    both = ours.join(reference, on="image", how="inner")
    estimate = metrics.crossed_mean(_by_subject(both.assign(lead=both["hit"] - both["reference"]), "lead"))
    bounds = (np.nan, np.nan) if estimate["se"] == 0 else np.clip([estimate["low"], estimate["high"]], -1, 1)
    return estimate | dict(zip(("low", "high"), map(float, bounds), strict=True))


def _of(rows: pd.DataFrame, state: str, method: str) -> pd.DataFrame:
    return rows[(rows["state"] == state) & (rows["method"] == method)]


def _scored(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of scans with a verdict in every seed, so that all seeds have the same scans."""
    seeds = rows.dropna(subset=["hit"]).groupby("image")["seed"].nunique()
    return rows[rows["image"].isin(seeds.index[seeds == rows["seed"].nunique()])]


def _summary(rows: pd.DataFrame) -> dict[str, float]:
    counts = {name: rows[column].nunique() for name, column in
              (("scans", "image"), ("subjects", "subject"), ("seeds", "seed"))}  # fmt: skip
    scored = _scored(rows)
    counts |= {"maps": len(rows), "degenerate": int(rows["degenerate"].sum()), "scored": scored["image"].nunique()}
    estimates = _hits(scored)
    for name in ("average_precision", "energy"):
        estimates |= _crossed(scored, name)
    return counts | estimates | {name: _by_subject(scored, name).mean() for name in ("hit_tied", "chance", "share")}


def _by_subject(scored: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Means (subjects, seeds)."""
    return scored.pivot_table(name, "subject", "seed").to_numpy() if len(scored) else np.full((1, 1), np.nan)


def _crossed(scored: pd.DataFrame, name: str) -> dict[str, float]:
    """Mean over subjects and its interval over subjects and seeds; no interval for a single subject."""
    values = _by_subject(scored, name)
    crossed = metrics.crossed_mean(values)
    return {name: values.mean()} | {f"{name}_{end}": float(np.clip(crossed[end], 0, 1)) for end in ("low", "high")}


def _hits(scored: pd.DataFrame) -> dict[str, float]:
    """Share of hits and its interval: Wilson's where there is one seed, or nothing that varies."""
    hits, values = _crossed(scored, "hit"), _by_subject(scored, "hit")
    if len(scored) and (values.shape[1] == 1 or not hits["hit_low"] < hits["hit_high"]):
        hits["hit_low"], hits["hit_high"] = metrics.wilson(hits["hit"] * len(values), len(values))
    return hits


def _name(state: str, method: str) -> str:
    if state == NO_NETWORK:
        return NAMES[method]
    return METHOD_NAMES[method] + (", untrained network" if state == UNTRAINED else "")


def _lead(frame: pd.DataFrame, row: tuple) -> str:
    """Paired difference, of all families together: a single one has too few scans for it."""
    if row.artifact != ALL or (row.state, row.method) == (TRAINED, PRIMARY):
        return "-"
    estimate = lead(frame, row.state, row.method)
    return numbers.percent(*(estimate[end] for end in ("mean", "low", "high")))
