import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score

from xiqa import models
from xiqa.training import predictions

SHAPE = (32, 32, 32)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.build("vggnet3d", shape=SHAPE)


@pytest.fixture(scope="module")
def volumes():
    return np.random.default_rng(0).normal(size=(19, *SHAPE)).astype(np.float16)


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_predict_keeps_the_network_as_it_was(model, volumes, precision):
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    logits = predictions.predict(model, volumes, precision)
    assert (logits.shape, logits.dtype, model.training) == ((len(volumes), 2), torch.float32, True)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    with torch.no_grad():
        alone = model.eval()(torch.from_numpy(volumes[:1]).float()[:, None])
    torch.testing.assert_close(logits[:1], alone, atol=1e-4 if precision == "32" else 0.1, rtol=0.05)


def test_scores_are_the_difference_of_the_logits(model, volumes, tmp_path):
    rows = pd.DataFrame({"split": "test", "image": [f"scan-{i}" for i in range(19)], "subject": "one", "label": 0})
    rows["label"] = np.arange(19) % 2
    others = ["path", "artifact_type", "contrast", "severity", "rater_probability", "artifact"]
    rows.assign(**dict.fromkeys(others, "")).to_csv(tmp_path / "records.csv", index=False)
    (tmp_path / "problems.csv").write_text("split,path,line,reason,status,message\n")
    (tmp_path / "notes.txt").write_text("")
    for split in ("train", "val", "test"):
        np.save(tmp_path / f"{split}.npy", volumes)
    models.save(model, tmp_path / "weights.pt", shape=list(SHAPE))
    found = predictions.scores(tmp_path, tmp_path / "weights.pt", "32")
    logits = predictions.predict(model, volumes)
    assert list(found) == ["image", "unit", "label", "score"]
    assert list(found["label"]) == list(rows["label"])
    np.testing.assert_allclose(found["score"], (logits[:, 1] - logits[:, 0]).numpy(), atol=1e-5)


def test_validation_is_reweighted_to_two_in_a_hundred(monkeypatch):
    labels = np.array([0, 0, 0, 1, 1])
    logits = torch.tensor([[2.0, 0], [0, 1.0], [1.0, 0], [0, 3.0], [0.5, 0]])
    monkeypatch.setattr(predictions, "predict", lambda *_: logits)
    found = predictions.validate(None, None, labels, "32")
    # 98 clean scans and 2 artifacts in the same proportions: each clean scan 98 times, each artifact 3 times.
    copies = np.repeat(np.arange(5), [98, 98, 98, 3, 3])
    score = (logits[:, 1] - logits[:, 0]).numpy()
    assert found["val_ap"] == pytest.approx(average_precision_score(labels[copies], score[copies]))
    assert found["val_auc"] == pytest.approx(5 / 6)
    losses = -logits.log_softmax(1).numpy()[np.arange(5), labels]
    assert found["val_loss"] == pytest.approx(losses[copies].mean(), rel=1e-6)


def test_validation_of_one_class_has_no_curve(monkeypatch):
    monkeypatch.setattr(predictions, "predict", lambda *_: torch.zeros(3, 2))
    found = predictions.validate(None, None, np.zeros(3, dtype=np.int64), "32")
    assert found["val_loss"] == pytest.approx(np.log(2))
    assert np.isnan([found["val_auc"], found["val_ap"]]).all()
