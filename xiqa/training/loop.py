"""Lightning's trainer set to repeat exactly, and the seed of a step.

Every draw of a step (augmentation, dropout) follows from (seed, step), so a training repeats exactly on one machine and
does not depend on how batches are fetched or on what was drawn before.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning
import torch

from xiqa.models.devices import device, prepare_torch

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
# One process feeds the network here: worker processes would change the order of random draws for no gain.
_EXPECTED = ("does not have many workers", "number of training batches", "GPU available but not used", "LeafSpec")


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
