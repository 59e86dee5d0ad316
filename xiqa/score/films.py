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
from xiqa.score import volumes
from xiqa.score.volumes import VolumeClassifier, explain_volume
from xiqa.store.files import write_frame
from xiqa.store.places import results_root

CLASSES = ("no foreign object", "foreign object")


@dataclass(frozen=True)
class Classifier:
    """A trained network: ``size`` is the side of its input in pixels, ``origin`` a phrase on where it comes from."""

    model: torch.nn.Module
    size: int
    origin: str


def find_classifiers(
    files: Sequence[Path], profile: str | None = None, weights: str | Path | None = None
) -> dict[str, Classifier | VolumeClassifier]:
    """A classifier for each kind of file given, ``film`` and ``volume``.

    ``weights`` serve the kind of file that their network takes; the other kind's classifier comes from a run.

    Raises
    ------
    BadInput : as ``find_classifier``, and where weights are given for a kind of file that is not.
    """
    kinds = sorted({kind_of(file) for file in files})
    own = None if weights is None else _kind_of_network(Path(weights))
    if own is not None and own not in kinds:
        things = {"film": "radiographs", "volume": "brain volumes"}
        raise BadInput(
            "no_classifier",
            f"{weights} belongs to a network for {things[own]} and only {things[kinds[0]]} are given: name other "
            "weights, or none.",
        )
    return {kind: find_classifier(profile, weights if kind == own else None, kind) for kind in kinds}


def kind_of(file: Path) -> str:
    """``volume`` for NIfTI and MINC, ``film`` for everything else."""
    return "volume" if is_volume(Path(file)) else "film"


def find_classifier(
    profile: str | None = None, weights: str | Path | None = None, kind: str | None = None
) -> Classifier | VolumeClassifier:
    """Load the classifier of a weights file, or the newest run's primary network with seed 0.

    Without a profile only quick and paper runs count, since a smoke run's network has learned nothing.
    ``kind`` is ``film`` (the default) or ``volume``; weights have the kind of their network.

    Raises
    ------
    BadInput : no finished run, or a weights file that cannot be used (``no_classifier``).
    """
    if weights is not None:
        return _from_file(Path(weights), f"{weights}")
    entries = _trainings("train_volumes" if kind == "volume" else "train_classifier", profile)
    newest = volumes.newest_training(entries) if kind == "volume" else _newest_film_training(entries)
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
    return _from_file(newest.with_name("weights.pt"), f"run {run}, trained on {data}")


def _trainings(function: str, profile: str | None) -> list[tuple[Path, dict]]:
    """Finished trainings of a store function in the runs of a profile (or of quick and paper), with their recipes."""
    names = [profile] if profile else ["quick", "paper"]
    runs = [run for name in names for run in (name, f"{name}-real")]
    paths = [path for run in runs for path in results_root().glob(f"{run}/store/{function}/*/entry.json")]
    return [(path, json.loads(path.read_text())["key"]["arguments"]["recipe"]) for path in paths]


def _newest_film_training(entries: list[tuple[Path, dict]]) -> Path | None:
    paths = [path for path, recipe in entries if _is_primary(path, recipe)]
    return max(paths, key=lambda path: path.stat().st_mtime, default=None)


def _is_primary(entry: Path, recipe: dict) -> bool:
    profile = recipes.PROFILES[entry.parents[3].name.removesuffix("-real")]
    wanted = ("object_cxr", profile.networks("object_cxr")[0], 0)
    return (recipe["dataset"], recipe["network"], recipe["seed"]) == wanted


def _kind_of_network(path: Path) -> str:
    try:
        return "volume" if models.describe(path)["network"] in models.NETWORKS_3D else "film"
    except (OSError, ValueError, KeyError) as error:
        raise BadInput("no_classifier", f"{error}") from error


def _from_file(path: Path, origin: str) -> Classifier | VolumeClassifier:
    kind = _kind_of_network(path)
    try:
        about = models.describe(path)
        # Without a shape `build` refuses a network of volumes, and names the reason.
        model = models.build(about["network"], weights=path, shape=about.get("shape")).eval()
    except (OSError, ValueError, KeyError) as error:
        raise BadInput("no_classifier", f"{path}: {error}") from error
    if kind == "volume":
        shape, review = tuple(about["shape"]), about.get("review_above")
        words = " x ".join(map(str, shape))
        origin = f"{about['network']}, {about.get('arm', 'arm ?')}, seed {about.get('seed', '?')}, {words}; {origin}"
        return VolumeClassifier(model, shape, origin, None if review is None else float(review))
    size = int(about.get("size", 600))
    return Classifier(model, size, f"{about['network']}, seed {about.get('seed', '?')}, {size} px; {origin}")


