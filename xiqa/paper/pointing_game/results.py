"""Entries of the pointing game in the store, and all that its tables and figures read, as plain frames."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from xiqa import metrics, recipes
from xiqa.paper.arguments import Images, Network, Rule
from xiqa.paper.pointing_game.programs import ALONE
from xiqa.paper.study import Job, Study
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

LABELS = {"object_cxr": "Object-CXR", "lvot": "LVOT"}
MASKED = ("lvot",)  # data sets whose ground truth is drawn as a mask; the others have boxes
GUIDED = ("guided_gradcam", "guided_backprop")
SILU = "efficientnet_b0"  # the network with SiLU, for which the guided methods have two forms
READERS = ("04_sanity_checks", "05_pointing_game")
MODULE = "xiqa.paper.pointing_game"
RULE = Rule(recipes.TOLERANCE, **recipes.SMOOTHING)


@dataclass(frozen=True)
class Setup:
    """One network that is explained on one split of a data set."""

    dataset: str
    network: str
    state: str = "trained"
    seed: int = 0
    split: str = "test"
    task: str = "shapes"  # or "textures": pretext that the backbone of a semi-random network learned

    @property
    def name(self) -> str:
        """``object_cxr-resnet34-trained-s0-test``."""
        task = f"-{self.task}" if self.state == "semi_random" else ""
        return f"{self.dataset}-{self.network}-{self.state}{task}-s{self.seed}-{self.split}"

    @property
    def training(self) -> str | None:
        """Name of the training that its weights come from; None for a fully random network."""
        if self.state == "trained":
            return recipes.classifier_name(self.dataset, self.network, self.seed)
        start = {"shapes": "pretext", "textures": "textures"}.get(self.task)
        return f"{start}-{self.network}" if self.state == "semi_random" and start else None


@dataclass(frozen=True, eq=False)
class PointingGame:
    """The pointing game on one data set. eq=False: comparing frames is ambiguous, so identity.

    Frames of observations have the columns of :func:`xiqa.paper.pointing_game.observe.observe`, all seeds or heads; of
    the test split where no other is named.
    """

    dataset: str
    label: str  # "Object-CXR"
    network: str
    other: str | None  # the second network
    size: int  # side of the networks' input in pixels
    trained: pd.DataFrame
    fully_random: pd.DataFrame
    semi_random: dict[str, pd.DataFrame]  # untrained heads, by name of the pretrained backbone
    second: pd.DataFrame | None  # the second network, trained
    validation: pd.DataFrame | None  # the trained network on validation; None without ground truth there
    best_normgrad: str  # the variant of the highest score on validation; without it that of another data set
    baselines: pd.DataFrame  # these two: frames of `xiqa.paper.pointing_game.baselines`
    ceilings: pd.DataFrame
    published: dict[str, pd.DataFrame]  # FR, the first backbone, Repeated, second; one more column, ``variant``
    published_validation: pd.DataFrame | None  # the program of the MIDL paper, on validation
    plain_silu: pd.DataFrame | None  # guided methods of the second network, plain gradient of SiLU
    validation_auc: dict[int, float]  # seed -> best validation AUC
    auc_low: float  # lower bound of the test AUC of the worst classifier
    other_auc_low: float  # the same of the second network; 0 without one
    missing: dict[str, str]  # what is not computed in this run ("second") -> the reason

    @property
    def states(self) -> dict[str, pd.DataFrame]:
        """The papers' columns: FR, SR (one a pretext) and Repeated."""
        return {"FR": self.fully_random, **self.semi_random, "Repeated": self.trained}

    @property
    def best(self) -> pd.DataFrame:
        """Rows of the seed with the best validation AUC."""
        return self.trained[self.trained["seed"] == max(self.validation_auc, key=self.validation_auc.get)]

    @property
    def methods(self) -> list[str]:
        """Methods that the trained network is explained by, in their order."""
        return list(self.trained["method"].unique())

    @property
    def chance(self) -> float:
        """Mean share of the picture that counts as a hit."""
        from xiqa.paper.pointing_game import scores  # loads scipy, which a plan of jobs does not need

        return float(scores.baseline_scores(self.baselines).loc["chance", "mean"])

    @property
    def variants(self) -> list[str]:
        """The published program, and every single defect that acts on this data set."""
        return ["published", *(name for name in ALONE if name != "S3" or self.dataset in MASKED)]

    def ceiling(self, smoothed: bool) -> float:
        """Grid ceiling of the last layer."""
        return float(self.ceilings.query("single and smoothed == @smoothed")["ceiling"].min())

    def by_program(self, variant: str) -> dict[str, pd.DataFrame]:
        """Rows by state, and of the second network, by a published program or with one defect."""
        frames = self.states | {"second": self.second}
        from xiqa.paper.pointing_game import scores

        return {name: scores.with_variant(frames[name], rows, variant) for name, rows in self.published.items()}


