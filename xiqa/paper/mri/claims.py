"""The four claims of the MRI study, by the rule of :mod:`xiqa.metrics.verdicts` on bootstrap replicates over subjects.

F1, average precision and MCC are no means over scans, so the intervals are percentiles of a paired bootstrap over
subjects, widened by Holm's rule. They describe the networks that were trained: the variation between trainings enters
only through the rule that all seeds must agree in sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics import verdicts
from xiqa.metrics.enriched import EnrichedTestSet, Values
from xiqa.metrics.verdicts import NOT_TESTABLE, SUPPORTED, UNDECIDED, Difference
from xiqa.paper.mri import convergence, referral
from xiqa.paper.mri.arms import Arms
from xiqa.paper.mri.referral import ALEATORIC, Referral
from xiqa.paper.mri.results import MriResults
from xiqa.paper.numbers import percent

LEARNED = 0.6  # a network has learned if the lower bound of its AUC is above it
DID_NOT_LEARN = f"{NOT_TESTABLE} (a network did not learn)"
COMPARED = ("ramp", "baseline", "focal", "primed")
KEPT = {"accuracy": "accuracy_kept", "F1": "f1_kept"}
STATEMENTS = {
    1: "Data-ramping beats the baseline and focal cross-entropy",
    2: "Referring scans of high Monte Carlo disagreement raises accuracy and F1 of what is kept",
    3: "The ROC curve converges with the number of Monte Carlo samples",
    4: "Flip disagreement can be part of the pipeline: referring by it raises accuracy and F1 of what is kept",
}


def claims(results: MriResults, arms: Arms, delta: float = recipes.DELTA) -> tuple[pd.DataFrame, str]:
    """Table of the four claims: every comparison, its difference in percent, and the verdicts."""
    table = pd.concat(verdicts_of(results, arms, delta), ignore_index=True)
    table["difference"] = list(map(percent, table["difference"], table["low"], table["high"]))
    table["smallest visible"] = list(map(percent, table["smallest visible"]))
    caption = (
        f"The claims of the study on {arms.counts}: differences times 100 with Holm-adjusted 95 % intervals by paired "
        "bootstrap over subjects (claim 3: over random halvings of the samples, which is Monte Carlo error only). "
        "A claim is decided by the comparisons marked yes; smallest visible: half the width of the interval."
    )
    return table.drop(columns=["low", "high"]).astype(object).fillna("-"), caption


def verdicts_of(results: MriResults, arms: Arms, delta: float) -> list[pd.DataFrame]:
    """One frame for each claim, a row a comparison."""
    test_set, names = arms.test_set, results.runs("ramp")
    trained = {name: [(arm.p, arm.theta) for arm in arms.trained[name]] for name in COMPARED if name in arms.trained}
    runs = []
    for name, (p, way) in zip(names, arms.referred, strict=True):
        budget = 1 - test_set.refer(way.flagged, way.kept)["retained"][0]
        runs.append((p, way, referral.baselines(test_set, results.answers[name, "test"], way.theta, budget)[:2]))
    mc = results.samples[names[0], "test"]["mc"]
    halved = convergence.halvings(mc, test_set.labels)
    fourth = not_tested(4, arms.missing.get("flips", "no network was trained with flips"))
    for name in results.runs("flips")[:1]:
        val, test = results.answers[name, "val"], results.answers[name, "test"]
        theta, column = uncertainty.youden(val["label"], val["flip_probability"]), "flip_mutual_information"
        way = referral.referral(test_set, val, test, column, theta, recipes.REVIEW_SHARE, ALEATORIC)
        fourth = referral_claim(test_set, 4, [(test["flip_probability"].to_numpy(), way, [])], delta)
    return [
        arms_claim(test_set, trained, delta),
        referral_claim(test_set, 2, runs, delta),
        convergence_claim(halved, delta, learned(test_set, arms.referred[0][0])),
        fourth,
    ]


def resampled(values: np.ndarray, confidence: float) -> dict[str, object]:
    """Mean over seeds of differences (seeds, draws + 1), the sample's first, and its percentile interval.

    ``p`` is two-sided, of no difference, from the share of replicates on either side of 0.
    """
    means = np.asarray(values).mean(axis=0)
    mean, low, high = metrics.estimate(means, confidence)
    drawn, p = means[1:][np.isfinite(means[1:])], np.nan
    if len(drawn) and np.isfinite(mean):
        p = min(1.0, 2 * (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + len(drawn)))
    by_seed = np.asarray(values)[:, 0]
    return {"mean": mean, "low": low, "high": high, "p": p, "by_seed": by_seed, "seeds": len(values)}


def compare(test_set: EnrichedTestSet, pairs: Mapping[str, np.ndarray], delta: float) -> list[Difference]:
    """Verdicts on differences (seeds, draws + 1) of the same replicates over subjects."""
    subjects = {"images": test_set.subjects}
    return verdicts.compare(pairs, delta, interval=lambda values, level: resampled(values, level) | subjects)


def arms_claim(
    test_set: EnrichedTestSet, arms: Mapping[str, Sequence[tuple[np.ndarray, float]]], delta: float
) -> pd.DataFrame:
    """Claim 1: F1 decides, as in the paper; average precision and MCC stand beside it in the same family.

    Against ``primed`` nothing is decided: it shows what the ramp adds to the priming stage that it starts from.

    Parameters
    ----------
    arms : ``ramp``, ``baseline``, ``focal``, ``primed`` -> for each seed p(artifact) of the test scans and the
        threshold fixed on validation; arms that were not trained are absent.
    """
    missing = [name for name in ("ramp", "baseline", "focal") if name not in arms]
    if "ramp" in missing or len(missing) == 2:
        return not_tested(1, f"not trained in this profile: {', '.join(missing)}")
    numbers = {name: [_numbers(test_set, p, theta) for p, theta in runs] for name, runs in arms.items()}
    failed = [name for name, runs in arms.items() if not all(learned(test_set, p) for p, _ in runs)]
    pairs, barred = {}, {}
    for other in [name for name in ("baseline", "focal", "primed") if name in arms]:
        # Arms with fewer seeds than the ramp are compared on the seeds that both have.
        seeds = list(zip(numbers["ramp"], numbers[other], strict=False))
        reason = " and ".join(name for name in ("ramp", other) if name in failed)
        for metric in ("F1", "AP", "MCC"):
            name = f"ramp - {other}, {metric}"
            pairs[name] = np.stack([ramp[metric] - theirs[metric] for ramp, theirs in seeds])
            if reason:
                barred[name] = f"{NOT_TESTABLE} ({reason} did not learn)"
    deciding = [name for name in pairs if name.endswith("F1") and "primed" not in name]
    return _table(1, compare(test_set, pairs, delta), barred, deciding, missing)


def referral_claim(
    test_set: EnrichedTestSet,
    claim: int,
    runs: Sequence[tuple[np.ndarray, Referral, Sequence[Referral]]],
    delta: float,
) -> pd.DataFrame:
    """Claims 2 and 4: kept scans against all scans decides; baselines of the same budget stand beside it.

    Parameters
    ----------
    runs : for each seed p(artifact) of the test scans, its referral, and baselines that refer as many scans.
    """
    gaps: dict[str, list[Values]] = {}
    for _, way, others in runs:
        everything, kept = (test_set.refer(way.flagged, part) for part in (np.ones(len(way.kept)), way.kept))
        for name, part in KEPT.items():
            gaps.setdefault(f"kept - all, {name}", []).append(kept[part] - everything[part])
        for other in others:
            theirs = test_set.refer(other.flagged, other.kept)
            for name, part in KEPT.items():
                # Review by p leaves no detected artifact among the kept scans (F1 = 0), so it is left out.
                if name == "accuracy" or theirs["caught"][0] > 0:
                    gaps.setdefault(f"kept - kept by '{other.name}', {name}", []).append(kept[part] - theirs[part])
    pairs = {name: np.stack(values) for name, values in gaps.items() if len(values) == len(runs)}
    reason = "" if all(learned(test_set, p) for p, _, _ in runs) else DID_NOT_LEARN
    if all(np.all(way.kept == 1) for _, way, _ in runs):
        reason = reason or f"{NOT_TESTABLE} (no scan was referred)"
    barred = dict.fromkeys(pairs, reason) if reason else {}
    return _table(claim, compare(test_set, pairs, delta), barred, [f"kept - all, {name}" for name in KEPT])


def convergence_claim(halved: pd.DataFrame, delta: float, has_learned: bool = True) -> pd.DataFrame:
    """Claim 3: each step to more samples lowers the squared distance to the reference curve, as a share of it.

    ``halved``: of :func:`xiqa.uncertainty.convergence`. Units are random halvings of the same samples of the same
    scans, so the interval is one of Monte Carlo error only.
    """
    table = halved.pivot(index="repeat", columns="samples", values="sse")
    steps = list(zip(table.columns[:-1], table.columns[1:], strict=True))
    if not steps:
        return not_tested(3, "too few Monte Carlo samples in this profile")
    pairs = {f"SSE, 1 - {b} / {a} samples": (1 - table[b] / table[a]).to_numpy()[:, None] for a, b in steps}
    barred = {} if has_learned else dict.fromkeys(pairs, DID_NOT_LEARN)
    return _table(3, verdicts.compare(pairs, delta), barred, list(pairs))


def learned(test_set: EnrichedTestSet, p: np.ndarray) -> bool:
    """Whether the lower bound of a network's AUC is above 0.6."""
    return metrics.estimate(test_set.rank(p)["auc"])[1] > LEARNED


