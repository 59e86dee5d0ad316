"""Table of the shift to another scanner: whether an uncertainty is higher on its scans than on the usual ones."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import Values
from xiqa.paper.numbers import cell, percent

CONTROL = "p(artifact)"
UNCERTAINTIES = {
    "expected entropy": "expected_entropy",
    "mutual information": "mutual_information",
    CONTROL: "probability",
}
FLIPS = "flip disagreement (network trained with flips)"
TITLES = {"clean": "among clean scans", "artifact": "among artifacts", "both": "mean of both"}

Sets = tuple[pd.DataFrame, pd.DataFrame]  # answers on the usual scans and on the other ones


def shift(sets: Sequence[Sets], name: str) -> tuple[pd.DataFrame, str]:
    """AUROC of each uncertainty for scans of the other scanner against the usual ones, and its gap to the control.

    Parameters
    ----------
    sets : of the network ``name`` and, if there is one, of a network trained with flips; empty where there is no other
        scanner's set.
    """
    if not sets:
        reason = "there is no set of another scanner for real data"
        return pd.DataFrame([{"uncertainty": f"not run: {reason}"}]), f"Shift to another scanner, not run: {reason}."
    usual, other = sets[0]
    compared = {title: (usual, other, column) for title, column in UNCERTAINTIES.items()}
    if len(sets) > 1:
        compared[FLIPS] = (*sets[1], "flip_mutual_information")
    sizes = [(int((f["label"] == 0).sum()), int(f["label"].sum()), f["subject"].nunique()) for f in (other, usual)]
    scans = " against ".join("{} clean scans and {} artifacts of {} subjects".format(*size) for size in sizes)
    areas = [percent(*metrics.auc(f["label"], f["probability"], f["subject"])) for f in (usual, other)]
    caption = (
        "AUROC of each uncertainty for scans of another scanner against the usual scans at equal label, "
        f"{name}: {scans}; "
        "0.5 is no shift, 95 % intervals over subjects. Differences to p(artifact), the control, are paired. AUC of p "
        f"for artifacts, %: {areas[0]} on the usual scanner, {areas[1]} on the other."
    )
    return shift_table(compared), caption


def shift_table(
    compared: Mapping[str, tuple[pd.DataFrame, pd.DataFrame, str]], draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """``rises`` for several uncertainties, and the paired differences to the control, p(artifact).

    Subjects of the same name in the two sets are taken for different people.

    Parameters
    ----------
    compared : name -> answers on the usual scans, on the other ones, and the column to compare; "p(artifact)" is the
        control of the names with the same answers. Names may come from different networks, on the same scans.

    Returns
    -------
    DataFrame, a row a name: AUROC with its 95 % interval, among clean scans, among artifacts and the mean of both. A
    dash where a set lacks the label.
    """
    rows, areas = [], {}
    for name, (usual, other, column) in compared.items():
        renamed = other.assign(subject="other " + other["subject"].astype(str))
        table = rises(usual, renamed, column, draws, seed)
        rows.append(
            {"uncertainty": name} | {TITLES[r.label]: cell((r.auroc, r.low, r.high)) for r in table.itertuples()}
        )
        areas[name] = _areas(usual, renamed, column, draws, seed)
    for name in [n for n in compared if n != CONTROL and compared[n][0] is compared[CONTROL][0]]:
        gaps = {TITLES[k]: cell(metrics.estimate(areas[name][k] - areas[CONTROL][k])) for k in TITLES}
        rows.append({"uncertainty": f"{name} - {CONTROL}"} | gaps)
    return pd.DataFrame(rows)


def rises(usual: pd.DataFrame, other: pd.DataFrame, column: str, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Whether an uncertainty is higher on another set: AUROC of its scans against the usual ones, at equal label.

    0.5: no; 1: every scan of the other set is above all usual ones. At equal label, since the other set may hold more
    artifacts.

    Returns
    -------
    DataFrame: ``label`` ("clean", "artifact", "both": the mean of the two), ``auroc``, ``low``, ``high`` (95 %; over
    subjects, of clustered data; of the mean by bootstrap). NaN where a set lacks a label.
    """
    both = pd.concat([usual.assign(other=0), other.assign(other=1)], ignore_index=True)
    parts = {name: both[both["label"] == label] for label, name in enumerate(("clean", "artifact"))}
    rows = [(name, *metrics.auc(part["other"], part[column], part["subject"])) for name, part in parts.items()]
    rows.append(("both", *metrics.estimate(_areas(usual, other, column, draws, seed)["both"])))
    return pd.DataFrame(rows, columns=["label", "auroc", "low", "high"])


def _areas(usual: pd.DataFrame, other: pd.DataFrame, column: str, draws: int, seed: int) -> dict[str, Values]:
    """AUROC of the other scans for the sample and each replicate: among clean scans, among artifacts, mean of both."""
    both = pd.concat([usual, other], ignore_index=True)
    counts, moved = metrics.resample(both["subject"], both["label"], draws, seed), np.arange(len(both)) >= len(usual)
    areas = {}
    for label, name in enumerate(("clean", "artifact")):
        own = (both["label"] == label).to_numpy()
        areas[name] = np.full(len(counts), np.nan)
        if (own & moved).any() and (own & ~moved).any():
            areas[name] = metrics.ranking(moved[own], both[column].to_numpy()[own], counts[:, own])["auc"]
    return areas | {"both": np.mean(list(areas.values()), axis=0)}
