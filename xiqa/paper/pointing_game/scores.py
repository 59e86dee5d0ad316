"""Scores of the pointing game: means over units (radiographs, patients) of the share of a unit's images that hit."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.agreement import cohen_kappa, kappa_interval
from xiqa.saliency.names import METHOD_NAMES

NORMGRAD = tuple(name for name in METHOD_NAMES if name.startswith("normgrad"))
OTHERS = ("gradcam", "guided_gradcam", "guided_backprop", "input_x_gradient")


def further(frame: pd.DataFrame) -> list[str]:
    """Methods of observations that are registered beside those of the papers."""
    return [method for method in frame["method"].unique() if method not in METHOD_NAMES]


def score(frame: pd.DataFrame, method: str, smoothed: bool, tolerance: float | None = None) -> dict[str, float]:
    """Pointing-game score of a method: mean, low, high, images, units, seeds, degenerate (maps without a peak).

    With one network, and every image a unit of its own, the interval is Wilson's; otherwise it is over units and seeds
    together (:func:`xiqa.metrics.intervals.crossed_mean`), cut to [0, 1]. Where all units agree there is no spread to
    measure, and it is Wilson's interval over units.
    """
    table = outcomes(frame, method, smoothed, tolerance)
    alone = bool((table.index.get_level_values("unit") == table.index.get_level_values("image")).all())
    units, images = by_unit(table), len(table.dropna())
    mean = metrics.crossed_mean(units.to_numpy())
    mean["low"], mean["high"] = max(mean["low"], 0.0), min(mean["high"], 1.0)
    if len(units):
        mean["mean"] = float(units.to_numpy().mean())
    if (alone and table.shape[1] == 1) or (len(units) and mean["low"] == mean["high"] and mean["mean"] in (0, 1)):
        mean["low"], mean["high"] = metrics.wilson(mean["mean"] * len(units) if len(units) else 0, len(units))
    rows = frame[(frame["method"] == method) & (frame["smoothed"] == smoothed)]
    degenerate = int((rows["outcome"] == "degenerate").sum())
    return mean | {"images": images, "units": len(units), "degenerate": degenerate}


def baseline_scores(baselines: pd.DataFrame) -> pd.DataFrame:
    """Scores of baselines without a network, indexed by method; chance is exact and has no interval."""
    frame = baselines.assign(seed=0)
    rows = [{"method": method, **score(frame, method, smoothed=False)} for method in frame["method"].unique()]
    table = pd.DataFrame(rows).set_index("method")
    table.loc[["chance"], ["low", "high"]] = np.nan
    return table


def best_on_validation(frame: pd.DataFrame) -> str:
    """The NormGrad variant of the highest smoothed score on the validation split."""
    # A variant without a verdict (constant maps) is never the best.
    return max(NORMGRAD, key=lambda method: np.nan_to_num(score(frame, method, smoothed=True)["mean"], nan=-1))


def differences(frame: pd.DataFrame, first: str, others: Iterable[str]) -> dict[str, np.ndarray]:
    """Paired differences (units, seeds) of the smoothed maps of one method minus those of each other one."""
    hits = outcomes(frame, first, smoothed=True)
    return {other: minus(hits, outcomes(frame, other, smoothed=True)) for other in others}


def minus(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """Differences of images that both have, averaged by unit; a series of more seeds is cut to the shorter."""
    images = first.index.intersection(second.index)
    seeds = min(first.shape[1], second.shape[1])
    paired = first.loc[images].iloc[:, :seeds] - second.loc[images].iloc[:, :seeds].to_numpy()
    return by_unit(paired).to_numpy()


def between(first: pd.DataFrame, second: pd.DataFrame, method: str) -> np.ndarray:
    """Differences (units, 1) of two networks, each averaged over its seeds."""
    return minus(*(outcomes(frame, method, smoothed=True).mean(axis=1).to_frame() for frame in (first, second)))


def dom(first: pd.DataFrame, second: pd.DataFrame, method: str) -> dict[str, float]:
    """DoM* (our definition): absolute ``difference`` of a method's mean score on two networks; its 90 % interval."""
    mean = metrics.crossed_mean(between(first, second, method), confidence=0.90)
    return {"dom": abs(mean["mean"]), "difference": mean["mean"], "low": mean["low"], "high": mean["high"]}


