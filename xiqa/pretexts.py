"""The second pretext: a backbone that has learned without ever seeing an object.

"Pretrained backbone, untrained head" without ImageNet weights means another thing for every pretext. The first
(:func:`xiqa.training.train_pretext`) names small shapes, which is nearly the task; this one names textures that are
alike everywhere. What both agree on does not hang on the choice of pretext.
"""

from pathlib import Path

import torch

from xiqa import models
from xiqa.runner.store import write_frame
from xiqa.synthetic import textures
from xiqa.training import VALIDATION_SHARE, fit


def train_textures(folder: Path, recipe: dict) -> None:
    """Store function: teach a backbone to name textures; writes ``weights.pt`` and ``history.csv``.

    Parameters
    ----------
    recipe : values of :class:`xiqa.recipes.Pretext`; a tenth of its images select the epoch.

    Raises
    ------
    ValueError : the recipe speaks of another number of kinds than there are textures.

    """
    if recipe["kinds"] != len(textures.KINDS):
        raise ValueError(f"there are {len(textures.KINDS)} kinds of texture, not {recipe['kinds']}")
    images, kinds = textures.draw(recipe["images"], recipe["size"], recipe["seed"])
    held_out = max(1, round(len(images) * VALIDATION_SHARE))
    torch.manual_seed(recipe["seed"])
    model = models.build(recipe["network"], num_classes=recipe["kinds"])
    if recipe["zero_residual"]:
        models.zero_residual(model)
    history = fit(model, (images[held_out:], kinds[held_out:]), (images[:held_out], kinds[:held_out]), recipe, folder)
    models.save(model, folder / "weights.pt", trained_to="name textures", kinds=list(textures.KINDS))
    write_frame(history, folder / "history.csv")
