"""Tables of the explainability study: group-bys of the observations, each number with its interval.

Scores are means over independent units (radiographs, patients) of the share of a unit's images that hit. With one
network, and every image a unit of its own, the interval is Wilson's; otherwise it is over units and seeds together
(:func:`xiqa.metrics.crossed_mean`): frames of one patient are not independent.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from xiqa import claims
from xiqa.metrics import crossed_mean, wilson
from xiqa.observations import by_unit, outcomes

NORMGRAD = tuple(
    f"normgrad_{v}_{kind}" for v in ("bias", "scaling", "conv1x1", "conv3x3") for kind in ("single", "combined")
)
RIVALS = ("gradcam", "guided_gradcam", "guided_backprop", "input_x_gradient")
GRADIENT_MAPS = ("guided_backprop", "input_x_gradient", "guided_gradcam")
EQUAL_WITHIN = 0.05  # of a pointing-game score, for claims of equality
CEILING_NEEDED = 0.9  # below it a layer cannot win, whatever it knows
LEARNED = 0.6  # a classifier whose AUC is not surely above it has nothing to explain
DID_NOT_LEARN = f"{claims.NOT_TESTABLE} (a classifier did not learn)"


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
    return {other: _minus(ours, outcomes(frame, other, smoothed)) for other in others}


def _minus(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
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
    found = crossed_mean(_between(first, second, method), confidence=0.90)
    return {"dom": abs(found["mean"]), "difference": found["mean"], "low": found["low"], "high": found["high"]}


def _between(first: pd.DataFrame, second: pd.DataFrame, method: str) -> np.ndarray:
    """Differences (units, 1) of two networks, each averaged over its seeds."""
    return _minus(*(outcomes(frame, method, smoothed=True).mean(axis=1).to_frame() for frame in (first, second)))


class Evidence:
    """What the claims of the explainability papers are judged on.

    Parameters
    ----------
    trained, semi_random, fully_random : observations of the primary network on the test split.
    other : observations of the second architecture, or None.
    chosen : the NormGrad variant that speaks for NormGrad, chosen elsewhere than on these observations.
    ceilings : grid ceilings of the primary network.
    auc_low : lower bound of the test AUC of the worst classifier of the primary network.
    other_auc_low : the same of the second architecture; below 0.6 the comparison of architectures is not testable.
    delta : the smallest difference that matters.

    """

    def __init__(
        self,
        trained: pd.DataFrame,
        semi_random: pd.DataFrame,
        fully_random: pd.DataFrame,
        other: pd.DataFrame | None,
        chosen: str,
        ceilings: pd.DataFrame,
        auc_low: float,
        other_auc_low: float,
        delta: float,
    ):
        self.trained, self.semi_random, self.fully_random, self.other = trained, semi_random, fully_random, other
        self.chosen = chosen
        self.delta, self.auc_low, self.other_auc_low = delta, auc_low, other_auc_low
        last = ceilings[ceilings["single"] & ceilings["smoothed"]]
        self.ceiling = float(last["ceiling"].min())

    def claims(self) -> pd.DataFrame:
        """The five claims, a row a comparison, with its verdict and the verdict on the whole claim."""
        judged = [self._better(), self._layers(), self._smoothing(), self._randomised(), self._stable()]
        return pd.concat([pd.DataFrame(rows) for rows in judged], ignore_index=True)

    def _better(self) -> list[dict]:
        pairs = differences(self.trained, self.chosen, RIVALS)
        return self._rows(1, "NormGrad localises better than the other methods", pairs, resolution=True)

    def _layers(self) -> list[dict]:
        pairs = {}
        for single in ("gradcam", "normgrad_scaling_single", "normgrad_conv1x1_single", "normgrad_conv3x3_single"):
            combined = single.replace("_single", "_combined") if "normgrad" in single else "gradcam_combined"
            pairs[combined] = differences(self.trained, combined, [single])[single]
        return self._rows(2, "Several layers combined beat the last one alone", pairs, resolution=True)

    def _smoothing(self) -> list[dict]:
        pairs = {
            method: _minus(outcomes(self.trained, method, True), outcomes(self.trained, method, False))
            for method in GRADIENT_MAPS
        }
        return self._rows(3, "Smoothing helps gradient maps", pairs)

    def _randomised(self) -> list[dict]:
        ours = outcomes(self.trained, self.chosen, True)
        pairs = {
            "fully_random": _minus(ours, outcomes(self.fully_random, self.chosen, True)),
            "semi_random": _minus(ours, outcomes(self.semi_random, self.chosen, True)),
        }
        return self._rows(4, "Maps of trained networks score above those of randomised ones", pairs)

    def _stable(self) -> list[dict]:
        ours = outcomes(self.trained, self.chosen, True)
        pairs = {f"seed {a} - seed {b}": _minus(ours[[a]], ours[[b]]) for a, b in combinations(ours.columns, 2)}
        if self.other is not None:
            pairs["architectures"] = _between(self.trained, self.other, self.chosen)
        else:
            pairs["architectures"] = np.full((0, 1), np.nan)
        rows, verdicts = [], []
        for name, values in pairs.items():
            verdict, interval = claims.equivalent(values, EQUAL_WITHIN)
            verdict = self._precondition() or verdict
            if name == "architectures" and not self.other_auc_low > LEARNED:
                verdict = DID_NOT_LEARN
            verdicts.append(claims.Difference(name, 0, 0, 0, verdict, 0, 0, 0))
            half = (interval["high"] - interval["low"]) / 2
            rows.append(
                self._row(name, interval["mean"], interval["low"], interval["high"], verdict, half, len(values))
            )
        about = {"claim": 5, "statement": f"NormGrad is stable over seeds and architectures (within +-{EQUAL_WITHIN})"}
        return [about | row | {"verdict on the claim": claims.together(verdicts)} for row in rows]

    def _rows(self, number: int, statement: str, pairs: dict[str, np.ndarray], resolution: bool = False) -> list[dict]:
        found = claims.compare(pairs, self.delta)
        barred = self._precondition(resolution)
        whole = barred or claims.together(found)
        about = {"claim": number, "statement": statement}
        return [
            about
            | self._row(d.name, d.mean, d.low, d.high, barred or d.verdict, d.smallest, d.images)
            | {"verdict on the claim": whole}
            for d in found
        ]

    def _precondition(self, resolution: bool = False) -> str:
        if not self.auc_low > LEARNED:
            return DID_NOT_LEARN
        if resolution and self.ceiling < CEILING_NEEDED:
            return f"{claims.NOT_TESTABLE} (resolution)"
        return ""

    @staticmethod
    def _row(name: str, mean: float, low: float, high: float, verdict: str, smallest: float, units: int) -> dict:
        return {
            "comparison": name,
            "difference": mean,
            "low": low,
            "high": high,
            "smallest visible": smallest,
            "units": units,
            "verdict": verdict,
        }
