"""People's own brain scans: clean, artifact or to be reviewed, how uncertain that is, and where the network looked."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from xiqa import pictures, saliency, uncertainty
from xiqa.data.geometry import Volume, geometry, preprocess
from xiqa.saliency.names import METHOD_NAMES
from xiqa.store.files import write_frame

CLASSES, REVIEW = ("clean", "artifact"), "review"
SAMPLES = 100  # Monte Carlo dropout, as in the paper; through the trunk once, they cost little more than one
SEED = 0
METHOD = "normgrad_scaling_combined"
# Which of a run's trainings answers: the study's own method first.
ARMS = ("ramp", "primed", "focal", "class_weights", "balanced", "flips", "baseline")


@dataclass(frozen=True)
class VolumeClassifier:
    """A trained network for volumes with what is known of it.

    Attributes
    ----------
    model : the network.
    shape : (X, Y, Z) of its input.
    origin : where it comes from, a phrase for people.
    review_above : mutual information in nats above which a scan goes to review; None where that is not known.

    """

    model: torch.nn.Module
    shape: tuple[int, int, int]
    origin: str
    review_above: float | None = None


def primary(entries: list[tuple[Path, dict]]) -> Path | None:
    """The entry that answers, out of (entry of a training, its recipe): seed 0 of the newest run, first of ``ARMS``."""
    found = [(path, recipe["arm"]) for path, recipe in entries if recipe["seed"] == 0 and recipe["arm"] in ARMS]
    if not found:
        return None
    newest, _ = max(found, key=lambda each: each[0].stat().st_mtime)
    run = newest.parents[3]
    same = [(path, arm) for path, arm in found if path.parents[3] == run]
    return min(same, key=lambda each: (ARMS.index(each[1]), -each[0].stat().st_mtime))[0]


def ask(volume: Volume, classifier: VolumeClassifier, samples: int = SAMPLES) -> tuple[torch.Tensor, pd.Series]:
    """The network's input (1, 1, X, Y, Z) made of a scan, and what Monte Carlo dropout says of it.

    The answer has the entries of :func:`xiqa.uncertainty.decompose`.
    """
    inputs = torch.from_numpy(preprocess(volume, classifier.shape))[None]
    drawn = uncertainty.mc_dropout(classifier.model, inputs, samples, SEED)
    return inputs, uncertainty.decompose(drawn.numpy()).iloc[0]


def explain_volume(volume: Volume, file: Path, folder: Path, classifier: VolumeClassifier) -> dict:
    """Answer for one scan, with ``planes.png`` and ``answer.csv`` written into ``folder``.

    The probability of an artifact is the mean over 100 Monte Carlo dropout samples; the uncertainty is their mutual
    information in nats. The map explains the answer (NormGrad, all layers multiplied), in the voxels of the scan.

    Returns
    -------
    dict with status, reason, message (notes on the file), predicted (clean, artifact or review), probability,
    uncertainty, folder.

    """
    inputs, answer = ask(volume, classifier)
    probability, doubt = float(answer["probability"]), float(answer["mutual_information"])
    likely = int(probability > 0.5)
    reviewed = classifier.review_above is not None and doubt > classifier.review_above
    predicted = REVIEW if reviewed else CLASSES[likely]
    looked = saliency.explain(classifier.model, inputs, [METHOD], target=likely)[METHOD]
    heat = geometry(volume, classifier.shape).map_to_scan(looked[0].numpy())
    flat = bool(saliency.degenerate(torch.from_numpy(heat)[None]).item())
    peak = tuple(side // 2 for side in heat.shape) if flat else np.unravel_index(int(heat.argmax()), heat.shape)
    folder.mkdir(parents=True, exist_ok=True)
    place = dict.fromkeys("xyz", np.nan) if flat else dict(zip("xyz", volume.affine @ (*peak, 1), strict=False))
    told = {"predicted": predicted, **answer.to_dict(), **{f"peak_{k}_mm": v for k, v in place.items()}}
    write_frame(pd.DataFrame([told]), folder / "answer.csv")
    title = f"{file.name}: {predicted}, p(artifact) = {probability:.2f}, mutual information {doubt:.3f} nats"
    explained = f"{METHOD_NAMES[METHOD]} for '{CLASSES[likely]}'" + (": constant, no maximum" if flat else "")
    _draw(volume, heat, tuple(map(int, peak)), folder / "planes.png", title, explained)
    status = {"status": "ok"}
    if volume.notes:
        reason = volume.notes[0].partition(":")[0]
        status = {"status": "warning", "reason": reason, "message": "; ".join(volume.notes)}
    return {
        **status,
        "predicted": predicted,
        "probability": round(probability, 4),
        "uncertainty": round(doubt, 4),
        "folder": str(folder),
    }


def _draw(volume: Volume, heat: np.ndarray, peak: tuple[int, int, int], path: Path, title: str, told: str) -> None:
    """Three planes through the peak as they are, and below them the same with the map."""
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    figure, axes = plt.subplots(2, 3, figsize=(9.5, 6.8), layout="constrained")
    pictures.planes(axes[0], volume.array, spacing, peak, letters=volume.oriented)
    pictures.planes(axes[1], volume.array, spacing, peak, heat, letters=volume.oriented)
    figure.suptitle(f"{title}\nabove: the scan; below: {told}; cross: its maximum", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
