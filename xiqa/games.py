"""The pointing game of one data set: what notebook 05 asks an experiment for, whichever data set it is."""

from collections.abc import Iterable

import pandas as pd

from xiqa import metrics, tables
from xiqa.experiment import Experiment
from xiqa.runner.store import read_frame


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
    return tables.best_on_validation(study.observations(dataset, network, split="val"))


def play(study: Experiment, datasets: Iterable[str]) -> dict[str, "Game"]:
    """Games of the data sets that can be played on; the first one's NormGrad speaks where there is no validation."""
    games: dict[str, Game] = {}
    for dataset in datasets:
        if not why_not(study, dataset):
            games[dataset] = Game(study, dataset, next((game.chosen for game in games.values()), None))
    return games


class Game:
    """Observations of one data set, the primary network and the second one.

    Parameters
    ----------
    dataset : ``object_cxr`` or ``lvot``.
    otherwise : the NormGrad variant that speaks for NormGrad where validation has no ground truth to choose by.

    Attributes
    ----------
    network, other : names of the primary network and of the second one (None if there is none).
    trained, fully_random, semi_random, second : observations on the test split; ``second`` of the other network.
    validation : observations of the primary network on the validation split, or None where it has no ground truth.
    chosen : the NormGrad variant that speaks for NormGrad.
    rivals, ceilings : of rivals that see no network; of the primary network's layers.

    """

    def __init__(self, study: Experiment, dataset: str, otherwise: str | None = None):
        self.study, self.dataset = study, dataset
        self.network, self.other = [*study.profile.networks(dataset), None][:2]
        self.trained = study.observations(dataset, self.network)
        self.fully_random = study.observations(dataset, self.network, "fully_random")
        self.semi_random = study.observations(dataset, self.network, "semi_random")
        self.second = study.observations(dataset, self.other) if self.other else None
        known = study.data(dataset).has_truth("val")
        self.validation = study.observations(dataset, self.network, split="val") if known else None
        self.chosen = speaker(study, dataset, otherwise)
        self.rivals, self.ceilings = study.rivals(dataset), study.ceilings(dataset, self.network)

    @property
    def states(self) -> dict[str, pd.DataFrame]:
        """The papers' columns: FR, SR and Repeated."""
        return {"FR": self.fully_random, self.study.backbone: self.semi_random, "Repeated": self.trained}

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

    def claims(self, delta: float) -> pd.DataFrame:
        """The papers' claims judged on this data set; see :class:`xiqa.tables.Evidence`."""
        bounds = self.auc_low(self.network), self.auc_low(self.other)
        states = self.trained, self.semi_random, self.fully_random, self.second
        return tables.Evidence(*states, self.chosen, self.ceilings, *bounds, delta).claims()

    def consistency(self, methods: Iterable[str]) -> pd.DataFrame:
        """Smoothed scores of every single network: a row a state, seed and method."""
        parts = [
            tables.scores({state: part}, methods).assign(seed=seed)
            for state, frame in self.states.items()
            for seed, part in frame.groupby("seed")
        ]
        found = pd.concat(parts, ignore_index=True).rename(columns={"weights": "state"})
        return found[found["smoothed"]].assign(dataset=self.dataset)

    def curve(self, methods: Iterable[str], tolerances: Iterable[float]) -> pd.DataFrame:
        """Smoothed scores over tolerances: of all seeds together (seed "all"), of each, and of the constant point."""
        frames = {"all": self.trained} | dict(list(self.trained.groupby("seed")))
        parts = [tables.over_tolerances(f, methods, tolerances).assign(seed=str(seed)) for seed, f in frames.items()]
        fixed = self.rivals[self.rivals["method"] == "constant_point"].assign(seed=0, smoothed=True)
        if len(fixed):
            parts.append(tables.over_tolerances(fixed, ["constant_point"], tolerances).assign(seed="all"))
        return pd.concat(parts, ignore_index=True).assign(dataset=self.dataset)

    def _run(self, network: str, seed: int):
        return self.study.trained(self.dataset, network, seed)
