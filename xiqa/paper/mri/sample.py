"""Monte Carlo samples of a network on the scans of a split."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xiqa import models, uncertainty
from xiqa.data.arrays import drawn
from xiqa.models.devices import device
from xiqa.uncertainty.sampling import BATCH, plain_and_samples, scan_seeds


def sample(
    folder: Path,
    weights: Path,
    prepared: Path,
    split: str,
    samples: int,
    seed: int,
    flips: bool = False,
    precision: str = "32",
) -> None:
    """Store function: Monte Carlo samples of one network on the volumes of a split.

    Writes ``plain.npy`` (N, 2), ``mc.npy`` (T, N, 2) and, with ``flips``, ``flips.npy`` (8, N, 2): softmax
    probabilities, float32; class 1 is the artifact.

    ``samples`` is T; each scan's generator follows from ``seed`` and the scan's name; the precision "bf16" runs the
    network under autocast, "32" does not.
    """
    data, where = drawn.read_volumes(prepared), device()
    network = models.describe(weights)["network"]
    layout = {"memory_format": torch.channels_last_3d}  # the faster one on a CPU
    model = models.build(network, weights=weights, shape=data.shape).to(where, **layout).eval()
    volumes, seeds = data.volumes(split), scan_seeds(data.records(split)["image"], seed)
    parts: dict[str, list[Tensor]] = {"plain": [], "mc": [], "flips": []}
    with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16"):
        for start in range(0, len(volumes), BATCH):
            batch = torch.from_numpy(np.array(volumes[start : start + BATCH], dtype=np.float32))[:, None].to(where)
            batch = batch.contiguous(**layout)
            own = seeds[start : start + BATCH]
            outputs = dict(zip(("plain", "mc"), plain_and_samples(model, batch, samples, own), strict=True))
            if flips:
                outputs["flips"] = uncertainty.flips(model, batch)
            for name, tensor in outputs.items():
                parts[name].append(tensor)
    for name, tensors in parts.items():
        if tensors:
            np.save(folder / f"{name}.npy", torch.cat(tensors, dim=-2).float().cpu().numpy())
