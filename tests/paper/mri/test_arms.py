import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from xiqa import imbalance, metrics, uncertainty
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri.arms import Arm, shift, shifted, training_prior
from xiqa.paper.mri.results import MriResults
from xiqa.recipes.kinds import VolumeClassifier

RECIPES = {
    "a": VolumeClassifier("priming", 0, stage="priming"),
    "b": VolumeClassifier("ramp", 0, start="priming"),
    "c": VolumeClassifier("ramp", 1, start="priming"),
    "d": VolumeClassifier("class_weights", 0, class_weights=True),
}
SIZES = {"train": (98, 2), "val": (40, 20), "test": (90, 30)}
RECORDS = {
    split: pd.DataFrame(
        {"split": split, "label": np.repeat([0, 1], n), "subject": [f"{split}-{i // 2}" for i in range(sum(n))]}
    )
    for split, n in SIZES.items()
}


def predictions(split, seed):
    frame = RECORDS[split]
    return frame.assign(plain=expit(3 * frame["label"] - 2 + np.random.default_rng(seed).normal(size=len(frame))))


def trained(name="ramp", seed=0, start="priming"):
    return Arm(name, seed, start, predictions("val", seed), predictions("test", seed))


def test_the_threshold_is_youdens_on_validation():
    arm = trained()
    assert arm.theta == uncertainty.youden(arm.val["label"], arm.val["plain"])
    assert (arm.flagged == (arm.p >= arm.theta)).all()


def test_the_prior_of_training_is_one_half_where_classes_are_balanced():
    labels = RECORDS["train"]["label"]
    assert [training_prior(recipe, labels) for recipe in RECIPES.values()] == [0.5, 0.02, 0.02, 0.5]


def test_probabilities_are_shifted_as_logits_are():
    p = np.array([0.01, 0.3, 0.9])
    logits = imbalance.shift_logits(np.stack([np.zeros(3), logit(p)], axis=1), 0.3, 0.02)
    assert logit(shift(p, 0.3, 0.02)) == pytest.approx(logits[:, 1] - logits[:, 0])
    assert shift(p, 0.02, 0.02) == pytest.approx(p)
    assert np.isfinite(shift([0.0, 1.0], 0.5, 0.02)).all()
    arm = trained()
    assert logit(shifted(arm, 0.5, 0.02).p) == pytest.approx(logit(arm.p) - np.log(49))


def test_a_shift_calibrates_a_network_of_balanced_classes():
    """Scans whose logit is known exactly, shown half and half: shifted, they are calibrated at 2 %."""
    labels = np.repeat([0, 1], 20_000)
    score = np.random.default_rng(0).normal(size=40_000) + 2 * labels
    p = expit(2 * score - 2)  # the posterior at even odds of two normals two apart
    weights = metrics.prevalence_weights(labels, 0.02)
    before, after = (metrics.calibration(labels, q, weights)["ece"] for q in (p, shift(p, 0.5, 0.02)))
    assert before > 0.1
    assert after < 0.002


def test_all_arms_of_a_run():
    rng = np.random.default_rng(0)
    answers = {
        (name, split): RECORDS[split].assign(probability=predictions(split, i)["plain"])
        for i, name in enumerate(["b", "c"])
        for split in ("val", "test")
    }
    features = pd.concat(RECORDS.values(), ignore_index=True).drop(columns="subject")
    features = features.assign(a=rng.normal(size=len(features)) + features["label"])
    plain = {(n, split): predictions(split, i) for i, n in enumerate(RECIPES) for split in ("val", "test")}
    features = {"histograms": features, "content": features}
    results = MriResults(RECORDS, RECIPES, plain, answers, {}, {}, features, {"focal": "a reason"}, "quick")
    arms = mri_arms.read(results, 0.02)
    assert {name: len(seeds) for name, seeds in arms.trained.items()} == {"priming": 1, "ramp": 2, "class_weights": 1}
    assert [arm.name.partition(",")[0] for arm in arms.shifted] == ["priming", "class_weights"]
    assert [len(arm.p) for arm in arms.baselines] == [120] * 2
    assert len(arms.referrals.networks) == 2
    assert arms.referrals.flipped is None
    assert list(arms.first_seeds) == ["priming", "ramp", "class weights"]
    assert arms.referrals.counts == "30 artifacts among 120 test scans of 60 subjects, reweighted to 2 %"
