"""What an experiment knows of its saliency maps: every table of observations, by name, kept in the store."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from xiqa import models, recipes
from xiqa.paper.appendix.localisation import detection, files
from xiqa.paper.appendix.localisation import observe as localisation_observe
from xiqa.paper.appendix.localisation.truths import write_truths
from xiqa.paper.pointing_game import agreement, baselines, observe, published
from xiqa.store.files import read_frame

if TYPE_CHECKING:
    from xiqa.store.store import Store

GUIDED = ("guided_gradcam", "guided_backprop")
UNTRAINED = "two untrained networks"
REFERENCES = ("random", "constant_point")  # rows of localisation that see no network


class Explained:
    """The half of :class:`xiqa.paper.study.Experiment` that asks for maps and scores."""

    profile: recipes.Profile
    store: "Store"
    weights: str | None

    @property
    def tolerance(self) -> float:
        """Pixels of the pointing game."""
        return recipes.TOLERANCE

    def backbones(self, network: str) -> dict[str, str]:
        """What SR means in this run: name of each pretrained backbone -> the pretext it learned."""
        if self.weights == "imagenet":
            return {"SR": "imagenet"}
        tasks = ["shapes", *(["textures"] if any(p.network == network for p in self.profile.textures) else [])]
        return {f"SR* ({task})": task for task in tasks}

    def observations(
        self, dataset: str, network: str, state: str = "trained", split: str = "test", task: str = "shapes"
    ) -> pd.DataFrame:
        """Pointing game of every seed (or untrained head) of a network on a data set; see :mod:`xiqa.paper.pointing_game.observe`.

        The class explained is the predicted one for trained networks; the others predict nothing in earnest, so both
        classes are explained and averaged over, on one image of each unit. ``task`` is that of the pretext that the
        backbone of a semi-random network learned: ``shapes`` or ``textures``.
        """
        targets = None if state == "trained" else [0, 1]
        return self._observed(observe.observe, dataset, network, state, split, task, targets=targets)

    def defective(
        self,
        dataset: str,
        network: str,
        variants: list[str],
        state: str = "trained",
        split: str = "test",
        task: str = "shapes",
    ) -> pd.DataFrame:
        """The same by the published programs, or with single defects of theirs; see :mod:`xiqa.paper.pointing_game.published`."""
        return self._observed(published.observe, dataset, network, state, split, task, variants=variants)

    def missed(self, dataset: str, network: str) -> pd.DataFrame:
        """Maps of the positive class, for the images of which a trained network says that they are negative."""
        said = self.observations(dataset, network).drop_duplicates(["seed", "image"]).query("predicted == 0")
        names = {seed: rows["image"].to_list() for seed, rows in said.groupby("seed")}
        given = {seed: {"images": names.get(seed, [])} for seed in self.profile.seeds(dataset, network)}
        return self._observed(observe.observe, dataset, network, "trained", "test", "shapes", each=given, targets=[1])

    def plain_silu(self, dataset: str, network: str) -> pd.DataFrame:
        """Guided methods of a trained network with SiLU left as it is: the plain gradient."""
        given = {"targets": None, "silu": "plain", "methods": list(GUIDED)}
        return self._observed(observe.observe, dataset, network, "trained", "test", "shapes", **given)

    def _observed(
        self,
        function: Callable,
        dataset: str,
        network: str,
        state: str,
        split: str,
        task: str,
        each: dict[int, dict] | None = None,
        **given,
    ) -> pd.DataFrame:
        """Rows of every seed or head; ``each`` has arguments of single ones."""
        trained = state == "trained"
        common = {
            "prepared": self.prepared(dataset),
            "network": network,
            "state": state,
            "split": split,
            "tolerance": recipes.TOLERANCE,
            "smoothing": recipes.SMOOTHING,
            "methods": list(observe.METHODS),
            "batch": self.profile.maps_batch,
            "once": not trained,
        }
        if not trained and self.profile.untrained:
            common["images"] = self._first_of_units(dataset, split)
        parts = []
        for seed in self.profile.seeds(dataset, network) if trained else range(self.profile.heads):
            own = {"weights": self._weights(dataset, network, state, seed, task), "seed": seed}
            parts.append(self.store.frame(function, **(common | given | own | (each or {}).get(seed, {}))))
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def _first_of_units(self, dataset: str, split: str) -> list[str]:
        """Names of the images that untrained networks are explained on: one a unit, as many as the profile says."""
        data = self.data(dataset)
        located = data.records(split).iloc[data.located(split)].drop_duplicates("unit")
        return located["image"].to_list()[: self.profile.untrained]

    def rivals(self, dataset: str, split: str = "test") -> pd.DataFrame:
        """Pointing game of rivals that see no network, and chance."""
        return self.store.frame(
            baselines.rivals,
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
            baselines.ceilings,
            prepared=self.prepared(dataset),
            split=split,
            tolerance=recipes.TOLERANCE,
            grids=grids,
            smoothing=recipes.SMOOTHING["size"],
        )
        return found.assign(single=found["layer"].isin(layers["single"]))

    def truths(self, dataset: str, split: str = "test") -> Path:
        """Store entry of the truths of localisation: annotation, and what simulated data know besides."""
        return self.store.path(
            write_truths,
            prepared=self.prepared(dataset),
            dataset=dataset,
            split=split,
            unkeyed={"root": self.root(dataset)},
        )

    def localised(self, dataset: str, network: str) -> pd.DataFrame:
        """Every measure of localisation but froc, of the first seeds; insertion and deletion of the very first only."""
        prepared, parts = self.prepared(dataset), []
        for seed in self.profile.seeds(dataset, network)[: self.profile.localised]:
            first = seed == self.profile.seeds(dataset, network)[0]
            parts.append(
                self.store.frame(
                    localisation_observe.localise,
                    prepared=prepared,
                    weights=self.trained(dataset, network, seed) / "weights.pt",
                    network=network,
                    seed=seed,
                    split="test",
                    truths=self.truths(dataset),
                    methods=[*observe.METHODS, *REFERENCES],
                    tolerance=recipes.TOLERANCE,
                    smoothing=recipes.SMOOTHING,
                    iou_threshold=self._iou_thresholds(dataset, network),
                    perturbed=self.profile.perturbed if first else 0,
                    batch=self.profile.maps_batch,
                    perturbed_methods=list(recipes.PERTURBED),
                )
            )
        return pd.concat(parts, ignore_index=True)

    def _iou_thresholds(self, dataset: str, network: str) -> dict[str, float] | None:
        """Threshold of each method that does best on validation, first seed; None without masks there."""
        if not self.data(dataset).has_truth("val"):
            return None
        seed = self.profile.seeds(dataset, network)[0]
        found = self.store.frame(
            localisation_observe.iou_thresholds,
            prepared=self.prepared(dataset),
            weights=self.trained(dataset, network, seed) / "weights.pt",
            network=network,
            methods=[*observe.METHODS, *REFERENCES],
            batch=self.profile.maps_batch,
        )
        known = found.dropna(subset="threshold")
        return dict(zip(known["method"], known["threshold"].astype(float), strict=True))

    def froc(self, dataset: str, network: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """FROC of each method, and the points it rests on, of the first seed; all images of the test split count."""
        prepared, seed = self.prepared(dataset), self.profile.seeds(dataset, network)[0]
        points = self.store.frame(
            detection.froc_points,
            prepared=prepared,
            weights=self.trained(dataset, network, seed) / "weights.pt",
            network=network,
            seed=seed,
            split="test",
            methods=[*observe.METHODS, *REFERENCES],
            tolerance=recipes.TOLERANCE,
            batch=self.profile.maps_batch,
        )
        return detection.froc_scores(points, prepared, "test"), points

    def exported(self, dataset: str, network: str, points: pd.DataFrame, method: str) -> Path:
        """Folder with the predictions of the first training in the challenge's format, points by one method."""
        seed = self.profile.seeds(dataset, network)[0]
        said = read_frame(self.trained(dataset, network, seed) / "predictions.csv").query("split == 'test'")
        own = points[points["method"] == method].groupby("image")[["probability", "x", "y"]]
        by_image = {name: list(rows.itertuples(index=False, name=None)) for name, rows in own}
        folder = self.store.folder.parent / "predictions" / f"{dataset}-{network}-s{seed}"
        images = said["image"].to_list()
        found = [by_image.get(image, []) for image in images]
        files.write_predictions(folder, images, said["probability"].to_list(), found)
        return folder.relative_to(self.store.folder.parents[2])

    def alike(self, dataset: str) -> dict[str, pd.DataFrame]:
        """Similarity of maps image by image: of other seeds, the other architecture, and two untrained networks."""
        network, *others = self.profile.networks(dataset)
        first, *seeds = self.profile.seeds(dataset, network)
        pairs = {f"seed {first} and seed {seed}": (network, seed) for seed in seeds}
        if others:
            pairs[f"{network} and {others[0]}"] = (others[0], self.profile.seeds(dataset, others[0])[0])
        weights = {
            name: [self.trained(dataset, *which) / "weights.pt" for which in ((network, first), other)]
            for name, other in pairs.items()
        }
        pairs[UNTRAINED], weights[UNTRAINED] = (network, first), [None, None]
        return {
            name: self.store.frame(
                agreement.alike,
                prepared=self.prepared(dataset),
                first=weights[name][0],
                second=weights[name][1],
                networks=[network, other[0]],
                split="test",
                count=self.profile.compared,
                methods=list(observe.METHODS),
                batch=self.profile.maps_batch,
            )
            for name, other in pairs.items()
        }

    def _weights(self, dataset: str, network: str, state: str, seed: int, task: str) -> Path | str | None:
        if state == "trained":
            return self.trained(dataset, network, seed) / "weights.pt"
        if state == "fully_random":
            return None
        if self.weights == "imagenet":
            return "imagenet"
        return (self.pretext(network) if task == "shapes" else self.textures(network)) / "weights.pt"


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
