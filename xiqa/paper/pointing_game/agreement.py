"""Do two networks that learned the same task point at the same things? Maps and hits, image by image.

Scores can agree where maps do not: two networks that hit on different images have the same score, and DoM*, which
compares scores, is 0 for a map that never changes. So three things are kept apart here:

- *maps*: similarity of the two networks' maps of the same image and class (`alike`, `table`), beside that to the other
  network's maps of other images, which is reached without looking at this one;
- *hits*: agreement image by image (`agreement`), beyond what two networks of these scores reach by chance;
- *scores*: equality of means, which needs an equivalence test (:func:`xiqa.metrics.verdicts.equivalent`).

Two trainings of one recipe speak of repeatability, two architectures of reproducibility.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from xiqa import models, sanity
from xiqa.data.arrays.images import Prepared
from xiqa.metrics.agreement import cohen_kappa, kappa_interval
from xiqa.metrics.intervals import clustered_wilson, crossed_mean
from xiqa.paper.pointing_game.scores import outcomes
from xiqa.paper.sanity_checks import observe
from xiqa.sanity import similarity
from xiqa.training.loop import device

PARTNERS = 4  # other images that each map is compared with for the chance line
SEED = 0  # of the choice of these
CHANCE = {name: f"{name}_chance" for name in similarity.MEASURES}
COLUMNS = ["method", "image", "unit", *similarity.MEASURES, "degenerate", "flipped", *CHANCE.values()]
Network = tuple[str, int]  # name and seed of its training


def alike(
    prepared: Path,
    first: Path | None,
    second: Path | None,
    networks: list[str],
    split: str,
    count: int,
    methods: list[str],
    batch: int,
) -> pd.DataFrame:
    """Store function: compare the maps of two networks image by image.

    Parameters
    ----------
    prepared : entry of :func:`xiqa.data.prepare_images.prepare`.
    first, second : weights files of the trained networks; None for one that was never trained. Two such networks show
        how far maps agree because both follow the picture, which neither the chance line nor a trained pair tells.
    networks : their names, twice the same for two trainings of one recipe.
    split, count : how many images of which split, in its order. Only images with an object (or a fault), the first of
        each independent unit: so images are units here, and intervals over them are honest.
    methods : names of saliency methods.
    batch : images explained together; fixed, so that numbers repeat.

    Returns
    -------
    DataFrame, a row an image and method, with the columns method, image, unit; spearman, ssim, hog
    (:mod:`xiqa.sanity.similarity`) of the two networks' maps of the class that the first predicts; degenerate (one of the two
    has no peak: no similarity); flipped (the second predicts another class); and spearman_chance, ssim_chance,
    hog_chance: of the first's map and the second's maps of other units, mean of at most ``PARTNERS``.

    Raises
    ------
    ValueError : the split has no image with an object; not two networks; unknown method.

    """
    if len(networks) != 2:
        raise ValueError(f"two networks are compared, not {len(networks)}: {', '.join(networks)}")
    data, where = Prepared(prepared), device()
    rows = observe.chosen(data, split, count)
    about = data.records(split).iloc[rows][["image", "unit"]].reset_index(drop=True)
    images = models.normalise(torch.from_numpy(np.ascontiguousarray(data.images(split)[rows])).to(where))
    ours = _explained(_network(networks[0], first, 0), images, methods, batch, None)
    theirs = _explained(_network(networks[1], second, 1), images, methods, batch, ours.target)
    flipped = (ours.predicted != theirs.predicted).numpy()
    partners = similarity.pairs(about["unit"], PARTNERS, SEED)
    parts = [
        _compared(ours.maps[name], theirs.maps[name], partners).assign(**about, method=name, flipped=flipped)
        for name in methods
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _network(name: str, weights: Path | None, seed: int) -> nn.Module:
    """A trained network, or one drawn from the seed."""
    return models.network(name, "trained" if weights else "fully_random", seed, weights)


def _explained(
    model: nn.Module, images: torch.Tensor, methods: list[str], batch: int, target: torch.Tensor | None
) -> sanity.Explained:
    """Maps of all images by one network, a batch at a time."""
    # The layout is the faster one on a CPU.
    layout = {"memory_format": torch.channels_last}
    model = model.to(images.device, **layout)
    batches = images.split(batch)
    targets = [None] * len(batches) if target is None else target.split(batch)
    found = [
        sanity.explained(model, some.contiguous(**layout), methods, wanted)
        for some, wanted in zip(batches, targets, strict=True)
    ]
    maps = {method: torch.cat([part.maps[method] for part in found]) for method in methods}
    classes = (torch.cat([getattr(part, name) for part in found]) for name in ("target", "predicted"))
    return sanity.Explained(maps, {}, *classes)


def _compared(first: torch.Tensor, second: torch.Tensor, partners: tuple[NDArray, NDArray]) -> pd.DataFrame:
    """Similarity pair by pair, and to the second's maps of the partners; features are computed once a map."""
    ours, theirs = similarity.features(first), similarity.features(second)
    found = similarity.compare_features(ours, theirs)
    left, right = partners
    others = similarity.compare_features(_rows(ours, left), _rows(theirs, right))
    line = others.groupby(left)[list(similarity.MEASURES)].mean().reindex(found["image"])
    # Where the map itself is like nothing there is nothing to stand beside either.
    line = line.reset_index(drop=True).mask(found["degenerate"])
    return pd.concat([found.drop(columns="image"), line.rename(columns=CHANCE)], axis=1)


