"""Entries of the explained MRI artifacts in the store, and all that their table and figure read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from xiqa.paper.appendix.explained_mri import METHODS, PRIMARY
from xiqa.paper.mri import results as mri
from xiqa.paper.study import Job, Study
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

if TYPE_CHECKING:  # the modules of the chapter import torch, and a list of jobs needs none
    from xiqa.paper.appendix.explained_mri.examples import Example

MODULE = "xiqa.paper.appendix.explained_mri"
NOTEBOOKS = ("A2_explained_mri",)
SPLIT = "test"


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class ExplainedMri:
    """Scored maps of all networks and baselines, and the scans that are shown."""

    maps: pd.DataFrame  # rows of ``observe`` and ``baselines`` of this chapter's ``observe``
    primary: str  # name of the training whose maps are shown
    records: pd.DataFrame  # of the scans that are shown, with ``probability``, the mean of the Monte Carlo samples
    examples: list["Example"]  # these scans with their maps, in the same order


def masks(study: Study) -> Path:
    """Entry of the changed voxels of the test scans."""
    root = {"root": partial(_root, study)}
    return study.store.path(f"{MODULE}.truth.masks", prepared=study.prepared("mri"), split=SPLIT, unkeyed=root)


def observed(study: Study, name: str) -> Path:
    """Entry of the scored maps of a training."""
    return _observed(study, name, study.train(name) / "weights.pt", study.recipe(name).seed, METHODS)


def untrained(study: Study, seed: int) -> Path:
    """Entry of the scored maps of a network that was never trained."""
    return _observed(study, study.runs("ramp")[0], None, seed, [PRIMARY])


def baselines(study: Study) -> Path:
    """Entry of the scored baselines that use no network."""
    prepared = study.prepared("mri")
    return study.store.path(f"{MODULE}.observe.baselines", prepared=prepared, masks=masks(study), split=SPLIT)


def shown(study: Study) -> pd.DataFrame:
    """Records of the scans that are shown, with ``probability``, the mean of the first training's samples."""
    from xiqa.paper.appendix.explained_mri.examples import choose
    from xiqa.paper.appendix.explained_mri.observe import masked
    from xiqa.paper.mri.answers import answers

    samples = mri.samples_entry(study, study.runs("ramp")[0], SPLIT)
    test = answers(samples, study.data("mri").records(SPLIT))
    return test.loc[choose(test, masked(masks(study)))].reset_index(drop=True)


def examples(study: Study) -> Path:
    """Entry of the maps of the scans that are shown."""
    name, paths, data = study.runs("ramp")[0], shown(study)["path"].to_list(), study.data_sets["mri"]
    arguments = {"weights": study.train(name) / "weights.pt", "network": study.recipe(name).network}
    arguments |= {"shape": list(data.shape), "intensity": data.intensity, "paths": paths, "data": data.fingerprint}
    return study.store.path(f"{MODULE}.examples.explain", unkeyed={"root": partial(_root, study, paths)}, **arguments)


def jobs(study: Study) -> list[Job]:
    """Masks, maps of each network with data-ramping, baselines, and maps of the scans that are shown."""
    data, truth, names = "data:mri", "explain:mri-masks", study.runs("ramp")
    made = [
        Job(truth, masks, (data,), NOTEBOOKS),
        Job("explain:mri-baselines", baselines, (data, truth), NOTEBOOKS),
        Job("explain:mri-examples", examples, (f"sample:{names[0]}-{SPLIT}", truth), NOTEBOOKS),
    ]
    for name in names:
        made.append(Job(f"explain:{name}", partial(observed, name=name), (truth, f"train:{name}"), NOTEBOOKS))
    for seed in range(study.profile.heads):
        entry = partial(untrained, seed=seed)
        made.append(Job(f"explain:mri-untrained-s{seed}", entry, (data, truth), NOTEBOOKS))
    return made


def read(study: Study) -> ExplainedMri:
    """Read all entries of the chapter, computing what is missing."""
    from xiqa.paper.appendix.explained_mri.examples import read as read_examples

    entries = [observed(study, name) for name in study.runs("ramp")]
    # An untrained network has no classes: seeds give its spread.
    entries += [*(untrained(study, seed) for seed in range(study.profile.heads)), baselines(study)]
    parts = [read_frame(entry / FRAME) for entry in entries]
    maps = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    records = shown(study)
    paths = records["path"].to_list()
    return ExplainedMri(
        maps, study.runs("ramp")[0], records, read_examples(examples(study), paths, _root(study, paths))
    )


def _observed(study: Study, name: str, weights: Path | None, seed: int, methods: Sequence[str]) -> Path:
    """Entry of the maps of the network of a training; without weights it is drawn from the seed."""
    arguments = {"network": study.recipe(name).network, "weights": weights, "seed": seed, "methods": list(methods)}
    arguments |= {"prepared": study.prepared("mri"), "masks": masks(study), "split": SPLIT}
    return study.store.path(f"{MODULE}.observe.observe", batch=study.profile.maps_batch, **arguments)


def _root(study: Study, paths: Sequence[str] = ()) -> Path:
    """Folder of the brain volumes; of data drawn when needed the simulated artifacts and ``paths`` lie there."""
    records = study.data("mri").records(SPLIT)
    return study.data_sets["mri"].root([*records.loc[records["artifact"] != "", "path"], *paths])
