"""Predictions on an enriched test set, with their uncertainty."""

from pathlib import Path

import numpy as np
import pandas as pd

from xiqa import uncertainty


def answers(folder: Path, records: pd.DataFrame) -> pd.DataFrame:
    """Predictions of one network on a split: the records and, a row a scan, its probabilities and uncertainties.

    Parameters
    ----------
    folder : entry of :func:`xiqa.paper.mri.sample.sample`.
    records : the split's, in the order of its volumes.

    Returns
    -------
    DataFrame: the records, ``plain`` (probability of an artifact, dropout off), the columns of
    :func:`xiqa.uncertainty.decompose` over the Monte Carlo samples and, where there are flips, with the prefix
    ``flip_`` over them and with ``both_`` over the samples in all orientations, with ``both_within`` and
    ``both_between``, the variance over samples and that over orientations (:func:`xiqa.uncertainty.split_variance`).
    """
    parts = [records.reset_index(drop=True).assign(plain=np.load(folder / "plain.npy")[:, 1].astype(float))]
    parts.append(uncertainty.decompose(np.load(folder / "mc.npy")))
    if (folder / "flips.npy").is_file():
        parts.append(uncertainty.decompose(np.load(folder / "flips.npy")).add_prefix("flip_"))
        both = np.load(folder / "flips_mc.npy")
        together = uncertainty.decompose(both.reshape(-1, *both.shape[2:]))
        split = uncertainty.split_variance(both)[["within", "between"]]
        parts.append(pd.concat([together, split], axis=1).add_prefix("both_"))
    return pd.concat(parts, axis=1)


def decomposed(records: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Records with the columns of :func:`xiqa.uncertainty.decompose` of (S, N, 2), and ``plain``, their mean."""
    measures = uncertainty.decompose(probabilities)
    return pd.concat([records.reset_index(drop=True).assign(plain=measures["probability"]), measures], axis=1)
