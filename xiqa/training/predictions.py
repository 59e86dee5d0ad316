"""Predictions of three-dimensional networks with dropout off, and their scores on validation."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from xiqa import models
from xiqa.data.arrays import drawn
from xiqa.models.devices import device

PREVALENCE = 0.02  # of artifacts, to which validation is reweighted (Pizarro et al.)
EVALUATION_BATCH = 16
LAYOUT = torch.channels_last_3d  # the faster one on a CPU (``benchmarks/training_step.py``)


@torch.inference_mode()
def predict(model: nn.Module, volumes: NDArray[np.float16], precision: str = "32") -> Tensor:
    """Logits (N, 2) in float32 of volumes (N, X, Y, Z), with dropout off; in batches of a fixed size."""
    was_training = model.training
    model.eval()
    where = next(model.parameters()).device
    parts = []
    with autocast(precision):
        for first in range(0, len(volumes), EVALUATION_BATCH):
            part = torch.from_numpy(np.array(volumes[first : first + EVALUATION_BATCH]))
            parts.append(model(network_input(part.to(where))).float().cpu())
    model.train(was_training)
    return torch.cat(parts)


def scores(prepared: Path, weights: Path, precision: str, split: str = "test") -> pd.DataFrame:
    """Store function: image, unit (the subject), label and score (logit difference) of a split, dropout off."""
    data, about = drawn.read_volumes(prepared), models.describe(weights)
    model = models.build(about["network"], weights=weights, shape=data.shape)
    logits = predict(model.to(device(), memory_format=LAYOUT), data.volumes(split), precision)
    records = data.records(split)[["image", "subject", "label"]].rename(columns={"subject": "unit"})
    return records.assign(score=(logits[:, 1] - logits[:, 0]).numpy())


def validate(model: nn.Module, volumes: NDArray[np.float16], labels: NDArray[np.int64], precision: str) -> dict:
    """Cross-entropy, AUC and average precision, artifacts reweighted to 2 %; NaN where a class is missing."""
    logits = predict(model, volumes, precision)
    losses = functional.cross_entropy(logits, torch.tensor(labels), reduction="none").double().numpy()
    artifacts = labels == 1
    if artifacts.all() or not artifacts.any():
        return {"val_loss": float(losses.mean()), "val_auc": np.nan, "val_ap": np.nan}
    # Written out here, so that a change of the package's metrics retrains nothing.
    weight = np.where(artifacts, PREVALENCE / artifacts.mean(), (1 - PREVALENCE) / (1 - artifacts.mean()))
    score = (logits[:, 1] - logits[:, 0]).double().numpy()
    return {
        "val_loss": float(np.average(losses, weights=weight)),
        "val_auc": float(roc_auc_score(labels, score)),
        "val_ap": float(average_precision_score(labels, score, sample_weight=weight)),
    }


def network_input(volumes: Tensor) -> Tensor:
    """Volumes (B, X, Y, Z) as a network takes them, (B, 1, X, Y, Z) float32 in the faster layout."""
    return volumes[:, None].float().contiguous(memory_format=LAYOUT)


def autocast(precision: str) -> torch.autocast:
    """Autocast to bfloat16 for the precision "bf16", nothing for "32"."""
    return torch.autocast(device().type, dtype=torch.bfloat16, enabled=precision == "bf16")
