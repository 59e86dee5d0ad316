"""The pointing game of one data set: what notebook 05 asks an experiment for, whichever data set it is."""

from collections.abc import Iterable

import pandas as pd

from xiqa import metrics
from xiqa.paper.pointing_game import scores
from xiqa.paper.pointing_game.claims import Evidence
from xiqa.paper.pointing_game.published import ALONE, as_predicted, transposed, with_variant
from xiqa.paper.study import Experiment
from xiqa.store.files import read_frame


def why_not(study: Experiment, dataset: str) -> str:
    """Why the pointing game cannot be played on a data set in this run; empty where it can."""
    if not study.profile.networks(dataset):
        return study.profile.missing.get(dataset, f"the {study.profile.name} profile trains no network on it")
    return "" if study.data(dataset).has_truth("test") else "its test split has no masks"


def speaker(study: Experiment, dataset: str, otherwise: str | None = None) -> str | None:
    """The NormGrad variant that speaks for NormGrad: the best on validation, or ``otherwise`` without masks there."""
    if not study.data(dataset).has_truth("val"):
        return otherwise
    network = study.profile.networks(dataset)[0]
    return scores.best_on_validation(study.observations(dataset, network, split="val"))


def play(study: Experiment, datasets: Iterable[str]) -> dict[str, "Game"]:
    """Games of the data sets that can be played on; the first one's NormGrad speaks where there is no validation."""
    games: dict[str, Game] = {}
    for dataset in datasets:
        if not why_not(study, dataset):
            games[dataset] = Game(study, dataset, next((game.chosen for game in games.values()), None))
    return games


def asked_for(study: Experiment, dataset: str, network: str, state: str) -> list[str]:
    """Variants of the published programs that are computed for a network, all in one pass over the images.

    Defects that leave NormGrad alone are asked for where claims 1 to 3 look: at the trained primary network.
    """
    if network != study.profile.networks(dataset)[0] or state != "trained":
        return ["published", "S5", "S7"]
    midl = ["published_midl"] if dataset == "object_cxr" else []
    return ["published", *midl, *(name for name in ALONE if name != "S3")]


def first_backbone(study: Experiment, network: str) -> dict[str, str]:
    """The one pretrained backbone that the published programs are played on."""
    return dict(list(study.backbones(network).items())[:1])


def explain_published(study: Experiment, dataset: str) -> None:
    """Let the published programs explain every network of a data set, so that its game only has to read.

    Two notebooks that begin at different ends share this work instead of waiting for each other.
    """
    network, *others = study.profile.networks(dataset)
    states = [(network, "trained", "shapes"), (network, "fully_random", "shapes")]
    states += [(network, "semi_random", task) for task in first_backbone(study, network).values()]
    for name, state, task in states + [(other, "trained", "shapes") for other in others[:1]]:
        study.defective(dataset, name, asked_for(study, dataset, name, state), state, task=task)


