"""Score people's own brain scans: clean, artifact or review, with probability, uncertainty and a saliency map."""

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
METHOD = "normgrad_scaling_combined"


@dataclass(frozen=True)
class VolumeClassifier:
    """A trained network: (X, Y, Z) of its input, a phrase on where it comes from, and the limit of review.

    ``review_above`` is the mutual information in nats above which a scan goes to review; None: no scan does.
    ``intensity`` is the scale of its input (:func:`xiqa.data.geometry.preprocess`).
    """

    model: torch.nn.Module
    shape: tuple[int, int, int]
    origin: str
    review_above: float | None = None
    intensity: str = "log"


def explain_volume(volume: Volume, file: Path, folder: Path, classifier: VolumeClassifier) -> dict:
    """Score one scan, and write ``planes.png`` and ``answer.csv`` into ``folder``.

    The probability of an artifact is the mean over 100 Monte Carlo dropout samples; the uncertainty is their mutual
    information in nats. The map explains the likelier class (NormGrad, all layers multiplied), in voxels of the scan.
    Returns status, reason and message (notes on the file), predicted (clean, artifact or review), probability,
    uncertainty, folder.
    """
    inputs = torch.from_numpy(preprocess(volume, classifier.shape, classifier.intensity))[None]
    samples = uncertainty.mc_dropout(classifier.model, inputs, SAMPLES, seed=0)
    answer = uncertainty.decompose(samples.numpy()).iloc[0]
    probability, information = float(answer["probability"]), float(answer["mutual_information"])
    likely = int(probability > 0.5)
    reviewed = classifier.review_above is not None and information > classifier.review_above
    predicted = REVIEW if reviewed else CLASSES[likely]
    maps = saliency.explain(classifier.model, inputs, [METHOD], target=likely)[METHOD]
    heat = geometry(volume, classifier.shape).map_to_scan(maps[0].numpy())
    flat = bool(saliency.degenerate(torch.from_numpy(heat)[None]).item())
    peak = tuple(side // 2 for side in heat.shape) if flat else np.unravel_index(int(heat.argmax()), heat.shape)
    folder.mkdir(parents=True, exist_ok=True)
    place = dict.fromkeys("xyz", np.nan) if flat else dict(zip("xyz", volume.affine @ (*peak, 1), strict=False))
    row = {"predicted": predicted, **answer.to_dict(), **{f"peak_{k}_mm": v for k, v in place.items()}}
    write_frame(pd.DataFrame([row]), folder / "answer.csv")
    title = f"{file.name}: {predicted}, p(artifact) = {probability:.2f}, mutual information {information:.3f} nats"
    explained = f"{METHOD_NAMES[METHOD]} for '{CLASSES[likely]}'" + (": constant, no maximum" if flat else "")
    _draw(volume, heat, tuple(map(int, peak)), folder / "planes.png", title, explained)
    status = {"status": "ok"}
    if notes := volume.notes:
        status = {"status": "warning", "reason": notes[0].partition(":")[0], "message": "; ".join(notes)}
    numbers = {"probability": round(probability, 4), "uncertainty": round(information, 4)}
    return {**status, "predicted": predicted, **numbers, "folder": str(folder)}


def _draw(volume: Volume, heat: np.ndarray, peak: tuple[int, int, int], path: Path, title: str, below: str) -> None:
    """Draw three planes through the peak, and below them the same planes with the map."""
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    figure, axes = plt.subplots(2, 3, figsize=(9.5, 6.8), layout="constrained")
    pictures.planes(axes[0], volume.array, spacing, peak, letters=volume.oriented)
    pictures.planes(axes[1], volume.array, spacing, peak, heat, letters=volume.oriented)
    figure.suptitle(f"{title}\nabove: the scan; below: {below}; cross: its maximum", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
