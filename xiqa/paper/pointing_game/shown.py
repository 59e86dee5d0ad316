"""Maps of a few images for the figures: hits and misses of the best NormGrad variant, and the reason of a miss."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from xiqa import models, saliency
from xiqa.data.shapes import Shape
from xiqa.paper.pointing_game import results
from xiqa.paper.study import Study
from xiqa.saliency.methods import tabulated

NEGATIVE = "miss: the network predicts the negative class"
ELSEWHERE = "miss: the class is right, the map points elsewhere"


@dataclass(frozen=True, eq=False)
class Shown:
    """N images, their maps and the outcome of each. eq=False: comparing arrays is ambiguous, so identity."""

    dataset: str
    network: str
    method: str  # that the images were chosen by
    images: list[str]  # names
    pixels: NDArray  # (N, H, W) grey values
    shapes: list[list[Shape]]  # annotation of each image
    reasons: list[str]  # "hit", or why ``method`` misses, for each image
    maps: dict[str, NDArray]  # name of a method or a layer -> (N, H, W)
    outcomes: pd.DataFrame  # image, map and the columns of `xiqa.pointing_game.play`, smoothed maps


def outcomes(study: Study, dataset: str, method: str) -> pd.DataFrame:
    """Smoothed outcomes of a method on the first network, indexed by image: the first image of each unit."""
    frame = results.observations(study, results.trained(study, dataset)[:1])
    return frame[(frame["method"] == method) & frame["smoothed"]].drop_duplicates("unit").set_index("image")


def choose(outcome: pd.Series, count: int) -> list[str]:
    """Half hits, then half misses (if there are so many), in the order of the data set; at least one image."""
    hits, misses = (list(outcome.index[outcome == word]) for word in ("hit", "miss"))
    misses = misses[: max(count // 2, count - len(hits))]
    return [*hits[: count - len(misses)], *misses] or list(outcome.index[:1])


def reason(row: pd.Series) -> str:
    """Reason of the outcome of one map of a positive image: its outcome, or why it misses."""
    if row["outcome"] != "miss":
        return row["outcome"]
    return NEGATIVE if row["probability"] < 0.5 else ELSEWHERE


def examples(study: Study, dataset: str, method: str) -> Shown:
    """Hits and misses of a method, explained by every method."""
    table = outcomes(study, dataset, method)
    return _explained(study, dataset, method, choose(table["outcome"], study.profile.shown), table)


def layers(study: Study, dataset: str, method: str, stem: str | None = None) -> Shown:
    """Hits and misses of a combined method, layer by layer; with ``stem`` (``gradcam``) the first image by that one."""
    table = outcomes(study, dataset, method)
    shown = _explained(study, dataset, method, choose(table["outcome"], 4), table, stem or method.rsplit("_", 1)[0])
    if stem is None:
        return shown
    maps = {name: values[:1] for name, values in shown.maps.items()}
    lists = {name: getattr(shown, name)[:1] for name in ("images", "pixels", "shapes", "reasons")}
    return replace(shown, **lists, maps=maps, outcomes=shown.outcomes[shown.outcomes["image"] == shown.images[0]])


def _explained(
    study: Study, dataset: str, method: str, images: list[str], table: pd.DataFrame, stem: str | None = None
) -> Shown:
    setup, data = results.trained(study, dataset)[0], study.data(dataset)
    names = data.records("test")["image"].tolist()
    rows = [names.index(name) for name in images]
    pixels = np.asarray(data.images("test")[rows])
    model, inputs = study.model(dataset, setup.network, setup.seed), models.normalise(torch.from_numpy(pixels))
    if stem is None:
        maps = saliency.explain(model, inputs, tabulated(), silu="clamp")
    else:
        maps = _by_layer(model, inputs, stem)
    truth = data.truth("test", rows)
    outcomes = [
        pd.concat([pd.DataFrame({"image": images, "map": name}), results.RULE.outcomes(values, truth, True)], axis=1)
        for name, values in maps.items()
    ]
    return Shown(
        dataset=dataset,
        network=setup.network,
        method=method if stem is None else f"{stem}_combined",
        images=images,
        pixels=pixels,
        shapes=[data.shapes("test", row) for row in rows],
        reasons=[reason(table.loc[name]) for name in images],
        maps={name: values.numpy() for name, values in maps.items()},
        outcomes=pd.concat(outcomes, ignore_index=True),
    )


def _by_layer(model: torch.nn.Module, inputs: torch.Tensor, stem: str) -> dict[str, torch.Tensor]:
    single, combined = "gradcam" if stem == "gradcam" else f"{stem}_single", f"{stem}_combined"
    maps = {
        layer: saliency.explain(model, inputs, single, layers={"single": [layer]})[single]
        for layer in model.saliency_layers["combined"]
    }
    return maps | {"product": saliency.explain(model, inputs, combined)[combined]}
