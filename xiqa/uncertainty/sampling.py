"""Several answers of one network for one volume: Monte Carlo dropout and axis flips.

Both dropouts of the three-dimensional networks stand in the head, so T samples need the trunk once and the head T
times. Each volume has its own generator, so its samples do not depend on the other volumes of the batch.
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
    """Monte Carlo dropout (Gal and Ghahramani 2016): softmax probabilities of T passes with the dropouts on.

    Batch normalisation stays in evaluation mode. For one volume the answer is, on a CPU bit for bit, that of
    ``torch.manual_seed(seed)`` followed by T full passes with both dropouts on, in the same layout and under the same
    autocast; a GPU gives it up to rounding, with the masks that a CPU draws. In a batch each volume is answered as if
    alone: what the others hold changes nothing, and how many they are changes no more than the rounding of the trunk's
    convolutions (torch chooses another algorithm for another number; about 1e-7). It costs one pass and T heads.

    Parameters
    ----------
    model : a network that computes ``head(trunk(x))`` with a sequential head, as `xiqa.models.build` makes them; it is
        left as it was found.
    volumes : (B, 1, X, Y, Z), on the device of the model.
    samples : T, at least 1.
    seed : one int for every volume, so that a volume has the same samples wherever it stands (and all volumes the same
        masks), or an integer tensor (B,) with the seed of each.

    Returns
    -------
    (T, B, C) float32 (float64 for a float64 network), in [0, 1]; the classes sum to 1.

    Raises
    ------
    ValueError : no sample, seeds that do not fit, dropout in the trunk, a head that is not sequential.
    """
    if samples < 1:
        raise ValueError(f"mc_dropout needs at least one sample, not {samples}")
    head = sequential_head(model)
    seeds = _seeds(seed, len(volumes))
    with evaluating(model), torch.inference_mode():
        probabilities = _softmax(_drawn(head, model.trunk(volumes), samples, seeds))
    return probabilities.clone()  # made here, so that it is an ordinary tensor


def flips(model: nn.Module, volumes: Tensor) -> Tensor:
    """Softmax probabilities for all eight axis flips of the (padded) volumes, dropout off.
    Volumes are (B, 1, X, Y, Z), the result is (8, B, C) in the order of ``FLIPS``: the identity first.
    """
    with evaluating(model), torch.inference_mode():
        probabilities = torch.stack([_softmax(model(volumes.flip(axes))) for axes in FLIPS])
    return probabilities.clone()


def scan_seeds(names: Sequence[str], seed: int) -> list[int]:
    """A seed for each scan, from its name and the seed of the study."""
    return [int(np.random.SeedSequence([seed, crc32(name.encode())]).generate_state(1)[0]) for name in names]


def plain_and_samples(model: nn.Module, volumes: Tensor, samples: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The answers without dropout (B, C) and with it (T, B, C), of one pass through the trunk."""
    head = sequential_head(model)
    with evaluating(model), torch.inference_mode():
        features = model.trunk(volumes)
        return _softmax(head(features)), _softmax(_drawn(head, features, samples, seeds))


def flipped_samples(model: nn.Module, volumes: Tensor, samples: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The answers without dropout (8, B, C) and with it (8, T, B, C) in each orientation, eight passes of the trunk."""
    found = []
    for turn, axes in enumerate(FLIPS):
        own = [int(np.random.SeedSequence([seed, turn]).generate_state(1)[0]) if turn else seed for seed in seeds]
        found.append(plain_and_samples(model, volumes.flip(axes), samples, own))
    plain, mc = zip(*found, strict=True)
    return torch.stack(plain), torch.stack(mc)


def _drawn(head: nn.Sequential, features: Tensor, samples: int, seeds: Sequence[int]) -> Tensor:
    """Logits (T, B, C) of the head for the features (B, ...) of volumes."""
    drawn = [head_samples(head, one, samples, seed) for one, seed in zip(features.split(1), seeds, strict=True)]
    return torch.stack(drawn, dim=1)


def head_samples(head: nn.Sequential, features: Tensor, samples: int, seed: int) -> Tensor:
    """Logits of T passes through the head with its dropouts on, for the features of one volume.

    Each sample has its own masks, drawn as T passes after ``torch.manual_seed(seed)`` would draw them: the first T of
    more samples are the same. Gradients flow to ``features``. Linear layers see one sample at a time: a matrix product
    of many rows rounds differently from that of one.
    Features are (1, ...), what the trunk gives for one volume, or (T, ...), a row a sample, of equal rows; the result
    is (T, C).
    """
    masks = _masks(head, features, samples, torch.Generator().manual_seed(seed))
    rows = features.expand(samples, *features.shape[1:])
    for module in head:
        if isinstance(module, nn.Dropout):
            rows = rows * next(masks)
        elif isinstance(module, nn.Linear):
            with _one_thread():
                rows = torch.cat([functional.linear(row, module.weight, module.bias) for row in rows.split(1)])
        else:
            rows = module(rows)
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for a while: waking others for the product of a single row costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _masks(head: nn.Sequential, features: Tensor, samples: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Scaled masks (T, ...) of the dropouts in their order, drawn as T passes one after the other draw them."""
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
    """The head of a network that computes ``head(trunk(x))`` and has its dropouts in the head alone.

    Raises
    ------
    ValueError : the head is not sequential, there is no trunk, or there is dropout in the trunk.
    """
    head, trunk = getattr(model, "head", None), getattr(model, "trunk", None)
    if not isinstance(head, nn.Sequential) or not isinstance(trunk, nn.Module):
        raise ValueError(
            f"{type(model).__name__} does not compute head(trunk(x)) with a sequential head: use a network of "
            "xiqa.models.build for volumes"
        )
    if any(isinstance(module, nn.modules.dropout._DropoutNd) and module.p for module in trunk.modules()):
        raise ValueError("there is dropout in the trunk, which is run once: Monte Carlo dropout needs it in the head")
    return head


def _seeds(seed: int | Tensor, count: int) -> list[int]:
    if not isinstance(seed, Tensor):
        return [int(seed)] * count
    if seed.shape != (count,) or seed.is_floating_point():
        raise ValueError(f"seed must be an int or {count} ints, one a volume, not {seed.dtype} {tuple(seed.shape)}")
    return seed.tolist()


def _softmax(logits: Tensor) -> Tensor:
    return (logits if logits.dtype == torch.float64 else logits.float()).softmax(-1)
