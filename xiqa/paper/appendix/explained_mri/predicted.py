"""Does the spread of the peaks under dropout tell of a miss, beyond probability and mutual information?"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa import metrics

FOLDS, FEWEST, DRAWS = 5, 10, 1000


def predicts(frame: pd.DataFrame, miss: str | None = None, draws: int = DRAWS, seed: int = 0) -> dict[str, float]:
    """Does the spread of the peaks tell of a miss beyond probability and mutual information?

    Two logistic regressions of a miss, without and with the spread, on standardised columns. The likelihood ratio is
    compared with chi-square at one degree of freedom, as if scans were independent. The areas under the ROC curve are
    those of predictions for subjects that were not fitted (folds by subject); the interval of their difference is a
    percentile one over subjects, of these predictions: nothing is fitted again.

    Parameters
    ----------
    frame : rows of :func:`spread` or :func:`wander` of one network; rows without a verdict are left out.
    miss : column that is 1 for a miss and 0 otherwise; None for the pointing game's, 1 - ``hit``.
    draws, seed : of the bootstrap over subjects.

    Returns
    -------
    ``scans``, ``misses``, ``auc_spread`` with ``_low`` and ``_high`` (of the spread alone, nothing fitted),
    ``likelihood_ratio``, ``p``, ``auc_without``, ``auc_with``, ``difference``, ``low``, ``high``; NaN from
    ``auc_spread`` on where there are fewer than ten misses or ten hits, or too few subjects.

    """
    frame = frame.assign(missed=(1 - frame["hit"]) if miss is None else frame[miss])
    known = frame.dropna(subset=["missed", "spread", "probability", "mutual_information"])
    missed, subjects = known["missed"].to_numpy(int), known["subject"].to_numpy()
    names = ["auc_spread", "auc_spread_low", "auc_spread_high", "likelihood_ratio", "p", "auc_without", "auc_with",
             "difference", "low", "high"]  # fmt: skip
    found = {"scans": len(known), "misses": int(missed.sum())}
    if min(missed.sum(), len(missed) - missed.sum()) < FEWEST or known["subject"].nunique() < 2 * FOLDS:
        return found | dict.fromkeys(names, np.nan)
    shorter = known[["probability", "mutual_information"]].to_numpy(float)
    longer = np.column_stack([shorter, known["spread"]])
    losses = [len(missed) * log_loss(missed, _regression().fit(x, missed).predict_proba(x)) for x in (shorter, longer)]
    ratio = max(2 * (losses[0] - losses[1]), 0.0)
    folds = {"groups": subjects, "cv": StratifiedGroupKFold(FOLDS), "method": "predict_proba"}
    told = [cross_val_predict(_regression(), x, missed, **folds)[:, 1] for x in (shorter, longer)]
    areas = [float(roc_auc_score(missed, one)) for one in told]
    values = [*metrics.auc(missed, known["spread"], subjects), ratio, float(stats.chi2.sf(ratio, 1)), *areas]
    bounds = _difference_interval(missed, told, subjects, draws, seed)
    return found | dict(zip(names, [*values, areas[1] - areas[0], *bounds], strict=True))


def _regression() -> Pipeline:
    """Logistic regression by maximum likelihood: a penalty as good as none keeps separable data finite."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e6, max_iter=5000))


def _difference_interval(
    miss: NDArray, told: list[NDArray], subjects: NDArray, draws: int, seed: int
) -> tuple[float, float]:
    """Percentile interval of the second area minus the first, subjects drawn with replacement."""
    rng, places = np.random.default_rng(seed), [np.flatnonzero(subjects == one) for one in np.unique(subjects)]
    differences = []
    for _ in range(draws):
        rows = np.concatenate([places[k] for k in rng.integers(len(places), size=len(places))])
        if 0 < miss[rows].sum() < len(rows):
            differences.append(roc_auc_score(miss[rows], told[1][rows]) - roc_auc_score(miss[rows], told[0][rows]))
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
