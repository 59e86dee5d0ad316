import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.paper.audit import shortcuts
from xiqa.paper.mri import baselines

COUNTS = {"train": 60, "val": 20, "test": 30}


def table(leak=2.0, seed=0):
    rng, parts = np.random.default_rng(seed), []
    for split, count in COUNTS.items():
        label = np.arange(count) % 3 == 0
        about = {"split": split, "image": np.arange(count).astype(str), "unit": "u", "label": label.astype(int)}
        parts.append(pd.DataFrame(about | {"a": rng.normal(size=count) + leak * label, "b": rng.normal(size=count)}))
    return pd.concat(parts, ignore_index=True)


class TestScores:
    def test_they_are_those_of_a_logistic_regression_of_the_training_split(self):
        features = table()
        found = baselines.scores(features, baselines.logistic())
        x = {split: features.loc[features["split"] == split, ["a", "b"]] for split in COUNTS}
        scaler = StandardScaler().fit(x["train"])
        model = LogisticRegression().fit(scaler.transform(x["train"]), features.query("split == 'train'")["label"])
        for split in ("val", "test"):
            np.testing.assert_allclose(found[split], model.predict_proba(scaler.transform(x[split]))[:, 1], atol=1e-4)
        assert list(found) == ["val", "test"]

    @pytest.mark.parametrize("model", [baselines.logistic, baselines.trees])
    def test_labels_outside_training_change_nothing(self, model):
        features = table()
        turned = features.assign(label=features["label"].where(features["split"] == "train", 1 - features["label"]))
        for split in ("val", "test"):
            found = [baselines.scores(part, model())[split] for part in (features, turned)]
            np.testing.assert_array_equal(*found)

    @pytest.mark.parametrize("model", [baselines.logistic, baselines.trees])
    def test_a_leak_is_found_as_a_probability(self, model):
        features = table(4.0)
        found = baselines.scores(features, model())["test"]
        assert ((found >= 0) & (found <= 1)).all()
        assert roc_auc_score(features.query("split == 'test'")["label"], found) > 0.95

    def test_balanced_classes_raise_the_probability_of_the_rare_one(self):
        plain, balanced = (baselines.scores(table(1.0), baselines.logistic(w))["test"] for w in (None, "balanced"))
        assert balanced.mean() > plain.mean() + 0.05

    def test_nothing_to_learn_from(self):
        found = baselines.scores(table().assign(label=0), baselines.trees())
        assert (found["val"] == 0).all()
        assert len(found["test"]) == COUNTS["test"]


class Study:
    """What `rivals` asks of an experiment, with a folder of noisy and quiet volumes."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []
        rng, rows = np.random.default_rng(0), []
        for split, count in COUNTS.items():
            label = np.arange(count) % 3 == 0
            array = rng.normal(0, np.where(label, 1.5, 1)[:, None, None, None], (count, 12, 12, 8))
            np.save(folder / f"{split}.npy", array.astype(np.float16))
            rows += [
                (split, f"{split}{i}", f"{split}{i}", f"s{i}", int(y), "", "", 0, 0, "") for i, y in enumerate(label)
            ]
        names = ["split", "image", "path", "subject", "label", "artifact_type", "contrast", "severity",
                 "rater_probability", "artifact"]  # fmt: skip
        pd.DataFrame(rows, columns=names).to_csv(folder / "records.csv", index=False)
        (folder / "problems.csv").write_text("split,path,line,reason,status,message\n")
        (folder / "notes.txt").write_text("")
        self.store = self

    def prepared_volumes(self):
        return self.folder

    def volumes(self):
        return PreparedVolumes(self.folder)

    def frame(self, function, **given):
        self.asked.append((function.__name__, set(given)))
        return function(**given)


def test_every_rival_scores_every_scan(tmp_path):
    study = Study(tmp_path)
    found = baselines.rivals(study)
    assert list(found) == [baselines.HISTOGRAM, baselines.BALANCED, baselines.CONTENT]
    for name, said in found.items():
        for split in ("val", "test"):
            labels = study.volumes().records(split)["label"]
            assert said[split].shape == (COUNTS[split],)
            assert roc_auc_score(labels, said[split]) > 0.9, name
    assert found[baselines.BALANCED]["test"].mean() > found[baselines.HISTOGRAM]["test"].mean()


def test_the_histograms_of_the_audit_are_asked_for_unless_they_read_too_few(tmp_path, monkeypatch):
    study = Study(tmp_path)
    baselines.rivals(study)
    assert ("histograms", {"prepared", "volumes"}) in study.asked
    monkeypatch.setattr(baselines, "READ", 50)
    baselines.rivals(study)
    assert ("histograms", {"prepared", "volumes", "most"}) in study.asked


def test_a_histogram_reads_as_many_items_as_is_thought():
    assert shortcuts.histograms.__defaults__ == (baselines.READ,)
