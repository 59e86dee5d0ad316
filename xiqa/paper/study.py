"""An experiment: a profile, its data and its store, so that a notebook asks for what it needs by name.

``study = experiment.Experiment("quick")`` and then ``study.data("object_cxr")``, ``study.trained(...)``,
``study.observations(...)``. Whatever is missing is computed, and kept.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from xiqa import models, recipes
from xiqa.data.arrays.images import Prepared
from xiqa.data.prepare_images import prepare
from xiqa.paper.mri.results import Scanned
from xiqa.paper.pointing_game.results import Explained
from xiqa.store.digests import folder_digest
from xiqa.store.hardware import thread_cap
from xiqa.store.store import Store
from xiqa.synthetic import catalogue, embedded
from xiqa.training import images
from xiqa.training.volumes import train_volumes

NAMES = {"object_cxr": "radiographs", "lvot": "cardiac cine frames", "mri": "brain volumes"}


class Experiment(Explained, Scanned):
    """Everything of one run of the paper.

    Parameters
    ----------
    profile : ``smoke``, ``quick`` or ``paper``.
    object_cxr : folder of real radiographs in one of the Object-CXR layouts; None for the embedded ones.
    lvot : folder of real four-chamber cine frames; None for the embedded ones.
    mri : folder of real brain volumes with ``scans.tsv``; None for the embedded ones.
    weights : ``imagenet`` to start from torchvision's weights (downloaded once); None for the embedded pretext.

    """

    def __init__(
        self,
        profile: str,
        object_cxr: str | Path | None = None,
        lvot: str | Path | None = None,
        mri: str | Path | None = None,
        weights: str | None = None,
    ):
        if profile not in recipes.PROFILES:
            raise ValueError(f"no profile {profile!r}: choose one of {', '.join(recipes.PROFILES)}")
        self.profile = recipes.PROFILES[profile]
        given = {"object_cxr": object_cxr, "lvot": lvot, "mri": mri}
        self.real = {name: Path(folder).expanduser().resolve() for name, folder in given.items() if folder}
        self.weights = weights
        self.run = os.environ.get("XIQA_RUN", f"{profile}-real" if self.real else profile)
        self.store = Store(self.run)
        torch.set_num_threads(thread_cap())

    def stand_in(self, *datasets: str) -> bool:
        """Whether any of the data sets (by default: of all) is simulated."""
        return any(name not in self.real for name in datasets or self.profile.embedded)

    def root(self, dataset: str, paths: Iterable[str] = ()) -> Path:
        """The folder of a data set; an embedded one is written when it is first asked for.

        Of one that is drawn on the fly only the files at ``paths`` are sure to lie there.
        """
        if dataset in self.real:
            return self.real[dataset]
        if not self.stored(dataset):
            return embedded.fetch(dataset, self.profile.name, self.profile.embedded[dataset], paths)
        return self.embedded_root(dataset, self.profile.embedded[dataset])

    def stored(self, dataset: str) -> bool:
        """Whether a data set lies on disk as a whole, or is drawn on the fly."""
        return dataset in self.real or self.profile.embedded[dataset].get("stored", True)

    def embedded_root(self, dataset: str, spec: dict) -> Path:
        """The folder of simulated data of this specification, written when it is first asked for."""
        return embedded.folder(dataset, self.profile.name, spec)

    def fingerprint(self, dataset: str) -> str:
        """Fingerprint of a data set: of its files, or of what is simulated and how."""
        if dataset in self.real:
            return folder_digest(self.real[dataset], memory=self.store.folder.parent / "hashes.json")
        return catalogue.fingerprint(dataset, self.profile.embedded[dataset])

    def primaries(self) -> dict[str, str]:
        """Data set -> the study's primary network, for the data sets of images."""
        return {name: networks[0] for name in recipes.IMAGES if (networks := self.profile.networks(name))}

    def size(self, dataset: str) -> int:
        """Side of the network's input in pixels."""
        return next(c.size for c in self.profile.classifiers if c.dataset == dataset)

    def prepared(self, dataset: str) -> Path:
        """Store entry of the checked and resized images."""
        return self.store.path(
            prepare,
            data=self.fingerprint(dataset),
            size=self.size(dataset),
            dataset=dataset,
            unkeyed={"root": self.root(dataset)},
        )

    def data(self, dataset: str) -> Prepared:
        """Checked and resized images of a data set."""
        return Prepared(self.prepared(dataset))

    def pretext(self, network: str) -> Path:
        """Store entry of a pretext training."""
        recipe = self.recipe(f"pretext-{network}")
        return self.store.path(images.train_pretext, recipe=asdict(recipe))

    def textures(self, network: str) -> Path:
        """Store entry of the pretext training without objects."""
        return self.store.path(images.train_textures, recipe=asdict(self.recipe(f"textures-{network}")))

    def trained(self, dataset: str, network: str, seed: int) -> Path:
        """Store entry of a classifier: ``weights.pt``, ``history.csv``, ``predictions.csv``."""
        return self.train(recipes.classifier_name(dataset, network, seed))

    def recipe(self, name: str) -> recipes.Recipe:
        """The recipe of that name, as this run trains it."""
        return recipes.recipe(self.profile.name, name, self.weights)

    def train(self, name: str) -> Path:
        """Store entry of the recipe of that name."""
        recipe = self.recipe(name)
        if isinstance(recipe, recipes.Textures):
            return self.textures(recipe.network)
        if isinstance(recipe, recipes.Pretext):
            return self.pretext(recipe.network)
        volumes = isinstance(recipe, recipes.VolumeClassifier)
        return self.train_on(recipe, self.prepared_volumes() if volumes else self.prepared(recipe.dataset))

    def train_on(self, recipe: recipes.Classifier | recipes.VolumeClassifier, prepared: Path) -> Path:
        """Store entry of a recipe on a prepared data set."""
        given = {"recipe": asdict(recipe), "prepared": prepared}
        if isinstance(recipe, recipes.VolumeClassifier):
            start = self.train(recipes.priming_name(recipe)) if recipe.start == "priming" else None
            return self.store.path(train_volumes, start=start, **given)
        pretext = self.pretext(recipe.network) if recipe.start == "pretext" else None
        return self.store.path(images.train_classifier, pretext=pretext, **given)

    def model(self, dataset: str, network: str, seed: int) -> torch.nn.Module:
        """A trained classifier in evaluation mode."""
        return models.build(network, weights=self.trained(dataset, network, seed) / "weights.pt").eval()

    def label(self, *datasets: str) -> str:
        """What numbers of these data sets are about, for captions; each is either simulated or a real folder."""
        simulated = [NAMES[name] for name in datasets if name not in self.real]
        real = [f"{NAMES[name]}: {self.real[name].name}" for name in datasets if name in self.real]
        parts = [f"embedded stand-in data (simulated {', '.join(simulated)})"] if simulated else []
        text = "; ".join(real + parts)
        return f"{text[0].upper()}{text[1:]}, profile {self.profile.name}"
