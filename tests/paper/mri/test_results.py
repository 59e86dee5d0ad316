import numpy as np
import pandas as pd
import pytest

from xiqa.data.prepare_volumes import prepare_volumes
from xiqa.paper.study import Experiment
from xiqa.training import predictions


@pytest.fixture
def study(tmp_path, monkeypatch):
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    monkeypatch.delenv("XIQA_RUN", raising=False)
    return Experiment("smoke")


class Volumes:
    def records(self, split):
        return pd.DataFrame({"image": ["a", "b"], "label": [0, 1], "subject": ["s", "t"]}).assign(split=split)


def test_trainings_of_an_arm(study):
    assert study.runs("ramp") == ["mri-vggnet3d-ramp-s0"]
    assert study.runs("flips") == []
    quick = Experiment("quick")
    assert [quick.recipe(name).seed for name in quick.runs("focal")] == [0, 1, 2]
    assert {name for name in quick.arms() if quick.recipe(name).start == "priming"} > set(quick.runs("ramp"))


def test_the_other_scanner_has_volumes_of_its_own(study, monkeypatch):
    asked = []
    monkeypatch.setattr(study, "embedded_root", lambda dataset, spec: asked.append(spec) or "somewhere")
    monkeypatch.setattr(study.store, "path", lambda function, **given: (function, given))
    usual, other = study.prepared_volumes(), study.prepared_volumes(other_scanner=True)
    assert usual[0] is other[0] is prepare_volumes
    assert usual[1]["data"] != other[1]["data"]
    assert [spec.get("scanner") for spec in asked] == [None, "other"]


def test_what_is_sampled_anyway_is_not_asked_again(study, monkeypatch, tmp_path):
    """Arms that are sampled have their plain answer there; the others give a logit."""
    np.save(tmp_path / "plain.npy", np.array([[0.9, 0.1], [0.25, 0.75]], np.float32))
    monkeypatch.setattr(study, "volumes", Volumes)
    monkeypatch.setattr(study, "prepared_volumes", lambda: tmp_path)
    monkeypatch.setattr(study, "train", lambda name: tmp_path)
    monkeypatch.setattr(study, "samples", lambda name, split, flips: tmp_path)
    calls = []

    def frame(function, **given):
        calls.append((function, given["split"]))
        return pd.DataFrame({"score": [0.0, np.log(3)]})

    monkeypatch.setattr(study.store, "frame", frame)
    assert study.plain("mri-vggnet3d-ramp-s0", "val")["plain"].tolist() == pytest.approx([0.1, 0.75])
    assert calls == []
    assert study.plain("mri-vggnet3d-baseline-s0", "test")["plain"].tolist() == pytest.approx([0.5, 0.75])
    assert calls == [(predictions.scores, "test")]


def test_an_ensemble_is_decomposed_as_samples_are(study, monkeypatch):
    said = {"a": [0.2, 0.9], "b": [0.4, 0.1]}
    monkeypatch.setattr(study, "volumes", Volumes)
    monkeypatch.setattr(study, "plain", lambda name, split: pd.DataFrame({"plain": said[name]}))
    found = study.ensemble(["a", "b"], "test")
    assert found["plain"].tolist() == pytest.approx([0.3, 0.5])
    assert found["probability"].tolist() == pytest.approx([0.3, 0.5])
    assert found["mutual_information"].iloc[1] == pytest.approx(np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert found["subject"].tolist() == ["s", "t"]
