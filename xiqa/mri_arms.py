"""The arms of the MRI study side by side: trained networks, their corrected logits, their ensemble, simple rivals.

An arm is what it says of validation and of test; how it came to say so no longer matters to the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import softmax

from xiqa import imbalance, mri_tables, uncertainty
from xiqa.experiment import Experiment
from xiqa.mri_bench import Bench
from xiqa.recipes import VolumeClassifier

SHIFTED, ENSEMBLE = "logits shifted to the field", "ramp, ensemble"


@dataclass(frozen=True, eq=False)
class Arm:
    """What one arm says.

    Attributes
    ----------
    name, seed, start : ``ramp``, 0, ``priming``; seed and start are "-" for what is no single training.
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


def trained(study: Experiment) -> list[Arm]:
    """Every training of the study on all artifacts, in the order of the recipes."""
    found = []
    for name in study.arms():
        recipe = study.recipe(name)
        if not recipe.without:
            said = [study.plain(name, split) for split in ("val", "test")]
            found.append(Arm(recipe.arm, recipe.seed, recipe.start, *said))
    return found


def corrected(arms: Sequence[Arm], study: Experiment, prevalence: float) -> list[Arm]:
    """Arms that were trained at another prior (first seed of each), with their logits shifted to the field's."""
    labels, found = study.volumes().records("train")["label"], []
    recipes = {(r.arm, r.seed): r for r in map(study.recipe, study.arms())}
    for arm in arms:
        prior = training_prior(recipes[arm.name, arm.seed], labels)
        if arm.seed == 0 and not np.isclose(prior, labels.mean()):
            shifted = [frame.assign(plain=shift(frame["plain"], prior, prevalence)) for frame in (arm.val, arm.test)]
            found.append(Arm(f"{arm.name}, {SHIFTED}", arm.seed, arm.start, *shifted))
    return found


def training_prior(recipe: VolumeClassifier, labels: ArrayLike) -> float:
    """Share of artifacts that a recipe's last epochs show; class weights make it one half."""
    even = recipe.class_weights or recipe.sampler == "balanced" or recipe.stage == "priming"
    return 0.5 if even else float(np.mean(labels))


def shift(probability: ArrayLike, prior_train: float, prior_target: float) -> np.ndarray:
    """Probabilities (N,) of class 1 after :func:`xiqa.imbalance.shift_logits`."""
    p = np.clip(np.asarray(probability, dtype=float), 1e-12, 1 - 1e-12)
    logits = np.log(np.stack([1 - p, p], axis=-1))
    return softmax(imbalance.shift_logits(logits, prior_train, prior_target), axis=-1)[:, 1]


def ensemble(study: Experiment) -> list[Arm]:
    """The mean of the ramp's seeds, where there are several."""
    names = study.runs("ramp")
    if len(names) < 2:
        return []
    return [Arm(f"{ENSEMBLE} of {len(names)}", "-", "priming", *(study.ensemble(names, s) for s in ("val", "test")))]


def simple(study: Experiment, said: Mapping[str, Mapping[str, np.ndarray]]) -> list[Arm]:
    """Rivals that are no network, from their probabilities: name -> split -> (N,)."""
    records = {split: study.volumes().records(split) for split in ("val", "test")}
    return [Arm(name, "-", "-", *(records[s].assign(plain=p[s]) for s in records)) for name, p in said.items()]


def experiments(bench: Bench, arms: Sequence[Arm], missing: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm, seed and threshold, after the row that calls every scan clean; missing arms say why."""
    rows = [pd.DataFrame([{"arm": "all clean", "seed": "-", "start": "-"} | mri_tables.all_clean(bench)])]
    for arm in arms:
        found = mri_tables.experiment(bench, arm.val, arm.test)
        rows.append(found.assign(arm=arm.name.replace("_", " "), seed=arm.seed, start=arm.start))
    rows.append(pd.DataFrame([{"arm": arm, "threshold by": f"not run: {why}"} for arm, why in missing.items()]))
    table = pd.concat(rows, ignore_index=True).astype(object).fillna("-")
    first = ["arm", "seed", "start"]
    return table[[*first, *(column for column in table.columns if column not in first)]]