def explain_files(
    files: Sequence[Path],
    out: Path,
    classifiers: dict[str, Classifier | VolumeClassifier],
    volume: int | None = None,
    report=print,
) -> pd.DataFrame:
    """Explain each file into its own folder below ``out``; a bad file is one row and stops nothing.

    For each readable film: an overlay a method with the peak of the smoothed map marked, ``contact_sheet.png``, and
    ``peaks.csv`` in pixels of the file. For each readable volume: ``planes.png`` and ``answer.csv``, see
    `xiqa.score.volumes`. ``out/summary.csv`` has a row a file.

    Parameters
    ----------
    files, out : what is explained, and where to.
    classifiers : one for each kind of file, as ``find_classifiers`` returns them.
    volume : which volume of a 4D file is meant, from 0.
    report : called with one sentence a file.

    Returns
    -------
    DataFrame with the columns file, status (ok, warning, error), reason, message, predicted, probability (of a foreign
    object, of an artifact), uncertainty (mutual information in nats; volumes only), folder.
    """
    rows, taken = [], set()
    for file in files:
        folder = out / _free_name(file, taken)
        try:
            if (kind := kind_of(file)) == "volume":
                row = explain_volume(load_volume(file, volume), file, folder, classifiers[kind])
            else:
                row = _explain_film(load_radiograph(file), file, folder, classifiers[kind])
        except BadInput as problem:
            row = {"status": "error", "reason": problem.reason, "message": str(problem)}
        rows.append({"file": str(file), **row})
        report(_sentence(rows[-1]))
    columns = ["file", "status", "reason", "message", "predicted", "probability", "uncertainty", "folder"]
    summary = pd.DataFrame(rows).reindex(columns=columns)
    out.mkdir(parents=True, exist_ok=True)
    write_frame(summary, out / "summary.csv")
    return summary


def _explain_film(film: Radiograph, file: Path, folder: Path, classifier: Classifier) -> dict:
    size = classifier.size
    inputs = models.normalise(torch.from_numpy(resize(film.array, size))[None])
    with torch.inference_mode():
        probability = float(classifier.model(inputs).softmax(1)[0, 1])
    maps = saliency.explain(classifier.model, inputs, silu="clamp")
    height, width = film.array.shape
    peaks, overlays = [], {}
    for method, batch in maps.items():
        smoothed = pointing_game.smooth(batch, **recipes.SMOOTHING)
        if saliency.degenerate(smoothed).item():
            row = column = np.nan
            note = "no maximum: the map is constant"
        else:
            at = np.unravel_index(int(smoothed.argmax()), smoothed.shape[1:])
            row, column = (round(float(place), 1) for place in to_original(*at, size, height, width))
            note = ""
        peaks.append({"method": method, "row": row, "column": column, "note": note})
        overlays[method] = batch[0].numpy()
    peaks = pd.DataFrame(peaks)
    predicted = CLASSES[int(probability > 0.5)]
    title = f"{file.name}: {predicted}, p({CLASSES[1]}) = {probability:.2f}"
    folder.mkdir(parents=True, exist_ok=True)
    write_frame(peaks, folder / "peaks.csv")
    _draw(film.array, overlays, peaks.set_index("method"), folder, title)
    status = (
        {"status": "warning", "reason": "noted", "message": "; ".join(film.notes)} if film.notes else {"status": "ok"}
    )
    return {**status, "predicted": predicted, "probability": round(probability, 4), "folder": str(folder)}


def _draw(image: np.ndarray, maps: dict[str, np.ndarray], peaks: pd.DataFrame, folder: Path, title: str) -> None:
    for method, saliency_map in maps.items():
        figure, ax = plt.subplots(figsize=(6, 6 * image.shape[0] / image.shape[1] + 0.4), layout="constrained")
        _overlay(ax, image, saliency_map, peaks.loc[method], f"{title}\n", method)
        figure.savefig(folder / f"{method}.png", dpi=110)
        plt.close(figure)
    figure, axes = pictures.sheet(columns=5, count=len(maps) + 1, side=2.6)
    pictures.radiograph(axes.flat[0], image, title="radiograph")
    for ax, (method, saliency_map) in zip(axes.flat[1:], maps.items(), strict=False):
        _overlay(ax, image, saliency_map, peaks.loc[method], "", method)
    figure.suptitle(f"{title}. The maps explain this prediction; cross: maximum of the smoothed map.", fontsize=10)
    figure.savefig(folder / "contact_sheet.png", dpi=110)
    plt.close(figure)


def _overlay(ax: plt.Axes, image: np.ndarray, values: np.ndarray, peak: pd.Series, above: str, method: str) -> None:
    title = above + METHOD_NAMES[method] + (f"\n({peak['note']})" if peak["note"] else "")
    pictures.overlay(ax, image, values, peak=(peak["row"], peak["column"]), title=title)


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
