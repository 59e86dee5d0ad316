"""The five claims of the explainability papers, each with a verdict by the rule of :mod:`xiqa.metrics.verdicts`."""

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
COMBINED = {"gradcam_combined": "gradcam"} | {  # combined method -> the same of the last layer alone
    f"normgrad_{variant}_combined": f"normgrad_{variant}_single" for variant in ("scaling", "conv1x1", "conv3x3")
}
EQUAL_WITHIN = 0.05  # of a pointing-game score, for claims of equality
CEILING_NEEDED = 0.9  # below it the grid limits a layer, whatever the network learned
LEARNED = 0.6  # a classifier whose AUC is not surely above it has nothing to explain
DID_NOT_LEARN = f"{NOT_TESTABLE} (a classifier did not learn)"
COARSE = f"{NOT_TESTABLE} (resolution)"
DISAGREE = f"{UNDECIDED} (the pretexts disagree)"


def claims(game: PointingGame, delta: float, variant: str | None = None, additions: bool = True) -> pd.DataFrame:
    """The five claims on one data set: a row a comparison, with its verdict and the verdict on the whole claim.

    ``variant`` is a published program, or one defect of it; None is the corrected program. ``additions`` are combined
    Grad-CAM and every pretext but the first, which the published programs do not have.
    """
    states = game.states | {"second": game.second} | (game.by_program(variant) if variant else {})
    trained, semi_random = states["Repeated"], {name: states[name] for name in game.semi_random}
    if variant or not additions:
        trained = trained[trained["method"] != "gradcam_combined"]
        semi_random = dict(list(semi_random.items())[:1])
    normgrad = game.best_normgrad
    layers = {
        combined: differences(trained, combined, [single])[single]
        for combined, single in COMBINED.items()
        if combined in set(trained["method"])
    }
    smoothing = {m: minus(outcomes(trained, m, True), outcomes(trained, m, False)) for m in GRADIENT_MAPS}
    learned = "" if game.auc_low > LEARNED else DID_NOT_LEARN
    fine = learned or (COARSE if game.ceiling(smoothed=True) < CEILING_NEEDED else "")
    others = differences(trained, normgrad, [*OTHERS, *further(trained)])
    hits, frames = outcomes(trained, normgrad, True), {"fully_random": states["FR"], **semi_random}
    untrained = {name: minus(hits, outcomes(frame, normgrad, True)) for name, frame in frames.items()}
    compared = compare(untrained, delta)
    parts = [
        _claim(1, "NormGrad localises better than the other methods", others, compare(others, delta), fine),
        _claim(2, "Several layers combined are better than the last one alone", layers, compare(layers, delta), fine),
        _claim(3, "Smoothing helps gradient maps", smoothing, compare(smoothing, delta), learned),
        _claim(4, "Maps of trained networks score above those of randomised ones", untrained, compared, learned),
        _stable(trained, states["second"], normgrad, learned, game.other_auc_low),
    ]
    # Backbones that learned different things must agree before there is a verdict on claim 4.
    if parts[3].set_index("comparison").loc[list(semi_random), "verdict"].nunique() > 1:
        parts[3]["verdict on the claim"] = DISAGREE
    return pd.concat(parts, ignore_index=True)


def _stable(
    trained: pd.DataFrame, second: pd.DataFrame | None, method: str, barred: str, other_auc_low: float
) -> pd.DataFrame:
    hits = outcomes(trained, method, True)
    pairs = {f"seed {a} - seed {b}": minus(hits[[a]], hits[[b]]) for a, b in combinations(hits.columns, 2)}
    pairs["architectures"] = np.full((0, 1), np.nan) if second is None else between(trained, second, method)
    compared = []
    for name, values in pairs.items():
        verdict, interval = equivalent(values, EQUAL_WITHIN)
        if name == "architectures" and not other_auc_low > LEARNED:
            verdict = DID_NOT_LEARN
        mean, low, high = (interval[part] for part in ("mean", "low", "high"))
        compared.append(Difference(name, mean, low, high, verdict, *values.shape, (high - low) / 2))
    statement = f"NormGrad is stable over seeds and architectures (within +-{EQUAL_WITHIN})"
    return _claim(5, statement, pairs, compared, barred)


def _claim(
    number: int, statement: str, pairs: dict[str, np.ndarray], compared: list[Difference], barred: str
) -> pd.DataFrame:
    """Rows of one claim; ``barred`` is the verdict where a precondition fails, else empty."""
    rows = []
    for difference in compared:
        low, high = bca(pairs[difference.name])
        rows.append(
            {"claim": number, "statement": statement, "comparison": difference.name}
            | {"difference": difference.mean, "low": difference.low, "high": difference.high}
            | {"bootstrap low": low, "bootstrap high": high, "smallest visible": difference.smallest}
            | {"units": difference.images, "verdict": barred or difference.verdict}
            | {"verdict on the claim": barred or together(compared)}
        )
    return pd.DataFrame(rows)


def table_claims_saliency(
    games: dict[str, PointingGame], missing: dict[str, str], delta: float
) -> tuple[pd.DataFrame, str]:
    """The papers' claims on every data set, by the corrected and by the published program."""
    parts = [
        claims(game, delta, variant).assign(**{"data set": game.label, "program": variant or "corrected"})
        for variant in (None, "published")
        for game in games.values()
    ]
    rows = pd.concat(parts, ignore_index=True)
    table = rows[["data set", "program", "claim", "statement"]].assign(comparison=rows["comparison"].map(label))
    table["difference"] = list(map(percent, rows["difference"], rows["low"], rows["high"]))
    checks = map(percent, rows["difference"], rows["bootstrap low"], rows["bootstrap high"])
    table["bootstrap"] = [text.partition(" ")[2] or "-" for text in checks]
    table["smallest visible"] = rows["smallest visible"].map(percent)
    table[["units", "verdict", "verdict on the claim"]] = rows[["units", "verdict", "verdict on the claim"]]
    variants = [f"{label(game.best_normgrad)} ({game.label})" for game in games.values()]
    reasons = "".join(f"; {LABELS[name]} not run: {reason}" for name, reason in missing.items())
    return table, (
        f"The papers' claims on smoothed maps at {recipes.TOLERANCE} px: paired differences in percentage points with "
        "Holm-adjusted 95 % intervals over units and seeds (claim 5: 90 %), and 95 % bootstrap intervals over units "
        f"alone. NormGrad is the variant of the highest validation score: {', '.join(variants)}. The published program "
        f"has all its defects, one pretrained backbone and no combined Grad-CAM{reasons}."
    )


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Verdict on every claim: a row a claim, a column a data set and program of ``table_claims_saliency``."""
    rows = table.drop_duplicates(["data set", "program", "claim"])
    index, columns = ["claim", "statement"], ["data set", "program"]
    return rows.pivot(index=index, columns=columns, values="verdict on the claim")
