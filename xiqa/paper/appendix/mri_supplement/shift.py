"""Does an uncertainty rise where the network has not been: another scanner, artifacts that it never learnt from?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import Values
from xiqa.paper.mri.ambiguity import UNCERTAINTIES
from xiqa.paper.mri.detection import grouped
from xiqa.paper.numbers import cell

CLEAN, OTHERS = "clean scans", "other artifacts"
SCORES = {"probability": "p(artifact): detection"} | {c: n for c, n in UNCERTAINTIES.items() if c != "probability"}
TITLES = {"clean": "among clean scans", "artifact": "among artifacts", "both": "mean of both"}


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
    both, areas = _shifted(usual, shifted, column, draws, seed)
    rows = []
    for label, name in enumerate(("clean", "artifact")):
        part = both[both["label"] == label]
        sizes = [int((part["shifted"] == which).sum()) for which in (0, 1)]
        rows.append((name, *sizes, *metrics.auc(part["shifted"], part[column], part["subject"])))
    rows.append(("both", len(usual), len(shifted), *metrics.estimate(areas["both"])))
    return pd.DataFrame(rows, columns=["label", "usual", "shifted", "auroc", "low", "high"])


def _shifted(
    usual: pd.DataFrame, shifted: pd.DataFrame, column: str, draws: int, seed: int
) -> tuple[pd.DataFrame, dict[str, Values]]:
    """Both sets as one, and the AUROC of the shifted scans, for the sample and each replicate, by label and of both."""
    both = pd.concat([usual.assign(shifted=0), shifted.assign(shifted=1)], ignore_index=True)
    counts, moved = metrics.resample(both["subject"], both["label"], draws, seed), both["shifted"] == 1
    areas = {}
    for label, name in enumerate(("clean", "artifact")):
        own = both["label"] == label
        areas[name] = _area(both[column], (own & moved).to_numpy(), (own & ~moved).to_numpy(), counts)
    return both, areas | {"both": np.mean(list(areas.values()), axis=0)}


def shift_table(
    asked: Mapping[str, tuple[pd.DataFrame, pd.DataFrame, str]],
    control: str | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """``rises`` for several uncertainties, as people read it.

    Subjects of the same name in the two sets are taken for different people, as those of another scanner are.

    Parameters
    ----------
    asked : name in the table -> answers on the usual scans, on the shifted ones, and the column to compare. Names may
        come from different networks, on the same scans.
    control : one of the names: a row more for each other name of the same answers, of its AUROC less that of the
        control, paired.

    Returns
    -------
    DataFrame, a row a name: AUROC of shifted against usual scans with its 95 % interval, among clean scans, among
    artifacts and the mean of both, and so the differences. A dash where a set lacks the label.

    """
    rows, values = [], {}
    for name, (usual, shifted, column) in asked.items():
        others = shifted.assign(subject="other " + shifted["subject"].astype(str))
        found = rises(usual, others, column, draws, seed)
        areas = {TITLES[r.label]: cell((r.auroc, r.low, r.high)) for r in found.itertuples()}
        rows.append({"uncertainty": name} | areas)
        values[name] = _shifted(usual, others, column, draws, seed)[1]
    for name in [n for n in asked if control and n != control and asked[n][0] is asked[control][0]]:
        gaps = {TITLES[k]: cell(metrics.estimate(values[name][k] - values[control][k])) for k in TITLES}
        rows.append({"uncertainty": f"{name} - {control}"} | gaps)
    return pd.DataFrame(rows)


def left_out(
    full: pd.DataFrame,
    without: pd.DataFrame,
    family: str,
    column: str = "mutual_information",
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """What a score says of a family of artifacts under a network that learnt from it and under one that did not.

    Labelled artifacts only. Both networks answer the same scans and are compared on the same replicates.

    Parameters
    ----------
    full, without : answers (:func:`xiqa.paper.mri.answers.answers`) of the network trained with all families, and of its twin
        trained without ``family``, on the same scans in the same order.
    family : motion, intensity or coverage.
    column : an uncertainty, or ``probability`` (then "against clean scans" is detection).
    draws, seed : of the bootstrap over subjects.

    Returns
    -------
    DataFrame, a row a question: ``artifacts`` (``family``, or "other artifacts"), ``against`` ("clean scans", "other
    artifacts"), ``positives``, ``negatives`` (scans), and AUROC with 95 % interval as ``full``, ``full_low``,
    ``full_high``, the same of ``without`` and of ``difference`` (without - full). NaN where one side has no scan.
    Other artifacts against clean scans say what the smaller training alone has cost.

    Raises
    ------
    ValueError : the two are not about the same scans.

    """
    if full["image"].tolist() != without["image"].tolist():
        raise ValueError("the two networks must answer the same scans in the same order")
    families, clean = grouped(full)["family"].to_numpy(), (full["label"] == 0).to_numpy()
    own, other = ~clean & (families == family), ~clean & (families != family)
    counts, rows = metrics.resample(full["subject"], full["label"], draws, seed), []
    for what, against, one, two in (
        (family, CLEAN, own, clean),
        (family, OTHERS, own, other),
        (OTHERS, CLEAN, other, clean),
    ):
        row = {"artifacts": what, "against": against, "positives": int(one.sum()), "negatives": int(two.sum())}
        areas = {name: _area(frame[column], one, two, counts) for name, frame in (("full", full), ("without", without))}
        for name, values in (areas | {"difference": areas["without"] - areas["full"]}).items():
            row[name], row[f"{name}_low"], row[f"{name}_high"] = metrics.estimate(values)
        rows.append(row)
    return pd.DataFrame(rows)


def _area(score: pd.Series, one: np.ndarray, two: np.ndarray, counts: np.ndarray) -> Values:
    """AUROC of scans ``one`` against scans ``two`` (both (N,) bool), for the sample and each replicate."""
    if not one.any() or not two.any():
        return np.full(len(counts), np.nan)
    chosen = one | two
    return metrics.ranking(one[chosen], score.to_numpy()[chosen], counts[:, chosen])["auc"]


def left_out_table(
    full: pd.DataFrame,
    without: pd.DataFrame,
    family: str,
    columns: Mapping[str, str] = SCORES,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """``left_out`` for several scores, as people read it; ``columns`` gives each column its name in the table."""
    rows = []
    for column, name in columns.items():
        for found in left_out(full, without, family, column, draws, seed).itertuples():
            row = {"score": name, "AUROC of": f"{found.artifacts} against {found.against}"}
            row["scans"] = f"{found.positives} / {found.negatives}"
            row["trained with all"] = cell((found.full, found.full_low, found.full_high))
            row[f"trained without {family}"] = cell((found.without, found.without_low, found.without_high))
            row["difference"] = cell((found.difference, found.difference_low, found.difference_high))
            rows.append(row)
    return pd.DataFrame(rows)


def not_run(reason: str) -> pd.DataFrame:
    """The one row of a table that this run cannot make."""
    return pd.DataFrame([{"score": f"not run: {reason}"}])
