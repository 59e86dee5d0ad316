"""Results of the MRI study by what the simulator knows of a scan: family, contrast, and how plain an artifact is.

Severities of different artifacts have different units. Their common scale is the probability with which the simulated
rater objects (``rater_probability``): its logit is linear in the logarithm of the damage to the picture. Labels were
drawn from it, so that no observer can agree with them perfectly. Scans of a real data set have none: results by label
stay, the others are NaN and say why.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import entr, expit, logit
from sklearn.linear_model import LogisticRegression

from xiqa import metrics
from xiqa.mri_bench import Values
from xiqa.synthetic.head.artifacts import KINDS

FEWEST = 15  # scans, and subjects, of a fit
ROUNDED = 5e-5  # rater probabilities are noted with four digits
SEEN = {"below 50 %": 0.5, "50 to 80 %": 0.8, "80 to 95 %": 0.95, "95 % and above": np.inf}  # upper ends
SPECIFICITIES = (0.80, 0.90, 0.95)
UNCERTAINTIES = ("expected_entropy", "mutual_information", "probability")  # the last, as a control: p is no uncertainty
NO_RATER = "no rater's probability is known of these scans"


def grouped(records: pd.DataFrame) -> pd.DataFrame:
    """Records with the columns ``family`` (also of scans whose artifact the rater passed), ``rater`` and ``all``.

    ``rater`` is how many raters in a hundred object, in four groups, empty where that is not known.
    """
    families = records["artifact"].map({name: kind.family for name, kind in KINDS.items()})
    noted, seen = records["artifact_type"].replace("", np.nan), records["rater_probability"]
    groups = pd.cut(seen, [-np.inf, *SEEN.values()], right=False, labels=list(SEEN)).astype(object)
    return records.assign(family=families.fillna(noted).fillna(""), rater=groups.fillna(""), all="all")


def detection(
    test: pd.DataFrame, flagged: np.ndarray, by: Sequence[str] = ("all", "family", "artifact", "contrast", "rater")
) -> pd.DataFrame:
    """Share of the artifacts found, by family and other groups.

    Families differ in how plain their artifacts are, so the mean of the rater's probability stands beside each.

    Parameters
    ----------
    test : records with ``label``, ``subject``, ``artifact``, ``artifact_type``, ``contrast``, ``rater_probability``.
    flagged : (N,) bool, called an artifact.

    Returns
    -------
    DataFrame: ``by``, ``group``, ``scans``, ``subjects``, ``flagged`` (scans), ``share`` (sensitivity), ``low``,
    ``high`` (95 %, clustered Wilson over subjects), ``rater`` (mean probability that a rater objects). Groups without
    an artifact are absent.

    """
    return _shares(grouped(test), flagged, test["label"] == 1, by)


def false_alarms(
    test: pd.DataFrame, flagged: np.ndarray, by: Sequence[str] = ("all", "bears", "contrast")
) -> pd.DataFrame:
    """Share of the clean scans that are flagged, as ``detection``; ``bears``: whether there is an artifact after all.

    The rater passed some faint artifacts: to flag such a scan is an error by label only.
    """
    bears = np.where(test["artifact"] != "", "an artifact that the rater passed", "no artifact")
    return _shares(grouped(test).assign(bears=bears), flagged, test["label"] == 0, by)


def _shares(frame: pd.DataFrame, flagged: np.ndarray, chosen: pd.Series, by: Sequence[str]) -> pd.DataFrame:
    frame, rows = frame.assign(flagged=np.asarray(flagged, dtype=bool))[np.asarray(chosen)], []
    for name in by:
        for group, part in frame[frame[name] != ""].groupby(name):
            about = {"by": name, "group": group, "scans": len(part), "subjects": part["subject"].nunique()}
            about |= {"flagged": int(part["flagged"].sum()), "share": part["flagged"].mean()}
            about["low"], about["high"] = metrics.clustered_wilson(part["flagged"], part["subject"])
            rows.append(about | {"rater": part["rater_probability"].mean()})
    columns = ["by", "group", "scans", "subjects", "flagged", "share", "low", "high", "rater"]
    return pd.DataFrame(rows, columns=columns)


def half_found(
    test: pd.DataFrame, score: np.ndarray, threshold: float, by: str = "family", draws: int = 500, seed: int = 0
) -> pd.DataFrame:
    """How plain an artifact is of which half are found: logistic regression on the logit of the rater's probability.

    All scans that bear an artifact count, those that the rater passed as well: whether the network finds it depends on
    the picture and not on the label. The share found never falls below that of false alarms, which stands beside it.

    Parameters
    ----------
    test : as ``detection``.
    score, threshold : (N,), found from the threshold on.
    by : column of ``grouped``: family, artifact, contrast or all.
    draws, seed : of the bootstrap over subjects. A replicate in which plainer artifacts are found no more often has no
        half point: it counts as 0 for the lower and as 1 for the upper end of the interval.

    Returns
    -------
    DataFrame: ``group``, ``scans``, ``subjects``, ``found`` (share), ``half`` (the rater's probability, in [0, 1]),
    ``low``, ``high``, ``slope`` (of the logit of being found against that of the rater), ``false_alarms`` (share of the
    scans without an artifact), ``reason`` (empty, or why there is no half point: the numbers are then NaN).

    """
    found = np.asarray(score, dtype=float) >= threshold
    frame = grouped(test).assign(found=found)
    without, rows = frame[frame["artifact"] == ""], []
    frame = frame[(frame[by] != "") & ((frame["artifact"] != "") | (frame["label"] == 1))]
    for group, part in frame.groupby(by):
        alarms = without.loc[without[by] == group, "found"] if by in ("contrast", "all") else without["found"]
        about = {"group": group, "scans": len(part), "subjects": part["subject"].nunique()}
        about |= {"found": part["found"].mean()} | _half(part, draws, seed)
        rows.append(about | {"false_alarms": alarms.mean()})
    columns = ["group", "scans", "subjects", "found", "half", "low", "high", "slope", "false_alarms", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _half(part: pd.DataFrame, draws: int, seed: int) -> dict:
    nothing = dict.fromkeys(("half", "low", "high", "slope"), np.nan)
    if part["rater_probability"].isna().any():
        return nothing | {"reason": NO_RATER}
    if min(len(part), part["subject"].nunique()) < FEWEST:
        return nothing | {"reason": f"fewer than {FEWEST} scans or subjects"}
    x = logit(part["rater_probability"].to_numpy().clip(ROUNDED, 1 - ROUNDED))
    y = part["found"].to_numpy()
    if y.all() or not y.any():
        return nothing | {"reason": f"{'all' if y.all() else 'none'} found"}
    middle, slope = _fit(x, y, np.ones(len(x)))
    reason = _no_half(middle, slope, x)
    if reason:
        return nothing | {"slope": slope, "reason": reason}
    counts = metrics.resample(part["subject"], np.zeros(len(part)), draws, seed)[1:]
    points = np.array([_fit(x, y, times) for times in counts])
    rising = points[:, 1] > 0
    low, high = (
        np.quantile(np.where(rising, expit(points[:, 0]), end), level) for end, level in ((0, 0.025), (1, 0.975))
    )
    return {"half": expit(middle), "low": low, "high": high, "slope": slope, "reason": ""}


def _fit(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """Where half are found, on the scale of x, and the slope there; slope 0 and NaN where all or none are found."""
    chosen = times > 0
    if len(np.unique(y[chosen])) < 2 or np.ptp(x[chosen]) == 0:
        return np.nan, 0.0
    # Nearly unpenalised: enough to keep the slope of separable data finite.
    model = LogisticRegression(C=1e3).fit(x[chosen, None], y[chosen], sample_weight=times[chosen])
    slope = float(model.coef_[0, 0])
    return (float(-model.intercept_[0] / slope) if slope else np.nan), slope


def _no_half(middle: float, slope: float, x: np.ndarray) -> str:
    if slope <= 0:
        return "plainer artifacts are found no more often"
    if middle > x.max():
        return "never half, not even of the plainest"
    return "always more than half" if middle < x.min() else ""


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
    weights : (draws + 1, N) of :class:`xiqa.mri_bench.Bench`, or None: no intervals.
    scores : name -> (N,) of a network.

    Returns
    -------
    DataFrame, a row a kind of labels and an observer: ``labels`` ("drawn anew": expectation over the rater's coin;
    "of this set": as they fell, artifacts drawn until the rater saw them), ``observer`` ("rater's probability": for
    labels drawn anew no observer is better), and ``auc``, ``auc_low``, ``auc_high``, the same of ``ap`` and of
    each sensitivity.
    Empty where the rater's probability is not known.

    """
    rater, labels = records["rater_probability"].to_numpy(dtype=float), records["label"].to_numpy()
    if np.isnan(rater).any():
        return pd.DataFrame()
    weights = np.ones((1, len(rater))) if weights is None else np.atleast_2d(weights)
    rows = []
    for observer, score in ({"rater's probability": rater} | (scores or {})).items():
        kinds = {"drawn anew": against_rater(rater, score, weights, specificities)}
        kinds["of this set"] = _agreement(labels, np.asarray(score, dtype=float), weights, specificities)
        for kind, found in kinds.items():
            row = {"labels": kind, "observer": observer}
            for name, values in found.items():
                row[name], row[f"{name}_low"], row[f"{name}_high"] = metrics.estimate(values)
            rows.append(row)
    return pd.DataFrame(rows).sort_values("labels", kind="stable", ignore_index=True)


def follows(
    test: pd.DataFrame, columns: Sequence[str] = UNCERTAINTIES, draws: int = 2000, seed: int = 0
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
    rater = test["rater_probability"].to_numpy(dtype=float)
    ambiguity, bears = entr(rater) + entr(1 - rater), (test["artifact"] != "").to_numpy()
    counts, rows = metrics.resample(test["subject"], test["label"], draws, seed), []
    for scans, chosen in (("all", np.ones(len(test), bool)), ("bearing an artifact", bears)):
        own = {c: spearman(ambiguity[chosen], test[c].to_numpy()[chosen], counts[:, chosen]) for c in columns}
        first, *others = columns
        values = own | {f"{first} - {other}": own[first] - own[other] for other in others}
        rows += [(scans, int(chosen.sum()), name, *metrics.estimate(found)) for name, found in values.items()]
    return pd.DataFrame(rows, columns=["scans", "count", "uncertainty", "spearman", "low", "high"])


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


def rises(
    usual: pd.DataFrame, shifted: pd.DataFrame, column: str = "mutual_information", draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Whether an uncertainty is higher on another set: AUROC of its scans against the usual ones, at equal label.

    0.5: no; 1: every scan of the other set is above all usual ones. At equal label, for another set may hold more
    artifacts. Subjects of the same name in both sets are taken for one.

    Returns
    -------
    DataFrame: ``label`` ("clean", "artifact", "both": the mean of the two), ``usual``, ``shifted`` (scans), ``auroc``,
    ``low``, ``high`` (95 %; over subjects, of clustered data; of the mean by bootstrap). NaN where a set lacks a label.

    """
    both = pd.concat([usual.assign(shifted=0), shifted.assign(shifted=1)], ignore_index=True)
    counts, areas, rows = metrics.resample(both["subject"], both["label"], draws, seed), [], []
    for label, name in enumerate(("clean", "artifact")):
        own = (both["label"] == label).to_numpy()
        part = both[own]
        sizes = [int((part["shifted"] == which).sum()) for which in (0, 1)]
        rows.append((name, *sizes, *metrics.auc(part["shifted"], part[column], part["subject"])))
        if min(sizes):
            areas.append(metrics.ranking(part["shifted"], part[column], counts[:, own])["auc"])
    mean = np.mean(areas, axis=0) if len(areas) == 2 else np.full(draws + 1, np.nan)
    rows.append(("both", len(usual), len(shifted), *metrics.estimate(mean)))
    return pd.DataFrame(rows, columns=["label", "usual", "shifted", "auroc", "low", "high"])
