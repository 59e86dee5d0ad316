"""The ambiguity that is known: how well could any observer agree with the rater, and does an uncertainty follow it?

The simulated rater objects to a scan with a known probability, and the labels were drawn from it: so no observer can
agree with them perfectly, and how ambiguous a scan is is known. Scans of a real data set have no such probability: then
the tables say so.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import entr

from xiqa import metrics
from xiqa.metrics.enriched import Values
from xiqa.paper.mri.detection import NO_RATER
from xiqa.paper.numbers import cell

RATER, ANEW, OF_THIS_SET = "rater's probability", "drawn anew", "of this set"
SPECIFICITIES = (0.80, 0.90, 0.95)
# Column -> its name in a table. The last is a control: p is no uncertainty.
UNCERTAINTIES = {
    "expected_entropy": "expected entropy",
    "mutual_information": "mutual information",
    "probability": "p(artifact)",
}


def against_rater(
    rater: np.ndarray,
    score: np.ndarray,
    weights: np.ndarray | None = None,
    specificities: Sequence[float] = SPECIFICITIES,
) -> dict[str, Values]:
    """How well a score agrees with labels drawn anew from the rater's probabilities, in expectation.

    A scan counts as an artifact with weight r and as a clean one with 1 - r (plug-in estimate of the population that
    the scans stand for). With the score r itself this is the ceiling: the likelihood ratio r / (1 - r) rises with r, so
    no observer has a higher sensitivity at any specificity (Neyman and Pearson 1933), nor a larger area; nor, but for
    ties, a higher average precision. The prevalence is then the weighted mean of r.

    Parameters
    ----------
    rater : (N,), r, in [0, 1].
    score : (N,), higher where an artifact is more likely.
    weights : (..., N) or None for equal weights.
    specificities : at which the sensitivity is wanted; ties are decided at random, as the ceiling has it.

    Returns
    -------
    ``auc``, ``ap`` (average precision) and ``sensitivity at specificity 0.9`` and so on, each (...).

    """
    rater, score = np.asarray(rater, dtype=float), np.asarray(score, dtype=float)
    weights = np.ones(len(rater)) if weights is None else np.asarray(weights, dtype=float)
    labels = np.repeat([1, 0], len(rater))
    return _agreement(labels, np.tile(score, 2), np.concatenate([weights * rater, weights * (1 - rater)], -1),
                      specificities)  # fmt: skip


def _agreement(labels: np.ndarray, score: np.ndarray, weights: np.ndarray, specificities: Sequence[float]) -> dict:
    found = dict(metrics.ranking(labels, score, weights))
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    tp, fp = (
        np.pad(np.cumsum(part, axis=-1)[..., ends], [(0, 0)] * (weights.ndim - 1) + [(1, 0)])
        for part in (weights[..., order] * (labels[order] == label) for label in (1, 0))
    )
    rows = list(zip(tp.reshape(-1, tp.shape[-1]), fp.reshape(-1, fp.shape[-1]), strict=True))
    for specificity in specificities:
        # Right of the last point of equal false positives: the best that this specificity allows.
        values = [np.interp(1 - specificity, f / f[-1], t / t[-1]) if f[-1] and t[-1] else np.nan for t, f in rows]
        found[f"sensitivity at specificity {specificity:g}"] = np.reshape(values, tp.shape[:-1])
    return found


def ceiling(
    records: pd.DataFrame,
    weights: np.ndarray | None = None,
    scores: dict[str, np.ndarray] | None = None,
    specificities: Sequence[float] = SPECIFICITIES,
) -> pd.DataFrame:
    """The best that any observer could do, for the rater is not sure himself; a network's numbers beside it.

    Parameters
    ----------
    records : ``label`` and ``rater_probability``.
    weights : (draws + 1, N) of :class:`xiqa.metrics.enriched.Bench`, or None: no intervals.
    scores : name -> (N,) of a network.

    Returns
    -------
    DataFrame, a row a kind of labels and an observer: ``labels`` ("drawn anew": expectation over the rater's coin;
    "of this set": as they fell, artifacts drawn until the rater saw them), ``observer`` ("rater's probability": for
    labels drawn anew no observer is better; a network; what it lacks to the rater, paired), ``share`` (of artifacts,
    weighted), and ``auc``, ``auc_low``, ``auc_high``, the same of ``ap`` and of each sensitivity. Empty where the
    rater's probability is not known.

    """
    rater = records["rater_probability"].to_numpy(dtype=float)
    if np.isnan(rater).any():
        return pd.DataFrame()
    weights = np.ones((1, len(rater))) if weights is None else np.atleast_2d(weights)
    rows = []
    for kind, truth in ((ANEW, rater), (OF_THIS_SET, records["label"].to_numpy())):
        share = float(weights[0] @ truth / weights[0].sum())
        best = None
        for observer, score in ({RATER: rater} | (scores or {})).items():
            found = _observed(kind, records, np.asarray(score, dtype=float), weights, specificities)
            rows.append(_row(kind, observer, share, found))
            if best is None:
                best = found
            else:
                gap = {name: best[name] - found[name] for name in found}
                rows.append(_row(kind, f"{RATER} - {observer}", share, gap))
    return pd.DataFrame(rows)


def _observed(
    kind: str, records: pd.DataFrame, score: np.ndarray, weights: np.ndarray, specificities: Sequence[float]
) -> dict:
    if kind == ANEW:
        return against_rater(records["rater_probability"].to_numpy(), score, weights, specificities)
    return _agreement(records["label"].to_numpy(), score, weights, specificities)


def _row(kind: str, observer: str, share: float, found: dict[str, Values]) -> dict:
    row = {"labels": kind, "observer": observer, "share": share}
    for name, values in found.items():
        row[name], row[f"{name}_low"], row[f"{name}_high"] = metrics.estimate(values)
    return row


def ceiling_table(
    records: pd.DataFrame,
    weights: np.ndarray | None = None,
    scores: dict[str, np.ndarray] | None = None,
    specificities: Sequence[float] = (0.9, 0.99),
) -> pd.DataFrame:
    """``ceiling``, as people read it; one row that says why where the rater's probability is not known."""
    found = ceiling(records, weights, scores, specificities)
    if found.empty:
        return pd.DataFrame([{"labels": "-", "observer": NO_RATER}])
    shares = [cell((share, np.nan, np.nan), 100, 1) for share in found["share"]]
    shown = found[["labels", "observer"]].assign(**{"artifacts %": shares})
    for name in [name for name in found if f"{name}_low" in found]:
        values = found[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        if name in ("auc", "ap"):
            shown[name.upper()] = [cell(part) for part in values]
        else:
            title = name.replace("sensitivity", "sensitivity %").replace("specificity ", "specificity of ")
            shown[title] = [cell(part, 100, 1) for part in values]
    return shown


def follows(
    test: pd.DataFrame, columns: Iterable[str] = UNCERTAINTIES, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Whether an uncertainty follows the ambiguity that is known: the binary entropy of the rater's probability.

    Over all scans the clean ones, of no ambiguity, decide, and p(artifact) itself follows; so p stands beside as a
    control, and the scans that bear an artifact stand for themselves.

    Returns
    -------
    DataFrame: ``scans`` (which), ``count``, ``uncertainty``, ``spearman``, ``low``, ``high`` (95 %, bootstrap over
    subjects, at equal weight), for each of ``columns``, and for the first less each other, paired. NaN where the
    rater's probability is not known or nothing varies.

    """
    rater, columns = test["rater_probability"].to_numpy(dtype=float), list(columns)
    ambiguity, bears = entr(rater) + entr(1 - rater), (test["artifact"] != "").to_numpy()
    counts, rows = metrics.resample(test["subject"], test["label"], draws, seed), []
    for scans, chosen in (("all", np.ones(len(test), bool)), ("bearing an artifact", bears)):
        own = {c: spearman(ambiguity[chosen], test[c].to_numpy()[chosen], counts[:, chosen]) for c in columns}
        first, *others = columns
        values = own | {f"{first} - {other}": own[first] - own[other] for other in others}
        rows += [(scans, int(chosen.sum()), name, *metrics.estimate(found)) for name, found in values.items()]
    return pd.DataFrame(rows, columns=["scans", "count", "uncertainty", "spearman", "low", "high"])


def follows_table(
    test: pd.DataFrame, columns: Mapping[str, str] = UNCERTAINTIES, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """``follows``, as people read it: a row an uncertainty, a column a set of scans; one row that says why not.

    ``columns`` gives each column of ``test`` its name in the table.
    """
    if test["rater_probability"].isna().any():
        return pd.DataFrame([{"uncertainty": NO_RATER}])
    found = follows(test, list(columns), draws, seed)
    titles = found.groupby("scans", sort=False)["count"].first()
    cells = [cell(values) for values in found[["spearman", "low", "high"]].to_numpy()]
    names = [" - ".join(columns[part] for part in name.split(" - ")) for name in found["uncertainty"]]
    shown = found.assign(cell=cells, name=names).pivot(index="name", columns="scans", values="cell")
    shown = shown.loc[list(dict.fromkeys(names)), list(titles.index)]
    shown.columns = [f"Spearman, {name} ({titles[name]} scans)" for name in titles.index]
    return shown.rename_axis("uncertainty").reset_index()


def spearman(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> Values:
    """Spearman's correlation where each row (draws, N) of ``counts`` says how often a scan stands in a replicate.

    Pearson's correlation of mid-ranks, as of the repeated scans themselves; NaN where one of them does not vary.
    """
    if not len(first) or np.isnan(first).any() or np.isnan(second).any():
        return np.full(len(counts), np.nan)
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (ranks - (counts * ranks).sum(axis=1, keepdims=True) / total
                    for ranks in (_midranks(first, counts), _midranks(second, counts)))  # fmt: skip
        spread = (counts * one**2).sum(axis=1) * (counts * two**2).sum(axis=1)
        varied = spread > 1e-9 * total[:, 0] ** 2
        return np.where(varied, (counts * one * two).sum(axis=1) / np.sqrt(spread), np.nan)


def _midranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    mass = np.add.reduceat(counts[:, order], starts, axis=1)
    return (np.cumsum(mass, axis=1) - mass / 2)[:, group]
