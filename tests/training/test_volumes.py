import json
import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, recipes
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.store.store import Store
from xiqa.training import loop, predictions
from xiqa.training import volumes as training_mri
from xiqa.training.volumes import _flipped, _loss, range_test, train_volumes

SHAPE = (32, 32, 32)
BASE = replace(
    recipes.VolumeClassifier("baseline", 0), shape=SHAPE, steps=7, batch=4, rates=(1e-6, 1e-3), precision="32"
)
ARMS = {
    "baseline": {},
    "class_weights": {"class_weights": True},
    "focal": {"loss": "focal"},
    "balanced": {"sampler": "balanced"},
    "ramp": {"ramp_epochs": 2},
    # bfloat16 where a recipe would choose it: on CPUs without AMX its 3D convolutions return NaN now and then.
    "flips": {"flip": True, "precision": recipes.precision("vggnet3d")},
    "priming": {"stage": "priming"},
}


def recipe(arm="baseline", **changes):
    return asdict(replace(BASE, arm=arm, **(ARMS[arm] | changes)))


def write_prepared(folder, counts, brightness=1, seed=0):
    """What the preparation of scans writes: noise, with a bright corner in the artifacts."""
    generator, rows = np.random.default_rng(seed), []
    for split, (clean, artifacts) in counts.items():
        labels = generator.permutation([0] * clean + [1] * artifacts)
        volumes = generator.normal(size=(len(labels), *SHAPE)).astype(np.float16)
        volumes[labels == 1, :12, :12, :12] += np.float16(brightness)
        np.save(folder / f"{split}.npy", volumes)
        rows += [
            {
                "split": split,
                "image": f"{split}-{i}",
                "path": f"sub-{split}{i}/anat/sub-{split}{i}_T1w.nii.gz",
                "subject": f"sub-{split}{i}",
                "label": label,
                "artifact_type": ("motion" if i % 2 else "coverage") if label else "",
                "artifact": "" if label else ("ghosting" if i % 3 else ""),
                "contrast": "T1w",
                "severity": np.nan,
                "rater_probability": np.nan,
            }
            for i, label in enumerate(labels)
        ]
    pd.DataFrame(rows).to_csv(folder / "records.csv", index=False)
    (folder / "problems.csv").write_text("split,path,line,reason,status,message\n")
    (folder / "notes.txt").write_text("")
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    counts = {"train": (14, 3), "val": (8, 4), "test": (4, 2)}
    return write_prepared(tmp_path_factory.mktemp("prepared"), counts)


def run(folder, prepared, given, start=None):
    folder.mkdir(parents=True, exist_ok=True)
    train_volumes(folder, given, prepared, start)
    return pd.read_csv(folder / "history.csv"), torch.load(folder / "weights.pt", weights_only=True)["state"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def arms(prepared, tmp_path_factory):
    root = tmp_path_factory.mktemp("arms")
    return {arm: (root / arm, *run(root / arm, prepared, recipe(arm))) for arm in ARMS}


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_spends_the_same_steps_and_leaves_two_files(arms, arm):
    folder, history, _ = arms[arm]
    assert history["steps"].iloc[-1] == BASE.steps
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "weights.pt"]
    assert list(history["epoch"]) == list(range(len(history)))
    assert list(history) == [
        "epoch", "steps", "size", "clean_share", "train_loss", "val_loss", "val_auc", "val_ap", "learning_rate"
    ]  # fmt: skip
    assert history[["train_loss", "val_loss", "val_auc", "val_ap"]].notna().all().all()


def test_nothing_is_left_beside_the_entries(arms):
    root = arms["baseline"][0].parent
    assert sorted(path.name for path in root.iterdir()) == sorted(ARMS)


def test_arms_differ_in_what_they_learn(arms):
    states = [state["head.6.weight"] for _, _, state in arms.values()]
    for i, one in enumerate(states):
        assert not any(torch.equal(one, other) for other in states[:i])


def test_sets_grow_with_the_ramp_and_stay_in_the_other_arms(arms):
    assert list(arms["ramp"][1]["size"]) == [6, 12, 17]
    assert list(arms["ramp"][1]["clean_share"]) == pytest.approx([0.5, 0.75, 14 / 17])
    assert list(arms["baseline"][1]["size"]) == [17, 17]
    assert set(arms["priming"][1]["size"]) == {6}


def test_weights_say_what_they_are(arms):
    about = models.describe(arms["ramp"][0] / "weights.pt")
    expected = {"network": "vggnet3d", "dataset": "mri", "arm": "ramp", "seed": 0, "intensity": "zscore"}
    assert about == expected | {"shape": list(SHAPE)}
    model = models.build("vggnet3d", weights=arms["ramp"][0] / "weights.pt", shape=about["shape"])
    assert same(model.state_dict(), arms["ramp"][2])


def test_a_training_repeats_exactly_whatever_was_drawn_before(arms, prepared, tmp_path):
    torch.rand(5)
    np.random.default_rng().random(3)
    for arm in ("flips", "balanced"):
        history, state = run(tmp_path / arm, prepared, recipe(arm))
        pd.testing.assert_frame_equal(history, arms[arm][1])
        assert same(state, arms[arm][2])


def test_another_seed_is_another_network(arms, prepared, tmp_path):
    _, state = run(tmp_path / "other", prepared, recipe(seed=1))
    assert not same(state, arms["baseline"][2])


def test_the_weights_are_those_of_the_last_step(arms, prepared):
    """Validation chooses nothing: the last row of the history is what the saved weights give."""
    folder, history, _ = arms["ramp"]
    model = models.build("vggnet3d", weights=folder / "weights.pt", shape=SHAPE)
    data = PreparedVolumes(prepared)
    labels = data.records("val")["label"].to_numpy()
    found = predictions.validate(model, data.volumes("val"), labels, "32")
    assert found == pytest.approx(history.iloc[-1][list(found)].to_dict(), abs=1e-4)


