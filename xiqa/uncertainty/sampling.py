"""Several predictions of one network for one volume: Monte Carlo dropout and axis flips.

All dropouts of the networks stand in the head, so T samples need the trunk once and the head T times.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xiqa.models.states import evaluating

# All combinations of the three axes, identity first; (2, 3, 4) are X, Y, Z of (B, 1, X, Y, Z).
FLIPS = tuple(axes for count in range(4) for axes in combinations((2, 3, 4), count))
FLIP_NAMES = tuple("".join("xyz"[axis - 2] for axis in axes) or "as it is" for axes in FLIPS)
BATCH = 8  # volumes read and flipped together; fixed, so that numbers repeat


def mc_dropout(model: nn.Module, volumes: Tensor, samples: int, seed: int | Tensor) -> Tensor:
    """Monte Carlo dropout (Gal and Ghahramani 2016): softmax probabilities (T, B, C) of T passes with the dropouts on.

    Volumes are (B, 1, X, Y, Z), on the device of the model. ``seed`` is one int for all volumes (the same masks for
    each), or an integer tensor (B,). The model computes ``head(trunk(x))`` with a sequential head, as
    `xiqa.models.build` makes them, and is left as it was. ValueError for no sample, seeds that do not fit, dropout in
    the trunk, or another head. Batch normalisation stays in evaluation mode.

    On a CPU the result of one volume equals, bit for bit, that of ``torch.manual_seed(seed)`` and T full passes with
    both dropouts on, in the same layout and autocast; on a GPU, and among other volumes of a batch, up to rounding.
    """
    if samples < 1:
        raise ValueError(f"mc_dropout needs at least one sample, not {samples}")
    count = len(volumes)
    if isinstance(seed, Tensor) and (seed.shape != (count,) or seed.is_floating_point()):
        raise ValueError(f"seed must be an int or {count} ints, one a volume, not {seed.dtype} {tuple(seed.shape)}")
    seeds = seed.tolist() if isinstance(seed, Tensor) else [int(seed)] * count
    return plain_and_samples(model, volumes, samples, seeds)[1].clone()  # made here, so that it is an ordinary tensor


def flips(model: nn.Module, volumes: Tensor) -> Tensor:
    """Softmax probabilities (8, B, C) of (padded) volumes (B, 1, X, Y, Z) flipped as in ``FLIPS``, dropout off."""
    with evaluating(model), torch.inference_mode():
        probabilities = torch.stack([_softmax(model(volumes.flip(axes))) for axes in FLIPS])
    return probabilities.clone()


def scan_seeds(names: Sequence[str], seed: int) -> list[int]:
    """A seed for each scan, from its name and the seed of the study."""
    return [int(np.random.SeedSequence([seed, crc32(name.encode())]).generate_state(1)[0]) for name in names]


def plain_and_samples(model: nn.Module, volumes: Tensor, samples: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Probabilities without dropout (B, C) and with it (T, B, C), of one pass through the trunk."""
    head = sequential_head(model)
    with evaluating(model), torch.inference_mode():
        features = model.trunk(volumes)
        drawn = [head_samples(head, row, samples, seed) for row, seed in zip(features.split(1), seeds, strict=True)]
        return _softmax(head(features)), _softmax(torch.stack(drawn, dim=1))


def head_samples(head: nn.Sequential, features: Tensor, samples: int, seed: int) -> Tensor:
    """Logits (T, C) of T passes through the head with its dropouts on, for the features of one volume.

    Features are (1, ...), the trunk's output, or (T, ...), T equal rows; gradients flow to them. Each sample has its
    own masks, drawn as T passes after ``torch.manual_seed(seed)`` would draw them.
    """
    masks = _masks(head, features, samples, torch.Generator().manual_seed(seed))
    rows = features.expand(samples, *features.shape[1:])
    for module in head:
        if isinstance(module, nn.Dropout):
            rows = rows * next(masks)
        elif isinstance(module, nn.Linear):
            with _one_thread():  # one sample at a time: a matrix product of many rows rounds differently
                rows = torch.cat([functional.linear(row, module.weight, module.bias) for row in rows.split(1)])
        else:
            rows = module(rows)
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """A single thread: for the product of one row, more threads are slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _masks(head: nn.Sequential, features: Tensor, samples: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Scaled masks (T, ...) of the dropouts in their order, drawn as T passes draw them one after the other."""
    rates, masks, row = [], [], features
    for module in head:
        if isinstance(module, nn.Dropout):
            rates.append(module.p)
            masks.append(torch.empty((samples, *row.shape[1:]), dtype=row.dtype))
        row = module(row)
    for sample in zip(*masks, strict=True):
        for mask, rate in zip(sample, rates, strict=True):
            mask.bernoulli_(1 - rate, generator=generator)
    return iter([m.div_(1 - rate).to(features.device) for m, rate in zip(masks, rates, strict=True)])


def sequential_head(model: nn.Module) -> nn.Sequential:
    """The head of a network that computes ``head(trunk(x))`` with all dropouts in the head; else ValueError."""
    head, trunk = getattr(model, "head", None), getattr(model, "trunk", None)
    if not isinstance(head, nn.Sequential) or not isinstance(trunk, nn.Module):
        problem = f"{type(model).__name__} does not compute head(trunk(x)) with a sequential head"
        raise ValueError(f"{problem}: use a network of xiqa.models.build for volumes")
    if any(isinstance(module, nn.modules.dropout._DropoutNd) and module.p for module in trunk.modules()):
        raise ValueError("there is dropout in the trunk, which is run once: Monte Carlo dropout needs it in the head")
    return head


def _softmax(logits: Tensor) -> Tensor:
    return (logits if logits.dtype == torch.float64 else logits.float()).softmax(-1)
