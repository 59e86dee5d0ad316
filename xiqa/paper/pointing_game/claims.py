"""The five claims of the explainability papers, each with a verdict by the rule of :mod:`xiqa.metrics.verdicts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from xiqa import recipes
from xiqa.metrics.agreement import bca
from xiqa.metrics.verdicts import NOT_TESTABLE, UNDECIDED, Difference, compare, equivalent, together
from xiqa.paper.numbers import percent
from xiqa.paper.pointing_game.results import LABELS, PointingGame
from xiqa.paper.pointing_game.scores import OTHERS, between, differences, further, minus, outcomes
from xiqa.saliency.names import label

GRADIENT_MAPS = ("guided_backprop", "input_x_gradient", "guided_gradcam")
SINGLE = ("gradcam", "normgrad_scaling_single", "normgrad_conv1x1_single", "normgrad_conv3x3_single")
EQUAL_WITHIN = 0.05  # of a pointing-game score, for claims of equality
CEILING_NEEDED = 0.9  # below it the grid limits a layer, whatever the network learned
LEARNED = 0.6  # a classifier whose AUC is not surely above it has nothing to explain
DID_NOT_LEARN = f"{NOT_TESTABLE} (a classifier did not learn)"
DISAGREE = f"{UNDECIDED} (the pretexts disagree)"


@dataclass(frozen=True, eq=False)
class Evidence:
    """Observations for the verdicts on the claims.

    Attributes
    ----------
    trained, fully_random : observations of the primary network on the test split.
    semi_random : the same of untrained heads, by name of the pretrained backbone.
    other : observations of the second architecture, or None.
    best_normgrad : the NormGrad variant that stands for NormGrad, not chosen on these observations.
    ceiling : grid ceiling of the last layer of the primary network, smoothed maps, in [0, 1].
    auc_low : lower bound of the test AUC of the worst classifier of the primary network.
    other_auc_low : the same of the second architecture; below 0.6 the comparison of architectures is not testable.
    delta : the smallest difference that matters.
    """

    trained: pd.DataFrame
    semi_random: Mapping[str, pd.DataFrame]
    fully_random: pd.DataFrame
    other: pd.DataFrame | None
    best_normgrad: str
    ceiling: float
    auc_low: float
    other_auc_low: float
    delta: float

    def claims(self) -> pd.DataFrame:
        """The five claims, a row a comparison, with its verdict and the verdict on the whole claim."""
        rows = [self._better(), self._layers(), self._smoothing(), self._randomised(), self._stable()]
        return pd.concat([pd.DataFrame(part) for part in rows], ignore_index=True)

    def _better(self) -> list[dict]:
        others = [*OTHERS, *further(self.trained)]
        pairs = differences(self.trained, self.best_normgrad, others)
        return self._rows(1, "NormGrad localises better than the other methods", pairs, resolution=True)

    def _layers(self) -> list[dict]:
        methods = set(self.trained["method"])
        both = {s: s.replace("_single", "_combined") if "normgrad" in s else f"{s}_combined" for s in SINGLE}
        pairs = {
            combined: differences(self.trained, combined, [single])[single]
            for single, combined in both.items()
            if combined in methods
        }
        return self._rows(2, "Several layers combined are better than the last one alone", pairs, resolution=True)

    def _smoothing(self) -> list[dict]:
        pairs = {
            method: minus(outcomes(self.trained, method, True), outcomes(self.trained, method, False))
            for method in GRADIENT_MAPS
        }
        return self._rows(3, "Smoothing helps gradient maps", pairs)

    def _randomised(self) -> list[dict]:
        trained = outcomes(self.trained, self.best_normgrad, True)
        others = {"fully_random": self.fully_random, **self.semi_random}
        pairs = {name: minus(trained, outcomes(frame, self.best_normgrad, True)) for name, frame in others.items()}
        rows = self._rows(4, "Maps of trained networks score above those of randomised ones", pairs)
        verdicts = {row["verdict"] for row in rows if row["comparison"] in self.semi_random}
        # Backbones that learned different things must agree before there is a verdict on the claim.
        return rows if len(verdicts) < 2 else [row | {"verdict on the claim": DISAGREE} for row in rows]

    def _stable(self) -> list[dict]:
        trained = outcomes(self.trained, self.best_normgrad, True)
        pairs = {f"seed {a} - seed {b}": minus(trained[[a]], trained[[b]]) for a, b in combinations(trained.columns, 2)}
        if self.other is not None:
            pairs["architectures"] = between(self.trained, self.other, self.best_normgrad)
        else:
            pairs["architectures"] = np.full((0, 1), np.nan)
        rows, verdicts = [], []
        for name, values in pairs.items():
            verdict, interval = equivalent(values, EQUAL_WITHIN)
            verdict = self._precondition() or verdict
            if name == "architectures" and not self.other_auc_low > LEARNED:
                verdict = DID_NOT_LEARN
            half = (interval["high"] - interval["low"]) / 2
            difference = Difference(
                name, interval["mean"], interval["low"], interval["high"], verdict, len(values), values.shape[1], half
            )
            verdicts.append(difference)
            rows.append(_row(difference, verdict, values))
        about = {"claim": 5, "statement": f"NormGrad is stable over seeds and architectures (within +-{EQUAL_WITHIN})"}
        return [about | row | {"verdict on the claim": together(verdicts)} for row in rows]

    def _rows(self, number: int, statement: str, pairs: dict[str, np.ndarray], resolution: bool = False) -> list[dict]:
        compared = compare(pairs, self.delta)
        barred = self._precondition(resolution)
        whole = barred or together(compared)
        about = {"claim": number, "statement": statement}
        return [about | _row(d, barred or d.verdict, pairs[d.name]) | {"verdict on the claim": whole} for d in compared]

    def _precondition(self, resolution: bool = False) -> str:
        if not self.auc_low > LEARNED:
            return DID_NOT_LEARN
        return f"{NOT_TESTABLE} (resolution)" if resolution and self.ceiling < CEILING_NEEDED else ""


def _row(difference: Difference, verdict: str, values: np.ndarray) -> dict:
    low, high = bca(values)
    return {
        "comparison": difference.name,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "bootstrap low": low,
        "bootstrap high": high,
        "smallest visible": difference.smallest,
        "units": difference.images,
        "verdict": verdict,
    }


def claims(game: PointingGame, delta: float, variant: str | None = None, additions: bool = True) -> pd.DataFrame:
    """The papers' claims on one data set; see ``Evidence.claims``.

    Parameters
    ----------
    variant : a published program, or one defect of it; None for the corrected program.
    additions : include combined Grad-CAM and every pretext, which the published programs do not have.
    """
    states = game.states | {"second": game.second} | (game.by_program(variant) if variant else {})
    whole = additions and variant is None
    trained = states["Repeated"]
    backbones = list(game.semi_random) if whole else list(game.semi_random)[:1]
    return Evidence(
        trained=trained if whole else trained[trained["method"] != "gradcam_combined"],
        semi_random={name: states[name] for name in backbones},
        fully_random=states["FR"],
        other=states["second"],
        best_normgrad=game.best_normgrad,
        ceiling=game.ceiling(smoothed=True),
        auc_low=game.auc_low,
        other_auc_low=game.other_auc_low,
        delta=delta,
    ).claims()


def table_claims_saliency(
    games: dict[str, PointingGame], missing: dict[str, str], delta: float
) -> tuple[pd.DataFrame, str]:
    """The papers' claims on every data set, by the corrected and by the published program."""
    rows = pd.concat(
        [
            claims(game, delta, variant).assign(**{"data set": game.label, "program": variant or "corrected"})
            for variant in (None, "published")
            for game in games.values()
        ],
        ignore_index=True,
    )
    table = rows[["data set", "program", "claim", "statement"]].assign(comparison=rows["comparison"].map(label))
    table["difference"] = list(map(percent, rows["difference"], rows["low"], rows["high"]))
    checks = map(percent, rows["difference"], rows["bootstrap low"], rows["bootstrap high"])
    table["bootstrap"] = [text.partition(" ")[2] or "-" for text in checks]
    table["smallest visible"] = rows["smallest visible"].map(percent)
    table[["units", "verdict", "verdict on the claim"]] = rows[["units", "verdict", "verdict on the claim"]]
    chosen = [f"{label(game.best_normgrad)} ({game.label})" for game in games.values()]
    return table, (
        f"The papers' claims on smoothed maps at {recipes.TOLERANCE} px: paired differences in percentage points with "
        "Holm-adjusted 95 % intervals over units and seeds (claim 5: 90 %), and 95 % bootstrap intervals over units "
        f"alone. NormGrad is the variant of the highest validation score: {', '.join(chosen)}. "
        "The published program has all its defects, one pretrained backbone and no combined Grad-CAM"
        + "".join(f"; {LABELS[name]} not run: {reason}" for name, reason in missing.items())
        + "."
    )


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Verdict on every claim: a row a claim, a column a data set and program of ``table_claims_saliency``."""
    rows = table.drop_duplicates(["data set", "program", "claim"])
    index, columns = ["claim", "statement"], ["data set", "program"]
    return rows.pivot(index=index, columns=columns, values="verdict on the claim")
