"""The randomisation test as one tidy table: what notebook 4 draws and tabulates.

Four kinds of rows, all of the same images and the class that the trained network predicted for them:

- ``cascade`` and ``independent``: the trained network's maps against those of its randomised copies (`xiqa.sanity.randomise`);
- ``retrained``: against those of the same network trained with another seed, which is as alike as maps of two networks
  that learned the same task are: the upper line;
- ``chance``: against the trained network's maps of other images: the lower line.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, sanity
from xiqa.data.arrays.images import Prepared
from xiqa.sanity import similarity
from xiqa.training.loop import device


def randomisation(
    prepared: Path,
    weights: Path,
    network: str,
    other: Path | None,
    split: str,
    count: int,
    methods: list[str],
    seed: int,
    repeats: int,
    batch: int,
) -> pd.DataFrame:
    """Store function: randomise one trained network block by block and compare its maps.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepare_images.prepare`.
    weights : weights file of the trained network.
    network : its name.
    other : weights file of the same network trained with another seed; None leaves the upper line out.
    split, count : how many images of which split, in its order. Only images with an object (or a fault), the first of
        each independent unit: so images are units here, and intervals over them are honest.
    methods : names of saliency methods.
    seed, repeats : the new parameters are drawn ``repeats`` times, from ``seed`` upwards.
    batch : images explained together.

    Returns
    -------
    DataFrame, a row an image, method and step, with the columns kind, repeat (seed of the draw), step and layer (-1 and
    "-" for ``retrained`` and ``chance``), image, unit, predicted (class explained), and those of
    :func:`xiqa.sanity.cascade`.

    Raises
    ------
    ValueError : the split has no image with an object.

    """
    data, where = Prepared(prepared), device()
    records, rows = data.records(split), chosen(data, split, count)
    images = models.normalise(torch.from_numpy(np.ascontiguousarray(data.images(split)[rows])).to(where))
    model = models.network(network, "trained", weights=weights).to(where)
    given = {"methods": methods, "batch": batch}
    parts = [
        function(model, images, seed=draw, **given).assign(kind=kind, repeat=draw)
        for draw in range(seed, seed + repeats)
        for kind, function in (("cascade", sanity.cascade), ("independent", sanity.independent))
    ]
    trained = [sanity.explained(model, some, methods) for some in images.split(batch)]
    if other is not None:
        second = models.network(network, "trained", weights=other).to(where)
        found = _retrained(second, trained, images.split(batch), methods)
        parts.append(found.assign(kind="retrained", repeat=seed, step=-1, layer="-"))
    parts.append(_chance(trained, methods, seed).assign(kind="chance", repeat=seed, step=-1, layer="-", flipped=False))
    frame = pd.concat(parts, ignore_index=True)
    which = frame["image"].to_numpy()
    predicted = torch.cat([part.predicted for part in trained]).numpy()
    names = {name: records[name].to_numpy()[rows][which] for name in ("image", "unit")}
    columns = ["kind", "repeat", *sanity.COLUMNS[:4], "unit", "predicted", *sanity.COLUMNS[4:]]
    return frame.assign(**names, predicted=predicted[which])[columns]


def chosen(data: Prepared, split: str, count: int) -> np.ndarray:
    """Rows of the first ``count`` images with an object, the first of each unit.

    Raises
    ------
    ValueError : the split has no image with an object.

    """
    records = data.records(split)
    rows = records[records["label"] == 1].drop_duplicates("unit").index.to_numpy()[:count]
    if not len(rows):
        raise ValueError(f"no image of the {split} split has an object: there is nothing to explain")
    return rows


def _retrained(
    second: torch.nn.Module, trained: list[sanity.Explained], batches: tuple[torch.Tensor, ...], methods: list[str]
) -> pd.DataFrame:
    """The second network's maps of the class that the first predicted, compared with the first's."""
    parts, before = [], 0
    for first, images in zip(trained, batches, strict=True):
        found = sanity.alike(first, sanity.explained(second, images, methods, first.target))
        parts.append(found.assign(image=found["image"] + before))
        before += len(images)
    return pd.concat(parts, ignore_index=True)


def _chance(trained: list[sanity.Explained], methods: list[str], seed: int) -> pd.DataFrame:
    """Each map against the maps of other images."""
    parts = []
    for method in methods:
        line = similarity.chance_line(torch.cat([part.maps[method] for part in trained]), seed=seed)
        if method in trained[0].signed:
            signed = torch.cat([part.signed[method] for part in trained])
            left, right = similarity.pairs(range(len(signed)), seed=seed)
            alike = pd.Series(similarity.spearman(signed[left], signed[right])).groupby(left).mean()
            line["spearman_signed"] = alike.reindex(line["image"])
        parts.append(line.assign(method=method))
    return pd.concat(parts, ignore_index=True)


def along(
    prepared: Path,
    weights: Path,
    network: str,
    other: Path | None,
    split: str,
    methods: list[str],
    seed: int,
    place: int = 0,
) -> tuple[int, dict[str, dict[str, torch.Tensor]]]:
    """Maps of one image down the cascade, to look at; arguments as of `randomisation`.

    ``place`` says which of the images that `randomisation` explains.

    Returns
    -------
    row of the image in its split; step ("trained", "head" ... , "retrained") -> method -> map (H, W).

    """
    data, where = Prepared(prepared), device()
    row = int(chosen(data, split, place + 1)[place])
    picture = models.normalise(torch.from_numpy(np.asarray(data.images(split)[[row]])).to(where))
    model = models.network(network, "trained", weights=weights).to(where)
    target, found = None, {}
    for _, block, forgetful in sanity.randomised(model, seed=seed):
        seen = sanity.explained(forgetful, picture, methods, target)
        target = seen.target
        found["trained" if block == "none" else block] = {name: maps[0] for name, maps in seen.maps.items()}
    if other is not None:
        second = models.network(network, "trained", weights=other).to(where)
        seen = sanity.explained(second, picture, methods, target)
        found["retrained"] = {name: maps[0] for name, maps in seen.maps.items()}
    return row, found
