"""Maps under Monte Carlo dropout: how far the peak moves from sample to sample."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from xiqa import saliency, uncertainty
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import geometry
from xiqa.models.states import evaluating
from xiqa.paper.appendix.explained_mri.truth import ABOUT, FILLED, Truth, columns, network_of, score
from xiqa.saliency.engine import Captured
from xiqa.training.loop import device
from xiqa.uncertainty import sampling

SAMPLED = "normgrad_scaling_single"  # of the last block: the only one that needs no backward pass of the trunk
CHUNK = 10  # sampled maps held at a time


class Peaks(NamedTuple):
    """Maps under Monte Carlo dropout.

    Attributes
    ----------
    peaks : (T, B, 3) float64, first maximum of each sample's map in voxels; NaN for a degenerate one.
    spread : (B,) float64, mean distance of the peaks to their mean, in voxels; NaN without peaks.
    mean : (B, X, Y, Z) float64, mean of the raw maps.
    probability : (T, B) float32, what each sample says of the artifact: as :func:`xiqa.uncertainty.mc_dropout`.

    """

    peaks: NDArray[np.float64]
    spread: NDArray[np.float64]
    mean: NDArray[np.float64]
    probability: NDArray[np.float32]


def dropout_peaks(
    model: nn.Module,
    volumes: Tensor,
    samples: int,
    seeds: Sequence[int],
    method: str = SAMPLED,
    filled: ArrayLike | None = None,
) -> Peaks:
    """Where the maps of the class artifact peak, sample by sample of Monte Carlo dropout.

    Dropout acts in the head, so the activations of the last block are those of one pass, and a sample costs the
    gradient of its artifact logit through the head (and the pooling before it, if there is one) alone. Each volume
    goes by itself and has its own generator: what else is in the batch changes nothing.

    Parameters
    ----------
    model : a three-dimensional network of `xiqa.models.build`; it is left as it was found.
    volumes : (B, 1, X, Y, Z).
    samples : T, at least 1.
    seeds : one a volume; see :func:`xiqa.uncertainty.sampling.scan_seeds`.
    method : a saliency method that reads the single layer and no input gradient.
    filled : (B, 3), the part of each volume in which peaks are looked for; by default all of it.

    """
    if samples < 1 or len(seeds) != len(volumes):
        raise ValueError(f"{samples} samples and {len(seeds)} seeds for {len(volumes)} volumes: give one seed a volume")
    filled = np.broadcast_to(volumes.shape[2:], (len(volumes), 3)) if filled is None else np.asarray(filled)
    peaks = np.full((samples, len(volumes), 3), np.nan)
    mean, probability = np.zeros((len(volumes), *volumes.shape[2:])), np.zeros((samples, len(volumes)), np.float32)
    with evaluating(model):
        for b, (volume, seed) in enumerate(zip(volumes.split(1), seeds, strict=True)):
            captured, part = _sampled(model, volume, samples, seed), tuple(map(slice, filled[b]))
            probability[:, b] = captured.logits.float().softmax(1)[:, 1].cpu().numpy()
            for start, maps in _in_chunks(captured, method):
                mean[b] += maps.sum(0, dtype=torch.float64).cpu().numpy() / samples
                for t, heat in enumerate(maps.float()[:, *part], start):
                    if not saliency.degenerate(heat[None]).item():
                        peaks[t, b] = np.unravel_index(int(heat.argmax()), tuple(heat.shape))
    return Peaks(peaks, _spread(peaks), mean, probability)


def _sampled(model: nn.Module, volume: Tensor, samples: int, seed: int) -> Captured:
    """Activations of the last block for one volume, T times, and the gradient of each sample's artifact logit."""
    (layer,) = model.saliency_layers["single"]
    blocks = list(model.trunk)
    after = blocks.index(model.get_submodule(layer)) + 1
    with torch.inference_mode(False):
        with torch.no_grad():
            activation = nn.Sequential(*blocks[:after])(volume)
        rows = activation.expand(samples, *activation.shape[1:]).clone().requires_grad_()
        with torch.enable_grad():
            features = nn.Sequential(*blocks[after:])(rows)
            # The masks that the stored samples of this scan were drawn with.
            logits = sampling.head_samples(sampling.sequential_head(model), features, samples, seed)
            gradient = torch.autograd.grad(logits[:, 1].sum(), rows)[0]
    target = torch.ones(samples, dtype=torch.int64, device=volume.device)
    images, layers = volume.detach().expand(samples, *volume.shape[1:]), {"single": [layer]}
    kept = {layer: rows.detach()}, {layer: gradient}
    return Captured(model, images, logits.detach(), target, layers, *kept, input_gradient=torch.zeros(()))


