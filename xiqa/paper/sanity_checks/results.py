"""Entries of the randomisation test in the store, and all that its table and figures read."""

from collections.abc import Callable
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
    """Maps of one image down the cascade. eq=False: comparing arrays is ambiguous, so identity.

    Attributes
    ----------
    image : (H, W) uint8.
    shapes : annotated shapes, in pixels of the image.
    maps : step ("trained", "head" ... , "retrained") -> method -> (H, W) float32.
    """

    image: NDArray[np.uint8]
    shapes: list[Shape]
    maps: dict[str, dict[str, NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class SanityChecks:
    """The randomisation test of all data sets of images, each by its label ("Object-CXR", "LVOT").

    Attributes
    ----------
    networks : name of the network that is randomised.
    rows : DataFrame of :func:`xiqa.paper.sanity_checks.observe.randomisation`.
    cascades : `Cascade` of the first image.
    """

    networks: dict[str, str]
    rows: dict[str, pd.DataFrame]
    cascades: dict[str, Cascade]


def randomisation(study: Study, dataset: str) -> Path:
    """Entry of the comparisons of maps of the first trained network of a data set."""
    more = {"count": study.profile.randomised, "methods": list(TABLE_ROWS), "batch": study.profile.maps_batch}
    return study.store.path(f"{MODULE}.randomisation", **_network(study, dataset), **more)


def cascade_maps(study: Study, dataset: str) -> Path:
    """Entry of the maps of one image down the cascade of the first trained network of a data set."""
    return study.store.path(f"{MODULE}.cascade_maps", **_network(study, dataset), methods=list(PICTURED))


def jobs(study: Study) -> list[Job]:
    """Two jobs a data set: comparisons of maps, and maps as pictures."""
    functions: dict[str, Callable] = {"randomise": randomisation, "cascade": cascade_maps}
    return [
        Job(f"{name}:{dataset}-{network}", partial(function, dataset=dataset), _needs(study, dataset), (NOTEBOOK,))
        for dataset, network in study.primaries().items()
        for name, function in functions.items()
    ]


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


def _needs(study: Study, dataset: str) -> tuple[str, ...]:
    network = study.primaries()[dataset]
    trainings = (recipes.classifier_name(dataset, network, seed) for seed in _seeds(study, dataset))
    return f"data:{dataset}", *(f"train:{name}" for name in trainings)


def _network(study: Study, dataset: str) -> dict:
    network = study.primaries()[dataset]
    weights, second, *_ = [
        *(study.trained(dataset, network, seed) / "weights.pt" for seed in _seeds(study, dataset)),
        None,
    ]
    arguments = {"prepared": study.prepared(dataset), "network": network, "weights": weights, "second": second}
    return arguments | {"split": SPLIT, "seed": SEED}


def _cascade(study: Study, dataset: str) -> Cascade:
    data = study.data(dataset)
    with np.load(cascade_maps(study, dataset) / "maps.npz") as arrays:
        row, methods = int(arrays["row"]), arrays["methods"].tolist()
        steps = [name for name in arrays.files if name not in ("row", "methods")]
        maps = {step: dict(zip(methods, arrays[step], strict=True)) for step in steps}
    return Cascade(np.array(data.images(SPLIT)[row]), data.shapes(SPLIT, row), maps)
