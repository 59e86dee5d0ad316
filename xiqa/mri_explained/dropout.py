"""Maps under Monte Carlo dropout: how far the peak moves from sample to sample, and whether that tells of a miss."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from xiqa import metrics, saliency, sampling, uncertainty
from xiqa.mri_explained.truth import FILLED, Truth, columns, network_of, score
from xiqa.saliency.engine import Captured, evaluating

SAMPLED = "normgrad_scaling_single"  # of the last block: the only one that needs no backward pass of the trunk
CHUNK = 10  # sampled maps held at a time
FOLDS, FEWEST, DRAWS = 5, 10, 2000


class Peaks(NamedTuple):
    """Maps under Monte Carlo dropout.

    Attributes
    ----------
    peaks : (T, B, 3) float64, first maximum of each sample's map in voxels; NaN for a degenerate one.
    spread : (B,) float64, mean distance of the peaks to their mean, in voxels; NaN without peaks.
    mean : (B, X, Y, Z) float64, mean of the raw maps.
    probability : (T, B) float32, what each sample says of the artifact: as :func:`xiqa.sampling.mc_dropout`.

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
    seeds : one a volume; see :func:`xiqa.sampling.scan_seeds`.
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
            logits = sampling._heads(sampling._sequential(model), features, samples, seed)
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
    drawn : entry of :func:`xiqa.sampling.sample` of the same network and split.
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
        row = truth.about(place) | {"method": method, "spread": found.spread[0]}
        row |= {"degenerate_samples": float(np.isnan(found.peaks[:, 0, 0]).mean())}
        row |= {name: float(said[name].iloc[place]) for name in ("probability", "mutual_information")}
        rows.append(row | score(truth.cut(found.mean[0], place), truth.away(place), tolerance))
    empty = [*columns(), "spread", "degenerate_samples", "mutual_information"]
    return pd.DataFrame(rows, columns=None if rows else empty).assign(seed=seed, network=network, split=split)


def predicts(frame: pd.DataFrame, draws: int = DRAWS, seed: int = 0) -> dict[str, float]:
    """Does the spread of the peaks tell of a miss beyond probability and mutual information?

    Two logistic regressions of a miss, without and with the spread, on standardised columns. The likelihood ratio is
    compared with chi-square at one degree of freedom, as if scans were independent. The areas under the ROC curve are
    those of predictions for subjects that were not fitted (folds by subject); the interval of their difference is a
    percentile one over subjects, of these predictions: nothing is fitted again.

    Parameters
    ----------
    frame : rows of :func:`spread` of one network; rows without a verdict are left out.

    Returns
    -------
    ``scans``, ``misses``, ``auc_spread`` with ``_low`` and ``_high`` (of the spread alone, nothing fitted),
    ``likelihood_ratio``, ``p``, ``auc_without``, ``auc_with``, ``difference``, ``low``, ``high``; NaN from
    ``auc_spread`` on where there are fewer than ten misses or ten hits, or too few subjects.

    """
    known = frame.dropna(subset=["hit", "spread", "probability", "mutual_information"])
    miss, subjects = (known["hit"] == 0).to_numpy().astype(int), known["subject"].to_numpy()
    names = ["auc_spread", "auc_spread_low", "auc_spread_high", "likelihood_ratio", "p", "auc_without", "auc_with",
             "difference", "low", "high"]  # fmt: skip
    found = {"scans": len(known), "misses": int(miss.sum())}
    if min(miss.sum(), len(miss) - miss.sum()) < FEWEST or known["subject"].nunique() < 2 * FOLDS:
        return found | dict.fromkeys(names, np.nan)
    shorter = known[["probability", "mutual_information"]].to_numpy(float)
    longer = np.column_stack([shorter, known["spread"]])
    losses = [len(miss) * log_loss(miss, _regression().fit(x, miss).predict_proba(x)) for x in (shorter, longer)]
    ratio = max(2 * (losses[0] - losses[1]), 0.0)
    folds = {"groups": subjects, "cv": StratifiedGroupKFold(FOLDS), "method": "predict_proba"}
    told = [cross_val_predict(_regression(), x, miss, **folds)[:, 1] for x in (shorter, longer)]
    areas = [float(roc_auc_score(miss, one)) for one in told]
    values = [*metrics.auc(miss, known["spread"], subjects), ratio, float(stats.chi2.sf(ratio, 1)), *areas]
    bounds = _difference_interval(miss, told, subjects, draws, seed)
    return found | dict(zip(names, [*values, areas[1] - areas[0], *bounds], strict=True))


def _regression() -> Pipeline:
    """Logistic regression by maximum likelihood: a penalty as good as none keeps separable data finite."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e6, max_iter=5000))


def _difference_interval(
    miss: NDArray, told: list[NDArray], subjects: NDArray, draws: int, seed: int
) -> tuple[float, float]:
    """Percentile interval of the second area minus the first, subjects drawn with replacement."""
    rng, places = np.random.default_rng(seed), [np.flatnonzero(subjects == one) for one in np.unique(subjects)]
    differences = []
    for _ in range(draws):
        rows = np.concatenate([places[k] for k in rng.integers(len(places), size=len(places))])
        if 0 < miss[rows].sum() < len(rows):
            differences.append(roc_auc_score(miss[rows], told[1][rows]) - roc_auc_score(miss[rows], told[0][rows]))
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
