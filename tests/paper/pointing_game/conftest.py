"""Hand-made observations, and a whole pointing game of them."""

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, saliency
from xiqa.paper.pointing_game.results import PointingGame
from xiqa.saliency.methods import tabulated


def observations(hits, method="gradcam", smoothed=True, units=None, **columns):
    """Observations of a table of hits (images, seeds): distance 5 for a hit, 50 for a miss, NaN: degenerate."""
    hits = np.asarray(hits, dtype=float)
    images, seeds = (index.ravel() for index in np.indices(hits.shape))
    names = np.array([f"{i:03d}" for i in range(len(hits))])
    flat = pd.Series(hits.ravel())
    frame = pd.DataFrame(
        {
            "image": names[images], "unit": names[images] if units is None else np.asarray(units)[images],
            "seed": seeds, "method": method, "smoothed": smoothed, "network": "resnet34", "state": "trained",
            "target": -1, "predicted": 1, "probability": 0.9, "distance": flat.map({1.0: 5.0, 0.0: 50.0}),
            "score": flat, "outcome": flat.map({1.0: "hit", 0.0: "miss"}).fillna("degenerate"),
        }
    )  # fmt: skip
    return frame.assign(**columns)


def every_method(share, seeds=2, count=12, units=None, **columns):
    """Observations by every method of the tables, with and without smoothing; ``share`` of images are hit."""
    rng = np.random.default_rng(0)
    draw = lambda: (rng.random((count, seeds)) < share).astype(float)  # noqa: E731
    parts = [observations(draw(), m, s, units, **columns) for m in tabulated() for s in (False, True)]
    return pd.concat(parts, ignore_index=True)


def make_game(dataset="object_cxr", seeds=2, second=True, **changes):
    """A pointing game on 12 images; on LVOT three frames are of one patient."""
    units = [f"p{i // 3}" for i in range(12)] if dataset == "lvot" else None
    draw = lambda share, count=seeds, **columns: every_method(share, count, units=units, **columns)  # noqa: E731
    other = draw(0.8, 1, network="efficientnet_b0") if second else None
    trained = draw(0.9)
    published = trained[trained["method"] != "gradcam_combined"].assign(score=0.0, variant="published")
    midl = published.assign(variant="published_midl")
    fixed = [
        observations(np.eye(12)[:1].T, name, False, units).drop(columns="seed")
        for name in ("constant_point", "centre", "chance")
    ]
    rows = [("layer4", True, False, 0.9), ("layer4", True, True, 0.95), ("layer2", False, True, 1.0)]
    fields = {
        "dataset": dataset, "label": {"object_cxr": "Object-CXR", "lvot": "LVOT"}[dataset], "network": "resnet34",
        "other": "efficientnet_b0" if second else None, "size": 160, "trained": trained,
        "fully_random": draw(0.1, state="fully_random"),
        "semi_random": {"SR* (shapes)": draw(0.2), "SR* (textures)": draw(0.3)}, "second": other,
        "validation": draw(0.9), "best_normgrad": "normgrad_scaling_combined", "baselines": pd.concat(fixed),
        "ceilings": pd.DataFrame(rows, columns=["layer", "single", "smoothed", "ceiling"]).assign(cells="5 x 5"),
        "published": {"FR": published, "SR* (shapes)": published, "Repeated": pd.concat([published, midl])}
        | ({"second": published} if second else {}),
        "published_validation": midl,
        "plain_silu": other[other["method"] == "guided_backprop"] if second else None,
        "validation_auc": {0: 0.7, 1: 0.8}, "auc_low": 0.8, "other_auc_low": 0.8 if second else 0.0,
        "missing": {} if second else {"second": "one network only"},
    }  # fmt: skip
    return PointingGame(**(fields | changes))


@pytest.fixture
def toy():
    """A further method, registered for the length of a test."""
    saliency.register("toy")(lambda captured: captured.input_gradient.abs().sum(1))
    yield "toy"
    del saliency.METHODS["toy"]


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("resnet18"), path)
    return path
