"""Entries of the randomisation test in the store, and all that its table and figures read."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa import recipes
from xiqa.data.shapes import Shape
from xiqa.paper.pointing_game.results import LABELS
from xiqa.paper.study import Job, Study
from xiqa.saliency.names import TABLE_ROWS
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

MODULE = "xiqa.paper.sanity_checks.observe"
NOTEBOOK = "04_sanity_checks"
SPLIT, SEED = "test", 0  # seed of the new parameters
PICTURED = ("gradcam", "input_x_gradient", "guided_backprop", "normgrad_conv1x1_single", "normgrad_conv3x3_combined")


@dataclass(frozen=True, eq=False)
class Cascade:
    """Maps of one image down the cascade. eq=False: comparing arrays is ambiguous, so identity."""

    image: NDArray[np.uint8]  # (H, W)
    shapes: list[Shape]  # annotated, in pixels of the image
    maps: dict[str, dict[str, NDArray[np.float32]]]  # step ("trained", "head" ... "retrained") -> method -> (H, W)


@dataclass(frozen=True, eq=False)
class SanityChecks:
    """The randomisation test of all data sets of images, each by its label ("Object-CXR", "LVOT")."""

    networks: dict[str, str]  # name of the network that is randomised
    rows: dict[str, pd.DataFrame]  # frame of `xiqa.paper.sanity_checks.observe.randomisation`
    cascades: dict[str, Cascade]  # of the first image


def randomisation(study: Study, dataset: str) -> Path:
    """Entry of the comparisons of maps of the first trained network of a data set."""
    count, batch = study.profile.randomised, study.profile.maps_batch
    return _entry(study, "randomisation", dataset, TABLE_ROWS, count=count, batch=batch)


def cascade_maps(study: Study, dataset: str) -> Path:
    """Entry of the maps of one image down the cascade of the first trained network of a data set."""
    return _entry(study, "cascade_maps", dataset, PICTURED)


def jobs(study: Study) -> list[Job]:
    """Two jobs a data set: comparisons of maps, and maps as pictures."""
    made = []
    for dataset, network in study.primaries().items():
        trainings = (recipes.classifier_name(dataset, network, seed) for seed in _seeds(study, dataset))
        needs = (f"data:{dataset}", *(f"train:{name}" for name in trainings))
        for name, entry in (("randomise", randomisation), ("cascade", cascade_maps)):
            made.append(Job(f"{name}:{dataset}-{network}", partial(entry, dataset=dataset), needs, (NOTEBOOK,)))
    return made


def read(study: Study) -> SanityChecks:
    """Read all entries of the chapter, computing what is missing."""
    networks = study.primaries()
    return SanityChecks(
        networks={LABELS[dataset]: network for dataset, network in networks.items()},
        rows={LABELS[dataset]: read_frame(randomisation(study, dataset) / FRAME) for dataset in networks},
        cascades={LABELS[dataset]: _cascade(study, dataset) for dataset in networks},
    )


def _seeds(study: Study, dataset: str) -> list[int]:
    """Training seeds of the network that is randomised and of the second one, if there are several."""
    return list(study.profile.seeds(dataset, study.primaries()[dataset])[:2])


def _entry(study: Study, function: str, dataset: str, methods: tuple[str, ...], **arguments) -> Path:
    network = study.primaries()[dataset]
    files = [study.trained(dataset, network, seed) / "weights.pt" for seed in _seeds(study, dataset)]
    weights, second = [*files, None][:2]
    arguments |= {"prepared": study.prepared(dataset), "network": network, "weights": weights, "second": second}
    return study.store.path(f"{MODULE}.{function}", split=SPLIT, seed=SEED, methods=list(methods), **arguments)


def _cascade(study: Study, dataset: str) -> Cascade:
    data = study.data(dataset)
    with np.load(cascade_maps(study, dataset) / "maps.npz") as arrays:
        steps = dict(arrays)
    row, methods = int(steps.pop("row")), steps.pop("methods").tolist()
    maps = {step: dict(zip(methods, values, strict=True)) for step, values in steps.items()}
    return Cascade(np.array(data.images(SPLIT)[row]), data.shapes(SPLIT, row), maps)
