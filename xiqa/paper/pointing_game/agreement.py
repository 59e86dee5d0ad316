"""Agreement of two trained networks on which images are hit, beyond what two networks of these scores reach by chance.

Equal scores are not equal hits: two networks that hit on different images have the same score. Two trainings of one
recipe show repeatability, two architectures reproducibility.
"""

from collections.abc import Iterable

import pandas as pd

from xiqa.metrics.agreement import cohen_kappa, kappa_interval
from xiqa.paper.pointing_game.scores import outcomes


def kappas(trained: pd.DataFrame, second: pd.DataFrame | None, methods: Iterable[str]) -> pd.DataFrame:
    """Kappa of smoothed hits, image by image: of the first seed with every other one, and with the second network.

    Kappa is low where nearly all images are hit, however rarely two networks disagree: chance agreement is high there.

    Parameters
    ----------
    trained, second : observations of the primary and (or None) of the second network, trained, on the same split.
    methods : names of saliency methods.

    Returns
    -------
    DataFrame with the columns comparison ("seed 0 and seed 1"), method, kappa, low, high (95 %, bootstrap over units),
    agreement (share of images) and images. Images without a verdict in one of both are left out.
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
    return {
        "kappa": cohen_kappa(first, second),
        "low": low,
        "high": high,
        "agreement": agreement,
        "images": len(hits),
    }
