"""The four claims of the MRI study: differences for these networks, and for new trainings.

The first is a paired bootstrap over subjects of the mean over seeds (percentile intervals) and decides the verdict. The
second is a t interval over seeds, with the number of seeds that would be needed to exclude 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from xiqa import metrics, recipes
from xiqa.metrics.enriched import EnrichedTestSet, Values
from xiqa.metrics.verdicts import NOT_SUPPORTED, NOT_TESTABLE, SUPPORTED, UNDECIDED
from xiqa.paper.mri import convergence
from xiqa.paper.mri.arms import Arm, Arms
from xiqa.paper.mri.referral import CLOSEST, FLIPS, THRESHOLDS, UNCERTAINTIES, YOUDEN, Referral, Referrals
from xiqa.paper.mri.results import MriResults
from xiqa.paper.numbers import percent

LEARNED = 0.6  # a network has learned if the lower bound of its AUC is at least this (O)
DID_NOT_LEARN = f"{NOT_TESTABLE} (a network did not learn)"
COMPARED = ("ramp", "baseline", "focal", "primed", "class_weights")
DECIDING = ("baseline", "focal")  # whom the ramp has to be better than
METRICS = ("F1", "AP", "MCC")
KEPT = {"accuracy": "accuracy_kept", "F1": "f1_kept"}
MOST_TRAININGS = 1000
STATEMENTS = {
    1: "Data-ramping beats the baseline and focal cross-entropy",
    2: "Referring scans of high Monte Carlo disagreement raises accuracy and F1 of what is kept",
    3: "The ROC curve converges with the number of Monte Carlo samples",
    4: "Flip disagreement can be part of the pipeline: referring by it raises accuracy and F1 of what is kept",
}


@dataclass(frozen=True, eq=False)  # comparing arrays is ambiguous, so identity
class Comparison:
    """A difference that is positive where the claim is right."""

    name: str
    values: np.ndarray  # (seeds, draws + 1), the sample's own first
    decides: bool  # whether the verdict on the claim depends on it
    barred: str = ""  # reason that it cannot be tested


def claims(results: MriResults, arms: Arms, delta: float = recipes.DELTA) -> tuple[pd.DataFrame, str]:
    """Table of the four claims: every comparison with both statements and the verdicts."""
    mc = results.samples[results.primary, "test"]["mc"]
    learned = all(has_learned(arms.test_set, n.test["probability"]) for n in arms.referrals.networks)
    table = pd.concat(
        [
            arms_claim(arms.test_set, {name: arms.trained[name] for name in COMPARED if name in arms.trained}, delta),
            referral_claim(arms.referrals, delta, learned),
            convergence_claim(convergence.halvings(mc, arms.test_set.labels), delta, learned),
            flips_claim(arms.referrals, delta, arms.missing.get("flips", "no network was trained with flips")),
        ],
        ignore_index=True,
    )
    caption = (
        f"The claims of the study, {arms.referrals.counts}: differences times 100. These networks: mean over seeds, "
        "95 % interval by paired bootstrap over subjects (claim 3: over halvings of the samples). New trainings: "
        "95 % t interval over seeds."
    )
    return table.astype(object).fillna("-"), caption


def arms_claim(test_set: EnrichedTestSet, arms: Mapping[str, Sequence[Arm]], delta: float) -> pd.DataFrame:
    """Claim 1: F1 at Youden's threshold decides, as in the paper; the other metrics and arms stand beside it."""
    missing = [name for name in ("ramp", *DECIDING) if name not in arms]
    if "ramp" in missing or len(missing) == 2:
        return not_tested(1, f"not trained in this profile: {', '.join(missing)}")
    numbers = {name: [_numbers(test_set, arm) for arm in trained] for name, trained in arms.items()}
    failed = [name for name, trained in arms.items() if not all(has_learned(test_set, arm.p) for arm in trained)]
    comparisons = []
    for other in [name for name in arms if name != "ramp"]:
        # Arms with fewer seeds than the ramp are compared on the seeds that both have.
        seeds = list(zip(numbers["ramp"], numbers[other], strict=False))
        reason = " and ".join(name for name in ("ramp", other) if name in failed)
        barred = f"{NOT_TESTABLE} ({reason} did not learn)" if reason else ""
        for metric in METRICS:
            values = np.stack([ramp[metric] - theirs[metric] for ramp, theirs in seeds])
            decides = metric == "F1" and other in DECIDING
            comparisons.append(Comparison(f"ramp - {other.replace('_', ' ')}, {metric}", values, decides, barred))
    return table(1, comparisons, delta, f"not trained in this profile: {', '.join(missing)}" if missing else "")