def _numbers(test_set: EnrichedTestSet, p: np.ndarray, theta: float) -> dict[str, Values]:
    decided = test_set.decide(p >= theta)
    return {"F1": decided["f1"], "AP": test_set.rank(p)["ap"], "MCC": decided["mcc"]}


def _table(
    claim: int,
    differences: list[Difference],
    barred: Mapping[str, str],
    deciding: list[str],
    missing: Sequence[str] = (),
) -> pd.DataFrame:
    """A row a comparison; the verdict on the claim follows from the deciding ones, and from what is missing.

    ``barred``: comparison -> reason that it cannot be tested.
    """
    differences = [replace(d, verdict=barred.get(d.name) or d.verdict) for d in differences]
    whole = verdicts.together([d for d in differences if d.name in deciding])
    if missing and whole == SUPPORTED:
        whole = f"{UNDECIDED} (not trained in this profile: {', '.join(missing)})"
    rows = [
        {
            "claim": claim,
            "statement": STATEMENTS[claim],
            "comparison": d.name,
            "decides": "yes" if d.name in deciding else "no",
            "difference": d.mean,
            "low": d.low,
            "high": d.high,
            "smallest visible": d.smallest,
            "units": d.images,
            "seeds": d.seeds,
            "verdict": d.verdict,
            "verdict on the claim": whole,
        }
        for d in differences
    ]
    return pd.DataFrame(rows)


def not_tested(claim: int, reason: str) -> pd.DataFrame:
    """The row of a claim that this run cannot test."""
    verdict = f"{NOT_TESTABLE} ({reason})"
    row = {"claim": claim, "statement": STATEMENTS[claim], "comparison": "-", "decides": "yes", "seeds": 0, "units": 0}
    return pd.DataFrame([row | {"verdict": verdict, "verdict on the claim": verdict}])
