"""Entries of the audit in the store, and all that notebook 01 shows of the data."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xiqa import recipes
from xiqa.data.names import SPLITS
from xiqa.paper.audit import contents
from xiqa.paper.audit.proofs import NOT, PART, SHOULD, Proof, verdicts
from xiqa.paper.data_sets import NAMES
from xiqa.paper.study import Job, Study
from xiqa.recipes import IMAGES, VOLUMES
from xiqa.store.files import read_frame
from xiqa.store.store import FRAME

MODULE = "xiqa.paper.audit"
HISTOGRAM = {"object_cxr": 0.70, "lvot": 0.70, "mri": 0.80}  # largest AUC that a histogram may reach (O)
BLOB = 0.75  # the same of a blob detector on radiographs (O)
TRAINED = 0.95  # smallest AUC that the primary networks should reach on images (O)
FILES = 200  # of each class and split, written for the audit where a data set is drawn when needed (O)


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Audit:
    """All that notebook 01 shows."""

    counts: pd.DataFrame  # of `contents.summary`
    problems: pd.DataFrame  # data set, status, message of every file or row with a problem
    notes: list[str]  # remarks of the readers, a sentence each
    examples: dict[str, list[contents.Example]]  # these three: see `figures.datasets`
    annotated: dict[str, NDArray]
    brightness: pd.DataFrame
    scans: pd.DataFrame  # these two: see `figures.mri_artifacts`
    views: list[NDArray]
    proofs: pd.DataFrame  # of `proofs.verdicts`


def null_world(study: Study, dataset: str) -> Path:
    """Entry of the data set without the cause of its labels."""
    function = {"object_cxr": "null_films", "lvot": "null_frames", "mri": "null_volumes"}[dataset]
    data = study.data_sets[dataset]
    arguments = {} if dataset == "lvot" else {"unkeyed": {"root": data.root}}
    if dataset in VOLUMES:
        arguments["intensity"] = data.intensity
    return study.store.path(f"{MODULE}.null_worlds.{function}", prepared=data.prepared, **arguments)


def null_scores(study: Study, dataset: str) -> Path:
    """Entry of the scores of a network that is trained and tested in the null world."""
    recipe = study.recipe(_network(study, dataset))
    if dataset in VOLUMES:  # the priming stage's recipe needs no other training
        first = study.recipe(study.arms()[0])
        recipe = replace(first, steps=min(first.steps, recipes.NULL_STEPS))
    world = null_world(study, dataset)
    return _scores(study, dataset, world, study.train_on(recipe, world))


def network_scores(study: Study, dataset: str) -> dict[str, Path]:
    """Entries of the scores of the audited network: on test items as they are, changed, and of another scanner."""
    training, prepared = study.train(_network(study, dataset)), study.prepared(dataset)
    entries = {"usual": _scores(study, dataset, prepared, training)}
    entries["other scanner"] = _scores(study, dataset, study.data_sets[dataset].other_scanner().prepared, training)
    if dataset != "lvot":
        entries["without cause"] = _scores(study, dataset, null_world(study, dataset), training)
    if dataset == "object_cxr":
        entries |= {part: _scores(study, dataset, prepared, training, hide=part) for part in ("lungs", "rest")}
    return entries


def features(study: Study, dataset: str) -> dict[str, Path]:
    """Entries of the features: of files (not of cine frames, whose borders hold the cause), and histograms."""
    volumes, data, prepared = dataset in VOLUMES, study.data_sets[dataset], study.prepared(dataset)
    function = "xiqa.paper.features.histograms"
    entries = {"histograms": study.store.path(function, prepared=prepared, volumes=volumes)}
    if dataset != "lvot":
        function = f"{MODULE}.shortcuts.{'volume_features' if volumes else 'picture_features'}"
        root = {"root": lambda: data.root(() if data.on_disk else _sample(study))}
        entries["files"] = study.store.path(function, prepared=prepared, unkeyed=root)
    return entries


def jobs(study: Study) -> list[Job]:
    """Jobs of a data set: features and, unless some data are real, the null world and the scores of networks."""
    made, starts = [], recipes.trainings(study.profile.name, study.weights)

    def add(name: str, entries: Callable, dataset: str, *needs: str) -> None:
        def paths(study: Study) -> list[Path]:
            made = entries(study, dataset)
            return list(made.values()) if isinstance(made, dict) else [made]

        made.append(Job(f"audit:{name}-{dataset}", paths, (f"data:{dataset}", *needs), ("01_data",)))

    for dataset in NAMES:
        network = _network(study, dataset)
        pretexts = [f"train:{start}" for start in starts[network]] if dataset in IMAGES else []
        add("features", features, dataset)
        if not study.real:
            add("null-world", null_scores, dataset, *pretexts)
            add("scores", network_scores, dataset, f"audit:null-world-{dataset}", f"train:{network}")
    return made


def read(study: Study) -> Audit:
    """Read the data sets and all entries of the audit, computing what is missing."""
    sets = {name: study.data(name) for name in NAMES}
    images = {name: sets[name] for name in IMAGES}
    count, root = study.profile.shown, study.data_sets["mri"].root
    problems = [data.problems.assign(**{"data set": NAMES[name]}) for name, data in sets.items()]
    scans = contents.scans(sets["mri"].records("test"), count)
    return Audit(
        counts=contents.summary(sets, {name: study.stand_in(name) for name in sets}),
        problems=pd.concat(problems, ignore_index=True)[["data set", "status", "message"]],
        notes=[f"{NAMES[name]}: {note}" for name, data in sets.items() for note in data.notes],
        examples=contents.examples(images, count),
        annotated={NAMES[name]: contents.annotated(data) for name, data in images.items()},
        brightness=contents.brightness(images),
        scans=scans,
        views=[_view(root([path]) / path) for path in scans["path"]],
        proofs=verdicts([proof for dataset in NAMES for proof in proofs(study, dataset)]),
    )


def proofs(study: Study, dataset: str) -> list[Proof]:
    """Proofs of one data set; where some data are real, only those that need no simulator and no training."""
    from xiqa.paper.audit import shortcuts

    made, network, volumes = [], _network(study, dataset), dataset in VOLUMES
    measured = {name: read_frame(entry / FRAME) for name, entry in features(study, dataset).items()}
    scores = {}

    def add(kind: str, predictor: str, frame: pd.DataFrame, **bounds: float | None) -> None:
        made.append(Proof(dataset, kind, predictor, frame, **bounds))

    if not study.real:
        scores = {name: read_frame(entry / FRAME) for name, entry in network_scores(study, dataset).items()}
        without = "labels of other patients" if dataset == "lvot" else "the cause of the label removed everywhere"
        null = read_frame(null_scores(study, dataset) / FRAME)
        add(NOT, f"null world: a network trained and tested with {without}", null)
    if "without cause" in scores:
        add(NOT, f"{network} on test items without the cause", scores["without cause"])
    if "lungs" in scores:
        add(NOT, f"{network}, lungs hidden", scores["lungs"])
        add(SHOULD, f"{network}, only the lungs shown", scores["rest"])
    if "files" in measured:
        what = "file and header" if volumes else "file, background and borders, number of objects"
        columns = measured["files"].columns.difference(["split", "unit", "label"], sort=False).tolist()
        add(NOT, f"{what}, by gradient boosting", shortcuts.fitted(measured["files"], columns, "boosting"))
    histograms = measured["histograms"]
    columns = [name for name in histograms if name.startswith("bin_")] + ["mean", "spread"]
    fitted = shortcuts.fitted(histograms, columns, "logistic")
    add(PART, "histogram, by logistic regression", fitted, most=HISTOGRAM[dataset])
    if dataset == "object_cxr":
        test = histograms[histograms["split"] == "test"]
        blob = test[["unit", "label"]].assign(score=test["blob"])
        add(PART, "strongest blob (difference of Gaussians)", blob, most=BLOB)
    if scores:
        add(SHOULD, f"the network {network}", scores["usual"], least=None if volumes else TRAINED)
        add(SHOULD, "the same network, images of another scanner", scores["other scanner"])
    return made


def _network(study: Study, dataset: str) -> str:
    return recipes.audited(study.profile.name)[dataset]


def _scores(study: Study, dataset: str, prepared: Path, training: Path, hide: str = "") -> Path:
    """Entry of the scores of a training on the test split of an entry."""
    arguments = {"prepared": prepared, "weights": training / "weights.pt"}
    if dataset in VOLUMES:
        precision = study.recipe(_network(study, dataset)).precision
        return study.store.path("xiqa.training.predictions.scores", precision=precision, **arguments)
    if hide:
        arguments |= {"hide": hide, "unkeyed": {"root": study.data_sets[dataset].root}}
    return study.store.path(f"{MODULE}.networks.film_scores", **arguments)


def _sample(study: Study) -> list[str]:
    """Paths of the first scans of each class and split."""
    parts = [study.data("mri").records(split).groupby("label").head(FILES) for split in SPLITS]
    return pd.concat(parts)["path"].tolist()


def _view(path: Path) -> NDArray[np.float32]:
    from xiqa import pictures
    from xiqa.data.files.volumes import load_volume

    volume = load_volume(path)
    return pictures.views(volume.array, np.linalg.norm(volume.affine[:3, :3], axis=0))
