"""The device of this run, and torch set up for it."""

import os

import torch

from xiqa.store.hardware import device_kind, thread_cap


def device() -> torch.device:
    """Device of this run (``XIQA_DEVICE``, by default the GPU where there is one), with the thread cap of the run."""
    torch.set_num_threads(thread_cap())
    kind = device_kind(os.environ.get("XIQA_DEVICE", "auto"))
    if kind == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "a GPU driver is there, but this torch cannot use it: run with --device cpu, or install torch with CUDA"
        )
    return torch.device(kind)


def prepare_torch() -> None:
    """Thread cap of the run, and no filling of new tensors, which deterministic mode would add."""
    torch.set_num_threads(thread_cap())
    # Filling costs a third of the time and changes no result here.
    torch.utils.deterministic.fill_uninitialized_memory = False
