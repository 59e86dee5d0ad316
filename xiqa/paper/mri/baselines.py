"""Baselines without a neural network: classifiers of the grey value histogram and of hand-made image features.

They are fitted on the training split as it is, with as many artifacts as the networks see; validation gives their
thresholds, as it does for the networks. Their kind was chosen on another simulated data set (ours).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa import metrics, recipes

HISTOGRAM, CONTENT = "histogram model", "content model"
NOT_FEATURES = ("split", "image", "unit", "label")
PREDICTED = ("val", "test")


def baselines(features: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, np.ndarray]]:
    """Predictions of the two baselines: name -> split ("val", "test") -> probability of an artifact (N,).

    Histogram model: logistic regression on 32 bins, mean and spread of what the networks see ("histograms",
    :func:`xiqa.paper.features.histograms`). Content model: extremely randomised trees on hand-made features
    ("content", :func:`xiqa.paper.mri.content.volume_content`).
    """
    models = {HISTOGRAM: (features["histograms"], logistic()), CONTENT: (features["content"], trees())}
    return {name: predictions(table, model) for name, (table, model) in models.items()}


def logistic() -> Pipeline:
    """Logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def trees() -> ExtraTreesClassifier:
    """400 extremely randomised trees (Geurts et al. 2006): with few artifacts they beat gradient boosting."""
    return ExtraTreesClassifier(400, min_samples_leaf=2, random_state=0)


def predictions(features: pd.DataFrame, model: ClassifierMixin | Pipeline) -> dict[str, np.ndarray]:
    """Probability of an artifact for validation and test scans, of a classifier fitted on the training split alone.

    ``features``: ``split``, ``label`` (1 = artifact), names of the scan, and one column a feature.
    """
    columns = _columns(features)
    parts = dict(list(features.groupby("split")))
    train = parts["train"]
    if train["label"].nunique() < 2:  # one class only: nothing to fit
        return {split: np.full(len(parts[split]), train["label"].mean()) for split in PREDICTED}
    model.fit(train[columns], train["label"])
    return {split: model.predict_proba(parts[split][columns])[:, 1] for split in PREDICTED}


def important(features: pd.DataFrame, count: int = 6, repeats: int = 3) -> pd.DataFrame:
    """Features of the content model by permutation importance.

    Importance is the loss of validation average precision, reweighted to the prevalence, when a feature is shuffled.
    Columns: feature, importance (mean over repeats), sd; the ``count`` most important first.
    """
    train, val = (features[features["split"] == split] for split in ("train", "val"))
    columns = _columns(features)
    model = trees().fit(train[columns], train["label"])
    weights = metrics.prevalence_weights(val["label"], recipes.PREVALENCE)
    losses = permutation_importance(
        model, val[columns], val["label"], scoring="average_precision", n_repeats=repeats, random_state=0,
        sample_weight=weights,
    )  # fmt: skip
    table = {"feature": columns, "importance": losses.importances_mean, "sd": losses.importances_std}
    return pd.DataFrame(table).nlargest(count, "importance").reset_index(drop=True)


def _columns(features: pd.DataFrame) -> list[str]:
    return [name for name in features if name not in NOT_FEATURES]
