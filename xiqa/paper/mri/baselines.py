"""Baselines without a neural network: classifiers of the grey value histogram and of hand-made image features.

They are fitted on the training split as it is, at the prevalence of the field; validation gives their thresholds, as it
does for the networks. Kind and settings of the classifiers were chosen on another simulated data set (ours).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

HISTOGRAM, BALANCED, CONTENT = "histogram model", "histogram model, classes balanced", "content model"
NOT_FEATURES = ("split", "image", "unit", "label")
PREDICTED = ("val", "test")


def baselines(features: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, np.ndarray]]:
    """Predictions of the three baselines.

    "histogram model": logistic regression on 32 bins, mean and spread of what the networks see; the same with classes
    balanced; "content model": 400 extremely randomised trees on :func:`xiqa.paper.mri.content.content`.

    Parameters
    ----------
    features : "histograms" (:func:`xiqa.paper.features.histograms`) and "content"
        (:func:`xiqa.paper.mri.content.volume_content`) of the scans of all splits.

    Returns
    -------
    Name -> split ("val", "test") -> probability of an artifact (N,), in [0, 1], in the order of the split's records.
    """
    histograms, content = features["histograms"], features["content"]
    return {
        HISTOGRAM: predictions(histograms, logistic()),
        BALANCED: predictions(histograms, logistic("balanced")),
        CONTENT: predictions(content, trees()),
    }


def logistic(weight: str | None = None) -> Pipeline:
    """Logistic regression on standardised features; ``weight`` "balanced" gives both classes the same total weight."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight=weight))


def trees() -> ExtraTreesClassifier:
    """Extremely randomised trees (Geurts et al. 2006): with few artifacts they beat gradient boosting."""
    return ExtraTreesClassifier(400, min_samples_leaf=2, random_state=0)


def predictions(features: pd.DataFrame, model: ClassifierMixin | Pipeline) -> dict[str, np.ndarray]:
    """Probability of an artifact for validation and test scans, of a classifier fitted on the training split alone.

    Parameters
    ----------
    features : ``split``, ``label`` (1 = artifact), names of the scan, and one column a feature.
    model : classifier of scikit-learn, not fitted.
    """
    columns = [name for name in features if name not in NOT_FEATURES]
    parts = dict(list(features.groupby("split")))
    train = parts["train"]
    if train["label"].nunique() < 2:  # one class only: nothing to fit
        return {split: np.full(len(parts[split]), train["label"].mean()) for split in PREDICTED}
    model.fit(train[columns], train["label"])
    return {split: model.predict_proba(parts[split][columns])[:, 1] for split in PREDICTED}