def _in_chunks(captured: Captured, method: str) -> Iterator[tuple[int, Tensor]]:
    """First sample and maps of a few samples at a time: a hundred volumes in float64 would be large."""
    layer = captured.single
    for start in range(0, len(captured.images), CHUNK):
        few = slice(start, start + CHUNK)
        own = Captured(
            captured.model,
            captured.images[few],
            captured.logits[few],
            captured.target[few],
            captured.layers,
            {layer: captured.activations[layer][few]},
            {layer: captured.gradients[layer][few]},
            captured.input_gradient,
        )
        yield start, saliency.METHODS[method].function(own)


def _spread(peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean distance (B,) of peaks (T, B, 3) to their mean, over the samples that have one."""
    spread = np.full(peaks.shape[1], np.nan)
    for b in range(peaks.shape[1]):
        own = peaks[~np.isnan(peaks[:, b, 0]), b]
        if len(own):
            spread[b] = np.linalg.norm(own - own.mean(0), axis=1).mean()
    return spread


def spread(
    prepared: Path,
    weights: Path,
    network: str,
    seed: int,
    split: str,
    samples: int,
    drawn: Path,
    root: Path,
    method: str = SAMPLED,
    tolerance: float = 1.0,
) -> pd.DataFrame:
    """Store function: how far the peaks of the scans with a mask move under dropout, and whether their mean map hits.

    Parameters
    ----------
    prepared, weights, network, seed, split, root, tolerance : as for :func:`observe`; ``seed`` is also that of the
        samples.
    samples : T of the maps; the first T of the stored samples have the same masks (stored probabilities may come from
        lower precision, as the recipe says).
    drawn : entry of :func:`xiqa.paper.mri.sample.sample` of the same network and split.
    method : see :func:`dropout_peaks`.

    Returns
    -------
    DataFrame, a row a scan: image, subject, label, artifact, contrast, severity, spread (voxels), degenerate_samples
    (share of the T), probability and mutual_information (nats) of the stored samples, and for the mean map what
    :func:`score` tells.

    """
    truth = Truth(prepared, root, split)
    model, rows = network_of(network, weights, truth.data.shape), []
    said = uncertainty.decompose(np.load(drawn / "mc.npy")).iloc[truth.rows["row"]]
    seeds = sampling.scan_seeds(truth.rows["image"].to_list(), seed)
    for place in range(len(truth.rows)):
        filled = truth.rows.loc[[place], FILLED].to_numpy()
        found = dropout_peaks(model, truth.inputs([place]), samples, seeds[place : place + 1], method, filled)
        row = truth.about(place) | {"method": method} | _moved(found)
        row |= {name: float(said[name].iloc[place]) for name in ("probability", "mutual_information")}
        rows.append(row | score(truth.cut(found.mean[0], place), truth.away(place), tolerance))
    empty = [*columns(), "spread", "degenerate_samples", "mutual_information"]
    return pd.DataFrame(rows, columns=None if rows else empty).assign(seed=seed, network=network, split=split)


def wander(
    prepared: Path,
    weights: Path,
    network: str,
    seed: int,
    split: str,
    samples: int,
    drawn: Path,
    images: list[str],
    root: Path,
    method: str = SAMPLED,
) -> pd.DataFrame:
    """Store function: how far the peaks move under dropout in these scans, whether they have a mask or not.

    Parameters
    ----------
    images : names of scans of the split.
    prepared, weights, network, seed, split, samples, drawn, root, method : as for :func:`spread`.

    Returns
    -------
    DataFrame, a row a scan in the order of the split: image, subject, label, artifact, contrast, severity, method,
    spread (voxels), degenerate_samples, probability, mutual_information, seed, network, split.

    """
    data, rows = PreparedVolumes(prepared), []
    records, volumes = data.records(split), data.volumes(split)
    chosen = records[records["image"].isin(images)]
    model, said = network_of(network, weights, data.shape), uncertainty.decompose(np.load(drawn / "mc.npy"))
    seeds = sampling.scan_seeds(chosen["image"].to_list(), seed)
    for (place, record), own in zip(chosen.iterrows(), seeds, strict=True):
        inputs = torch.from_numpy(np.array(volumes[place], dtype=np.float32))[None, None].to(device())
        filled = geometry(load_volume(root / record["path"]), data.shape).zoomed
        found = dropout_peaks(model, inputs, samples, [own], method, [filled])
        told = {name: float(said[name].iloc[place]) for name in ("probability", "mutual_information")}
        rows.append(record[ABOUT].to_dict() | _moved(found) | told | {"method": method})
    empty = [*ABOUT, "spread", "degenerate_samples", "probability", "mutual_information", "method"]
    return pd.DataFrame(rows, columns=None if rows else empty).assign(seed=seed, network=network, split=split)


def _moved(found: Peaks) -> dict[str, float]:
    """Spread of the peaks of one scan, and the share of its samples that have none."""
    return {"spread": found.spread[0], "degenerate_samples": float(np.isnan(found.peaks[:, 0, 0]).mean())}
