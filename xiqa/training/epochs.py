"""Epochs of a training on volumes: their sets, batches and learning rates.

Every arm of the study ends after the same number of gradient steps; the number of epochs depends on its sets.
"""

import bisect
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xiqa import imbalance

WARMUP = 0.1  # of all steps, of the schedule of one cycle


class Epoch(NamedTuple):
    """One epoch: its number from 0, its set, and its share of the gradient steps."""

    number: int
    size: int
    clean_fraction: float
    first_step: int
    steps: int


def schedule(
    steps: int, batch: int, end: int, artifacts: int, ramp_epochs: int = 0, start: int | None = None, share: float = 1.0
) -> list[Epoch]:
    """Epochs that spend exactly ``steps`` gradient steps on batches of at most ``batch`` scans; the last may be cut.

    Every epoch has all ``end`` scans in its set; with ``ramp_epochs`` the set grows from ``start``
    (:func:`xiqa.imbalance.ramp`). An epoch shows a ``share`` of its set, in (0, 1], at least one batch.
    """
    if steps < 1 or batch < 1:
        raise ValueError(f"a training needs at least one step of one scan, not {steps} steps of {batch}")
    if not 0 < share <= 1:
        raise ValueError(f"an epoch shows a share of its set above 0 and up to 1, not {share}")
    plan: list[Epoch] = []
    done = 0
    while done < steps:
        size, clean = imbalance.ramp(len(plan), ramp_epochs, end if start is None else start, end, artifacts)
        # Rounded first: 0.02 * 4000 is a little more than 80.
        taken = min(math.ceil(round(size * share / batch, 9)), steps - done)
        plan.append(Epoch(len(plan), size, clean, done, taken))
        done += taken
    return plan


def epochs(labels: NDArray[np.int64], recipe: dict) -> list[Epoch]:
    """The epochs that a recipe makes of its gradient steps on training scans with these labels, 0 | 1.

    The ramp, and the priming stage, start from all artifacts and as many clean scans.
    """
    artifacts, scans = int((labels == 1).sum()), len(labels)
    if not 0 < artifacts < scans:
        raise ValueError(f"training needs clean scans and artifacts, but has {scans - artifacts} and {artifacts}")
    few = min(2 * artifacts, scans)
    end = few if recipe["stage"] == "priming" else scans
    return schedule(recipe["steps"], recipe["batch"], end, artifacts, recipe["ramp_epochs"], few, recipe["share"])


def batches(labels: NDArray[np.int64], epoch: Epoch, recipe: dict) -> list[NDArray[np.int64]]:
    """Positions of the scans in each batch of an epoch.

    Batches differ in size by one at most, so none is too small for batch normalisation. Shuffled, every scan of the
    epoch's set is shown once (unless the epoch is cut, or shows only a share of it).
    """
    chosen = imbalance.subset(labels, epoch.size, recipe["seed"])
    if recipe["sampler"] == "balanced":
        order = imbalance.balanced_order(labels[chosen], recipe["seed"], epoch.number)
    else:
        order = imbalance.shuffled_order(len(chosen), recipe["seed"], epoch.number)
    return np.array_split(chosen[order], -(-epoch.size // recipe["batch"]))[: epoch.steps]


def rate(step: int, plan: Sequence[Epoch], recipe: dict) -> float:
    """Learning rate after ``step`` gradient steps, by the recipe's ``schedule`` between its two ``rates``.

    ``cycle`` : triangular, base to maximum and back an epoch. With n steps in the epoch, step i of it has
    base + a (1 - abs(2 i / n - 1)). The amplitude a is maximum - base; in the last ``decay`` epochs, at most a fifth of
    all, it is multiplied by alpha^(epoch - cutoff), where cutoff is the first of them and alpha = exp(ln(1e-6) / decay)
    (Pizarro et al. 2023).

    ``one_cycle`` : linear to the maximum over the first tenth of all steps, then half a cosine back to the base (ours).
    """
    base, maximum = recipe["rates"]
    if recipe["schedule"] == "one_cycle":
        steps = plan[-1].first_step + plan[-1].steps
        warmup = max(1, round(WARMUP * steps))
        falling = (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2
        return base + (maximum - base) * ((step + 1) / warmup if step < warmup else falling)
    epoch = plan[bisect.bisect_right(plan, step, key=lambda epoch: epoch.first_step) - 1]
    height = max(0.0, 1 - abs(2 * (step - epoch.first_step) / epoch.steps - 1))
    decay = min(recipe["decay"], len(plan) // 5)
    late = epoch.number - (len(plan) - decay)
    amplitude = 1e-6 ** (late / decay) if late > 0 else 1.0
    return base + (maximum - base) * height * amplitude
