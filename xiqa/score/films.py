"""Score people's own radiographs and brain scans: prediction, probability and saliency maps of a trained network."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from xiqa import models, pictures, pointing_game, recipes, saliency
from xiqa.data.arrays.grids import resize, to_original
from xiqa.data.files.pictures import Radiograph
from xiqa.data.files.radiographs import load_radiograph
from xiqa.data.files.volumes import is_volume, load_volume
from xiqa.errors import BadInput
from xiqa.saliency.names import METHOD_NAMES
from xiqa.score.volumes import VolumeClassifier, explain_volume
from xiqa.store.files import write_frame
from xiqa.store.places import results_root

CLASSES = ("no foreign object", "foreign object")
# The training of the MRI study that is used: the study's own method first.
ARMS = ("ramp", "primed", "focal", "class_weights", "balanced", "flips", "baseline")


@dataclass(frozen=True)
class Classifier:
    """A trained network: ``size`` is the side of its input in pixels, ``origin`` a phrase on where it comes from."""

    model: torch.nn.Module
    size: int
    origin: str


def find_classifiers(
    files: Sequence[Path], profile: str | None = None, weights: str | Path | None = None
) -> dict[str, Classifier | VolumeClassifier]:
    """A classifier for each kind of the files, ``film`` and ``volume``.

    ``weights`` serve the kind of file that their network takes; the other kind's classifier comes from a run.
    BadInput where there is no such run, and for weights that cannot be used, or not for these files.
    """
    kinds = sorted({"volume" if is_volume(Path(file)) else "film" for file in files})
    if weights is None:
        return {kind: find_classifier(profile, kind) for kind in kinds}
    own = load_classifier(weights)
    kind = "volume" if isinstance(own, VolumeClassifier) else "film"
    if kind not in kinds:
        things = {"film": "radiographs", "volume": "brain volumes"}
        raise BadInput(
            "no_classifier",
            f"{weights} belongs to a network for {things[kind]} and only {things[kinds[0]]} are given: name other "
            "weights, or none.",
        )
    return {other: own if other == kind else find_classifier(profile, other) for other in kinds}


def find_classifier(profile: str | None = None, kind: str = "film") -> Classifier | VolumeClassifier:
    """Load the newest run's primary network with seed 0, for a ``film`` or a ``volume``; BadInput without such a run.

    Without a profile only quick and paper runs count, since a smoke run's network has learned nothing.
    """
    function = "train_volumes" if kind == "volume" else "train_classifier"
    runs = [run for name in ([profile] if profile else ["quick", "paper"]) for run in (name, f"{name}-real")]
    paths = [path for run in runs for path in results_root().glob(f"{run}/store/{function}/*/entry.json")]
    newest = newest_training(paths, kind)
    if newest is None:
        what = "classifier of brain volumes" if kind == "volume" else "classifier"
        wanted = f"profile {profile}" if profile else "profile quick or paper"
        raise BadInput(
            "no_classifier",
            f"no trained {what} of {wanted} in {results_root()}: run `make paper` first, or name a file with "
            "--weights" + ("." if profile else " (a smoke run's classifier only with --profile smoke)."),
        )
    run = newest.parents[3].name
    things = "scans" if kind == "volume" else "films"
    data = f"real {things}" if run.endswith("-real") else f"simulated stand-in {things}"
    return load_classifier(newest.with_name("weights.pt"), f"run {run}, trained on {data}")


def newest_training(entries: Sequence[Path], kind: str) -> Path | None:
    """The entry of seed 0 in the newest run: of the primary network for films, of the first of ``ARMS`` for volumes."""
    ranks, times = {}, {entry: entry.stat().st_mtime for entry in entries}
    for entry in entries:
        recipe = json.loads(entry.read_text())["key"]["arguments"]["recipe"]
        if kind == "volume":
            training, order = recipe["arm"], list(ARMS)
        else:
            primary = recipes.PROFILES[entry.parents[3].name.removesuffix("-real")].networks("object_cxr")[0]
            training, order = (recipe["dataset"], recipe["network"]), [("object_cxr", primary)]
        if recipe["seed"] == 0 and training in order:
            ranks[entry] = order.index(training)
    run = max(ranks, key=times.get).parents[3] if ranks else None
    of_run = [entry for entry in ranks if entry.parents[3] == run]
    return min(of_run, key=lambda entry: (ranks[entry], -times[entry]), default=None)


def load_classifier(weights: str | Path, origin: str = "") -> Classifier | VolumeClassifier:
    """The classifier of a weights file; BadInput (``no_classifier``) if it cannot be used."""
    path, origin = Path(weights), origin or str(weights)
    try:
        about = models.describe(path)
        # Without a shape `build` refuses a network of volumes, and names the reason.
        model = models.build(about["network"], weights=path, shape=about.get("shape")).eval()
    except (OSError, ValueError, KeyError) as error:
        raise BadInput("no_classifier", f"{path}: {error}") from error
    seed = about.get("seed", "?")
    if about["network"] in models.NETWORKS_3D:
        shape, review = tuple(about["shape"]), about.get("review_above")
        words = " x ".join(map(str, shape))
        origin = f"{about['network']}, {about.get('arm', 'arm ?')}, seed {seed}, {words}; {origin}"
        limit, intensity = None if review is None else float(review), about.get("intensity", "zscore")
        return VolumeClassifier(model, shape, origin, limit, intensity)
    size = int(about.get("size", 600))
    return Classifier(model, size, f"{about['network']}, seed {seed}, {size} px; {origin}")


def explain_files(
    files: Sequence[Path], out: Path, classifiers: dict[str, Classifier | VolumeClassifier], volume: int | None = None
) -> pd.DataFrame:
    """Explain each file into its own folder below ``out``, and print a sentence; a bad file is one row of the table.

    A film gets an overlay a method with the peak of the smoothed map marked, ``contact_sheet.png``, and ``peaks.csv``
    in pixels of the file; a volume ``planes.png`` and ``answer.csv``. ``classifiers`` are those of `find_classifiers`,
    ``volume`` is the number of a volume in a 4D file, from 0. The table is also ``out/summary.csv``: file, status (ok,
    warning, error), reason, message, predicted, probability (of a foreign object, of an artifact), uncertainty (mutual
    information in nats; volumes only), folder.
    """
    rows, taken = [], set()
    for file in files:
        folder = out / _free_name(file, taken)
        try:
            if is_volume(file):
                row = explain_volume(load_volume(file, volume), file, folder, classifiers["volume"])
            else:
                row = _explain_film(load_radiograph(file), file, folder, classifiers["film"])
        except BadInput as problem:
            row = {"status": "error", "reason": problem.reason, "message": str(problem)}
        rows.append({"file": str(file), **row})
        print(_sentence(rows[-1]))
    columns = ["file", "status", "reason", "message", "predicted", "probability", "uncertainty", "folder"]
    summary = pd.DataFrame(rows).reindex(columns=columns)
    out.mkdir(parents=True, exist_ok=True)
    write_frame(summary, out / "summary.csv")
    return summary


def _explain_film(film: Radiograph, file: Path, folder: Path, classifier: Classifier) -> dict:
    inputs = models.normalise(torch.from_numpy(resize(film.array, classifier.size))[None])
    with torch.inference_mode():
        probability = float(classifier.model(inputs).softmax(1)[0, 1])
    maps = saliency.explain(classifier.model, inputs, silu="clamp")
    peaks = []
    for method, batch in maps.items():
        smoothed = pointing_game.smooth(batch, **recipes.SMOOTHING)
        row, column, note = np.nan, np.nan, "no maximum: the map is constant"
        if not saliency.degenerate(smoothed).item():
            at = np.unravel_index(int(smoothed.argmax()), smoothed.shape[1:])
            row, column = (round(float(place), 1) for place in to_original(*at, classifier.size, *film.array.shape))
            note = ""
        peaks.append({"method": method, "row": row, "column": column, "note": note})
    peaks = pd.DataFrame(peaks)
    predicted = CLASSES[int(probability > 0.5)]
    title = f"{file.name}: {predicted}, p({CLASSES[1]}) = {probability:.2f}"
    folder.mkdir(parents=True, exist_ok=True)
    write_frame(peaks, folder / "peaks.csv")
    overlays = {method: batch[0].numpy() for method, batch in maps.items()}
    _draw(film.array, overlays, peaks.set_index("method"), folder, title)
    status = {"status": "ok"}
    if film.notes:
        status = {"status": "warning", "reason": "noted", "message": "; ".join(film.notes)}
    return {**status, "predicted": predicted, "probability": round(probability, 4), "folder": str(folder)}


def _draw(image: np.ndarray, maps: dict[str, np.ndarray], peaks: pd.DataFrame, folder: Path, title: str) -> None:
    """Draw the overlay of each map into a file of its own, and all of them on the contact sheet."""
    sheet, axes = pictures.sheet(columns=5, count=len(maps) + 1, side=2.6)
    pictures.radiograph(axes.flat[0], image, title="radiograph")
    for small, (method, saliency_map) in zip(axes.flat[1:], maps.items(), strict=False):
        row, column, note = peaks.loc[method]
        name = METHOD_NAMES[method] + (f"\n({note})" if note else "")
        figure, ax = plt.subplots(figsize=(6, 6 * image.shape[0] / image.shape[1] + 0.4), layout="constrained")
        pictures.overlay(ax, image, saliency_map, peak=(row, column), title=f"{title}\n{name}")
        figure.savefig(folder / f"{method}.png", dpi=110)
        plt.close(figure)
        pictures.overlay(small, image, saliency_map, peak=(row, column), title=name)
    sheet.suptitle(f"{title}. The maps explain this prediction; cross: maximum of the smoothed map.", fontsize=10)
    sheet.savefig(folder / "contact_sheet.png", dpi=110)
    plt.close(sheet)


def _free_name(file: Path, taken: set[str]) -> str:
    """A folder name for a file; two files of one name get different folders."""
    stem = re.sub(r"[^\w.-]+", "_", file.name.split(".")[0]) or "scan"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


def _sentence(row: dict) -> str:
    if row["status"] == "error":
        return f"{row['file']}: {row['message']}"
    if "uncertainty" in row:
        answer = f"p(artifact) = {row['probability']:.3f}, mutual information {row['uncertainty']:.3f} nats, picture"
    else:
        answer = f"p({CLASSES[1]}) = {row['probability']:.3f}, maps"
    notes = f" ({row['message']})" if row["status"] == "warning" else ""
    return f"{row['file']}: {row['predicted']}, {answer} in {row['folder']}{notes}"
