"""The randomisation test as one tidy table: what notebook 4 draws and tabulates.

Four kinds of rows, all of the same images and the class that the trained network predicted for them:

- ``cascade`` and ``independent``: the trained network's maps against those of its randomised copies (`xiqa.sanity`);
- ``retrained``: against those of the same network trained with another seed, which is as alike as maps of two networks
  that learned the same task are: the upper line;
- ``chance``: against the trained network's maps of other images: the lower line.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xiqa import models, sanity, similarity
from xiqa.data.prepared import Prepared
from xiqa.metrics import crossed_mean, wilson
from xiqa.training import device

MEASURES = ("spearman", "spearman_signed", "ssim", "hog")
STAGES = ("head random", "all random", "one block random", "other image", "retrained")
EXCESS = "all random - other image"


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
    prepared : entry of :func:`xiqa.data.prepared.prepare`.
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
    model = sanity.network(network, "trained", weights=weights).to(where)
    given = {"methods": methods, "batch": batch}
    parts = [
        function(model, images, seed=draw, **given).assign(kind=kind, repeat=draw)
        for draw in range(seed, seed + repeats)
        for kind, function in (("cascade", sanity.cascade), ("independent", sanity.independent))
    ]
    trained = [sanity.explained(model, some, methods) for some in images.split(batch)]
    if other is not None:
        second = sanity.network(network, "trained", weights=other).to(where)
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
    model = sanity.network(network, "trained", weights=weights).to(where)
    target, found = None, {}
    for _, block, forgetful in sanity.randomised(model, seed=seed):
        seen = sanity.explained(forgetful, picture, methods, target)
        target = seen.target
        found["trained" if block == "none" else block] = {name: maps[0] for name, maps in seen.maps.items()}
    if other is not None:
        second = sanity.network(network, "trained", weights=other).to(where)
        seen = sanity.explained(second, picture, methods, target)
        found["retrained"] = {name: maps[0] for name, maps in seen.maps.items()}
    return row, found


def curve(frame: pd.DataFrame, measures: tuple[str, ...] = similarity.MEASURES) -> pd.DataFrame:
    """Means along the cascade: a row a measure, method and step, and one each for ``retrained`` and ``chance``.

    Returns
    -------
    DataFrame with the columns measure, kind, method, step, layer, mean, low, high (95 % over images, and over draws if
    there are several), units, degenerate (pairs without a similarity).

    """
    shown = frame[frame["kind"] != "independent"]
    groups = shown.groupby(["kind", "method", "step", "layer"], sort=False)
    return pd.DataFrame(
        [
            {"measure": measure, **dict(zip(("kind", "method", "step", "layer"), key, strict=True))}
            | _mean(_by_unit(rows, measure))
            | {"degenerate": int(rows["degenerate"].sum())}
            for measure in measures
            for key, rows in groups
        ]
    )


def overview(frame: pd.DataFrame, measures: tuple[str, ...] = similarity.MEASURES) -> pd.DataFrame:
    """The table in numbers: a row a measure and method, and a column a stage of (mean, low, high) over images.

    The columns are those of ``STAGES``; then ``EXCESS``, paired by image: above 0 the map of a network that knows
    nothing is more like the trained one's than chance, so part of the map is the picture's and not the network's; and
    ``degenerate``, "3 of 48": pairs along the cascade without a similarity.
    """
    rows = []
    for measure in measures:
        for method, found in frame.groupby("method", sort=False):
            stages = {name: _by_unit(part, measure) for name, part in _stages(found).items()}
            cells = {name: _mean(values) for name, values in stages.items()}
            excess = stages["all random"].sub(stages["other image"].mean(axis=1), axis=0)
            cascade = found[(found["kind"] == "cascade") & (found["step"] > 0)]["degenerate"]
            rows.append(
                {"measure": measure, "method": method, **cells, EXCESS: _mean(excess)}
                | {"degenerate": f"{int(cascade.sum())} of {len(cascade)}"}
            )
    return pd.DataFrame(rows)


def flips(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Share of images for which the other network predicts another class, by stage, with Wilson's interval."""
    one = frame[frame["method"] == frame["method"].iloc[0]]
    found = {}
    for stage, rows in _stages(one).items():
        # Draws and blocks of one image are not independent: each image counts once, by its share.
        share = rows.groupby("unit")["flipped"].mean()
        low, high = wilson(share.sum(), len(share))
        known = len(share) > 0 and stage != "other image"
        found[stage] = dict(zip(("mean", "low", "high"), (share.mean(), low, high), strict=True)) if known else _NOTHING
    return found


def text(found: dict[str, float]) -> str:
    """``0.31 [0.25, 0.37]``; without an interval if there is none, a dash where there is no similarity."""
    if pd.isna(found["mean"]):
        return "-"
    mean, low, high = (round(float(found[name]), 2) + 0.0 for name in ("mean", "low", "high"))  # no "-0.00"
    return f"{mean:.2f}" if pd.isna(low) else f"{mean:.2f} [{low:.2f}, {high:.2f}]"


_NOTHING = dict.fromkeys(("mean", "low", "high"), np.nan)


def _stages(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    cascade = frame[frame["kind"] == "cascade"]
    parts = (
        cascade[cascade["step"] == 1],
        cascade[cascade["step"] == cascade["step"].max()],
        frame[frame["kind"] == "independent"],
        frame[frame["kind"] == "chance"],
        frame[frame["kind"] == "retrained"],
    )
    return dict(zip(STAGES, parts, strict=True))


def _by_unit(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Similarities as a table (units x draws), averaged over blocks where there are several."""
    return rows.pivot_table(measure, "unit", "repeat", dropna=False)


def _mean(values: pd.DataFrame) -> dict[str, float]:
    found = crossed_mean(values.to_numpy())
    return {name: found[name] for name in ("mean", "low", "high")} | {"units": found["images"]}