def test_a_plain_artifact_is_learned(tmp_path):
    (tmp_path / "data").mkdir()
    plain = write_prepared(tmp_path / "data", {"train": (16, 16), "val": (12, 6), "test": (1, 1)}, brightness=5)
    history, _ = run(tmp_path / "long", plain, recipe(steps=32))
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]
    assert history["val_auc"].iloc[-1] > 0.9


def test_few_validations_of_many_epochs_and_always_the_last(prepared, tmp_path):
    history, _ = run(tmp_path / "many", prepared, recipe("priming", steps=19 * 2))
    assert list(history["epoch"]) == list(range(19))
    assert list(history.loc[history["val_auc"].notna(), "epoch"]) == [2, 5, 8, 11, 14, 17, 18]


def test_transfer_takes_the_whole_primed_network(arms, prepared, tmp_path):
    """With a rate of nothing the transferred network is the primed one, head included."""
    primed = arms["priming"][0]
    given = recipe(start="priming", rates=(0.0, 1e-30), steps=1)
    _, state = run(tmp_path / "transfer", prepared, given, start=primed)
    weights = [key for key in state if not re.search("running|num_batches", key)]
    assert any(key.startswith("head") for key in weights)
    assert all(torch.equal(state[key], arms["priming"][2][key]) for key in weights)


def test_start_and_recipe_must_agree(arms, prepared, tmp_path):
    with pytest.raises(ValueError, match="priming"):
        train_volumes(tmp_path, recipe(start="priming"), prepared, None)
    with pytest.raises(ValueError, match="random"):
        train_volumes(tmp_path, recipe(), prepared, arms["priming"][0])


def test_other_shapes_and_one_class_are_said(prepared, tmp_path):
    with pytest.raises(ValueError, match=r"32, 32, 32.*not \(64, 32, 32\)"):
        train_volumes(tmp_path, recipe(shape=(64, 32, 32)), prepared, None)
    (tmp_path / "data").mkdir()
    alone = write_prepared(tmp_path / "data", {"train": (5, 0), "val": (2, 1), "test": (1, 1)})
    with pytest.raises(ValueError, match="5 and 0"):
        train_volumes(tmp_path, recipe(), alone, None)


def test_an_interrupted_training_goes_on_to_the_same_weights(arms, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path))
    store = Store("smoke")
    inside = store.folder / "prepare_volumes" / "entry"
    inside.mkdir(parents=True)
    for path in prepared.iterdir():
        (inside / path.name).hardlink_to(path)
    (inside / "entry.json").write_text('{"content": {}}')
    steps, real = [], loop.seed_step

    def counting(stop, seed, step):
        steps.append(step)
        if step == stop:
            raise RuntimeError("the power fails")
        real(seed, step)

    monkeypatch.setattr(training_mri, "seed_step", lambda seed, step: counting(6, seed, step))
    arguments = {"recipe": recipe("ramp"), "prepared": inside, "start": None}
    with pytest.raises(RuntimeError, match="power"):
        store.path(train_volumes, **arguments)
    assert len(list(store.folder.glob("train_volumes/partial/*.ckpt"))) == 1
    steps.clear()
    monkeypatch.setattr(training_mri, "seed_step", lambda seed, step: counting(-1, seed, step))
    entry = store.path(train_volumes, **arguments)
    assert steps == [5, 6]
    pd.testing.assert_frame_equal(pd.read_csv(entry / "history.csv"), arms["ramp"][1])
    assert same(torch.load(entry / "weights.pt", weights_only=True)["state"], arms["ramp"][2])
    assert [path.name for path in entry.parent.iterdir() if path.suffix != ".lock"] == [entry.name]
    assert json.loads((entry / "entry.json").read_text())["key"]["arguments"]["recipe"]["arm"] == "ramp"


def test_flips_turn_each_scan_by_itself():
    volumes = torch.arange(40 * 27.0).reshape(40, 3, 3, 3)
    turned = _flipped(volumes, np.random.default_rng(0))
    found = set()
    for old, new in zip(volumes, turned, strict=True):
        fits = [axes for axes in training_mri_axes() if torch.equal(old.flip(axes), new)]
        assert len(fits) == 1
        found.add(tuple(fits[0]))
    assert len(found) == 8


def training_mri_axes():
    return [[axis for axis in range(3) if bits >> axis & 1] for bits in range(8)]


def test_range_test_rises_and_its_loss_is_smoothed(prepared):
    frame = range_test(recipe(), prepared, steps=12)
    assert list(frame) == ["step", "learning_rate", "loss", "smoothed"]
    assert list(frame["step"]) == list(range(12))
    assert frame["learning_rate"].iloc[0] == pytest.approx(1e-7)
    assert frame["learning_rate"].iloc[-1] == pytest.approx(1.0)
    assert np.allclose(np.diff(np.log10(frame["learning_rate"])), 7 / 11)
    weights = 0.9 ** np.arange(12)[::-1]
    assert frame["smoothed"].iloc[-1] == pytest.approx((frame["loss"] * weights).sum() / weights.sum())
    pd.testing.assert_frame_equal(range_test(recipe(), prepared, steps=12), frame)


def test_range_test_ends_where_the_loss_does(prepared, monkeypatch):
    real = _loss
    monkeypatch.setattr(training_mri, "_loss", lambda *args: real(*args) * (np.inf if args[-1] == 3 else 1))
    assert len(range_test(recipe(), prepared, steps=12)) == 3
