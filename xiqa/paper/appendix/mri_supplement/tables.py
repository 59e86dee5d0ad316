"""Table of the shift to another scanner: whether an uncertainty is higher on its scans than on the usual ones."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import Values
from xiqa.paper.numbers import cell, percent

CONTROL = "p(artifact)"
COLUMNS = {"expected entropy": "expected_entropy", "mutual information": "mutual_information", CONTROL: "probability"}
FLIPS = "flip disagreement (network trained with flips)"
TITLES = {"clean": "among clean scans", "artifact": "among artifacts", "both": "mean of both"}


def shift(sets: Sequence[tuple[pd.DataFrame, pd.DataFrame]], name: str) -> tuple[pd.DataFrame, str]:
    """AUROC of each uncertainty for scans of the other scanner against the usual ones, and its gap to the control.

    ``sets`` are the answers on the usual and on the other scans of the network ``name`` and, if there is one, of a
    network trained with flips; empty where there is no other scanner's set.
    """
    if not sets:
        reason = "there is no set of another scanner for real data"
        return pd.DataFrame([{"uncertainty": f"not run: {reason}"}]), f"Shift to another scanner, not run: {reason}."
    usual, other = sets[0]
    compared = {title: (usual, other, column) for title, column in COLUMNS.items()}
    if len(sets) > 1:
        compared[FLIPS] = (*sets[1], "flip_mutual_information")
    sizes = [(int((f["label"] == 0).sum()), int(f["label"].sum()), f["subject"].nunique()) for f in (other, usual)]
    scans = " against ".join("{} clean scans and {} artifacts of {} subjects".format(*size) for size in sizes)
    areas = [percent(*metrics.auc(f["label"], f["probability"], f["subject"])) for f in (usual, other)]
    caption = (
        f"AUROC of each uncertainty for scans of another scanner against the usual scans at equal label, {name}: "
        f"{scans}; 0.5 is no shift, 95 % intervals over subjects. Differences to p(artifact), the control, are paired. "
        f"AUC of p for artifacts, %: {areas[0]} on the usual scanner, {areas[1]} on the other."
    )
    return shift_table(compared), caption


def shift_table(compared: Mapping[str, tuple[pd.DataFrame, pd.DataFrame, str]], draws: int = 2000) -> pd.DataFrame:
    """``rises`` for several uncertainties, and the paired differences to the control, p(artifact).

    ``compared`` is name -> answers on the usual scans, on the other ones, and the column to compare; p(artifact) is the
    control of the names with the same answers. Names may come from different networks, on the same scans. A cell is an
    AUROC with its 95 % interval, a dash where a set lacks the label.
    """
    rows, areas = [], {}
    for name, arguments in compared.items():
        estimates, areas[name] = rises(*arguments, draws)
        rows.append({"uncertainty": name} | {TITLES[label]: cell(values) for label, values in estimates.items()})
    for name in [n for n in compared if n != CONTROL and compared[n][0] is compared[CONTROL][0]]:
        gaps = {TITLES[k]: cell(metrics.estimate(areas[name][k] - areas[CONTROL][k])) for k in TITLES}
        rows.append({"uncertainty": f"{name} - {CONTROL}"} | gaps)
    return pd.DataFrame(rows)


def rises(
    usual: pd.DataFrame, other: pd.DataFrame, column: str, draws: int = 2000
) -> tuple[dict[str, tuple[float, float, float]], dict[str, Values]]:
    """Whether an uncertainty is higher on another set: AUROC of its scans against the usual ones, at equal label.

    0.5: no; 1: every scan of the other set is above all usual ones. At equal label, since the other set may hold more
    artifacts. Subjects of the same name in the two sets are taken for different people.

    Returns
    -------
    estimates : "clean", "artifact" and "both" (the mean of the two) -> AUROC and its 95 % interval (over subjects, of
        clustered data; of the mean by bootstrap). NaN where a set lacks a label.
    areas : the AUROC of the sample and of each bootstrap replicate, (draws + 1,).
    """
    others = other.assign(other=1, subject="other " + other["subject"].astype(str))
    scans = pd.concat([usual.assign(other=0), others], ignore_index=True)
    counts = metrics.resample(scans["subject"], scans["label"], draws)
    estimates, areas = {}, {}
    for label, name in enumerate(("clean", "artifact")):
        own = (scans["label"] == label).to_numpy()
        moved, values = scans["other"].to_numpy()[own] == 1, scans[column].to_numpy()[own]
        estimates[name] = metrics.auc(moved, values, scans["subject"][own])
        both_sets = moved.any() and not moved.all()
        areas[name] = (
            metrics.ranking(moved, values, counts[:, own])["auc"] if both_sets else np.full(len(counts), np.nan)
        )
    areas["both"] = np.mean(list(areas.values()), axis=0)
    return estimates | {"both": metrics.estimate(areas["both"])}, areas
