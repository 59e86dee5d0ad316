from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from xiqa import imbalance, recipes, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import answers
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri.arms import corrected, experiments, shift, simple
from xiqa.recipes.kinds import VolumeClassifier

RECIPES = {
    "a": VolumeClassifier("priming", 0, stage="priming"),
    "b": VolumeClassifier("priming_without", 0, stage="priming", without=("motion",)),
    "c": VolumeClassifier("ramp", 0, start="priming"),
    "d": VolumeClassifier("ramp", 1, start="priming"),
    "e": VolumeClassifier("balanced", 0, sampler="balanced"),
    "f": VolumeClassifier("balanced", 1, sampler="balanced"),
    "g": VolumeClassifier("class_weights", 0, class_weights=True),
}
SIZES = {"train": (98, 2), "val": (40, 20), "test": (90, 30)}
RECORDS = {
    split: pd.DataFrame(
        {"label": np.repeat([0, 1], sizes), "subject": [f"{split}-{i // 2}" for i in range(sum(sizes))]}
    )
    for split, sizes in SIZES.items()
}


class Study:
    """What notebooks call an experiment, without its networks."""

    def arms(self):
        return list(RECIPES)

    def recipe(self, name):
        return RECIPES[name]

    def runs(self, arm):
        return [name for name, recipe in RECIPES.items() if recipe.arm == arm]

    def volumes(self):
        return SimpleNamespace(records=lambda split: RECORDS[split].copy())

    def plain(self, name, split):
        frame = RECORDS[split]
        noise = np.random.default_rng(ord(name)).normal(size=len(frame))
        return frame.assign(plain=expit(3 * frame["label"] - 2 + noise))

    def ensemble(self, names, split):
        p = np.stack([self.plain(name, split)["plain"] for name in names])
        return answers.decomposed(RECORDS[split], np.stack([1 - p, p], axis=-1))


@pytest.fixture(scope="module")
def trained():
    return mri_arms.trained(Study())


def test_every_training_on_all_artifacts_is_an_arm(trained):
    assert [(arm.name, arm.seed) for arm in trained] == [
        ("priming", 0), ("ramp", 0), ("ramp", 1), ("balanced", 0), ("balanced", 1), ("class_weights", 0)
    ]  # fmt: skip
    assert trained[1].theta == uncertainty.youden(trained[1].val["label"], trained[1].val["plain"])
    assert (trained[1].flagged == (trained[1].p >= trained[1].theta)).all()


def test_only_the_first_seed_of_what_met_another_prior_is_corrected(trained):
    found = corrected(trained, Study(), 0.02)
    assert [(arm.name.partition(",")[0], arm.seed) for arm in found] == [
        ("priming", 0), ("balanced", 0), ("class_weights", 0)
    ]  # fmt: skip
    for arm, given in zip(found, (trained[0], trained[3], trained[5]), strict=True):
        assert (np.argsort(arm.p) == np.argsort(given.p)).all()
        # From even odds to 2 in 98.
        assert logit(arm.p) == pytest.approx(logit(given.p) - np.log(49))


def test_shifting_is_that_of_the_logits():
    p = np.array([0.01, 0.3, 0.9])
    z = np.stack([np.zeros(3), logit(p)], axis=1)
    shifted = imbalance.shift_logits(z, 0.3, 0.02)
    assert logit(shift(p, 0.3, 0.02)) == pytest.approx(shifted[:, 1] - shifted[:, 0])
    assert shift(p, 0.02, 0.02) == pytest.approx(p)
    assert np.isfinite(shift([0.0, 1.0], 0.5, 0.02)).all()


def test_a_shift_repairs_what_even_classes_break():
    """Scans whose logit is known exactly, shown half and half: corrected, they are calibrated at 2 %."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20_000)
    score = rng.normal(size=40_000) + 2 * labels
    p = expit(2 * score - 2)  # the posterior at even odds of two normals two apart
    bench = enriched.Bench(pd.DataFrame({"label": labels, "subject": np.arange(40_000)}), 0.02, draws=1)
    broken, repaired = (bench.calibrate(each)["ece"][0] for each in (p, shift(p, 0.5, 0.02)))
    assert broken > 0.1
    assert repaired < 0.002


def test_the_ensemble_is_the_mean_of_the_ramps(trained):
    (found,) = mri_arms.ensemble(Study())
    assert found.name.endswith("of 2")
    assert found.p == pytest.approx((trained[1].p + trained[2].p) / 2)


def test_one_seed_is_no_ensemble(monkeypatch):
    monkeypatch.setattr(Study, "runs", lambda self, arm: ["c"])
    assert mri_arms.ensemble(Study()) == []


def test_rivals_that_are_no_network_enter_alike():
    said = {"histogram": {split: np.linspace(0, 1, len(RECORDS[split])) for split in ("val", "test")}}
    (found,) = simple(Study(), said)
    assert (found.name, found.seed, found.start) == ("histogram", "-", "-")
    assert found.p == pytest.approx(said["histogram"]["test"])


def test_the_table_begins_with_all_clean_and_ends_with_what_is_missing(trained):
    bench = enriched.Bench(RECORDS["test"], recipes.PREVALENCE, draws=20)
    table = experiments(bench, trained[:2], {"focal": "a reason"})
    assert list(table["arm"]) == ["all clean", "priming", "priming", "ramp", "ramp", "focal"]
    assert list(table.columns[:4]) == ["arm", "seed", "start", "threshold by"]
    assert table["threshold by"].iloc[-1] == "not run: a reason"
    assert not table.isna().any().any()
