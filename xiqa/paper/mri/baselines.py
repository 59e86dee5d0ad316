"""Rivals of the networks that are none: what a histogram, and what hand-made numbers of a picture, say of a scan.

Both are fitted on the training split as it is, at the prevalence of the field; validation gives their thresholds, as it
does for the networks. Kind and settings of the classifiers were chosen on another simulated data set (O).
"""

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa.paper.audit import shortcuts
from xiqa.paper.mri import content
from xiqa.paper.study import Experiment

HISTOGRAM, BALANCED, CONTENT = "histogram model", "histogram model, classes balanced", "content model"
READ = 5000  # items of a split that a histogram reads unless told otherwise
ABOUT = ("split", "image", "unit", "label")
TOLD = ("val", "test")


def rivals(study: Experiment) -> dict[str, dict[str, np.ndarray]]:
    """Scores of the rivals.

    "histogram model": logistic regression on 32 bins, mean and spread of what the networks see; the same with classes
    balanced; "content model": 400 extremely randomised trees on :func:`xiqa.paper.mri.content.content`.

    Returns
    -------
    Name -> split ("val", "test") -> probability of an artifact (N,), in [0, 1], in the order of the split's records.

    """
    prepared, volumes = study.prepared_volumes(), study.volumes()
    largest = max(len(volumes.records(split)) for split in ("train", *TOLD))
    # Asked as the audit asks, where that is enough, so that the store has it once.
    all_of_them = {"most": largest} if largest > READ else {}
    bins = study.store.frame(shortcuts.histograms, prepared=prepared, volumes=True, **all_of_them)
    shown = study.store.frame(content.volume_content, prepared=prepared)
    return {
        HISTOGRAM: scores(bins, logistic()),
        BALANCED: scores(bins, logistic("balanced")),
        CONTENT: scores(shown, trees()),
    }


def logistic(weight: str | None = None) -> Pipeline:
    """Logistic regression on standardised numbers; ``weight`` "balanced" gives both classes the same mass."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight=weight))


def trees() -> ExtraTreesClassifier:
    """Extremely randomised trees (Geurts et al. 2006): with few artifacts they beat gradient boosting."""
    return ExtraTreesClassifier(400, min_samples_leaf=2, random_state=0)


def scores(features: pd.DataFrame, model: ClassifierMixin | Pipeline) -> dict[str, np.ndarray]:
    """Probability of an artifact for validation and test scans, of a classifier fitted on the training split alone.

    Parameters
    ----------
    features : ``split``, ``label`` (1 = artifact) and, beside what names a scan, one column a number.
    model : classifier of scikit-learn, not fitted.

    """
    columns = [name for name in features if name not in ABOUT]
    parts = {split: features[features["split"] == split] for split in ("train", *TOLD)}
    train = parts["train"]
    if train["label"].nunique() < 2:  # nothing to learn: all scans alike
        return {split: np.full(len(parts[split]), train["label"].mean()) for split in TOLD}
    model.fit(train[columns], train["label"])
    return {split: model.predict_proba(parts[split][columns])[:, 1] for split in TOLD}