def referral_claim(referrals: Referrals, delta: float, learned: bool) -> pd.DataFrame:
    """Claim 2: mutual information at Youden's threshold and the larger budget decides, as in the paper.

    Beside it: predictive entropy and variance, the threshold of best F1, the smaller budget, and each of them against
    the review of as many scans with p closest to the threshold.
    """
    paper = ("mutual information", YOUDEN, max(recipes.REVIEW_SHARES))
    comparisons = []
    for rule in THRESHOLDS:
        everything = referrals.outcomes([network.keep_all(rule) for network in referrals.networks])
        for share in recipes.REVIEW_SHARES:
            ways = referrals.ways(rule, share)
            closest = referrals.outcomes(ways[CLOSEST])
            for name in UNCERTAINTIES.values():
                decides, about = (name, rule, share) == paper, f"{name}, {100 * share:.0f} %, {rule}"
                own, barred = referrals.outcomes(ways[name]), _barred(ways[name], learned)
                for title, part in KEPT.items():
                    if title == "F1" or decides:
                        values = _gaps(own, everything, part)
                        comparisons.append(Comparison(f"{about}: kept - all, {title}", values, decides, barred))
                values = _gaps(own, closest, "f1_kept")
                comparisons.append(Comparison(f"{about}: kept - kept by p, F1", values, False, barred))
    return table(2, comparisons, delta)


def flips_claim(referrals: Referrals, delta: float, missing: str) -> pd.DataFrame:
    """Claim 4: referral by flip disagreement at Youden's threshold and the larger budget."""
    network, share = referrals.flipped, max(recipes.REVIEW_SHARES)
    if network is None:
        return not_tested(4, missing)
    (column,) = FLIPS
    way = network.by_uncertainty(column, share)
    own, everything = referrals.outcomes([way, Referral(way.flagged, np.ones(len(way.kept)))])
    barred = _barred([way], has_learned(referrals.test_set, network.test["flip_probability"]))
    about = f"{FLIPS[column]}, {100 * share:.0f} %, {YOUDEN}"
    return table(
        4,
        [
            Comparison(f"{about}: kept - all, {title}", _gaps([own], [everything], part), True, barred)
            for title, part in KEPT.items()
        ],
        delta,
    )


def convergence_claim(halved: pd.DataFrame, delta: float, learned: bool) -> pd.DataFrame:
    """Claim 3: each step to more samples lowers the squared distance to the reference curve, as a share of it.

    ``halved``: of :func:`xiqa.uncertainty.convergence`. Units are random halvings of the samples of one network, so the
    interval is one of Monte Carlo error only.
    """
    distances = halved.pivot(index="repeat", columns="samples", values="sse")
    steps = list(zip(distances.columns[:-1], distances.columns[1:], strict=True))
    if not steps:
        return not_tested(3, "too few Monte Carlo samples in this profile")
    drawn = np.random.default_rng(0).integers(len(distances), size=(2000, len(distances)))
    rows, comparisons = np.vstack([np.arange(len(distances)), drawn]), []
    for few, more in steps:
        gains = (1 - distances[more] / distances[few]).to_numpy()[rows].mean(axis=1)
        name = f"SSE, 1 - {more} / {few} samples"
        comparisons.append(Comparison(name, gains[None], True, "" if learned else DID_NOT_LEARN))
    return table(3, comparisons, delta)


