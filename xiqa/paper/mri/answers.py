"""Predictions on an enriched test set, with their uncertainty."""

from pathlib import Path

import numpy as np
import pandas as pd

from xiqa import uncertainty


def answers(folder: Path, records: pd.DataFrame) -> pd.DataFrame:
    """Predictions of one network on a split, a row a scan: the records with probabilities and uncertainties.

    ``folder`` is an entry of :func:`xiqa.paper.mri.sample.sample`, ``records`` are in the order of its volumes. Further
    columns: ``plain`` (probability of an artifact, dropout off), those of :func:`xiqa.uncertainty.decompose` over the
    Monte Carlo samples and, where there are flips, over them with the prefix ``flip_``.
    """
    parts = [records.reset_index(drop=True).assign(plain=np.load(folder / "plain.npy")[:, 1].astype(float))]
    parts.append(uncertainty.decompose(np.load(folder / "mc.npy")))
    if (folder / "flips.npy").is_file():
        parts.append(uncertainty.decompose(np.load(folder / "flips.npy")).add_prefix("flip_"))
    return pd.concat(parts, axis=1)
