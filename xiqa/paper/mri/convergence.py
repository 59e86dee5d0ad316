"""Convergence of the ROC curve with the number of Monte Carlo samples, beside the published values."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xiqa import uncertainty

SIZES = (1, 10, 20, 50, 100)  # of the published convergence table (C)
CONVERGENCE = {"AUC": ("auc", 1, 3), "SSE": ("sse", 1, 4), "NMSE %": ("nmse", 100, 3)}  # part, scale as printed, digits


def halvings(mc: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """:func:`xiqa.uncertainty.convergence` of the samples (T, N, 2) at the published sizes."""
    return uncertainty.convergence(mc, labels, SIZES)


def convergence_table(repeats: pd.DataFrame, samples: int, published: Mapping[str, Mapping]) -> pd.DataFrame:
    """Mean (sd) over halvings for every number of samples, beside the published cells.

    ``samples`` are those of this profile; a row that needs more has the reason.
    """
    rows = []
    for size in SIZES:
        own, row = repeats[repeats["samples"] == size], {"samples": size}
        for name, (part, scale, digits) in CONVERGENCE.items():
            cell = f"{own[part].mean():.{digits}f} ({own[part].std():.{digits}f})"
            row[name] = cell if len(own) else f"not run: needs {2 * size} samples, there are {samples}"
            printed = published[f"mri_{part}_samples_{size}"]
            row[f"published {name}"] = f"{scale * printed['value']:.3f} ({scale * printed['sd']:.3f})"
        rows.append(row)
    return pd.DataFrame(rows)


def published_convergence(published: Mapping[str, Mapping]) -> pd.DataFrame:
    """The published convergence table as numbers: samples, auc, auc_sd, sse, sse_sd, nmse (%), nmse_sd."""
    rows = []
    for size in SIZES:
        row = {"samples": size}
        for part, scale, _ in CONVERGENCE.values():
            printed = published[f"mri_{part}_samples_{size}"]
            row |= {part: scale * printed["value"], f"{part}_sd": scale * printed["sd"]}
        rows.append(row)
    return pd.DataFrame(rows)


def summarised(repeats: pd.DataFrame) -> pd.DataFrame:
    """Mean and sd over halvings, a row a number of samples."""
    grouped = repeats.drop(columns="repeat").groupby("samples")
    return grouped.mean().join(grouped.std().add_suffix("_sd")).reset_index()
