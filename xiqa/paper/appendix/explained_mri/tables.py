"""Tables of the explained artifacts: how often maps hit what the simulator changed, and what moving peaks tell of."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa import metrics
from xiqa.paper import numbers
from xiqa.paper.appendix.explained_mri.observe import NO_NETWORK, PRIMARY, TRAINED, UNTRAINED
from xiqa.paper.appendix.explained_mri.predicted import DRAWS, FEWEST, predicts
from xiqa.saliency import names

ALL = "all"  # row of a table for every family together
DETAILED = ((TRAINED, PRIMARY), (UNTRAINED, PRIMARY), (NO_NETWORK, "gradient_magnitude"))  # shown family by family
NAMES = {
    "random": "random voxel",
    "centre": "centre of the scan",
    "gradient_magnitude": "gradient magnitude of the scan",
}
NO_MASK = "not known: no scan of the test split has a mask of where its artifact lies"
LOCAL, CALLED_CLEAN = "local", "called clean"  # sets of scans
BEYOND = (
    "likelihood ratio of the spread",
    "p",
    "AUC of p and mutual information %",
    "AUC with the spread %",
    "difference, points",
)


def table(frame: pd.DataFrame, label: int | None = 1) -> pd.DataFrame:
    """Hits, average precision and energy by state, method and family, each with its 95 % interval.

    All are means over subjects. Seeds are pooled: only scans with a verdict in every seed are judged (degenerate maps
    have none and are counted), and the intervals are those of :func:`xiqa.metrics.crossed_mean` (subjects x seeds), cut
    at 0 and 1; that of hits is Wilson's over subjects where there is one seed, or nothing that varies. ``share`` is
    what a map that knows nothing reaches in average precision and energy.

    Parameters
    ----------
    frame : rows of :func:`observe`, of :func:`rivals`, or of both.
    label : only scans of this label; None for all, also those so mild that the rater calls them clean.

    Returns
    -------
    DataFrame, a row a family (first ``all``), state and method: artifact, state, method, scans, subjects, seeds, maps,
    degenerate (of the maps), judged (scans), hit, hit_tied, chance, average_precision, energy, share; hit,
    average_precision and energy each with ``_low`` and ``_high``. Empty for no rows.

    """
    rows = frame if label is None else frame[frame["label"] == label]
    maps = list(dict.fromkeys(zip(rows["state"], rows["method"], strict=True)))
    found = []
    for family in [ALL, *sorted(rows["artifact"].unique())]:
        for state, method in maps:
            own = _of(rows, state, method, family)
            if len(own):
                found.append({"artifact": family, "state": state, "method": method} | _summary(own))
    return pd.DataFrame(found)


def _of(rows: pd.DataFrame, state: str, method: str, family: str) -> pd.DataFrame:
    own = rows[(rows["state"] == state) & (rows["method"] == method)]
    return own if family == ALL else own[own["artifact"] == family]


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of scans with a verdict in every seed, so that every seed speaks of the same scans."""
    verdicts = rows.dropna(subset=["hit"]).groupby("image")["seed"].nunique()
    return rows[rows["image"].isin(verdicts.index[verdicts == rows["seed"].nunique()])]


def _summary(rows: pd.DataFrame) -> dict[str, float]:
    counts = {name: rows[column].nunique() for name, column in
              (("scans", "image"), ("subjects", "subject"), ("seeds", "seed"))}  # fmt: skip
    judged = _judged(rows)
    counts |= {"maps": len(rows), "degenerate": int(rows["degenerate"].sum()), "judged": judged["image"].nunique()}
    found = _hits(judged)
    for name in ("average_precision", "energy"):
        found |= _crossed(judged, name)
    return counts | found | {name: _by_subject(judged, name).mean() for name in ("hit_tied", "chance", "share")}


