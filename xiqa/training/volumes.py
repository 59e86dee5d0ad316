"""Training of the three-dimensional networks by recipe, and the learning-rate range test that goes before it.

The procedure is that of Pizarro et al. (2023): the weights of the last step are kept, so validation selects nothing.
One thing is ours: all arms of a seed spend the same number of gradient steps, those of the priming included. Every draw
follows from (seed, step) or (seed, epoch).

A training that was interrupted goes on from the end of its last complete epoch. The store removes the folder of a
computation that failed, so the checkpoint lies beside the entries, in ``partial``, under the name of the entry that
would have come of it (which names code, data and recipe); nothing of it is left once the training is complete.
"""

import itertools
import re
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from xiqa import imbalance, models
from xiqa.data.arrays import drawn
from xiqa.models.devices import device
from xiqa.store.digests import digest
from xiqa.store.files import write_frame
from xiqa.training.epochs import Epoch, batches, epochs, rate
from xiqa.training.loop import prepare_torch, seed_step, trainer
from xiqa.training.predictions import LAYOUT, autocast, network_input, validate

_FLIPS = 4  # what a draw is for, as in ``imbalance``


def train_volumes(folder: Path, recipe: dict, prepared: Path, start: Path | None) -> None:
    """Store function: train one network of the MRI study; writes ``weights.pt`` and ``history.csv``.

    ``recipe`` has the values of :class:`xiqa.recipes.VolumeClassifier`; ``start`` is the entry of the priming training,
    for recipes that start from it (all its weights are taken over, the head's too, as in the paper). ValueError where
    the training split lacks a class, volumes have another shape, or the priming is missing.
    """
    model, sets = _beginning(recipe, prepared, start)
    history = fit(model, *sets, recipe, checkpoint=_checkpoint(Path(folder), recipe))
    about = {key: recipe[key] for key in ("dataset", "network", "arm", "seed", "intensity")}
    models.save(model, Path(folder) / "weights.pt", **about, shape=list(recipe["shape"]))
    write_frame(history, Path(folder) / "history.csv")


def fit(
    model: nn.Module,
    train: tuple[NDArray[np.float16], NDArray[np.int64]],
    val: tuple[NDArray[np.float16], NDArray[np.int64]],
    recipe: dict,
    checkpoint: Path,
) -> pd.DataFrame:
    """Train in place for exactly ``recipe["steps"]`` gradient steps; the model ends in evaluation mode.

    Volumes (N, X, Y, Z) are preprocessed, in memory or mapped from disk, labels (N,) 0 | 1. Where the file
    ``checkpoint`` exists, the training goes on from it. A row an epoch: ``epoch``; ``steps`` done at its end; ``size``
    and ``clean_share`` of its set; ``train_loss``, the arm's own; ``val_loss`` (cross-entropy), ``val_auc`` and
    ``val_ap`` with artifacts reweighted to 2 %, NaN without validation; ``learning_rate``, the highest of the epoch.
    """
    plan = epochs(train[1], recipe)
    history = _History(plan, recipe, val, checkpoint)
    own = {"reload_dataloaders_every_n_epochs": 1, "enable_checkpointing": False}
    with trainer(len(plan), recipe["precision"], [history], **own) as lightning_trainer:
        task = _Task(model, train, plan, recipe)
        lightning_trainer.fit(task, ckpt_path=checkpoint if checkpoint.is_file() else None, weights_only=True)
    model.cpu().eval()
    checkpoint.unlink(missing_ok=True)
    if checkpoint.parent.is_dir() and not any(checkpoint.parent.iterdir()):
        checkpoint.parent.rmdir()
    return pd.DataFrame(history.rows)


def range_test(
    recipe: dict,
    prepared: Path,
    start: Path | None = None,
    steps: int = 50,
    lowest: float = 1e-7,
    highest: float = 1.0,
) -> pd.DataFrame:
    """Learning-rate range test (Smith 2017): a training whose rate grows geometrically from step to step.

    The set is that of the recipe's first epoch; the test ends where the loss is no longer finite. A row a step:
    ``step``, ``learning_rate``, ``loss`` (the recipe's, of one batch), ``smoothed`` (exponential mean, factor 0.9).
    """
    prepare_torch()
    where = device()
    model, (train, _) = _beginning(recipe, prepared, start)
    model = model.to(where).train()
    shown = _Volumes(*train)
    first = epochs(train[1], recipe | {"steps": len(train[1])})[0]
    weight = _class_weight(train[1], first, recipe)
    optimiser = _optimiser(model, recipe)
    order = (rows for turn in itertools.count() for rows in batches(train[1], first._replace(number=turn), recipe))
    seen = []
    for step, (learning_rate, rows) in enumerate(zip(np.geomspace(lowest, highest, steps), order, strict=False)):
        seed_step(recipe["seed"], step)
        optimiser.param_groups[0]["lr"] = float(learning_rate)
        volumes, labels = (each.to(where) for each in shown.__getitems__(rows))
        with autocast(recipe["precision"]):
            loss = _loss(model, volumes, labels, recipe, weight, step)
        if not torch.isfinite(loss):
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append((step, learning_rate, loss.item()))
    frame = pd.DataFrame(seen, columns=["step", "learning_rate", "loss"])
    return frame.assign(smoothed=frame["loss"].ewm(alpha=0.1).mean())


class _Volumes(Dataset):
    """A whole batch is read at once; it stays in half precision until it is where the network is."""

    def __init__(self, volumes: NDArray[np.float16], labels: NDArray[np.int64]):
        self.volumes, self.labels = volumes, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(np.array(self.volumes[rows])), torch.tensor(self.labels[rows])