def table(claim: int, comparisons: Sequence[Comparison], delta: float, missing: str = "") -> pd.DataFrame:
    """A row a comparison; the verdict on the claim follows from the deciding ones, and from what is missing."""
    deciding = sum(comparison.decides for comparison in comparisons)
    rows = [
        {"claim": claim, "statement": STATEMENTS[claim], "comparison": c.name, "decides": "yes" if c.decides else "no"}
        | statements(c.values)
        | {"verdict": c.barred or verdict(c.values, delta, deciding if c.decides else 1)}
        for c in comparisons
    ]
    whole = together([row["verdict"] for row in rows if row["decides"] == "yes"])
    if missing and whole == SUPPORTED:
        whole = f"{UNDECIDED} ({missing})"
    return pd.DataFrame(rows).assign(**{"verdict on the claim": whole})


def statements(values: np.ndarray) -> dict[str, object]:
    """Both statements on differences (seeds, draws + 1), in percent."""
    own, seeds = values[:, 0], len(values)
    row: dict[str, object] = {"these networks": percent(*metrics.estimate(values.mean(axis=0)))}
    row |= {"each seed": ", ".join(f"{100 * value:.1f}" for value in own), "new trainings": "-", "seeds needed": "-"}
    if seeds > 1 and np.isfinite(own).all():
        mean, spread = own.mean(), own.std(ddof=1)
        half = stats.t.ppf(0.975, seeds - 1) * spread / np.sqrt(seeds)
        row["new trainings"] = percent(mean, max(mean - half, -1), min(mean + half, 1))
        row["seeds needed"] = seeds_needed(mean, spread)
    return row


def seeds_needed(mean: float, spread: float) -> int | str:
    """Trainings for which a t interval of this mean and standard deviation excludes 0."""
    for count in range(2, MOST_TRAININGS + 1):
        if stats.t.ppf(0.975, count - 1) * spread / np.sqrt(count) < abs(mean):
            return count
    return f"over {MOST_TRAININGS}"


def verdict(values: np.ndarray, delta: float, family: int = 1) -> str:
    """Verdict on a difference by its bootstrap interval.

    Supported: the lower bound is above 0 and the estimate above delta. A claim that needs ``family`` differences is
    lost with one of them, so the upper bound that must lie below delta has the level of Bonferroni.
    """
    mean, low, _ = metrics.estimate(values.mean(axis=0))
    _, _, high = metrics.estimate(values.mean(axis=0), 1 - 0.05 / family)
    if not np.isfinite([mean, low, high]).all():
        return NOT_TESTABLE
    if low > 0 and mean > delta:
        return SUPPORTED
    return NOT_SUPPORTED if high < delta else UNDECIDED


def together(verdicts: Sequence[str]) -> str:
    """Verdict on a claim that needs every difference: one that fails decides, then one that cannot be tested."""
    weak = [v for kind in (NOT_SUPPORTED, NOT_TESTABLE, UNDECIDED) for v in verdicts if v.startswith(kind)]
    return weak[0] if weak else SUPPORTED


def has_learned(test_set: EnrichedTestSet, p: np.ndarray) -> bool:
    """Whether the lower bound of a network's AUC is at least ``LEARNED``."""
    return metrics.estimate(test_set.rank(p)["auc"])[1] >= LEARNED


def _numbers(test_set: EnrichedTestSet, arm: Arm) -> dict[str, Values]:
    decided = test_set.decide(arm.flagged)
    return {"F1": decided["f1"], "AP": test_set.rank(arm.p)["ap"], "MCC": decided["mcc"]}


def _gaps(own: Sequence[Mapping[str, Values]], other: Sequence[Mapping[str, Values]], part: str) -> np.ndarray:
    return np.stack([mine[part] - theirs[part] for mine, theirs in zip(own, other, strict=True)])


def _barred(ways: Sequence[Referral], learned: bool) -> str:
    if not learned:
        return DID_NOT_LEARN
    return f"{NOT_TESTABLE} (no scan was referred)" if all(np.all(way.kept == 1) for way in ways) else ""


def not_tested(claim: int, reason: str) -> pd.DataFrame:
    """The row of a claim that this run cannot test."""
    untested = f"{NOT_TESTABLE} ({reason})"
    row = {"claim": claim, "statement": STATEMENTS[claim], "comparison": "-", "decides": "yes"}
    return pd.DataFrame([row | {"verdict": untested, "verdict on the claim": untested}])
