"""Entries of the localisation measures in the store, and all that their table reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa import recipes
from xiqa.paper.arguments import Network
from xiqa.paper.pointing_game.results import LABELS, RULE, reason_not_possible
from xiqa.paper.study import Job, Study
from xiqa.store.files import read_frame, write_frame
from xiqa.store.store import FRAME

MODULE = "xiqa.paper.appendix.localisation"
NOTEBOOK = "A1_localisation"
DETECTED = "object_cxr"  # the data set of the challenge that FROC comes from


@dataclass(frozen=True, eq=False)  # comparing frames is ambiguous, so identity
class Localisation:
    """Measures of localisation of the primary networks, by the label of their data set ("Object-CXR", "LVOT")."""

    networks: dict[str, str]  # by data set
    rows: dict[str, pd.DataFrame]  # frames of ``observe.localise``, of one or several seeds
    froc: dict[str, pd.DataFrame]  # frames of ``detection.froc_scores``, of the first seed
    perturbed: int  # units with insertion and deletion, first seed only
    missing: dict[str, str]  # reason why nothing is measured in this run


def localised(study: Study, dataset: str, seed: int) -> Path:
    """Entry of all measures but FROC, of one seed; thresholds of IoU, insertion and deletion of the first seed only."""
    prepared, first, root = study.prepared(dataset), _seeds(study, dataset)[0], {"root": study.data_sets[dataset].root}
    arguments = {"prepared": prepared, "dataset": dataset, "split": "test"}
    truths = study.store.path(f"{MODULE}.truths.write_truths", unkeyed=root, **arguments)
    arguments = {"split": "val", "tolerance": recipes.TOLERANCE}
    thresholds = _explained(study, "observe.iou_thresholds", dataset, first, **arguments)
    perturbed = dict.fromkeys(recipes.PERTURBED if seed == first else (), study.profile.perturbed)
    arguments = {"truths": truths, "thresholds": thresholds, "split": "test", "rule": RULE, "perturbed": perturbed}
    return _explained(study, "observe.localise", dataset, seed, **arguments)


def froc_points(study: Study) -> Path:
    """Entry of the points of each method on all images of the test split, first seed."""
    arguments = {"split": "test", "tolerance": recipes.TOLERANCE}
    return _explained(study, "detection.froc_points", DETECTED, _seeds(study, DETECTED)[0], **arguments)


def froc_scores(study: Study) -> Path:
    """Entry of the FROC score of each method, first seed."""
    arguments = {"points": froc_points(study), "prepared": study.prepared(DETECTED), "split": "test"}
    return study.store.path(f"{MODULE}.detection.froc_scores", **arguments)


def jobs(study: Study) -> list[Job]:
    """Two jobs a data set: the measures of all seeds but FROC, and FROC; no entries where nothing can be measured."""
    work = []
    for dataset, network in study.primaries().items():
        names = [f"{dataset}-{network}-s{seed}" for seed in _seeds(study, dataset)]
        needs = (f"data:{dataset}", *(f"train:{name}" for name in names))
        work.append(Job(f"localise:{dataset}-{network}", partial(_measured, dataset=dataset), needs, (NOTEBOOK,)))
        if dataset == DETECTED:
            work.append(Job(f"froc:{names[0]}", _detected, needs[:2], (NOTEBOOK,)))
    return work


def read(study: Study) -> Localisation:
    """Read all entries of the chapter, computing what is missing."""
    reasons = {dataset: reason_not_possible(study, dataset) for dataset in recipes.IMAGES}
    networks = {dataset: network for dataset, network in study.primaries().items() if not reasons[dataset]}
    rows = {dataset: [read_frame(path / FRAME) for path in _measured(study, dataset)] for dataset in networks}
    return Localisation(
        networks={LABELS[dataset]: network for dataset, network in networks.items()},
        rows={LABELS[dataset]: pd.concat(frames, ignore_index=True) for dataset, frames in rows.items()},
        froc={LABELS[DETECTED]: read_frame(froc_scores(study) / FRAME)} if DETECTED in networks else {},
        perturbed=study.profile.perturbed,
        missing={LABELS[dataset]: reason for dataset, reason in reasons.items() if reason},
    )


def export(study: Study, method: str) -> Path:
    """Write the predictions of the first training on Object-CXR in the format of the challenge, points by one method.

    Returns the folder of the two files, below the folder of all results.
    """
    network, seed = study.primaries()[DETECTED], _seeds(study, DETECTED)[0]
    predictions = read_frame(study.trained(DETECTED, network, seed) / "predictions.csv").query("split == 'test'")
    points = read_frame(froc_points(study) / FRAME).query("method == @method")
    folder = study.store.folder.parent / "predictions" / f"{DETECTED}-{network}-s{seed}"
    write_predictions(folder, predictions, points)
    return folder.relative_to(study.store.folder.parents[2])


def write_predictions(folder: Path, predictions: pd.DataFrame, points: pd.DataFrame) -> None:
    """Write ``prediction_classification.csv`` and ``prediction_localization.csv`` of the Object-CXR challenge.

    ``predictions`` has image and probability, ``points`` image, probability, x, y (original pixels). Each file is
    complete or not at all, and has the columns image_path and prediction, one line an image: the probability of a
    foreign object, or ``probability x y;probability x y`` (nothing where there is no point). Numbers are written to the
    last bit; ValueError for one that is not finite, and for an image that is named twice.
    """
    values = points[["probability", "x", "y"]].to_numpy(float)
    if predictions["image"].duplicated().any():
        raise ValueError("an image is named twice: pass each image once")
    if not np.isfinite(predictions["probability"]).all() or not np.isfinite(values).all():
        raise ValueError("a prediction must be a finite number")
    texts = [" ".join(map(repr, point)) for point in values.tolist()]
    lines = pd.Series(texts, index=points["image"], dtype=object).groupby(level=0).agg(";".join)
    for task, column in (
        ("classification", list(map(repr, predictions["probability"].astype(float).to_list()))),
        ("localization", [lines.get(image, "") for image in predictions["image"]]),
    ):
        frame = pd.DataFrame({"image_path": predictions["image"].to_list(), "prediction": column})
        write_frame(frame, folder / f"prediction_{task}.csv")


def _measured(study: Study, dataset: str) -> Iterable[Path]:
    possible = not reason_not_possible(study, dataset)
    return [localised(study, dataset, seed) for seed in _seeds(study, dataset)] if possible else []


def _detected(study: Study) -> Iterable[Path]:
    return [] if reason_not_possible(study, DETECTED) else [froc_scores(study)]


def _seeds(study: Study, dataset: str) -> list[int]:
    """Training seeds whose maps are measured."""
    return list(study.profile.seeds(dataset, study.primaries()[dataset])[: study.profile.localised])


def _explained(study: Study, function: str, dataset: str, seed: int, **arguments) -> Path:
    network = study.primaries()[dataset]
    weights = study.trained(dataset, network, seed) / "weights.pt"
    arguments |= {"prepared": study.prepared(dataset), "batch": study.profile.maps_batch}
    return study.store.path(f"{MODULE}.{function}", network=Network(network, "trained", seed, weights), **arguments)