class Game:
    """Observations of one data set, the primary network and the second one.

    Parameters
    ----------
    dataset : ``object_cxr`` or ``lvot``.
    otherwise : the NormGrad variant that speaks for NormGrad where validation has no ground truth to choose by.

    Attributes
    ----------
    network, other : names of the primary network and of the second one (None if there is none).
    trained, fully_random, second : observations on the test split; ``second`` of the other network.
    semi_random : the same of untrained heads, by name of what their backbone was trained on.
    validation : observations of the primary network on the validation split, or None where it has no ground truth.
    chosen : the NormGrad variant that speaks for NormGrad.
    rivals, ceilings : of rivals that see no network; of the primary network's layers.

    """

    def __init__(self, study: Experiment, dataset: str, otherwise: str | None = None):
        self.study, self.dataset = study, dataset
        self.network, self.other = [*study.profile.networks(dataset), None][:2]
        self.trained = study.observations(dataset, self.network)
        self.fully_random = study.observations(dataset, self.network, "fully_random")
        self.semi_random = {
            name: study.observations(dataset, self.network, "semi_random", task=task)
            for name, task in study.backbones(self.network).items()
        }
        self.second = study.observations(dataset, self.other) if self.other else None
        known = study.data(dataset).has_truth("val")
        self.validation = study.observations(dataset, self.network, split="val") if known else None
        self.chosen = speaker(study, dataset, otherwise)
        self.rivals, self.ceilings = study.rivals(dataset), study.ceilings(dataset, self.network)
        self._defective: dict[tuple[str, str, str], pd.DataFrame] = {}  # read once for all variants

    @property
    def states(self) -> dict[str, pd.DataFrame]:
        """The papers' columns: FR, SR (one a pretext) and Repeated."""
        return {"FR": self.fully_random, **self.semi_random, "Repeated": self.trained}

    def published(self, variant: str) -> dict[str, pd.DataFrame]:
        """`states` and ``second`` (if there is one) as the published programs, or one defect of theirs, see them.

        ``variant`` is a name of :data:`xiqa.paper.pointing_game.published.VARIANTS`. Only what touches NormGrad is computed for networks
        other than the trained primary one: claims 4 and 5 speak of nothing else. Of the pretrained backbones it is the
        first one: the programs have no other.
        """
        found = {"FR": self._variant(variant, self.fully_random, self.network, "fully_random")}
        for name, task in first_backbone(self.study, self.network).items():
            found[name] = self._variant(variant, self.semi_random[name], self.network, "semi_random", task)
        found["Repeated"] = self._variant(variant, self.trained, self.network)
        if self.second is not None:
            found["second"] = self._variant(variant, self.second, self.other)
        return found

    def program(self, variant: str, split: str) -> pd.DataFrame:
        """Rows of a variant alone, of the trained primary network on a split; see :mod:`xiqa.paper.pointing_game.published`."""
        asked = asked_for(self.study, self.dataset, self.network, "trained") if split == "test" else [variant]
        return self.study.defective(self.dataset, self.network, asked, split=split)

    def variants(self) -> list[str]:
        """The published program that knows this data set, and every single defect that can matter on it."""
        masks = self.dataset != "object_cxr"
        return ["published", *(name for name in ALONE if name != "S3" or masks)]

    def _variant(
        self, variant: str, frame: pd.DataFrame, network: str, state: str = "trained", task: str = "shapes"
    ) -> pd.DataFrame:
        if variant == "S3":
            prepared, split = self.study.prepared(self.dataset), "test"
            return transposed(as_predicted(frame), prepared, split, self.study.tolerance)
        asked = asked_for(self.study, self.dataset, network, state)
        if variant not in asked:
            return as_predicted(frame)
        if (network, state, task) not in self._defective:
            found = self.study.defective(self.dataset, network, asked, state, task=task)
            self._defective[network, state, task] = found
        return with_variant(frame, self._defective[network, state, task], variant)

    @property
    def best(self) -> pd.DataFrame:
        """Observations of the seed with the best validation AUC."""
        seeds = self.study.profile.seeds(self.dataset, self.network)
        area = {s: read_frame(self._run(self.network, s) / "history.csv")["val_auc"].max() for s in seeds}
        return self.trained[self.trained["seed"] == max(area, key=area.get)]

    def ceiling(self, smoothed: bool) -> float:
        """Grid ceiling of the last layer."""
        last = self.ceilings[self.ceilings["single"] & (self.ceilings["smoothed"] == smoothed)]
        return float(last["ceiling"].min())

    def auc_low(self, network: str | None) -> float:
        """Lower bound of the test AUC of a network's worst classifier, over units; 0 for no network."""
        if network is None:
            return 0.0
        records, bounds = self.study.data(self.dataset).records("test"), []
        for seed in self.study.profile.seeds(self.dataset, network):
            found = read_frame(self._run(network, seed) / "predictions.csv").query("split == 'test'")
            area = metrics.auc(found["label"].to_numpy(), found["probability"].to_numpy(), groups=records["unit"])
            bounds.append(area[1])
        return min(bounds)

    def claims(self, delta: float, variant: str | None = None, ours: bool = True) -> pd.DataFrame:
        """The papers' claims judged on this data set; see :class:`xiqa.paper.pointing_game.claims.Evidence`.

        ``variant`` : as the published programs, or one defect of theirs, would have it; None for the corrected program.
        ``ours`` : judge combined Grad-CAM too, which no published program has, and every pretext.
        """
        states = self.states | {"second": self.second}
        if variant is not None:
            states |= self.published(variant)
        whole = ours and variant is None
        trained = states["Repeated"]
        trained = trained if whole else trained[trained["method"] != "gradcam_combined"]
        backbones = self.semi_random if whole else first_backbone(self.study, self.network)
        frames = trained, {name: states[name] for name in backbones}, states["FR"], states["second"]
        bounds = self.auc_low(self.network), self.auc_low(self.other)
        return Evidence(*frames, self.chosen, self.ceilings, *bounds, delta).claims()

    def consistency(self, methods: Iterable[str]) -> pd.DataFrame:
        """Smoothed scores of every single network: a row a state, seed and method."""
        parts = [
            scores.scores({state: part}, methods).assign(seed=seed)
            for state, frame in self.states.items()
            for seed, part in frame.groupby("seed")
        ]
        found = pd.concat(parts, ignore_index=True).rename(columns={"weights": "state"})
        return found[found["smoothed"]].assign(dataset=self.dataset)

    def curve(self, methods: Iterable[str], tolerances: Iterable[float]) -> pd.DataFrame:
        """Smoothed scores over tolerances: of all seeds together (seed "all"), of each, and of the constant point."""
        frames = {"all": self.trained} | dict(list(self.trained.groupby("seed")))
        parts = [scores.over_tolerances(f, methods, tolerances).assign(seed=str(seed)) for seed, f in frames.items()]
        fixed = self.rivals[self.rivals["method"] == "constant_point"].assign(seed=0, smoothed=True)
        if len(fixed):
            parts.append(scores.over_tolerances(fixed, ["constant_point"], tolerances).assign(seed="all"))
        return pd.concat(parts, ignore_index=True).assign(dataset=self.dataset)

    def _run(self, network: str, seed: int):
        return self.study.trained(self.dataset, network, seed)
