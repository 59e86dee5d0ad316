"""Sensitivity and false alarms by family, kind and contrast of an artifact, and by the rater's probability.

Severities of different artifacts have different units. Their common scale is the probability that the simulated rater
calls the scan an artifact (``rater_probability``). Scans of a real data set have none: NaN.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.synthetic.head.artifacts import KINDS

RATER = {"below 50 %": 0.5, "50 to 80 %": 0.8, "80 to 95 %": 0.95, "95 % and above": np.inf}  # upper ends


def grouped(records: pd.DataFrame) -> pd.DataFrame:
    """Records with the columns ``family`` (also of scans whose artifact the rater accepted), ``rater`` and ``all``.

    ``rater`` is the group of the rater's probability, empty where there is none.
    """
    families = records["artifact"].map({name: kind.family for name, kind in KINDS.items()})
    noted = records["artifact_type"].replace("", np.nan)
    groups = pd.cut(records["rater_probability"], [-np.inf, *RATER.values()], right=False, labels=list(RATER)).astype(
        object
    )
    return records.assign(family=families.fillna(noted).fillna(""), rater=groups.fillna(""), all="all")


def detection(
    test: pd.DataFrame, flagged: np.ndarray, by: Sequence[str] = ("all", "family", "artifact", "contrast", "rater")
) -> pd.DataFrame:
    """Share of the artifacts that are detected, by family and other groups.

    Columns: ``by``, ``group``, ``scans``, ``subjects``, ``flagged`` (scans), ``share`` (sensitivity), ``low``, ``high``
    (95 %, clustered Wilson), ``rater`` (mean probability). Groups without an artifact are absent.
    """
    return _shares(grouped(test), flagged, test["label"] == 1, by)


def false_alarms(
    test: pd.DataFrame, flagged: np.ndarray, by: Sequence[str] = ("all", "bears", "contrast")
) -> pd.DataFrame:
    """Share of the clean scans that are flagged, as ``detection``; ``bears``: whether an artifact was simulated.

    The rater accepted some faint artifacts: flagging such a scan is an error by label only.
    """
    bears = np.where(test["artifact"] != "", "an artifact that the rater accepted", "no artifact")
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
    """Names of the groups; those of the rater's probability from low to high, others in alphabetical order."""
    names, levels = set(groups) - {""}, list(RATER)
    return sorted(names, key=lambda group: (levels.index(group) if group in levels else 0, group))