def reason_not_possible(study: Study, dataset: str) -> str:
    """Reason why there is no pointing game on a data set in this run; empty where it is possible."""
    if not study.profile.networks(dataset):
        return study.profile.missing.get(dataset, f"the {study.profile.name} profile trains no network on it")
    return "" if study.data(dataset).has_truth("test") else "its test split has no masks"


def best_normgrad(study: Study, dataset: str, otherwise: str | None = None) -> str | None:
    """The NormGrad variant of the highest smoothed score on validation, or ``otherwise`` without masks there."""
    if not study.data(dataset).has_truth("val"):
        return otherwise
    from xiqa.paper.pointing_game import scores

    return scores.best_on_validation(observations(study, trained(study, dataset, split="val")))


def observed(study: Study, setup: Setup) -> Path:
    """Entry of the pointing game of one network."""
    # What an untrained network predicts is arbitrary, so both classes are explained.
    targets = None if setup.state == "trained" else [0, 1]
    return _explained(study, "observe.observe", setup, targets=targets)


def published(study: Study, setup: Setup) -> Path:
    """Entry of the pointing game of one network by the published programs, all variants in one pass."""
    if setup.split == "val":
        variants = ["published_midl"]
    # Claims 4 and 5 need no more of networks other than the trained primary one than what changes NormGrad.
    elif setup.state != "trained" or setup.network != study.profile.networks(setup.dataset)[0]:
        variants = ["published", "S5", "S7"]
    else:
        midl = ["published_midl"] if setup.dataset == "object_cxr" else []
        variants = ["published", *midl, *(name for name in ALONE if name != "S3")]
    return _explained(study, "published.observe", setup, variants=variants)


def transposed(study: Study, setup: Setup) -> Path:
    """Entry of the pointing game of one network against transposed masks (S3)."""
    arguments = {"prepared": study.prepared(setup.dataset), "split": setup.split, "tolerance": recipes.TOLERANCE}
    return study.store.path(f"{MODULE}.published.transposed", observed=observed(study, setup), **arguments)


def plain_silu(study: Study, setup: Setup) -> Path:
    """Entry of the pointing game of the guided methods with SiLU left as it is."""
    return _explained(study, "observe.observe", setup, methods=list(GUIDED), targets=None, silu="plain")


def without_network(study: Study, setup: Setup) -> list[Path]:
    """Entries of the baselines without a network and of chance, and of the grid ceilings of the network's layers."""
    arguments = {"prepared": study.prepared(setup.dataset), "split": setup.split}
    return [
        study.store.path(f"{MODULE}.baselines.baselines", tolerance=recipes.TOLERANCE, **arguments),
        study.store.path(f"{MODULE}.baselines.ceilings", rule=RULE, network=setup.network, **arguments),
    ]


def _explained(study: Study, function: str, setup: Setup, **arguments) -> Path:
    once = setup.state != "trained"
    if setup.training is None:
        weights = setup.task if setup.state == "semi_random" else None
    else:
        weights = study.train(setup.training) / "weights.pt"
    return study.store.path(
        f"{MODULE}.{function}",
        prepared=study.prepared(setup.dataset),
        network=Network(setup.network, setup.state, setup.seed, weights),
        images=Images(setup.split, once, study.profile.untrained if once else None),
        rule=RULE,
        batch=study.profile.maps_batch,
        **arguments,
    )


def trained(study: Study, dataset: str, place: int = 0, split: str = "test") -> list[Setup]:
    """Every seed of the primary (place 0) or second (1) network; none where the profile has no such network."""
    return [
        Setup(dataset, network, "trained", seed, split)
        for network in study.profile.networks(dataset)[place : place + 1]
        for seed in study.profile.seeds(dataset, network)
    ]


def untrained(study: Study, dataset: str) -> dict[str, list[Setup]]:
    """Untrained heads: FR, and SR of every backbone."""
    network, heads = study.primaries()[dataset], range(study.profile.heads)
    return {"FR": [Setup(dataset, network, "fully_random", head) for head in heads]} | {
        name: [Setup(dataset, network, "semi_random", head, task=task) for head in heads]
        for name, task in study.backbones(network).items()
    }


def _by_state(study: Study, dataset: str) -> dict[str, list[Setup]]:
    """What the published programs explain: they have one pretrained backbone."""
    states = dict(list(untrained(study, dataset).items())[:2]) | {"Repeated": trained(study, dataset)}
    second = trained(study, dataset, 1)
    return states | ({"second": second} if second else {})


def observations(
    study: Study, setups: Iterable[Setup], entry: Callable[[Study, Setup], Path] = observed
) -> pd.DataFrame | None:
    """Rows of several networks; None without a network."""
    parts = [read_frame(entry(study, setup) / FRAME) for setup in setups]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True) if parts else None


