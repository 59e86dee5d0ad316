"""Tables of the explainability study: group-bys of the observations, each number with its interval.

Scores are means over independent units (radiographs, patients) of the share of a unit's images that hit. With one
network, and every image a unit of its own, the interval is Wilson's; otherwise it is over units and seeds together
(:func:`xiqa.metrics.crossed_mean`): frames of one patient are not independent.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from xiqa.metrics.intervals import crossed_mean, wilson

NORMGRAD = tuple(
    f"normgrad_{v}_{kind}" for v in ("bias", "scaling", "conv1x1", "conv3x3") for kind in ("single", "combined")
)
RIVALS = ("gradcam", "guided_gradcam", "guided_backprop", "input_x_gradient")


def score(frame: pd.DataFrame, method: str, smoothed: bool, tolerance: float | None = None) -> dict[str, float]:
    """Pointing-game score of a method: mean, low, high, images, units, seeds, degenerate (maps without a peak).

    The interval is cut to [0, 1]: few seeds that differ much make one that is wider than what a share can be. Where all
    units agree there is no spread to measure, and Wilson's interval over units stands instead.
    """
    table = outcomes(frame, method, smoothed, tolerance)
    alone = bool((table.index.get_level_values("unit") == table.index.get_level_values("image")).all())
    units, images = by_unit(table), len(table.dropna())
    found = crossed_mean(units.to_numpy())
    found["low"], found["high"] = max(found["low"], 0.0), min(found["high"], 1.0)
    if len(units):
        found["mean"] = float(units.to_numpy().mean())
    if (alone and table.shape[1] == 1) or (len(units) and found["low"] == found["high"] and found["mean"] in (0, 1)):
        found["low"], found["high"] = wilson(found["mean"] * len(units) if len(units) else 0, len(units))
    chosen = frame[(frame["method"] == method) & (frame["smoothed"] == smoothed)]
    degenerate = int((chosen["outcome"] == "degenerate").sum())
    return found | {"images": images, "units": len(units), "degenerate": degenerate}


def scores(frames: dict[str, pd.DataFrame], methods: Iterable[str], tolerance: float | None = None) -> pd.DataFrame:
    """Tidy scores: a row for each named frame, method and smoothing."""
    rows = [
        {"weights": name, "method": method, "smoothed": smoothed, **score(frame, method, smoothed, tolerance)}
        for name, frame in frames.items()
        for method in methods
        for smoothed in (False, True)
        if ((frame["method"] == method) & (frame["smoothed"] == smoothed)).any()
    ]
    return pd.DataFrame(rows)


def over_tolerances(frame: pd.DataFrame, methods: Iterable[str], tolerances: Sequence[float]) -> pd.DataFrame:
    """Scores of smoothed maps at several tolerances; one distance an image serves them all."""
    rows = [
        {"method": method, "tolerance": tolerance, **score(frame, method, smoothed=True, tolerance=tolerance)}
        for method in methods
        for tolerance in tolerances
    ]
    return pd.DataFrame(rows)


def rival_scores(rivals: pd.DataFrame) -> pd.DataFrame:
    """Scores of rivals that see no network, a row a method; chance is known exactly and has no interval."""
    frame = rivals.assign(seed=0)
    rows = [{"method": method, **score(frame, method, smoothed=False)} for method in frame["method"].unique()]
    found = pd.DataFrame(rows).set_index("method")
    found.loc[["chance"], ["low", "high"]] = np.nan
    return found


def best_on_validation(frame: pd.DataFrame, candidates: Sequence[str] = NORMGRAD) -> str:
    """The NormGrad variant that speaks for NormGrad: highest smoothed score on the validation split."""
    # A variant without a verdict (a constant map) speaks for nobody.
    return max(candidates, key=lambda method: np.nan_to_num(score(frame, method, smoothed=True)["mean"], nan=-1))


def differences(frame: pd.DataFrame, first: str, others: Iterable[str], smoothed: bool = True) -> dict[str, np.ndarray]:
    """Paired differences (units, seeds) of one method minus each other one."""
    ours = outcomes(frame, first, smoothed)
    return {other: minus(ours, outcomes(frame, other, smoothed)) for other in others}


def minus(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """Differences of images that both have, averaged by unit; a series of more seeds is cut to the shorter."""
    images = first.index.intersection(second.index)
    seeds = min(first.shape[1], second.shape[1])
    paired = first.loc[images].iloc[:, :seeds] - second.loc[images].iloc[:, :seeds].to_numpy()
    return by_unit(paired).to_numpy()


def dom(first: pd.DataFrame, second: pd.DataFrame, method: str) -> dict[str, float]:
    """DoM*: absolute difference of a method's mean score on two networks, same images (our definition).

    Returns
    -------
    dictionary of dom, and the signed difference with its 90 % interval over units: difference, low, high.

    """
    found = crossed_mean(between(first, second, method), confidence=0.90)
    return {"dom": abs(found["mean"]), "difference": found["mean"], "low": found["low"], "high": found["high"]}


def between(first: pd.DataFrame, second: pd.DataFrame, method: str) -> np.ndarray:
    """Differences (units, 1) of two networks, each averaged over its seeds."""
    return minus(*(outcomes(frame, method, smoothed=True).mean(axis=1).to_frame() for frame in (first, second)))


def outcomes(frame: pd.DataFrame, method: str, smoothed: bool, tolerance: float | None = None) -> pd.DataFrame:
    """Scores as a table (unit and image x seeds) of one method; targets of randomised networks are averaged.

    With ``tolerance`` the outcome is read from the distance, which serves every tolerance; without, from the score.
    """
    chosen = frame[(frame["method"] == method) & (frame["smoothed"] == smoothed)]
    score = chosen["score"]
    if tolerance is not None:
        score = (chosen["distance"] < tolerance).astype(float).where(chosen["distance"].notna())
    groups = chosen.assign(value=score).groupby(["unit", "image", "seed"], dropna=False)
    return groups["value"].mean().unstack("seed")


def by_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of each independent unit's images (units x seeds) of a table of ``outcomes``.

    Images without a verdict in some seed are left out, so that every seed speaks of the same images.
    """
    return table.dropna().groupby(level="unit", dropna=False).mean()
