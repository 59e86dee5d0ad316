"""An experiment: a profile, its data and its store, so that a notebook asks for what it needs by name.

``study = experiment.Experiment("quick")`` and then ``study.data("object_cxr")``, ``study.trained(...)``,
``study.observations(...)``. Whatever is missing is computed, and kept.
"""

import os
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from xiqa import models, observations, recipes, training
from xiqa.data.prepared import Prepared, prepare
from xiqa.runner.fingerprints import folder_digest, thread_cap
from xiqa.runner.store import Store
from xiqa.synthetic import embedded


class Experiment:
    """Everything of one run of the paper.

    Parameters
    ----------
    profile : ``smoke``, ``quick`` or ``paper``.
    object_cxr : folder of real radiographs in one of the Object-CXR layouts; None for the embedded ones.
    weights : ``imagenet`` to start from torchvision's weights (downloaded once); None for the embedded pretext.

    """

    def __init__(self, profile: str, object_cxr: str | Path | None = None, weights: str | None = None):
        if profile not in recipes.PROFILES:
            raise ValueError(f"no profile {profile!r}: choose one of {', '.join(recipes.PROFILES)}")
        self.profile = recipes.PROFILES[profile]
        self.real = {"object_cxr": Path(object_cxr).expanduser().resolve()} if object_cxr else {}
        self.weights = weights
        self.run = os.environ.get("XIQA_RUN", f"{profile}-real" if self.real else profile)
        self.store = Store(self.run)
        torch.set_num_threads(thread_cap())

    @property
    def stand_in(self) -> bool:
        """Whether the data are simulated."""
        return not self.real

    def root(self, dataset: str) -> Path:
        """The folder of a data set; an embedded one is written when it is first asked for."""
        if dataset in self.real:
            return self.real[dataset]
        return embedded.folder(dataset, self.profile.name, self.profile.embedded[dataset])

    def fingerprint(self, dataset: str) -> str:
        """Fingerprint of a data set: of its files, or of what is simulated and how."""
        if dataset in self.real:
            return folder_digest(self.real[dataset], memory=self.store.folder.parent / "hashes.json")
        return embedded.fingerprint(dataset, self.profile.embedded[dataset])

    def size(self, dataset: str) -> int:
        """Side of the network's input in pixels."""
        return next(c.size for c in self.profile.classifiers if c.dataset == dataset)

    def prepared(self, dataset: str) -> Path:
        """Store entry of the checked and resized images."""
        return self.store.path(
            prepare, data=self.fingerprint(dataset), size=self.size(dataset), unkeyed={"root": self.root(dataset)}
        )

    def data(self, dataset: str) -> Prepared:
        """Checked and resized images of a data set."""
        return Prepared(self.prepared(dataset))

    def pretext(self, network: str) -> Path:
        """Store entry of a pretext training."""
        recipe = recipes.recipe(self.profile.name, f"pretext-{network}")
        return self.store.path(training.train_pretext, recipe=asdict(recipe))

    def trained(self, dataset: str, network: str, seed: int) -> Path:
        """Store entry of a classifier: ``weights.pt``, ``history.csv``, ``predictions.csv``."""
        return self.train(recipes.classifier_name(dataset, network, seed))

    def train(self, name: str) -> Path:
        """Store entry of the recipe of that name."""
        recipe = recipes.recipe(self.profile.name, name, self.weights)
        if isinstance(recipe, recipes.Pretext):
            return self.pretext(recipe.network)
        pretext = self.pretext(recipe.network) if recipe.start == "pretext" else None
        return self.store.path(
            training.train_classifier, recipe=asdict(recipe), prepared=self.prepared(recipe.dataset), pretext=pretext
        )

    def model(self, dataset: str, network: str, seed: int) -> torch.nn.Module:
        """A trained classifier in evaluation mode."""
        return models.build(network, weights=self.trained(dataset, network, seed) / "weights.pt").eval()

    def observations(self, dataset: str, network: str, state: str = "trained", split: str = "test") -> pd.DataFrame:
        """Pointing game of every seed (or untrained head) of a network on a data set; see :mod:`xiqa.observations`.

        The class explained is the predicted one for trained networks; the others predict nothing in earnest, so both
        classes are explained and averaged over.
        """
        trained = state == "trained"
        seeds = self.profile.seeds(dataset, network) if trained else range(self.profile.heads)
        return pd.concat(
            [
                self.store.frame(
                    observations.observe,
                    prepared=self.prepared(dataset),
                    weights=self._weights(dataset, network, state, seed),
                    network=network,
                    state=state,
                    seed=seed,
                    split=split,
                    targets=None if trained else [0, 1],
                    tolerance=recipes.TOLERANCE,
                    smoothing=recipes.SMOOTHING,
                    methods=list(observations.METHODS),
                    batch=self.profile.maps_batch,
                )
                for seed in seeds
            ],
            ignore_index=True,
        )

    def rivals(self, dataset: str, split: str = "test") -> pd.DataFrame:
        """Pointing game of rivals that see no network, and chance."""
        return self.store.frame(
            observations.rivals,
            prepared=self.prepared(dataset),
            split=split,
            tolerance=recipes.TOLERANCE,
        )

    def ceilings(self, dataset: str, network: str, split: str = "test") -> pd.DataFrame:
        """Grid ceiling of every saliency layer of a network; column ``kind`` is single or combined."""
        model, size = models.build(network).eval(), self.size(dataset)
        layers = model.saliency_layers
        grids = _grids(model, layers["single"] + layers["combined"], size)
        found = self.store.frame(
            observations.ceilings,
            prepared=self.prepared(dataset),
            split=split,
            tolerance=recipes.TOLERANCE,
            grids=grids,
            smoothing=recipes.SMOOTHING["size"],
        )
        return found.assign(single=found["layer"].isin(layers["single"]))

    @cached_property
    def label(self) -> str:
        """What the numbers of this run are about, for captions."""
        if self.stand_in:
            return f"Embedded stand-in data (simulated), profile {self.profile.name}"
        return f"{', '.join(f'{name}: {path.name}' for name, path in self.real.items())}, profile {self.profile.name}"

    @property
    def backbone(self) -> str:
        """What SR means in this run."""
        return "SR" if self.weights == "imagenet" else "SR*"

    def _weights(self, dataset: str, network: str, state: str, seed: int) -> Path | str | None:
        if state == "trained":
            return self.trained(dataset, network, seed) / "weights.pt"
        if state == "fully_random":
            return None
        return "imagenet" if self.weights == "imagenet" else self.pretext(network) / "weights.pt"


def _grids(model: torch.nn.Module, names: list[str], size: int) -> dict[str, list[int]]:
    """Rows and columns of cells of the named layers for an input of that size."""
    grids, hooks = {}, []
    for name in dict.fromkeys(names):
        keep = lambda module, inputs, output, name=name: grids.__setitem__(name, list(output.shape[-2:]))  # noqa: E731
        hooks.append(model.get_submodule(name).register_forward_hook(keep))
    with torch.inference_mode():
        model(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return grids
