"""A study: one run of the paper, with its profile, its data sets, its store and its trained networks.

What is missing in the store is computed and kept. What a chapter adds stands in its ``results`` module.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xiqa import recipes
from xiqa.data.arrays.images import Prepared
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.paper.data_sets import NAMES, DataSet
from xiqa.store.store import Store

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Job:
    """A named piece of heavy work, computed in a worker process."""

    name: str  # ``train:object_cxr-resnet34-s0``
    entries: Callable[["Study"], Path | Iterable[Path]]  # returns its store entries, computing what is missing
    needs: tuple[str, ...] = ()  # names of the jobs whose entries it reads
    notebooks: tuple[str, ...] = ()  # names of the notebooks that read its entries


class Study:
    """One run of the paper.

    ``object_cxr``, ``lvot`` and ``mri`` are folders of real data (None: embedded); ``weights`` is ``imagenet`` for
    torchvision's weights (None: embedded pretext). Without ``compute``, what is missing raises MissingEntryError.
    """

    def __init__(
        self,
        profile: str,
        object_cxr: str | Path | None = None,
        lvot: str | Path | None = None,
        mri: str | Path | None = None,
        weights: str | None = None,
        compute: bool = True,
    ):
        if profile not in recipes.PROFILES:
            raise ValueError(f"no profile {profile!r}: choose one of {', '.join(recipes.PROFILES)}")
        self.profile = recipes.PROFILES[profile]
        folders = {"object_cxr": object_cxr, "lvot": lvot, "mri": mri}
        self.real = {name: Path(folder).expanduser().resolve() for name, folder in folders.items() if folder}
        self.weights = weights
        self.run = os.environ.get("XIQA_RUN", f"{profile}-real" if self.real else profile)
        self.store = Store(self.run, compute=compute)
        self.data_sets = {name: DataSet(name, self.profile, self.store, self.real.get(name)) for name in NAMES}

    def data(self, dataset: str) -> Prepared | PreparedVolumes:
        """Checked and resized images or volumes of a data set."""
        return self.data_sets[dataset].arrays

    def prepared(self, dataset: str) -> Path:
        """Store entry of the checked and resized images or volumes of a data set."""
        return self.data_sets[dataset].prepared

    def stand_in(self, *datasets: str) -> bool:
        """Whether any of the data sets (by default: of all) is simulated."""
        return any(self.data_sets[name].stand_in for name in datasets or self.data_sets)

    def label(self, *datasets: str) -> str:
        """Description of the data behind a number, for captions: simulated, or a real folder."""
        parts = [f"{NAMES[name]}: {self.real[name].name}" for name in datasets if name in self.real]
        if simulated := [NAMES[name] for name in datasets if name not in self.real]:
            parts.append(f"embedded stand-in data (simulated {', '.join(simulated)})")
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}, profile {self.profile.name}"

    def primaries(self) -> dict[str, str]:
        """Data set -> the study's primary network, for the data sets of images."""
        return {name: networks[0] for name in recipes.IMAGES if (networks := self.profile.networks(name))}

    def backbones(self, network: str) -> dict[str, str]:
        """Name of each pretrained backbone (the papers' SR) -> the pretext that it learned."""
        if self.weights == "imagenet":
            return {"SR": "imagenet"}
        tasks = ["shapes", *(["textures"] if any(p.network == network for p in self.profile.textures) else [])]
        return {f"SR* ({task})": task for task in tasks}

    def recipe(self, name: str) -> recipes.Recipe:
        """The recipe of that name, as this run trains it."""
        return recipes.recipe(self.profile.name, name, self.weights)

    def arms(self) -> list[str]:
        """Names of the recipes of the MRI study."""
        return self.profile.arms()

    def runs(self, arm: str) -> list[str]:
        """Names of the trainings of an arm of the MRI study, one a seed; none where the profile does not train it."""
        return [name for name in self.arms() if self.recipe(name).arm == arm]

    def train(self, name: str) -> Path:
        """Store entry of the training of that name: ``weights.pt``, ``history.csv``, of images ``predictions.csv``."""
        recipe = self.recipe(name)
        if isinstance(recipe, recipes.Textures):
            return self.store.path("xiqa.training.images.train_textures", recipe=asdict(recipe))
        if isinstance(recipe, recipes.Pretext):
            return self.store.path("xiqa.training.images.train_pretext", recipe=asdict(recipe))
        return self.train_on(recipe, self.prepared(recipe.dataset))

    def train_on(self, recipe: recipes.Classifier | recipes.VolumeClassifier, prepared: Path) -> Path:
        """Store entry of a training by a recipe on a prepared data set."""
        arguments = {"recipe": asdict(recipe), "prepared": prepared}
        if isinstance(recipe, recipes.VolumeClassifier):
            start = self.train(recipes.priming_name(recipe)) if recipe.start == "priming" else None
            return self.store.path("xiqa.training.volumes.train_volumes", start=start, **arguments)
        pretext = self.train(f"pretext-{recipe.network}") if recipe.start == "pretext" else None
        return self.store.path("xiqa.training.images.train_classifier", pretext=pretext, **arguments)

    def trained(self, dataset: str, network: str, seed: int) -> Path:
        """Store entry of a classifier of images."""
        return self.train(recipes.classifier_name(dataset, network, seed))

    def model(self, dataset: str, network: str, seed: int) -> "nn.Module":
        """A trained classifier of images in evaluation mode."""
        from xiqa import models

        return models.build(network, weights=self.trained(dataset, network, seed) / "weights.pt").eval()
