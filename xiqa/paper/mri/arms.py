"""The arms of the MRI study: trained networks, and baselines without a neural network."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import softmax

from xiqa import imbalance, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import baselines, referral
from xiqa.paper.mri.referral import Referrals
from xiqa.paper.mri.results import MriResults
from xiqa.recipes.kinds import VolumeClassifier

SHIFTED = "logits shifted to the prevalence"


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Arm:
    """An arm: its predictions on validation and test, records with ``plain`` (p of an artifact, dropout off)."""

    name: str
    seed: int | str  # "-" for a baseline, like ``start``
    start: str
    val: pd.DataFrame
    test: pd.DataFrame

    @property
    def p(self) -> np.ndarray:
        """Probability of an artifact of the test scans, (N,)."""
        return self.test["plain"].to_numpy()

    @property
    def theta(self) -> float:
        """The threshold of highest Youden's J on validation."""
        return uncertainty.youden(self.val["label"], self.val["plain"])

    @property
    def flagged(self) -> np.ndarray:
        """Test scans called an artifact at ``theta``, (N,) bool."""
        return self.p >= self.theta


@dataclass(frozen=True, eq=False)
class Arms:
    """All arms on one test set."""

    trained: dict[str, list[Arm]]  # by name of the arm: its trainings, one a seed
    shifted: list[Arm]  # the first training of each arm that saw more artifacts than the field has, its logits shifted
    baselines: list[Arm]  # histogram and content model
    referrals: Referrals  # of the networks of the ramp
    missing: dict[str, str]  # by name of the arm: reason why the profile does not train it

    @property
    def test_set(self) -> EnrichedTestSet:
        """The test scans, reweighted to the prevalence."""
        return self.referrals.test_set

    @property
    def first_seeds(self) -> dict[str, Arm]:
        """The first training of each trained arm, by the name that tables and figures show."""
        return {name.replace("_", " "): trainings[0] for name, trainings in self.trained.items()}


def read(results: MriResults, prevalence: float = recipes.PREVALENCE) -> Arms:
    """All arms of a run of the MRI study; fits the baselines."""
    trained: dict[str, list[Arm]] = {}
    for name, recipe in results.recipes.items():
        arm = Arm(recipe.arm, recipe.seed, recipe.start, results.plain[name, "val"], results.plain[name, "test"])
        trained.setdefault(recipe.arm, []).append(arm)
    labels = results.records["train"]["label"]
    priors = {recipe.arm: training_prior(recipe, labels) for recipe in results.recipes.values()}
    fitted = baselines.baselines(results.features)
    return Arms(
        trained,
        [
            shifted(arms[0], priors[name], prevalence)
            for name, arms in trained.items()
            if not np.isclose(priors[name], labels.mean())
        ],
        [
            Arm(name, "-", "-", *(results.records[split].assign(plain=p[split]) for split in ("val", "test")))
            for name, p in fitted.items()
        ],
        referral.read(results, prevalence),
        results.missing,
    )


def training_prior(recipe: VolumeClassifier, labels: ArrayLike) -> float:
    """Share of artifacts that a recipe's last epochs show; class weights make it one half."""
    even = recipe.class_weights or recipe.sampler == "balanced" or recipe.stage == "priming"
    return 0.5 if even else float(np.mean(labels))


def shifted(arm: Arm, prior: float, prevalence: float) -> Arm:
    """An arm that was trained at another prior, with its logits shifted to the prevalence."""
    frames = [frame.assign(plain=shift(frame["plain"], prior, prevalence)) for frame in (arm.val, arm.test)]
    return Arm(f"{arm.name}, {SHIFTED}", arm.seed, arm.start, *frames)


def shift(probability: ArrayLike, prior_train: float, prior_target: float) -> np.ndarray:
    """Probabilities (N,) of class 1 after :func:`xiqa.imbalance.shift_logits`."""
    p = np.clip(np.asarray(probability, dtype=float), 1e-12, 1 - 1e-12)
    logits = np.log(np.stack([1 - p, p], axis=-1))
    return softmax(imbalance.shift_logits(logits, prior_train, prior_target), axis=-1)[:, 1]
