"""What every training here shares: the device, Lightning's trainer set to repeat exactly, and the seed of a step.

Every draw of a step (augmentation, dropout) follows from (seed, step), so a training repeats exactly on one machine and
does not depend on how batches are fetched or on what was drawn before.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning
import torch

from xiqa.store.hardware import device_kind, thread_cap

# What a step prints is its epochs; Lightning's greetings are left out.
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
# One process feeds the network here: worker processes would change the order of random draws for no gain.
_EXPECTED = ("does not have many workers", "number of training batches", "GPU available but not used", "LeafSpec")


def device() -> torch.device:
    """The device of this run: ``XIQA_DEVICE``, by default the GPU where there is one."""
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


@contextmanager
def trainer(epochs: int, precision: str, callbacks: list, **more) -> Iterator[lightning.Trainer]:
    """Lightning's trainer: deterministic, one device, ``precision`` "bf16" or "32", silent but for what we print."""
    prepare_torch()
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=f".*{message}.*")
        yield lightning.Trainer(
            accelerator="gpu" if device().type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            max_epochs=epochs,
            callbacks=callbacks,
            logger=False,
            deterministic="warn",
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=False,
            **more,
        )


def seed_step(seed: int, step: int) -> None:
    """Make every draw from torch's global generators follow from the seed and the step."""
    torch.manual_seed(seed * 1_000_003 + step)