def jobs(study: Study) -> list[Job]:
    """The heavy work of the chapter, one job an entry; where the game is not possible a job has no entries."""
    made = []

    def add(kind: str, entry: Callable, setups: Iterable[Setup], notebooks: tuple[str, ...] = READERS) -> None:
        for setup in setups:
            needs = [f"data:{setup.dataset}", *([f"train:{setup.training}"] if setup.training else [])]
            needs += [f"observe:{setup.name}"] if entry is transposed else []
            entries = partial(_where_possible, entry=entry, setup=setup)
            made.append(Job(f"{kind}:{setup.name}", entries, tuple(needs), notebooks))

    for dataset in study.primaries():
        first, *others = trained(study, dataset)
        second, validation = trained(study, dataset, 1), trained(study, dataset, split="val")
        heads = [setup for setups in untrained(study, dataset).values() for setup in setups]
        by_state = [setup for setups in _by_state(study, dataset).values() for setup in setups]
        add("observe", observed, [*validation, first], ("03_saliency", *READERS, "A1_localisation"))
        add("observe", observed, [*others, *heads, *second])
        add("published", published, by_state)
        if dataset in MASKED:
            add("transposed", transposed, by_state)
        else:
            add("published", published, validation, READERS[1:])
        add("plain_silu", plain_silu, [setup for setup in second if setup.network == SILU], READERS[1:])
        entries = partial(_where_possible, entry=without_network, setup=first)
        made.append(Job(f"baselines:{dataset}", entries, (f"data:{dataset}",), READERS))
    return made


def _where_possible(
    study: Study, entry: Callable[[Study, Setup], Path | list[Path]], setup: Setup
) -> Path | list[Path]:
    possible = not reason_not_possible(study, setup.dataset) and study.data(setup.dataset).has_truth(setup.split)
    return entry(study, setup) if possible else []


def read(study: Study, datasets: Iterable[str] = recipes.IMAGES) -> tuple[dict[str, PointingGame], dict[str, str]]:
    """Pointing games of the data sets, and why it is not possible on the others."""
    reasons, games = {dataset: reason_not_possible(study, dataset) for dataset in datasets}, {}
    for dataset in (dataset for dataset, reason in reasons.items() if not reason):
        # Where a data set has no ground truth on validation, the NormGrad variant is the first data set's.
        otherwise = next((game.best_normgrad for game in games.values()), None)
        games[dataset] = _game(study, dataset, otherwise)
    return games, {dataset: reason for dataset, reason in reasons.items() if reason}


def _game(study: Study, dataset: str, otherwise: str | None) -> PointingGame:
    network, other = [*study.profile.networks(dataset), None][:2]
    setups, second = trained(study, dataset), trained(study, dataset, 1)
    validation = trained(study, dataset, split="val") if study.data(dataset).has_truth("val") else []
    fully_random, *semi_random = (observations(study, heads) for heads in untrained(study, dataset).values())
    programs = {}
    for name, state in _by_state(study, dataset).items():
        programs[name] = observations(study, state, published)
        if dataset in MASKED:
            rows = observations(study, state, transposed).assign(variant="S3")
            programs[name] = pd.concat([programs[name], rows], ignore_index=True)
    baselines, ceilings = (read_frame(entry / FRAME) for entry in without_network(study, setups[0]))
    reason = study.profile.missing.get(f"{dataset}-{SILU}", "one network only")
    histories = {setup.seed: read_frame(study.train(setup.training) / "history.csv") for setup in setups}
    return PointingGame(
        dataset=dataset,
        label=LABELS[dataset],
        network=network,
        other=other,
        size=study.data_sets[dataset].size,
        trained=observations(study, setups),
        fully_random=fully_random,
        semi_random=dict(zip(study.backbones(network), semi_random, strict=True)),
        second=observations(study, second),
        validation=observations(study, validation),
        best_normgrad=best_normgrad(study, dataset, otherwise),
        baselines=baselines,
        ceilings=ceilings,
        published=programs,
        published_validation=None if dataset in MASKED else observations(study, validation, published),
        plain_silu=observations(study, second, plain_silu) if other == SILU else None,
        validation_auc={seed: history["val_auc"].max() for seed, history in histories.items()},
        auc_low=_auc_low(study, setups),
        other_auc_low=_auc_low(study, second),
        missing={} if second else {"second": reason},
    )


def _auc_low(study: Study, setups: list[Setup]) -> float:
    """Lower bound over units of the test AUC of the worst classifier; 0 for none."""
    bounds = []
    for setup in setups:
        units = study.data(setup.dataset).records("test")["unit"]
        rows = read_frame(study.train(setup.training) / "predictions.csv").query("split == 'test'")
        bounds.append(metrics.auc(rows["label"].to_numpy(), rows["probability"].to_numpy(), groups=units)[1])
    return min(bounds, default=0.0)
