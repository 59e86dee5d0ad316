"""The arms of the MRI study: trained networks, shifted logits, an ensemble, baselines without a neural network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import softmax

from xiqa import imbalance, recipes, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import baselines
from xiqa.paper.mri.referral import EPISTEMIC, Referral, referral
from xiqa.paper.mri.results import MriResults
from xiqa.recipes.kinds import VolumeClassifier

SHIFTED, ENSEMBLE = "logits shifted to the prevalence", "ramp, ensemble"


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Arm:
    """An arm: its predictions on validation and test.

    Attributes
    ----------
    name, seed, start : "ramp", 0, "priming"; seed and start are "-" for what is no single training.
    val, test : records with ``plain``, the probability of an artifact, dropout off.
    """

    name: str
    seed: int | str
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
    """All arms on one test set.

    Attributes
    ----------
    test_set : the test scans, reweighted to the prevalence.
    trained : name of an arm -> its trainings, one a seed.
    shifted, ensemble, baselines : arms that need no further training; there may be none of the first two.
    referred : for each seed of the ramp p(artifact) of the test scans (N,), the mean of its Monte Carlo samples, and
        the referral by their mutual information.
    missing : name of an arm that the profile does not train -> reason.
    """

    test_set: EnrichedTestSet
    trained: dict[str, list[Arm]]
    shifted: list[Arm]
    ensemble: list[Arm]
    baselines: list[Arm]
    referred: list[tuple[np.ndarray, Referral]]
    missing: dict[str, str]

    @property
    def first_seeds(self) -> dict[str, Arm]:
        """The first training of each trained arm, by the name that tables and figures show."""
        return {name.replace("_", " "): trainings[0] for name, trainings in self.trained.items()}

    @property
    def counts(self) -> str:
        """Size of the test set, for captions."""
        labels = self.test_set.labels
        return (
            f"{int(labels.sum())} artifacts among {len(labels)} test scans of {self.test_set.subjects} subjects, "
            f"reweighted to {100 * self.test_set.prevalence:.0f} %"
        )


def read(results: MriResults, prevalence: float = recipes.PREVALENCE) -> Arms:
    """All arms of a run of the MRI study; fits the baselines."""
    test_set, trained = EnrichedTestSet(results.records["test"], prevalence), {}
    for name, recipe in results.recipes.items():
        arm = Arm(recipe.arm, recipe.seed, recipe.start, results.plain[name, "val"], results.plain[name, "test"])
        trained.setdefault(recipe.arm, []).append(arm)
    labels = results.records["train"]["label"]
    priors = {recipe.arm: training_prior(recipe, labels) for recipe in results.recipes.values()}
    return Arms(
        test_set,
        trained,
        [
            shifted(arms[0], priors[name], prevalence)
            for name, arms in trained.items()
            if not np.isclose(priors[name], labels.mean())
        ],
        ensemble(trained.get("ramp", [])),
        [
            Arm(name, "-", "-", *(results.records[split].assign(plain=p[split]) for split in ("val", "test")))
            for name, p in baselines.baselines(results.features).items()
        ],
        [
            referred(test_set, *(results.answers[name, split] for split in ("val", "test")))
            for name in results.runs("ramp")
        ],
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


def ensemble(seeds: Sequence[Arm]) -> list[Arm]:
    """One arm: the mean probability of several trainings; none where there is only one training."""
    if len(seeds) < 2:
        return []
    frames = [
        getattr(seeds[0], split).assign(plain=np.mean([getattr(arm, split)["plain"] for arm in seeds], axis=0))
        for split in ("val", "test")
    ]
    return [Arm(f"{ENSEMBLE} of {len(seeds)}", "-", seeds[0].start, *frames)]


def referred(test_set: EnrichedTestSet, val: pd.DataFrame, test: pd.DataFrame) -> tuple[np.ndarray, Referral]:
    """p(artifact) of the test scans, (N,), and their referral by mutual information at the recipes' review share."""
    theta = uncertainty.youden(val["label"], val["probability"])
    way = referral(test_set, val, test, "mutual_information", theta, recipes.REVIEW_SHARE, EPISTEMIC)
    return test["probability"].to_numpy(), way
