"""Training of the two-dimensional networks by recipe.

Every draw of a step (augmentation, dropout) follows from (seed, step) and every order of the data from (seed, epoch).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC
from torchvision.ops import StochasticDepth
from torchvision.transforms import v2

from xiqa import models
from xiqa.data.arrays.images import Prepared
from xiqa.models.devices import device
from xiqa.store.files import write_frame
from xiqa.synthetic import shapes, textures
from xiqa.training.loop import seed_step, trainer

Images = Tensor | np.ndarray
VALIDATION_SHARE = 0.1  # of the pretext's images


def train_pretext(folder: Path, recipe: dict) -> None:
    """Store function: train a backbone to name shapes, by a :class:`xiqa.recipes.Pretext`.

    Writes ``weights.pt`` and ``history.csv``; a tenth of the recipe's images select the epoch.
    """
    _train_on_drawn(folder, recipe, shapes.draw, shapes.KINDS, "name small shapes")


def train_textures(folder: Path, recipe: dict) -> None:
    """Store function: train a backbone to name textures; recipe and files as of `train_pretext`."""
    _train_on_drawn(folder, recipe, textures.draw, textures.KINDS, "name textures")


def _train_on_drawn(folder: Path, recipe: dict, draw: Callable, kinds: Sequence[str], task: str) -> None:
    if recipe["kinds"] != len(kinds):
        raise ValueError(f"the task to {task} has {len(kinds)} kinds, not {recipe['kinds']}")
    images, labels = draw(recipe["images"], recipe["size"], recipe["seed"])
    held_out = max(1, round(len(images) * VALIDATION_SHARE))
    torch.manual_seed(recipe["seed"])
    model = models.build(recipe["network"], num_classes=recipe["kinds"])
    if recipe["zero_residual"]:
        models.zero_residual(model)
    train, val = (images[held_out:], labels[held_out:]), (images[:held_out], labels[:held_out])
    history = fit(model, train, val, recipe, folder)
    models.save(model, folder / "weights.pt", trained_to=task, kinds=list(kinds))
    write_frame(history, folder / "history.csv")


def train_classifier(folder: Path, recipe: dict, prepared: Path, pretext: Path | None) -> None:
    """Store function: train one classifier by a :class:`xiqa.recipes.Classifier`.

    ``prepared`` is an entry of :func:`xiqa.data.prepare_images.prepare`, ``pretext`` one of :func:`train_pretext` for
    recipes that start from it. Writes ``weights.pt``, ``history.csv`` and ``predictions.csv``.
    """
    data = Prepared(prepared)
    torch.manual_seed(recipe["seed"])
    start = {"pretext": pretext and pretext / "weights.pt", "imagenet": "imagenet", "random": None}[recipe["start"]]
    model = models.build(recipe["network"], weights=start)
    labels = {split: torch.tensor(data.records(split)["label"]) for split in ("train", "val", "test")}
    history = fit(model, *((data.images(split), labels[split]) for split in ("train", "val")), recipe, folder)
    about = {key: recipe[key] for key in ("dataset", "network", "seed", "start", "size")}
    models.save(model, folder / "weights.pt", **about)
    write_frame(history, folder / "history.csv")
    rows = []
    for split in ("val", "test"):
        logits = predict(model, data.images(split))
        frame = data.records(split)[["image", "unit"]].assign(split=split, label=labels[split].numpy())
        rows.append(frame.assign(logit_0=logits[:, 0], logit_1=logits[:, 1], probability=logits.softmax(1)[:, 1]))
    write_frame(pd.concat(rows), folder / "predictions.csv")


@torch.inference_mode()
def predict(model: nn.Module, images: np.ndarray, batch: int = 32) -> Tensor:
    """Logits (N, C) in float32 of grey images (N, H, W) uint8; the batch size is fixed, so numbers repeat."""
    where = device()
    model = model.to(where).eval()
    parts = []
    for start in range(0, len(images), batch):
        pictures = torch.from_numpy(np.ascontiguousarray(images[start : start + batch])).to(where)
        parts.append(model(models.normalise(pictures)).float().cpu())
    return torch.cat(parts)


def fit(
    model: nn.Module, train: tuple[Images, Tensor], val: tuple[Images, Tensor], recipe: dict, folder: Path
) -> pd.DataFrame:
    """Train in place and keep the weights of the epoch with the best validation AUC.

    ``train`` and ``val`` are images (N, H, W) uint8, in memory or mapped from disk, and labels (N,) int64. Checkpoints
    lie in ``folder`` while it runs; none are left. Returns a row an epoch: epoch, train_loss, val_loss, val_auc,
    val_accuracy, kept.
    """
    if not recipe["stochastic_depth"]:
        for module in model.modules():
            if isinstance(module, StochasticDepth):
                module.p = 0.0
    size, batch = len(train[0]), recipe["batch"]
    task = _Task(model, recipe, steps=-(-size // batch) * recipe["epochs"])
    keep = lightning.pytorch.callbacks.ModelCheckpoint(
        dirpath=folder / "checkpoints", monitor="val_auc", mode="max", save_weights_only=True
    )
    history = _History()
    with trainer(recipe["epochs"], recipe["precision"], [keep, history]) as lightning_trainer:
        shuffled = DataLoader(_Pairs(*train), batch, sampler=_Order(size, recipe["seed"]))
        lightning_trainer.fit(task, shuffled, DataLoader(_Pairs(*val), 32))
    best = Path(keep.best_model_path)
    task.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])
    best.unlink()
    best.parent.rmdir()
    frame = pd.DataFrame(history.rows)
    return frame.assign(kept=frame["val_auc"] == frame["val_auc"].max())


class _Pairs(Dataset):
    def __init__(self, images: Images, labels: Tensor):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        image = self.images[i]
        # A mapped file is read here, one image at a time, and never changed.
        return image if isinstance(image, Tensor) else torch.from_numpy(image.copy()), self.labels[i]


class _Order(Sampler):
    """A permutation for each (seed, epoch); Lightning sets the epoch."""

    def __init__(self, count: int, seed: int):
        self.count, self.seed, self.epoch = count, seed, 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self):
        yield from np.random.default_rng([self.seed, self.epoch]).permutation(self.count).tolist()


class _Task(lightning.LightningModule):
    """Cross-entropy, augmentation by recipe, channels-last layout."""

    def __init__(self, model: nn.Module, recipe: dict, steps: int):
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.recipe, self.steps = recipe, steps
        self.augment = augmentation(recipe)
        classes = models.head_of(model).out_features
        self.auc, self.accuracy = MulticlassAUROC(classes), MulticlassAccuracy(classes, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        return self.model(models.normalise(images).to(memory_format=torch.channels_last))

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        seed_step(self.recipe["seed"], self.global_step)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        if self.augment is not None:
            images = torch.cat([self.augment(image[None]) for image in images])
        loss = functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        logits = self(batch[0]).float()
        self.auc.update(logits.softmax(1), batch[1])
        self.accuracy.update(logits.argmax(1), batch[1])
        self.log("val_loss", functional.cross_entropy(logits, batch[1]), batch_size=len(logits))
        self.log_dict({"val_auc": self.auc, "val_accuracy": self.accuracy})

    def configure_optimizers(self) -> dict:
        """SGD or AdamW with the schedule of the recipe, stepped every batch."""
        r, parameters = self.recipe, self.parameters()
        common = {"lr": r["learning_rate"], "weight_decay": r["weight_decay"]}
        if r["optimiser"] == "sgd":
            optimiser = torch.optim.SGD(parameters, momentum=r["momentum"], **common)
        else:
            optimiser = torch.optim.AdamW(parameters, fused=True, **common)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, self.steps, r))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _History(lightning.Callback):
    """One row an epoch."""

    def __init__(self):
        self.rows: list[dict] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        values = {name: round(float(value), 6) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch, **values})
        shown = ", ".join(f"{name} {value:.3f}" for name, value in sorted(values.items()))
        print(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: {shown}", flush=True)


def rate(step: int, steps: int, recipe: dict) -> float:
    """Factor of the learning rate at a step: linear warm-up from 1/1000, then ``cosine`` to 0 or ``step`` (x 0.1)."""
    per_epoch = max(1, steps // recipe["epochs"])
    warmup = min(recipe["warmup"], per_epoch)
    rise = min(1.0, 1e-3 + (1 - 1e-3) * step / warmup) if warmup else 1.0
    if recipe["schedule"] == "step":
        return rise * (0.1 if step >= recipe["drop"] * per_epoch else 1.0)
    done = max(0, step - warmup) / max(1, steps - warmup)
    return rise * 0.5 * (1 + float(np.cos(np.pi * min(1.0, done))))


def augmentation(recipe: dict) -> v2.Transform | None:
    """Random flip, affine map and jitter of a grey image (1, H, W) uint8, by recipe; None without augmentation."""
    parts: list[v2.Transform] = []
    if recipe.get("flip"):
        parts.append(v2.RandomHorizontalFlip())
    if recipe.get("jitter"):
        parts.append(v2.ColorJitter(brightness=recipe["jitter"], contrast=recipe["jitter"]))
    if recipe.get("rotate") or recipe.get("translate"):
        shift, scale, shear = (recipe["translate"],) * 2, tuple(recipe["scale"]), recipe["shear"]
        bilinear = v2.InterpolationMode.BILINEAR
        parts.append(v2.RandomAffine(recipe["rotate"], shift, scale, shear, interpolation=bilinear))
    return v2.Compose(parts) if parts else None
