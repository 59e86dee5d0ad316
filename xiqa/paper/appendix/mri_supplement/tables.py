"""Tables: whether an uncertainty is higher on foreign scans, and the input and network of the study against others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import EnrichedTestSet, Values
from xiqa.paper.numbers import cell, number

ENTROPY, INFORMATION = "predictive entropy", "mutual information"
COLUMNS = {ENTROPY: "predictive_entropy", INFORMATION: "mutual_information", "p(artifact)": "probability"}


def shift(usual: pd.DataFrame, others: Mapping[str, pd.DataFrame], name: str) -> tuple[pd.DataFrame, str]:
    """AUROC of each uncertainty of the network ``name`` for clean foreign scans against the usual clean ones.

    ``usual`` and ``others`` are answers on the usual test scans and on each kind of foreign ones; none on real data.
    """
    if not others:
        reason = "there are no foreign scans for real data"
        return pd.DataFrame([{"scans": f"not run: {reason}"}]), f"Foreign scans, not run: {reason}."
    clean = usual[usual["label"] == 0]
    rows = []
    for kind, answers in others.items():
        foreign = answers[answers["label"] == 0]
        areas = {title: rises(clean, foreign, column) for title, column in COLUMNS.items()}
        gap = areas[INFORMATION] - areas[ENTROPY]
        rows.append(
            {"scans": kind, "n": len(foreign)}
            | {title: number(area) for title, area in areas.items()}
            | {f"{INFORMATION} - {ENTROPY}": number(gap)}
        )
    caption = (
        f"AUROC of each uncertainty for clean foreign scans against the {len(clean)} usual clean test scans, {name}; "
        "0.5 is no difference, 1 is a higher value on every foreign scan. 95 % intervals by bootstrap over subjects; "
        "the last column is paired."
    )
    return pd.DataFrame(rows), caption


def rises(usual: pd.DataFrame, foreign: pd.DataFrame, column: str, draws: int = 2000, seed: int = 0) -> Values:
    """AUROC (draws + 1,) of a column for foreign scans against usual ones, and its replicates over subjects.

    Subjects of the same name in the two sets are taken for different people.
    """
    subjects = [f"usual {name}" for name in usual["subject"]] + [f"foreign {name}" for name in foreign["subject"]]
    other = np.arange(len(subjects)) >= len(usual)
    counts = metrics.resample(subjects, other, draws, seed)
    values = np.concatenate([usual[column], foreign[column]])
    return metrics.ranking(other, values, counts)["auc"]


def inputs(
    records: pd.DataFrame, scores: Mapping[str, np.ndarray], about: Mapping[str, Sequence], prevalence: float
) -> tuple[pd.DataFrame, str]:
    """A row for each input and network: AUC and average precision on the test scans after the same steps.

    ``scores`` : name -> score (N,) of an artifact; ``about`` : name -> intensity scale, network, parameters and the
    billions of multiplications of one scan.
    """
    test_set = EnrichedTestSet(records, prevalence)
    rows = []
    for name, score in scores.items():
        intensity, network, parameters, cost = about[name]
        row = {"intensity": intensity, "network": network, "parameters": parameters, "GMAC a scan": f"{cost:.2f}"}
        ranked = {title: metrics.estimate(test_set.rank(score)[title.lower()]) for title in ("AUC", "AP")}
        rows.append(row | {title: cell(values) for title, values in ranked.items()})
    caption = (
        f"The priming stage with another input or network, the same steps and seed: {len(records)} test scans, "
        f"reweighted to {100 * prevalence:.0f} %. 95 % intervals by bootstrap over subjects; GMAC: billions of "
        "multiplications of one prediction."
    )
    return pd.DataFrame(rows), caption
