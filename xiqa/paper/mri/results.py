"""What an experiment knows of brain scans: volumes as the networks see them, and what each network says of a split."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from xiqa import models, recipes
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.data.prepare_volumes import prepare_unstored, prepare_volumes
from xiqa.paper.mri import answers as mri_answers
from xiqa.paper.mri import sample
from xiqa.paper.mri.answers import decomposed
from xiqa.synthetic import catalogue
from xiqa.training import predictions
from xiqa.training import volumes as training_volumes


class Scanned:
    """The part of :class:`xiqa.paper.study.Experiment` about the MRI study."""

    def prepared_volumes(self, other_scanner: bool = False) -> Path:
        """Store entry of the checked and preprocessed brain volumes, the study's or the other scanner's."""
        shape = list(self.profile.volumes[0].shape)
        if other_scanner:
            spec = self.profile.other_scanner("mri")
            data, root = catalogue.fingerprint("mri", spec), self.embedded_root("mri", spec)
            return self.store.path(prepare_volumes, data=data, shape=shape, unkeyed={"root": root})
        data = self.fingerprint("mri")
        if not self.stored("mri"):
            return self.store.path(prepare_unstored, data=data, spec=self.profile.embedded["mri"], shape=shape)
        return self.store.path(prepare_volumes, data=data, shape=shape, unkeyed={"root": self.root("mri")})

    def volumes(self, other_scanner: bool = False) -> PreparedVolumes:
        """Checked and preprocessed brain volumes."""
        return PreparedVolumes(self.prepared_volumes(other_scanner))

    def arms(self) -> list[str]:
        """Names of the recipes of the MRI study."""
        return self.profile.arms()

    def runs(self, arm: str) -> list[str]:
        """Names of the trainings of an arm, a seed each; none where the profile does not train it."""
        return [name for name in self.arms() if self.recipe(name).arm == arm]

    def range_test(self) -> pd.DataFrame:
        """Learning-rate range test of the first recipe of the MRI study."""
        recipe = self.recipe(self.arms()[0])
        return self.store.frame(training_volumes.range_test, recipe=asdict(recipe), prepared=self.prepared_volumes())

    def samples(self, name: str, split: str, flips: bool = False, other_scanner: bool = False) -> Path:
        """Store entry of what a network of the MRI study says of a split; see :func:`xiqa.paper.mri.sample.sample`."""
        recipe = self.recipe(name)
        return self.store.path(
            sample.sample,
            weights=self.train(name) / "weights.pt",
            prepared=self.prepared_volumes(other_scanner),
            split=split,
            samples=self.profile.samples,
            seed=recipe.seed,
            flips=flips,
            precision=recipe.precision,
        )

    def plain(self, name: str, split: str) -> pd.DataFrame:
        """Records of a split with ``plain``, what a network says with dropout off: probability of an artifact."""
        recipe, records = self.recipe(name), self.volumes().records(split)
        if recipe.arm in recipes.SAMPLED:  # asked many times anyway, and once without dropout
            sampled = self.samples(name, split, flips=recipe.flip)
            return records.assign(plain=np.load(sampled / "plain.npy")[:, 1].astype(float))
        found = self.store.frame(
            predictions.scores,
            prepared=self.prepared_volumes(),
            weights=self.train(name) / "weights.pt",
            precision=recipe.precision,
            split=split,
        )
        return records.assign(plain=expit(found["score"].to_numpy()))

    def answers(self, name: str, split: str, flips: bool = False, other_scanner: bool = False) -> pd.DataFrame:
        """What a network says of a split, asked many times: see :func:`xiqa.paper.mri.answers.answers`."""
        records = self.volumes(other_scanner).records(split)
        return mri_answers.answers(self.samples(name, split, flips, other_scanner), records)

    def ensemble(self, names: Sequence[str], split: str) -> pd.DataFrame:
        """What several networks say of a split together, one answer each, as if they were samples of one network."""
        said = [self.plain(name, split) for name in names]
        p = np.stack([each["plain"].to_numpy() for each in said])
        return decomposed(self.volumes().records(split), np.stack([1 - p, p], axis=-1))

    def volume_model(self, name: str) -> torch.nn.Module:
        """A network of the MRI study in evaluation mode."""
        recipe: recipes.VolumeClassifier = self.recipe(name)
        return models.build(recipe.network, weights=self.train(name) / "weights.pt", shape=recipe.shape).eval()
