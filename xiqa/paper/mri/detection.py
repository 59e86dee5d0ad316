"""Which artifacts are found: by family, by contrast, and by how plain an artifact is.

Severities of different artifacts have different units. Their common scale is the probability with which the simulated
rater objects (``rater_probability``): its logit is linear in the logarithm of the damage to the picture. Scans of a
real data set have none: results by label stay, the others are NaN and say why.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from xiqa import metrics
from xiqa.paper.numbers import cell
from xiqa.synthetic.head.artifacts import KINDS

FEWEST = 15  # scans, and subjects, of a fit
ROUNDED = 5e-5  # rater probabilities are noted with four digits
SEEN = {"below 50 %": 0.5, "50 to 80 %": 0.8, "80 to 95 %": 0.95, "95 % and above": np.inf}  # upper ends
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
        for group in _in_order(frame[name]):
            part = frame[frame[name] == group]
            about = {"by": name, "group": group, "scans": len(part), "subjects": part["subject"].nunique()}
            about |= {"flagged": int(part["flagged"].sum()), "share": part["flagged"].mean()}
            about["low"], about["high"] = metrics.clustered_wilson(part["flagged"], part["subject"])
            rows.append(about | {"rater": part["rater_probability"].mean()})
    columns = ["by", "group", "scans", "subjects", "flagged", "share", "low", "high", "rater"]
    return pd.DataFrame(rows, columns=columns)


def _in_order(groups: pd.Series) -> list[str]:
    """Names of the groups; how many raters object from few to most, others by the alphabet."""
    known, seen = set(groups) - {""}, list(SEEN)
    return sorted(known, key=lambda group: (seen.index(group) if group in seen else 0, group))


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


def half_table(found: pd.DataFrame) -> pd.DataFrame:
    """``half_found``, as people read it: shares in percent, and the reason where there is no half point."""
    half = [row.reason or cell((row.half, row.low, row.high), 100, 1) for row in found.itertuples()]
    return pd.DataFrame(
        {
            "artifacts": found["group"],
            "scans": found["scans"],
            "subjects": found["subjects"],
            "found %": [_percent(share) for share in found["found"]],
            "half found where so many raters object, %": half,
            "false alarms %": [_percent(share) for share in found["false_alarms"]],
        }
    )


def _percent(share: float) -> str:
    return cell((share, np.nan, np.nan), 100, 1)