def _by_subject(judged: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Means (subjects, seeds)."""
    return judged.pivot_table(name, "subject", "seed").to_numpy() if len(judged) else np.full((1, 1), np.nan)


def _crossed(judged: pd.DataFrame, name: str) -> dict[str, float]:
    """Mean over subjects and its interval over subjects and seeds; no interval for a single subject."""
    values = _by_subject(judged, name)
    crossed = metrics.crossed_mean(values)
    return {name: values.mean()} | {f"{name}_{end}": float(np.clip(crossed[end], 0, 1)) for end in ("low", "high")}


def _hits(judged: pd.DataFrame) -> dict[str, float]:
    """Share of hits and its interval: Wilson's where there is one seed, or nothing that varies."""
    found, values = _crossed(judged, "hit"), _by_subject(judged, "hit")
    if len(judged) and (values.shape[1] == 1 or not found["hit_low"] < found["hit_high"]):
        found["hit_low"], found["hit_high"] = metrics.wilson(found["hit"] * len(values), len(values))
    return found


def lead(frame: pd.DataFrame, state: str, method: str, family: str = ALL, label: int = 1) -> dict[str, float]:
    """Hits of the trained NormGrad minus those of another map, on the scans that both judge.

    The other map's hits are averaged over its seeds: they are the bar, and not a sample.

    Returns
    -------
    What :func:`xiqa.metrics.crossed_mean` says of subjects x seeds: mean, low, high, p and more; NaN for fewer than two
    subjects. The interval is cut at -1 and 1, and NaN where all subjects agree: they measure no spread.

    """
    rows = frame[frame["label"] == label]
    ours, theirs = _judged(_of(rows, TRAINED, PRIMARY, family)), _judged(_of(rows, state, method, family))
    bar = theirs.groupby("image")["hit"].mean().rename("bar")
    both = ours.join(bar, on="image", how="inner")
    found = metrics.crossed_mean(_by_subject(both.assign(lead=both["hit"] - both["bar"]), "lead"))
    bounds = (np.nan, np.nan) if found["se"] == 0 else np.clip([found["low"], found["high"]], -1, 1)
    return found | dict(zip(("low", "high"), map(float, bounds), strict=True))


def display(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of the paper: every map on all local artifacts, and the main ones family by family.

    Parameters
    ----------
    frame : of :func:`xiqa.paper.appendix.explained_mri.results.explained`.

    Returns
    -------
    DataFrame of text, ready for the paper; one row that says why where no scan has a mask.

    """
    found = table(frame)
    if found.empty:
        return pd.DataFrame([{"artifact": "-", "map": NO_MASK}])
    rows = []
    for row in found.itertuples():
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
        cells |= {"NormGrad's hits minus these, points": _lead(frame, row)}
        for name, title in (("average_precision", "average precision %"), ("energy", "energy %")):
            cells[title] = numbers.percent(*(getattr(row, name + end) for end in ("", "_low", "_high")))
        rows.append(cells | {"a map that knows nothing %": numbers.percent(row.share)})
    return pd.DataFrame(rows)


def _name(state: str, method: str) -> str:
    if state == NO_NETWORK:
        return NAMES[method]
    return names.METHOD_NAMES[method] + (", untrained network" if state == UNTRAINED else "")


def _lead(frame: pd.DataFrame, row: tuple) -> str:
    """Paired difference, of all families together: a single one has too few scans for it."""
    if row.artifact != ALL or (row.state, row.method) == (TRAINED, PRIMARY):
        return "-"
    found = lead(frame, row.state, row.method)
    return numbers.percent(*(found[end] for end in ("mean", "low", "high")))


def peaks_table(frame: pd.DataFrame, theta: float, draws: int = DRAWS) -> pd.DataFrame:
    """Does the spread of the peaks under dropout tell of a miss: of the mask, and of the artifact itself?

    Three questions, a row each. A local artifact is missed where its probability is below theta, so probability decides
    the second by itself, and only the spread alone is shown. The third asks what is open: which of the scans that the
    network calls clean are artifacts?

    Parameters
    ----------
    frame : of :func:`xiqa.paper.appendix.explained_mri.results.peaks`.
    theta : threshold of the probability.
    draws : of the bootstrap over subjects.

    """
    local, clean = frame[frame["set"] == LOCAL], frame[frame["set"] == CALLED_CLEAN]
    artifacts = local[local["label"] == 1]
    below = artifacts.assign(missed=(artifacts["probability"] < theta).astype(int))
    rows = [
        _peaks_row("the mask, by the peak of the mean map", predicts(local, draws=draws)),
        _peaks_row("a local artifact, by the network", predicts(below, "missed", draws=1)),
        _peaks_row("any artifact, among scans called clean", predicts(clean, "label", draws=draws)),
    ]
    rows[1] |= dict.fromkeys(BEYOND, "-")
    return pd.DataFrame(rows)


def _peaks_row(question: str, found: dict[str, float]) -> dict[str, str]:
    cells = {"missed": question, "scans": str(found["scans"]), "misses": str(found["misses"])}
    if np.isnan(found["p"]):
        few = f"too few: it takes {FEWEST} misses and {FEWEST} others"
        return cells | {"AUC of the spread %": few} | dict.fromkeys(BEYOND, "-")
    spread = numbers.percent(*(found[f"auc_spread{end}"] for end in ("", "_low", "_high")))
    values = (f"{found['likelihood_ratio']:.1f}", f"{found['p']:.2g}" if found["p"] >= 0.001 else "< 0.001")
    values += (numbers.percent(found["auc_without"]), numbers.percent(found["auc_with"]))
    values += (numbers.percent(*(found[name] for name in ("difference", "low", "high"))),)
    return cells | {"AUC of the spread %": spread} | dict(zip(BEYOND, values, strict=True))