class _Task(lightning.LightningModule):
    """What an epoch shows, what a step minimises, and at which rate."""

    def __init__(self, model: nn.Module, train: tuple, plan: list[Epoch], recipe: dict):
        super().__init__()
        self.model, self.plan, self.recipe = model, plan, recipe
        self.train_set, self.weight = _Volumes(*train), None

    def train_dataloader(self) -> DataLoader:
        """The loader of the current epoch; a whole batch is one item."""
        epoch = self.plan[self.trainer.current_epoch]
        labels = self.train_set.labels
        self.weight = _class_weight(labels, epoch, self.recipe)
        return DataLoader(self.train_set, batch_sampler=batches(labels, epoch, self.recipe), collate_fn=_as_it_is)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        seed_step(self.recipe["seed"], self.global_step)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = _loss(self.model, *batch, self.recipe, self.weight, self.global_step)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[1]))
        return loss

    def configure_optimizers(self) -> dict:
        """The recipe's optimiser; its rate changes every step."""
        optimiser = _optimiser(self.model, self.recipe)
        highest = self.recipe["rates"][1]
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rate(step, self.plan, self.recipe) / highest
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _History(lightning.Callback):
    """One row an epoch, and a checkpoint that holds the rows so far."""

    def __init__(self, plan: list[Epoch], recipe: dict, val: tuple, checkpoint: Path):
        self.plan, self.recipe, self.val, self.checkpoint = plan, recipe, val, checkpoint
        self.rows: list[dict] = []

    def state_dict(self) -> dict:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: _Task) -> None:
        """Note the epoch, validate where it is due, and keep a checkpoint unless it was the last."""
        epoch = self.plan[trainer.current_epoch]
        last = epoch.number == len(self.plan) - 1
        every = -(-len(self.plan) // self.recipe["validations"])
        within = range(epoch.first_step, epoch.first_step + epoch.steps)
        row = {
            "epoch": epoch.number,
            "steps": epoch.first_step + epoch.steps,
            "size": epoch.size,
            "clean_share": epoch.clean_fraction,
            "train_loss": float(trainer.callback_metrics["train_loss"]),
            **dict.fromkeys(("val_loss", "val_auc", "val_ap"), np.nan),
            "learning_rate": max(rate(step, self.plan, self.recipe) for step in within),
        }
        if last or (epoch.number + 1) % every == 0:
            row |= validate(task.model, *self.val, self.recipe["precision"])
        self.rows.append(row)
        shown = ", ".join(f"{name} {row[name]:.3f}" for name in ("train_loss", "val_loss", "val_auc", "val_ap"))
        print(f"epoch {epoch.number + 1} of {len(self.plan)} ({epoch.size} scans): {shown}", flush=True)
        if not last:
            self.checkpoint.parent.mkdir(exist_ok=True)
            trainer.save_checkpoint(self.checkpoint)


def _beginning(recipe: dict, prepared: Path, start: Path | None) -> tuple[nn.Module, list[tuple]]:
    """The network before its first step, and (volumes, labels) of the training and the validation split."""
    if (recipe["start"] == "priming") != (start is not None):
        raise ValueError(f"the recipe of {recipe['arm']} starts from {recipe['start']!r}, but start is {start}")
    data = drawn.read_volumes(prepared)
    if tuple(data.shape) != tuple(recipe["shape"]):
        raise ValueError(f"the volumes in {prepared} are {tuple(data.shape)} voxels, not {tuple(recipe['shape'])}")
    torch.manual_seed(recipe["seed"])
    model = models.build(recipe["network"], weights=start and start / "weights.pt", shape=recipe["shape"])
    model = model.to(memory_format=LAYOUT)
    splits = ("train", "val")
    return model, [(data.volumes(split), data.records(split)["label"].to_numpy(np.int64)) for split in splits]


def _optimiser(model: nn.Module, recipe: dict) -> torch.optim.Optimizer:
    kind = {"nadam": torch.optim.NAdam, "adamw": torch.optim.AdamW}[recipe["optimiser"]]
    return kind(model.parameters(), recipe["rates"][1], weight_decay=recipe["weight_decay"])


def _class_weight(labels: NDArray[np.int64], epoch: Epoch, recipe: dict) -> Tensor | None:
    if not recipe["class_weights"]:
        return None
    chosen = labels[imbalance.subset(labels, epoch.size, recipe["seed"])]
    return torch.tensor(imbalance.class_weights(chosen), dtype=torch.float32, device=device())


def _loss(model: nn.Module, volumes: Tensor, labels: Tensor, recipe: dict, weight: Tensor | None, step: int) -> Tensor:
    if recipe["flip"]:
        # Autocast to bfloat16 cannot stack what is in half precision.
        volumes = _flipped(volumes.float(), np.random.default_rng([recipe["seed"], step, _FLIPS]))
    gamma = recipe["gamma"] if recipe["loss"] == "focal" else 0.0
    return imbalance.focal_loss(model(network_input(volumes)).float(), labels, gamma, weight)


def _flipped(volumes: Tensor, generator: np.random.Generator) -> Tensor:
    """Each volume of (B, X, Y, Z) flipped along each of its axes with probability one half."""
    turned = generator.integers(0, 2, size=(len(volumes), 3))
    return torch.stack([v.flip(np.flatnonzero(t).tolist()) for v, t in zip(volumes, turned, strict=True)])


def _as_it_is(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch


def _checkpoint(folder: Path, recipe: dict) -> Path:
    """Where an interrupted training is kept: the same for every temporary folder of one store entry."""
    entry = re.sub(r"^\.(.+)-[0-9a-f]{8}$", r"\1", folder.name)
    return folder.parent / "partial" / f"{entry}-{digest(recipe)}.ckpt"
