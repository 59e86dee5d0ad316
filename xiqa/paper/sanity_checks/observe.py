"""Observations of the randomisation test, all of the class that the trained network predicts for an image."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, sanity
from xiqa.data.arrays.images import Prepared
from xiqa.models.devices import device
from xiqa.sanity import similarity
from xiqa.sanity.randomise import COLUMNS, SignedMaps

MAPS = "maps.npz"


def randomisation(
    prepared: Path,
    network: str,
    weights: Path,
    second: Path | None,
    split: str,
    count: int,
    methods: list[str],
    seed: int,
    batch: int,
) -> pd.DataFrame:
    """Store function: randomise a trained network block by block and compare its maps.

    The first ``count`` images with an object are explained, one of each unit, ``batch`` at a time (fixed, so that
    numbers repeat). ``weights`` and ``second`` are of trainings with two seeds; ``seed`` is that of the new parameters.
    Kinds of rows: ``cascade`` and ``independent``, of the network and its randomised copies (`xiqa.sanity`);
    ``retrained``, of both trainings (the upper line); ``chance``, of two images (the lower line). Columns: those of
    :func:`xiqa.sanity.cascade`, kind, repeat (``seed``), unit, predicted (class explained).
    """
    data = Prepared(prepared)
    records, rows = data.records(split), chosen(data, split, count)
    images, model = _inputs(data, split, rows), _load(network, weights)
    parts = [
        function(model, images, methods, seed=seed, batch=batch).assign(kind=function.__name__)
        for function in (sanity.cascade, sanity.independent)
    ]
    trained = [sanity.signed_maps(model, some, methods) for some in images.split(batch)]
    if second is not None:
        retrained = _retrained(_load(network, second), trained, images.split(batch), methods)
        parts.append(retrained.assign(kind="retrained", step=-1, layer="-"))
    parts.append(_chance(trained, methods, seed).assign(kind="chance", step=-1, layer="-", flipped=False))
    frame = pd.concat(parts, ignore_index=True)
    number = frame["image"].to_numpy()
    predicted = torch.cat([part.predicted for part in trained]).numpy()[number]
    names = {name: records[name].to_numpy()[rows][number] for name in ("image", "unit")}
    columns = ["kind", "repeat", *COLUMNS[:4], "unit", "predicted", *COLUMNS[4:]]
    return frame.assign(**names, predicted=predicted, repeat=seed)[columns]


def cascade_maps(
    folder: Path,
    prepared: Path,
    network: str,
    weights: Path,
    second: Path | None,
    split: str,
    methods: list[str],
    seed: int,
) -> None:
    """Store function: maps of the first image of `randomisation` at every step of the cascade, as ``maps.npz``.

    The file holds ``row`` (position of the image in its split), ``methods``, and for each step ("trained", "head" ...
    "retrained") an array (methods, H, W), float32.
    """
    data = Prepared(prepared)
    rows = chosen(data, split, 1)
    image, target, maps = _inputs(data, split, rows), None, {}
    for _, block, model in sanity.randomised(_load(network, weights), seed=seed):
        explained = sanity.signed_maps(model, image, methods, target)
        target, maps["trained" if block == "none" else block] = explained.target, explained.maps
    if second is not None:
        maps["retrained"] = sanity.signed_maps(_load(network, second), image, methods, target).maps
    arrays = {step: np.stack([values[name][0].float().numpy() for name in methods]) for step, values in maps.items()}
    np.savez_compressed(Path(folder) / MAPS, row=rows[0], methods=np.array(methods), **arrays)


def chosen(data: Prepared, split: str, count: int) -> np.ndarray:
    """Rows of the first ``count`` images with an object, one of each unit: independent. ValueError if there is none."""
    records = data.records(split)
    rows = records[records["label"] == 1].drop_duplicates("unit").index.to_numpy()[:count]
    if not len(rows):
        raise ValueError(f"no image of the {split} split has an object: there is nothing to explain")
    return rows


def _inputs(data: Prepared, split: str, rows: np.ndarray) -> torch.Tensor:
    return models.normalise(torch.from_numpy(np.ascontiguousarray(data.images(split)[rows])).to(device()))


def _load(network: str, weights: Path) -> torch.nn.Module:
    return models.network(network, "trained", weights=weights).to(device())


def _retrained(
    second: torch.nn.Module, trained: list[SignedMaps], batches: tuple[torch.Tensor, ...], methods: list[str]
) -> pd.DataFrame:
    """Similarity to the maps of the second network, of the class that the first predicts."""
    parts, before = [], 0
    for first, images in zip(trained, batches, strict=True):
        rows = sanity.compare(first, sanity.signed_maps(second, images, methods, first.target))
        parts.append(rows.assign(image=rows["image"] + before))
        before += len(images)
    return pd.concat(parts, ignore_index=True)


def _chance(trained: list[SignedMaps], methods: list[str], seed: int) -> pd.DataFrame:
    """Similarity of each map to the maps of other images."""
    parts = []
    for method in methods:
        line = similarity.chance_line(torch.cat([part.maps[method] for part in trained]), seed)
        if method in trained[0].signed:
            signed = torch.cat([part.signed[method] for part in trained])
            left, right = similarity.pairs(len(signed), seed)
            means = pd.Series(similarity.spearman(signed[left], signed[right])).groupby(left).mean()
            line["spearman_signed"] = means.reindex(line["image"])
        parts.append(line.assign(method=method))
    return pd.concat(parts, ignore_index=True)