def _rows(found: similarity.Features, which: NDArray[np.intp]) -> similarity.Features:
    return similarity.Features(*(None if part is None else part[which] for part in found))


def table(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Means over units of what `alike` found: a row a comparison and method.

    Returns
    -------
    DataFrame with the columns comparison, method; for each measure, say ssim, three columns of {mean, low, high,
    units} with 95 % intervals over units (:func:`xiqa.paper.numbers.text` writes them): ``ssim``, ``ssim_chance`` and
    ``ssim_excess``, the paired difference of both, which alone says whether the two maps of an image have more in
    common than maps have anyway; degenerate ("3 of 48" pairs without a similarity) and flipped (share of images).

    """
    return pd.DataFrame(
        [
            {"comparison": comparison, "method": method} | _cells(rows)
            for comparison, frame in frames.items()
            for method, rows in frame.groupby("method", sort=False)
        ]
    )


def _cells(rows: pd.DataFrame) -> dict:
    cells = {}
    for measure, chance in CHANCE.items():
        cells |= {measure: _mean(rows, rows[measure]), chance: _mean(rows, rows[chance])}
        cells[f"{measure}_excess"] = _mean(rows, rows[measure] - rows[chance])
    without = f"{int(rows['degenerate'].sum())} of {len(rows)}"
    return cells | {"degenerate": without, "flipped": float(rows["flipped"].mean())}


def _mean(rows: pd.DataFrame, values: pd.Series) -> dict[str, float]:
    found = crossed_mean(values.groupby(rows["unit"]).mean().to_frame().to_numpy())
    return {name: found[name] for name in ("mean", "low", "high")} | {"units": found["images"]}


def agreement(
    observations: pd.DataFrame, methods: Sequence[str], pairs: Sequence[tuple[Network, Network]]
) -> pd.DataFrame:
    """Agreement of hits (smoothed maps) of two trained networks, image by image: a row a pair and method.

    Kappa counts what is beyond chance, and chance is high where nearly all images are hit: two networks that hit 98 %
    each and disagree on two images of a hundred have a kappa near 0. So the raw agreement and both scores stand beside
    it, and kappa is read only where scores leave room.

    Parameters
    ----------
    observations : rows of :func:`xiqa.paper.pointing_game.observe.observe`, of several networks and seeds, one split.
    methods : names of saliency methods.
    pairs : ((network, seed), (network, seed)), ...: two seeds of a network, or two networks.

    Returns
    -------
    DataFrame with the columns first, second ("resnet34 s0"), method, kappa, low, high (95 %, bootstrap over units),
    agreement, agreement_low, agreement_high (share of images, Wilson's interval for clustered images), first_score,
    second_score (share of images hit), images, units. Images without a verdict in one of both are left out.

    Raises
    ------
    ValueError : no observations of a trained network that was asked for, or of a method of it.

    """
    rows = []
    for first, second in pairs:
        for method in methods:
            ours, theirs = (_hits(observations, which, method) for which in (first, second))
            hits = pd.concat({"first": ours, "second": theirs}, axis=1).dropna()
            named = {"first": _label(first), "second": _label(second), "method": method}
            rows.append(named | _agreed(hits))
    return pd.DataFrame(rows)


def _hits(observations: pd.DataFrame, which: Network, method: str) -> pd.Series:
    """Hits of one training by (unit, image)."""
    network, seed = which
    frame = observations[(observations["network"] == network) & (observations["state"] == "trained")]
    found = outcomes(frame[frame["seed"] == seed], method, smoothed=True)
    if not len(found):
        raise ValueError(f"there are no observations of {_label(which)}, trained, by {method} (smoothed)")
    return found[seed]


def _agreed(hits: pd.DataFrame) -> dict:
    first, second, units = hits["first"], hits["second"], hits.index.get_level_values("unit")
    same = (first == second).to_numpy()
    kappa, share = kappa_interval(first, second, units), clustered_wilson(same, units)
    return {
        "kappa": cohen_kappa(first, second),
        **dict(zip(("low", "high"), kappa, strict=True)),
        "agreement": float(same.mean()) if len(same) else np.nan,
        **dict(zip(("agreement_low", "agreement_high"), share, strict=True)),
        "first_score": float(first.mean()),
        "second_score": float(second.mean()),
        "images": len(hits),
        "units": units.nunique(),
    }


def _label(which: Network) -> str:
    return f"{which[0]} s{which[1]}"
