"""What notebooks 04 and 05 set side by side, as tidy numbers: programs, measures of localisation, answers, networks."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from xiqa.metrics.agreement import mcnemar
from xiqa.metrics.intervals import crossed_mean, wilson
from xiqa.paper.pointing_game import agreement, scores
from xiqa.paper.pointing_game.game import Game
from xiqa.paper.pointing_game.scores import outcomes

AGREED = ["first", "second", "method", "kappa", "low", "high", "agreement", "agreement_low", "agreement_high"]


def programs(game: Game, delta: float) -> pd.DataFrame:
    """Verdicts of the corrected program, of the published one and of each of its defects alone on the five claims.

    All on what the published programs have: without combined Grad-CAM, and with one pretrained backbone.

    Returns
    -------
    DataFrame, a row a claim, with the columns claim, statement, corrected and the variants of :meth:`Game.variants`.

    """
    judged = {"corrected": game.claims(delta, ours=False)}
    judged |= {name: game.claims(delta, name) for name in game.variants()}
    parts = [
        found.drop_duplicates("claim").set_index(["claim", "statement"])["verdict on the claim"].rename(name)
        for name, found in judged.items()
    ]
    return pd.concat(parts, axis=1).reset_index()


def by_program(game: Game, methods: Iterable[str]) -> pd.DataFrame:
    """Scores of the trained primary network by every program: a row a program, method and smoothing."""
    frames = {"corrected": game.trained} | {name: game.published(name)["Repeated"] for name in game.variants()}
    return scores.scores(frames, methods).rename(columns={"weights": "program"})


def by_answer(game: Game, methods: Iterable[str]) -> pd.DataFrame:
    """Smoothed hits of the primary network, split by what it said of the image, and all for the positive class.

    Returns
    -------
    DataFrame, a row a method, with the columns method and, as dictionaries of :func:`xiqa.paper.pointing_game.scores.score`, ``positive``
    (images that it calls positive, explained so), ``negative`` (images that it misses, explained as negative) and
    ``positive class`` (all images explained for the positive class, whatever it says).

    """
    called = game.trained["predicted"] == 1
    missed = game.study.missed(game.dataset, game.network)
    frames = {
        "positive": game.trained[called],
        "negative": game.trained[~called],
        "positive class": pd.concat([game.trained[called], missed], ignore_index=True),
    }
    return pd.DataFrame([{"method": m} | {name: _score(frame, m) for name, frame in frames.items()} for m in methods])


def _score(frame: pd.DataFrame, method: str) -> dict[str, float]:
    """Mean over images and seeds together: an image may be called positive by one seed and negative by another."""
    rows = frame[(frame["method"] == method) & frame["smoothed"]].dropna(subset="score")
    return _share(rows.groupby("unit")["score"].mean().to_frame().to_numpy()) | {"maps": len(rows)}


def _share(values: np.ndarray) -> dict[str, float]:
    """Mean of shares (units, seeds) with its 95 % interval, cut to [0, 1]; Wilson's over units where all agree."""
    known = values[~np.isnan(values).any(axis=1)]
    found, count = crossed_mean(values), len(known)
    low, high = (float(np.clip(found[end], 0, 1)) for end in ("low", "high"))
    mean = float(known.mean()) if count else np.nan
    if mean in (0, 1) and not low < high:
        low, high = wilson(mean * count, count)
    return {"mean": mean, "low": low, "high": high, "units": count}


def against(game: Game, methods: Iterable[str]) -> dict[str, float]:
    """Exact McNemar p values of the best network: each method against the one that speaks for NormGrad, smoothed.

    Only where every image is a unit of its own; NaN elsewhere, and for the speaker itself.
    """
    ours = outcomes(game.best, game.chosen, True)
    alone = (ours.index.get_level_values("unit") == ours.index.get_level_values("image")).all()
    found = {}
    for method in methods:
        theirs = outcomes(game.best, method, True).reindex(ours.index)
        fit = alone and method != game.chosen and len(theirs.dropna())
        found[method] = mcnemar(ours.iloc[:, 0], theirs.iloc[:, 0]) if fit else np.nan
    return found


def agreed(game: Game, methods: Iterable[str]) -> pd.DataFrame:
    """Agreement of hits image by image over the primary network's seeds and with the second network's first seed.

    Columns as of :func:`xiqa.paper.pointing_game.agreement.agreement`; no row where there is one training only.
    """
    seeds = sorted(game.trained["seed"].unique())
    pairs = [((game.network, seeds[0]), (game.network, seed)) for seed in seeds[1:]]
    frames = [game.trained]
    if game.second is not None:
        pairs.append(((game.network, seeds[0]), (game.other, min(game.second["seed"]))))
        frames.append(game.second)
    found = agreement.agreement(pd.concat(frames, ignore_index=True), list(methods), pairs)
    return found if len(found) else pd.DataFrame(columns=AGREED)
