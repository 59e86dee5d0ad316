"""The five claims of the explainability papers, each judged by the rule of `xiqa.metrics.verdicts`."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from xiqa.metrics.agreement import bca
from xiqa.metrics.verdicts import NOT_TESTABLE, UNDECIDED, Difference, compare, equivalent, together
from xiqa.paper.pointing_game.scores import RIVALS, between, differences, minus, outcomes

GRADIENT_MAPS = ("guided_backprop", "input_x_gradient", "guided_gradcam")
SINGLE = ("gradcam", "normgrad_scaling_single", "normgrad_conv1x1_single", "normgrad_conv3x3_single")
EQUAL_WITHIN = 0.05  # of a pointing-game score, for claims of equality
CEILING_NEEDED = 0.9  # below it a layer cannot win, whatever it knows
LEARNED = 0.6  # a classifier whose AUC is not surely above it has nothing to explain
DID_NOT_LEARN = f"{NOT_TESTABLE} (a classifier did not learn)"
DISAGREE = f"{UNDECIDED} (the pretexts disagree)"


class Evidence:
    """What the claims of the explainability papers are judged on.

    Parameters
    ----------
    trained, fully_random : observations of the primary network on the test split.
    semi_random : the same of untrained heads on a pretrained backbone, by name of what it was pretrained on.
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
        semi_random: Mapping[str, pd.DataFrame],
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
        known = set(self.trained["method"])
        both = {s: s.replace("_single", "_combined") if "normgrad" in s else f"{s}_combined" for s in SINGLE}
        pairs = {
            combined: differences(self.trained, combined, [single])[single]
            for single, combined in both.items()
            if combined in known
        }
        return self._rows(2, "Several layers combined beat the last one alone", pairs, resolution=True)

    def _smoothing(self) -> list[dict]:
        pairs = {
            method: minus(outcomes(self.trained, method, True), outcomes(self.trained, method, False))
            for method in GRADIENT_MAPS
        }
        return self._rows(3, "Smoothing helps gradient maps", pairs)

    def _randomised(self) -> list[dict]:
        ours = outcomes(self.trained, self.chosen, True)
        others = {"fully_random": self.fully_random, **self.semi_random}
        pairs = {name: minus(ours, outcomes(frame, self.chosen, True)) for name, frame in others.items()}
        rows = self._rows(4, "Maps of trained networks score above those of randomised ones", pairs)
        said = {row["verdict"] for row in rows if row["comparison"] in self.semi_random}
        # Backbones that learned different things must agree before the claim is called anything.
        return rows if len(said) < 2 else [row | {"verdict on the claim": DISAGREE} for row in rows]

    def _stable(self) -> list[dict]:
        ours = outcomes(self.trained, self.chosen, True)
        pairs = {f"seed {a} - seed {b}": minus(ours[[a]], ours[[b]]) for a, b in combinations(ours.columns, 2)}
        if self.other is not None:
            pairs["architectures"] = between(self.trained, self.other, self.chosen)
        else:
            pairs["architectures"] = np.full((0, 1), np.nan)
        rows, verdicts = [], []
        for name, values in pairs.items():
            verdict, interval = equivalent(values, EQUAL_WITHIN)
            verdict = self._precondition() or verdict
            if name == "architectures" and not self.other_auc_low > LEARNED:
                verdict = DID_NOT_LEARN
            verdicts.append(Difference(name, 0, 0, 0, verdict, 0, 0, 0))
            half = (interval["high"] - interval["low"]) / 2
            found = Difference(
                name, interval["mean"], interval["low"], interval["high"], verdict, len(values), values.shape[1], half
            )
            rows.append(self._row(found, verdict, values))
        about = {"claim": 5, "statement": f"NormGrad is stable over seeds and architectures (within +-{EQUAL_WITHIN})"}
        return [about | row | {"verdict on the claim": together(verdicts)} for row in rows]

    def _rows(self, number: int, statement: str, pairs: dict[str, np.ndarray], resolution: bool = False) -> list[dict]:
        found = compare(pairs, self.delta)
        barred = self._precondition(resolution)
        whole = barred or together(found)
        about = {"claim": number, "statement": statement}
        return [
            about | self._row(d, barred or d.verdict, pairs[d.name]) | {"verdict on the claim": whole} for d in found
        ]

    def _precondition(self, resolution: bool = False) -> str:
        if not self.auc_low > LEARNED:
            return DID_NOT_LEARN
        if resolution and self.ceiling < CEILING_NEEDED:
            return f"{NOT_TESTABLE} (resolution)"
        return ""

    @staticmethod
    def _row(found: Difference, verdict: str, values: np.ndarray) -> dict:
        low, high = bca(values)
        return {
            "comparison": found.name,
            "difference": found.mean,
            "low": found.low,
            "high": found.high,
            "bootstrap low": low,
            "bootstrap high": high,
            "smallest visible": found.smallest,
            "units": found.images,
            "verdict": verdict,
        }
