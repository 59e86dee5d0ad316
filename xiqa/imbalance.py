"""Learning from imbalanced data: data-ramping, class weights, balanced sampling, focal loss, shift of the prior.

Classes are 0 (clean) and 1 (artifact) throughout. Sources: the ramp, the class weights and the focal loss are those of
Pizarro et al. (2023); focal loss after Lin et al. (2017); the prior shift after Saerens et al. (2002). Every order of
the data follows from a seed and, where it changes with time, from the epoch.
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

    The size grows linearly from ``start`` to ``end`` over ``ramp_epochs`` and stays there; all artifacts are always in
    the set, so the clean fraction, (size - artifacts) / size, grows with it.

    Parameters
    ----------
    epoch : from 0.
    ramp_epochs : epoch in which the whole set is first shown; 0 shows it from the start.
    start, end : scans in the first epoch and after the ramp.
    artifacts : scans with an artifact among them.

    Returns
    -------
    size (rounded to the nearest whole number), clean fraction in [0, 1].

    Raises
    ------
    ValueError : a negative epoch, or sizes that do not hold ``artifacts <= start <= end``.
    """
    if epoch < 0 or ramp_epochs < 0:
        raise ValueError(f"epochs count from 0: epoch {epoch} of a ramp of {ramp_epochs} epochs is not possible")
    if not 0 <= artifacts <= start <= end or end == 0:
        raise ValueError(f"a ramp needs artifacts <= start <= end, not {artifacts}, {start}, {end}")
    size = end if epoch >= ramp_epochs else round(start + epoch * (end - start) / ramp_epochs)
    return size, (size - artifacts) / size


def subset(labels: ArrayLike, size: int, seed: int) -> NDArray[np.int64]:
    """Positions (size,), ascending, of a training set of all artifacts and ``size - artifacts`` clean scans.

    Sets of one seed are nested: a larger one contains every smaller one.

    Raises
    ------
    ValueError : the size is below the number of artifacts or above that of all scans.
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

    As many positions as there are labels; of an odd number the clean class gets the odd one. Within a class all scans
    are shown before any is shown again.

    Raises
    ------
    ValueError : a class has no scan.
    """
    labels = np.asarray(labels)
    generator = np.random.default_rng([seed, epoch, _BALANCE])
    parts = []
    for wanted, members in ((-(-len(labels) // 2), labels != 1), (len(labels) // 2, labels == 1)):
        positions = np.flatnonzero(members)
        if not len(positions):
            raise ValueError("classes cannot be balanced: one of them has no scan")
        rounds = [generator.permutation(positions) for _ in range(-(-wanted // len(positions)))]
        parts += [np.concatenate(rounds)[:wanted]] if rounds else []
    return generator.permutation(np.concatenate(parts))


def class_weights(labels: ArrayLike) -> NDArray[np.float64]:
    """Weight of each class, (2,): the larger class's count over the class's own, so 1 for the larger.

    Raises
    ------
    ValueError : a class has no scan.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=2)
    if not counts.all():
        raise ValueError(f"a class without scans has no weight: there are {counts[0]} clean and {counts[1]} artifacts")
    return counts.max() / counts


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0, weight: Tensor | None = None) -> Tensor:
    r"""Focal cross-entropy, mean over the batch: :math:`-w_y (1 - p_y)^\gamma \log p_y` (Lin et al. 2017).

    Parameters
    ----------
    logits : (B, C).
    target : (B,) int64 classes.
    gamma : at least 0; 0 is cross-entropy.
    weight : (C,) factor of each class's terms. The mean is over the number of scans, not of weights, as in Keras.

    Returns
    -------
    Scalar in [0, inf). Value and gradient stay finite for any finite logits.
    """
    return focal_losses(logits, target, gamma, weight).mean()


def focal_losses(logits: Tensor, target: Tensor, gamma: float = 2.0, weight: Tensor | None = None) -> Tensor:
    """The terms of :func:`focal_loss`, (B,)."""
    logs = functional.log_softmax(logits, dim=1)
    own = logs.gather(1, target[:, None])[:, 0]
    losses = -own
    if gamma:
        # log(1 - p_y) from the other classes: 1 - p_y itself loses its digits, and its gradient, near p_y = 1.
        others = logs.masked_fill(functional.one_hot(target, logits.shape[1]).bool(), -torch.inf).logsumexp(1)
        losses = losses * (gamma * others).exp()
    return losses if weight is None else losses * weight[target]


def shift_logits(
    logits: Tensor | NDArray[np.floating], prior_train: float, prior_target: float
) -> Tensor | NDArray[np.floating]:
    r"""Logits (..., 2) as they would be had the classes been met in other proportions (Saerens et al. 2002).

    Adds :math:`\log(\pi'_c / \pi_c)` to class c, which multiplies the odds of an artifact by the ratio of the prior
    odds. Log probabilities are logits. Ranks within one set do not change, calibration does.

    Parameters
    ----------
    logits : of class 0 (clean) and 1 (artifact).
    prior_train, prior_target : share of artifacts, in (0, 1), that training showed and that the data have. Class
        weights count: weights :func:`class_weights` are a share of one half.
    """
    if not (0 < prior_train < 1 and 0 < prior_target < 1):
        raise ValueError(f"priors are shares between 0 and 1, exclusive, not {prior_train} and {prior_target}")
    shift = np.log([(1 - prior_target) / (1 - prior_train), prior_target / prior_train])
    if isinstance(logits, Tensor):
        return logits + torch.as_tensor(shift, dtype=logits.dtype, device=logits.device)
    logits = np.asarray(logits)
    return logits + shift.astype(np.result_type(logits, np.float32))
