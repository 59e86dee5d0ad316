"""People's own radiographs: the answer of a trained classifier, and where each method says it looked."""

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
from xiqa.data import BadInput
from xiqa.data.images import Radiograph, load_radiograph, resize, to_original
from xiqa.products import METHOD_NAMES
from xiqa.runner.store import results_root, write_frame

CLASSES = ("no foreign object", "foreign object")


@dataclass(frozen=True)
class Classifier:
    """A trained network with what is known of it: ``size`` is the side of its input, ``origin`` a phrase for people."""

    model: torch.nn.Module
    size: int
    origin: str


def find_classifier(profile: str | None = None, weights: str | Path | None = None) -> Classifier:
    """The classifier that explains: from a weights file, or the newest run's primary network with seed 0.

    Without a profile only quick and paper runs are looked at, since a smoke run's network has learned nothing.

    Raises
    ------
    BadInput : no finished run, or a weights file that cannot be used (``no_classifier``).

    """
    if weights is not None:
        return _from_file(Path(weights), f"{weights}")
    names = [profile] if profile else ["quick", "paper"]
    runs = [run for name in names for run in (name, f"{name}-real")]
    found = [path for run in runs for path in results_root().glob(f"{run}/store/train_classifier/*/entry.json")]
    found = [path for path in found if _is_primary(path)]
    if not found:
        wanted = f"profile {profile}" if profile else "profile quick or paper"
        raise BadInput(
            "no_classifier",
            f"no trained classifier of {wanted} in {results_root()}: run `make paper` first, or name a file with "
            "--weights" + ("." if profile else " (a smoke run's classifier only with --profile smoke)."),
        )
    newest = max(found, key=lambda path: path.stat().st_mtime)
    run = newest.parents[3].name
    data = "real films" if run.endswith("-real") else "simulated stand-in films"
    return _from_file(newest.with_name("weights.pt"), f"run {run}, trained on {data}")


def _is_primary(entry: Path) -> bool:
    recipe = json.loads(entry.read_text())["key"]["arguments"]["recipe"]
    profile = recipes.PROFILES[entry.parents[3].name.removesuffix("-real")]
    return (recipe["dataset"], recipe["network"], recipe["seed"]) == (
        "object_cxr",
        profile.networks("object_cxr")[0],
        0,
    )


def _from_file(path: Path, origin: str) -> Classifier:
    try:
        about = models.describe(path)
        model = models.build(about["network"], weights=path).eval()
    except (OSError, ValueError, KeyError) as error:
        raise BadInput("no_classifier", f"{error}") from error
    size = int(about.get("size", 600))
    return Classifier(model, size, f"{about['network']}, seed {about.get('seed', '?')}, {size} px; {origin}")


def explain_files(files: Sequence[Path], out: Path, classifier: Classifier, say=print) -> pd.DataFrame:
    """Explain each file into its own folder below ``out``; a bad file is one row and stops nothing.

    For each readable file: an overlay a method with the peak of the smoothed map marked, ``contact_sheet.png``, and
    ``peaks.csv`` in pixels of the file. ``out/summary.csv`` has a row a file.

    Returns
    -------
    DataFrame with the columns file, status (ok, warning, error), reason, message, predicted, probability (of a foreign
    object), folder.

    """
    rows, taken = [], set()
    for file in files:
        folder = out / _free_name(file, taken)
        try:
            film = load_radiograph(file)
            row = _explain_film(film, file, folder, classifier)
        except BadInput as problem:
            row = {"status": "error", "reason": problem.reason, "message": str(problem)}
        rows.append({"file": str(file), **row})
        say(_sentence(rows[-1]))
    columns = ["file", "status", "reason", "message", "predicted", "probability", "folder"]
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
    for method, one in maps.items():
        smoothed = pointing_game.smooth(one, **recipes.SMOOTHING)
        if saliency.degenerate(smoothed).item():
            row = column = np.nan
            note = "no maximum: the map is constant"
        else:
            at = np.unravel_index(int(smoothed.argmax()), smoothed.shape[1:])
            row, column = (round(float(place), 1) for place in to_original(*at, size, height, width))
            note = ""
        peaks.append({"method": method, "row": row, "column": column, "note": note})
        overlays[method] = one[0].numpy()
    peaks = pd.DataFrame(peaks)
    predicted = CLASSES[int(probability > 0.5)]
    title = f"{file.name}: {predicted}, p = {probability:.2f}"
    folder.mkdir(parents=True, exist_ok=True)
    write_frame(peaks, folder / "peaks.csv")
    _draw(film.array, overlays, peaks.set_index("method"), folder, title)
    status = (
        {"status": "warning", "reason": "noted", "message": "; ".join(film.notes)} if film.notes else {"status": "ok"}
    )
    return {**status, "predicted": predicted, "probability": round(probability, 4), "folder": str(folder)}


def _draw(image: np.ndarray, maps: dict[str, np.ndarray], peaks: pd.DataFrame, folder: Path, title: str) -> None:
    for method, one in maps.items():
        figure, ax = plt.subplots(figsize=(6, 6 * image.shape[0] / image.shape[1] + 0.4), layout="constrained")
        _overlay(ax, image, one, peaks.loc[method], f"{title}\n", method)
        figure.savefig(folder / f"{method}.png", dpi=110)
        plt.close(figure)
    figure, axes = pictures.sheet(columns=5, count=len(maps) + 1, side=2.6)
    pictures.radiograph(axes.flat[0], image, title="as it is")
    for ax, (method, one) in zip(axes.flat[1:], maps.items(), strict=False):
        _overlay(ax, image, one, peaks.loc[method], "", method)
    figure.suptitle(f"{title}. The maps explain this answer; cross: maximum of the smoothed map.", fontsize=10)
    figure.savefig(folder / "contact_sheet.png", dpi=110)
    plt.close(figure)


def _overlay(ax: plt.Axes, image: np.ndarray, one: np.ndarray, peak: pd.Series, above: str, method: str) -> None:
    title = above + METHOD_NAMES[method] + (f"\n({peak['note']})" if peak["note"] else "")
    pictures.overlay(ax, image, one, peak=(peak["row"], peak["column"]), title=title)


def _free_name(file: Path, taken: set[str]) -> str:
    """A folder name for a file; two files of one name get different folders."""
    stem = re.sub(r"[^\w.-]+", "_", file.name.split(".")[0]) or "film"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


def _sentence(row: dict) -> str:
    if row["status"] == "error":
        return f"{row['file']}: {row['message']}"
    return f"{row['file']}: {row['predicted']}, p(object) = {row['probability']:.3f}, maps in {row['folder']}"
