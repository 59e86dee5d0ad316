"""Store entries of the supplement to the MRI study: range test, flips, foreign scans, other inputs and networks."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa.paper.data_sets import DataSet
from xiqa.paper.mri.answers import answers
from xiqa.paper.mri.results import flip_training, plain_entry, samples_entry
from xiqa.paper.study import Job, Study
from xiqa.recipes.kinds import VolumeClassifier
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

NOTEBOOKS = ("A3_mri_supplement",)
FOREIGN = 60  # scans of each kind (O)


@dataclass(frozen=True, eq=False)  # comparing frames is ambiguous, so identity
class Supplement:
    """Results of the supplement, beside those of the MRI study."""

    range_test: pd.DataFrame  # step, learning_rate, loss, smoothed
    rates: tuple[float, float]  # lowest and highest learning rate of the recipe of the range test
    flip_name: str  # training whose orientations are compared
    flipped: bool  # whether it was trained with random flips
    flip_samples: np.ndarray  # (8, N, 2) its probabilities of the test scans, one orientation each
    foreign: dict[str, pd.DataFrame]  # by kind of scans: answers of the primary network; empty for real data
    inputs: dict[str, np.ndarray]  # "priming" and names of ``ablations``: score (N,) of the test scans
    networks: dict[str, tuple[str, str, int, float]]  # the same names: see ``described``


def orientation_training(study: Study) -> str:
    """The training with random flips; where there is none, the first of the ramp."""
    return flip_training(study) or study.runs("ramp")[0]


def ablations(study: Study) -> dict[str, VolumeClassifier]:
    """The first priming with the other intensity scale, and with the paper's network."""
    first = study.recipe(study.runs("priming")[0])
    return {
        "zscore": replace(first, intensity="zscore" if first.intensity == "log" else "log"),
        "vggnet3d": replace(first, network="vggnet3d"),
    }


def ablation_entry(study: Study, name: str) -> Path:
    """Entry of the scores of a recipe of :func:`ablations` on the test scans."""
    recipe, data = ablations(study)[name], study.data_sets["mri"]
    prepared = data.rescaled(recipe.intensity).prepared
    return study.store.path(
        "xiqa.training.predictions.scores",
        prepared=prepared,
        weights=study.train_on(recipe, prepared) / "weights.pt",
        precision=recipe.precision,
        split="test",
    )


def described(recipe: VolumeClassifier) -> tuple[str, str, int, float]:
    """Intensity scale, network, parameters, and billions of multiplications of one prediction."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from xiqa import models

    model = models.build(recipe.network, shape=recipe.shape).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 1, *recipe.shape))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return recipe.intensity, recipe.network, parameters, counter.get_total_flops() / 2e9


def range_test_entry(study: Study) -> Path:
    """Entry of the learning-rate range test of the first recipe."""
    recipe = asdict(study.recipe(study.arms()[0]))
    return study.store.path("xiqa.training.volumes.range_test", recipe=recipe, prepared=study.prepared("mri"))


def foreign_entry(study: Study) -> Path:
    """Entry of the volumes that are no heads of the training kind."""
    module = "xiqa.paper.appendix.mri_supplement.foreign"
    return study.store.path(f"{module}.foreign", prepared=study.prepared("mri"), count=FOREIGN)


def other_scanner(study: Study) -> DataSet:
    """The scans of another scanner."""
    return study.data_sets["mri"].other_scanner()


def foreign_samples(study: Study) -> dict[str, tuple[Path, Path]]:
    """Entries of the foreign scans and of the samples of the primary network on them; none of real data."""
    if not study.stand_in("mri"):
        return {}
    sets = {"other scanner": other_scanner(study).prepared, "no usual head": foreign_entry(study)}
    name = study.runs("ramp")[0]
    return {kind: (entry, samples_entry(study, name, "test", prepared=entry)) for kind, entry in sets.items()}


def jobs(study: Study) -> list[Job]:
    """Jobs of the supplement; what it reads of the MRI study is made by that chapter's jobs."""
    data, flips = "data:mri", orientation_training(study)
    made = [Job("range_test:mri", range_test_entry, (data,), NOTEBOOKS)]
    made += [Job(f"train:mri-{n}", partial(ablation_entry, name=n), (data,), NOTEBOOKS) for n in ablations(study)]
    if not study.recipe(flips).flip:
        entry = partial(samples_entry, name=flips, split="test", flips=True)
        made.append(Job(f"sample:{flips}-test-flips", entry, (data, f"train:{flips}"), NOTEBOOKS))
    if study.stand_in("mri"):
        name = study.runs("ramp")[0]
        entries = lambda study: [path for pair in foreign_samples(study).values() for path in pair]  # noqa: E731
        made.append(Job("sample:mri-foreign", entries, (data, f"train:{name}"), NOTEBOOKS))
    return made


def read(study: Study) -> Supplement:
    """Read the results of the supplement; compute what is missing."""
    flips, foreign = orientation_training(study), {}
    for kind, (prepared, samples) in foreign_samples(study).items():
        frame = answers(samples, read_frame(prepared / "records.csv").query("split == 'test'"))
        parts = {kind: frame} if kind == "other scanner" else dict(list(frame.groupby("artifact", sort=False)))
        foreign |= parts
    entries = {"priming": plain_entry(study, study.runs("priming")[0], "test")}
    entries |= {name: ablation_entry(study, name) for name in ablations(study)}
    return Supplement(
        range_test=read_frame(range_test_entry(study) / FRAME),
        rates=study.recipe(study.arms()[0]).rates,
        flip_name=flips,
        flipped=study.recipe(flips).flip,
        flip_samples=np.load(samples_entry(study, flips, "test", flips=True) / "flips.npy"),
        foreign=foreign,
        networks={
            name: described(recipe)
            for name, recipe in {"priming": study.recipe(study.runs("priming")[0]), **ablations(study)}.items()
        },
        inputs={name: read_frame(entry / FRAME)["score"].to_numpy() for name, entry in entries.items()},
    )