def kappas(trained: pd.DataFrame, second: pd.DataFrame | None, methods: Iterable[str]) -> pd.DataFrame:
    """Kappa of smoothed hits, image by image: of the first seed with every other one, and with the second network.

    Equal scores are not equal hits. Two trainings of one recipe show repeatability, two architectures reproducibility.
    Columns: comparison ("seed 0 and seed 1"), method, kappa, low, high (95 %, bootstrap over units), agreement (share
    of images) and images. Images without a verdict in one of both are left out.
    """
    first, *seeds = sorted(trained["seed"].unique())
    others = {f"seed {first} and seed {seed}": (trained, seed) for seed in seeds}
    if second is not None:
        others[f"{trained['network'].iloc[0]} and {second['network'].iloc[0]}"] = (second, second["seed"].min())
    rows = [
        {"comparison": name, "method": method}
        | _kappa(outcomes(trained, method, smoothed=True)[first], outcomes(frame, method, smoothed=True)[seed])
        for name, (frame, seed) in others.items()
        for method in methods
    ]
    return pd.DataFrame(rows, columns=["comparison", "method", "kappa", "low", "high", "agreement", "images"])


def _kappa(first: pd.Series, second: pd.Series) -> dict[str, float]:
    hits = pd.concat({"first": first, "second": second}, axis=1).dropna()
    first, second = hits["first"], hits["second"]
    low, high = kappa_interval(first, second, hits.index.get_level_values("unit"))
    agreement = float((first == second).mean())
    return {"kappa": cohen_kappa(first, second), "low": low, "high": high, "agreement": agreement, "images": len(hits)}


def outcomes(frame: pd.DataFrame, method: str, smoothed: bool, tolerance: float | None = None) -> pd.DataFrame:
    """Scores (unit and image x seeds) of one method, means over explained classes; at ``tolerance``, or as observed."""
    rows = frame[(frame["method"] == method) & (frame["smoothed"] == smoothed)]
    score = rows["score"]
    if tolerance is not None:
        score = (rows["distance"] < tolerance).astype(float).where(rows["distance"].notna())
    groups = rows.assign(value=score).groupby(["unit", "image", "seed"], dropna=False)
    return groups["value"].mean().unstack("seed")


def by_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Means (units x seeds) of a table of ``outcomes``, over images that have a verdict in every seed."""
    return table.dropna().groupby(level="unit", dropna=False).mean()


def with_variant(corrected: pd.DataFrame, published: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Rows of a published variant: its own where it changes a method, the corrected ones elsewhere.

    Of networks that are explained for both classes only the class that the network predicts is kept.
    """
    own = published[published["variant"] == variant].drop(columns="variant")
    own, left = (rows[(rows["target"] == -1) | (rows["target"] == rows["predicted"])] for rows in (own, corrected))
    # The programs have no combined Grad-CAM.
    replaced = {*own["method"].unique(), *(["gradcam_combined"] if variant.startswith("published") else [])}
    left = left[~left["method"].isin(replaced)]
    return pd.concat([left, own], ignore_index=True) if len(own) else left


def curve(
    trained: pd.DataFrame, baselines: pd.DataFrame, methods: Iterable[str], tolerances: Sequence[float]
) -> pd.DataFrame:
    """Smoothed scores over tolerances: of all seeds together (seed "all"), of each, and of the constant point."""
    parts = [("all", trained, methods), *((str(seed), part, methods) for seed, part in trained.groupby("seed"))]
    fixed = baselines[baselines["method"] == "constant_point"].assign(seed=0, smoothed=True)
    if len(fixed):
        parts.append(("all", fixed, ["constant_point"]))
    rows = [
        {"method": method, "tolerance": tolerance, **score(frame, method, True, tolerance), "seed": seed}
        for seed, frame, methods in parts
        for method in methods
        for tolerance in tolerances
    ]
    return pd.DataFrame(rows)


def consistency(states: dict[str, pd.DataFrame], methods: Iterable[str]) -> pd.DataFrame:
    """Smoothed scores of every single network: a row a state, seed and method."""
    rows = [
        {"state": state, "method": method, "smoothed": True, **score(part, method, True), "seed": seed}
        for state, frame in states.items()
        for seed, part in frame[frame["smoothed"]].groupby("seed")
        for method in methods
        if (part["method"] == method).any()
    ]
    return pd.DataFrame(rows)
