"""Learning from imbalanced data: data-ramping, class weights, balanced sampling, focal loss, shift of the prior.

Classes are 0 (clean) and 1 (artifact). The ramp, the class weights and the focal loss are those of Pizarro et al.
(2023). Every order of the data follows from a seed and, where it changes with time, from the epoch.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

# What a draw is for: the third part of every generator's key, so that no two draws share one.
_SUBSET, _SHUFFLE, _BALANCE = 1, 2, 3


def ramp(epoch: int, ramp_epochs: int, start: int, end: int, artifacts: int) -> tuple[int, float]:
    """Size and clean fraction of the training set in an epoch of data-ramping.

    The size, a whole number, grows linearly from ``start`` scans in epoch 0 to ``end`` scans in epoch ``ramp_epochs``
    and stays there. All artifacts are always in the set, so the clean fraction, (size - artifacts) / size, grows too.
    ValueError for a negative epoch, or sizes that violate ``artifacts <= start <= end``.
    """
    if epoch < 0 or ramp_epochs < 0:
        raise ValueError(f"epochs count from 0: epoch {epoch} of a ramp of {ramp_epochs} epochs is not possible")
    if not 0 <= artifacts <= start <= end or end == 0:
        raise ValueError(f"a ramp needs artifacts <= start <= end, not {artifacts}, {start}, {end}")
    size = end if epoch >= ramp_epochs else round(start + epoch * (end - start) / ramp_epochs)
    return size, (size - artifacts) / size


def subset(labels: ArrayLike, size: int, seed: int) -> NDArray[np.int64]:
    """Positions (size,), ascending, of a training set of all artifacts and ``size - artifacts`` clean scans.

    Sets of one seed are nested: a larger one contains every smaller one. ValueError for an impossible size.
    """
    labels = np.asarray(labels)
    artifacts, clean = np.flatnonzero(labels == 1), np.flatnonzero(labels != 1)
    if not len(artifacts) <= size <= len(labels):
        raise ValueError(f"a set of all {len(artifacts)} artifacts among {len(labels)} scans cannot hold {size}")
    shown = np.random.default_rng([seed, _SUBSET]).permutation(clean)[: size - len(artifacts)]
    return np.sort(np.concatenate([artifacts, shown]))


def shuffled_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of ``count`` positions, another one for each (seed, epoch)."""
    return np.random.default_rng([seed, epoch, _SHUFFLE]).permutation(count)


def balanced_order(labels: ArrayLike, seed: int, epoch: int) -> NDArray[np.int64]:
    """Positions (N,) in random order, half of them clean and half with an artifact, another order for each epoch.

    The clean class gets the odd one. Each scan is shown before any is shown again. ValueError if a class has no scan.
    """
    labels = np.asarray(labels)
    generator = np.random.default_rng([seed, epoch, _BALANCE])
    parts = []
    for wanted, members in ((-(-len(labels) // 2), labels != 1), (len(labels) // 2, labels == 1)):
        positions = np.flatnonzero(members)
        if not len(positions):
            raise ValueError("classes cannot be balanced: one of them has no scan")
        rounds = [generator.permutation(positions) for _ in range(-(-wanted // len(positions)))]
        parts.append(np.concatenate(rounds)[:wanted])
    return generator.permutation(np.concatenate(parts))


def class_weights(labels: ArrayLike) -> NDArray[np.float64]:
    """Weight of each class, (2,): the larger class's count over the class's own; ValueError if one has no scan."""
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=2)
    if not counts.all():
        raise ValueError(f"a class without scans has no weight: there are {counts[0]} clean and {counts[1]} artifacts")
    return counts.max() / counts


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0, weight: Tensor | None = None) -> Tensor:
    r"""Focal cross-entropy, mean over the batch: :math:`-w_y (1 - p_y)^\gamma \log p_y` (Lin et al. 2017).

    Logits are (B, C), the target (B,) int64 classes; ``gamma`` >= 0, 0 is cross-entropy. ``weight`` (C,) multiplies the
    terms of each class; the mean is over the number of scans, not of weights, as in Keras. The loss is in [0, inf);
    value and gradient stay finite for any finite logits.
    """
    logs = functional.log_softmax(logits, dim=1)
    own = logs.gather(1, target[:, None])[:, 0]
    losses = -own
    if gamma:
        # log(1 - p_y) from the other classes: 1 - p_y itself loses its digits, and its gradient, near p_y = 1.
        others = logs.masked_fill(functional.one_hot(target, logits.shape[1]).bool(), -torch.inf).logsumexp(1)
        losses = losses * (gamma * others).exp()
    return (losses if weight is None else losses * weight[target]).mean()


def shift_logits(logits: NDArray[np.float64], prior_train: float, prior_target: float) -> NDArray[np.float64]:
    r"""Logits (..., 2), or log probabilities, shifted to another share of artifacts (Saerens et al. 2002).

    Adds :math:`\log(\pi'_c / \pi_c)` to class c, which multiplies the odds of an artifact by the ratio of the prior
    odds. Both priors are shares of artifacts in (0, 1): that of the training and that of the data. Weights of
    :func:`class_weights` make the share of the training one half. Ranks do not change, calibration does.
    """
    if not (0 < prior_train < 1 and 0 < prior_target < 1):
        raise ValueError(f"priors are shares between 0 and 1, exclusive, not {prior_train} and {prior_target}")
    return logits + np.log([(1 - prior_target) / (1 - prior_train), prior_target / prior_train])
