import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from xiqa.paper.mri import baselines

COUNTS = {"train": 60, "val": 20, "test": 30}


def features(leak=2.0, seed=0):
    rng, parts = np.random.default_rng(seed), []
    for split, count in COUNTS.items():
        label = np.arange(count) % 3 == 0
        about = {"split": split, "image": np.arange(count).astype(str), "unit": "u", "label": label.astype(int)}
        parts.append(pd.DataFrame(about | {"a": rng.normal(size=count) + leak * label, "b": rng.normal(size=count)}))
    return pd.concat(parts, ignore_index=True)


def test_predictions_are_those_of_a_logistic_regression_on_the_training_split():
    frame = features()
    predictions = baselines.predictions(frame, baselines.logistic())
    x = {split: frame.loc[frame["split"] == split, ["a", "b"]] for split in COUNTS}
    scaler = StandardScaler().fit(x["train"])
    model = LogisticRegression().fit(scaler.transform(x["train"]), frame.query("split == 'train'")["label"])
    assert list(predictions) == ["val", "test"]
    for split, p in predictions.items():
        np.testing.assert_allclose(p, model.predict_proba(scaler.transform(x[split]))[:, 1], atol=1e-4)


@pytest.mark.parametrize("model", [baselines.logistic, baselines.trees])
def test_labels_outside_training_change_nothing(model):
    frame = features()
    turned = frame.assign(label=frame["label"].where(frame["split"] == "train", 1 - frame["label"]))
    first, second = (baselines.predictions(part, model()) for part in (frame, turned))
    for split in ("val", "test"):
        np.testing.assert_array_equal(first[split], second[split])


def test_the_baselines_separate_classes_that_differ():
    frame = features(4.0)
    predictions = baselines.baselines({"histograms": frame, "content": frame})
    assert list(predictions) == [baselines.HISTOGRAM, baselines.CONTENT]
    for p in (parts["test"] for parts in predictions.values()):
        assert ((p >= 0) & (p <= 1)).all()
        assert roc_auc_score(frame.query("split == 'test'")["label"], p) > 0.95


def test_the_feature_that_separates_the_classes_is_the_most_important():
    table = baselines.important(features(4.0), count=2)
    assert table["feature"].tolist() == ["a", "b"]
    assert table["importance"][0] > 0.3 > abs(table["importance"][1])


def test_a_single_class_is_predicted_as_it_is():
    predictions = baselines.predictions(features().assign(label=0), baselines.trees())
    assert (predictions["val"] == 0).all()
    assert len(predictions["test"]) == COUNTS["test"]
