"""The four claims of the MRI study, judged by the rule of :mod:`xiqa.metrics.verdicts` on bootstrap replicates over subjects.

F1, average precision and MCC are no means over scans, so the intervals are percentiles of a paired bootstrap over
subjects, widened by Holm's rule. They speak of the networks that were trained: the variance of training again stands in
them only through the rule that all seeds must agree in sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics import verdicts
from xiqa.metrics.enriched import Bench, Values
from xiqa.metrics.verdicts import NOT_SUPPORTED, NOT_TESTABLE, SUPPORTED, UNDECIDED, Difference
from xiqa.paper.mri.referral import Referral

LEARNED = 0.6  # a network whose AUC is not surely above it has nothing to compare
_DID_NOT_LEARN = f"{NOT_TESTABLE} (a network did not learn)"
KEPT = {"accuracy": "accuracy_kept", "F1": "f1_kept"}
STATEMENTS = {
    1: "Data-ramping beats the baseline and focal cross-entropy",
    2: "Referring scans of high Monte Carlo disagreement raises accuracy and F1 of what is kept",
    3: "The ROC curve converges with the number of Monte Carlo samples",
    4: "Flip disagreement can be part of the pipeline: referring by it raises accuracy and F1 of what is kept",
}


def compare(pairs: Mapping[str, np.ndarray], delta: float, subjects: int, confidence: float = 0.95) -> list[Difference]:
    """Judge several differences together.

    Parameters
    ----------
    pairs : name -> differences (seeds, draws + 1), positive where the claim is right; column 0 is the sample's.
    delta : the smallest difference that matters.
    subjects : how many were drawn from.
    confidence : of the whole family; each interval is widened by Holm's step-down rule.

    """
    means = {name: np.asarray(values).mean(axis=0) for name, values in pairs.items()}
    ranked, found = sorted(pairs, key=lambda name: _p(means[name])), {}
    for position, name in enumerate(ranked):
        level = 1 - (1 - confidence) / (len(pairs) - position)
        value, low, high = metrics.estimate(means[name], level)
        verdict = _verdict(value, low, high, pairs[name][:, 0], delta)
        found[name] = Difference(name, value, low, high, verdict, subjects, len(pairs[name]), (high - low) / 2)
    return [found[name] for name in pairs]


def _p(values: Values) -> float:
    """Two-sided p of no difference, from the share of replicates on either side of 0."""
    drawn = values[1:][np.isfinite(values[1:])]
    if len(drawn) == 0 or not np.isfinite(values[0]):
        return 1.0
    return min(1.0, 2 * (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + len(drawn)))


def _verdict(value: float, low: float, high: float, seeds: np.ndarray, delta: float) -> str:
    if not np.isfinite([value, low, high]).all():
        return NOT_TESTABLE
    if low > 0 and value > delta and (seeds > 0).all():
        return SUPPORTED
    return NOT_SUPPORTED if high < delta else UNDECIDED


def arms_claim(bench: Bench, arms: Mapping[str, Sequence[tuple[np.ndarray, float]]], delta: float) -> pd.DataFrame:
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
    numbers = {name: [_numbers(bench, p, theta) for p, theta in runs] for name, runs in arms.items()}
    knows = {name: all(learned(bench, p) for p, _ in runs) for name, runs in arms.items()}
    pairs, barred = {}, {}
    for other in [name for name in ("baseline", "focal", "primed") if name in arms]:
        seeds = min(len(numbers["ramp"]), len(numbers[other]))
        without = [name for name in ("ramp", other) if not knows[name]]
        for metric in ("F1", "AP", "MCC"):
            name = f"ramp - {other}, {metric}"
            gaps = [numbers["ramp"][s][metric] - numbers[other][s][metric] for s in range(seeds)]
            pairs[name] = np.stack(gaps)
            if without:
                barred[name] = f"{NOT_TESTABLE} ({' and '.join(without)} did not learn)"
    deciding = [name for name in pairs if name.endswith("F1") and "primed" not in name]
    return _table(1, compare(pairs, delta, bench.subjects), barred, deciding, missing)


def referral_claim(
    bench: Bench,
    claim: int,
    runs: Sequence[tuple[np.ndarray, Referral, Sequence[Referral]]],
    delta: float,
) -> pd.DataFrame:
    """Claims 2 and 4: kept scans against all scans decides; rivals at the same budget stand beside it.

    Parameters
    ----------
    runs : for each seed p(artifact) of the test scans, its referral, and the rivals that are given the same budget.

    """
    gaps: dict[str, list[Values]] = {}
    for _, way, others in runs:
        without, found = bench.refer(way.flagged, np.ones(len(way.kept))), bench.refer(way.flagged, way.kept)
        for name, part in KEPT.items():
            gaps.setdefault(f"kept - all, {name}", []).append(found[part] - without[part])
        for other in others:
            theirs = bench.refer(other.flagged, other.kept)
            for name, part in KEPT.items():
                # Who reviews the highest p first catches nothing among the kept: its F1 of 0 is no rival.
                if name == "accuracy" or theirs["caught"][0] > 0:
                    gaps.setdefault(f"kept - kept by '{other.name}', {name}", []).append(found[part] - theirs[part])
    whole = {name: np.stack(values) for name, values in gaps.items() if len(values) == len(runs)}
    reason = "" if all(learned(bench, p) for p, _, _ in runs) else _DID_NOT_LEARN
    if all(np.all(way.kept == 1) for _, way, _ in runs):
        reason = reason or f"{NOT_TESTABLE} (no scan was referred)"
    barred = dict.fromkeys(whole, reason) if reason else {}
    return _table(claim, compare(whole, delta, bench.subjects), barred, [f"kept - all, {name}" for name in KEPT])


def convergence_claim(found: pd.DataFrame, delta: float, barred: bool = False) -> pd.DataFrame:
    """Claim 3: each step to more samples lowers the squared distance to the reference curve, as a share of it.

    Units are random halvings of the same samples of the same scans, so the interval is one of Monte Carlo error only.
    """
    table = found.pivot(index="repeat", columns="samples", values="sse")
    steps = list(zip(table.columns[:-1], table.columns[1:], strict=True))
    if not steps:
        return not_tested(3, "too few Monte Carlo samples in this profile")
    pairs = {f"SSE, 1 - {b} / {a} samples": (1 - table[b] / table[a]).to_numpy()[:, None] for a, b in steps}
    return _table(
        3, verdicts.compare(pairs, delta), dict.fromkeys(pairs, _DID_NOT_LEARN) if barred else {}, list(pairs)
    )


def learned(bench: Bench, p: np.ndarray) -> bool:
    """Whether the lower bound of a network's AUC says that it knows anything."""
    return metrics.estimate(bench.rank(p)["auc"])[1] > LEARNED


def _numbers(bench: Bench, p: np.ndarray, theta: float) -> dict[str, Values]:
    decided = bench.decide(p >= theta)
    return {"F1": decided["f1"], "AP": bench.rank(p)["ap"], "MCC": decided["mcc"]}


def _table(
    claim: int, judged: list[Difference], barred: Mapping[str, str], deciding: list[str], missing: Sequence[str] = ()
) -> pd.DataFrame:
    """A row a comparison; the verdict on the claim follows from the deciding ones, and from what is missing.

    ``barred``: comparison -> why it cannot be tested.
    """
    judged = [replace(d, verdict=barred.get(d.name) or d.verdict) for d in judged]
    whole = verdicts.together([d for d in judged if d.name in deciding])
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
        for d in judged
    ]
    return pd.DataFrame(rows)


def not_tested(claim: int, reason: str) -> pd.DataFrame:
    """The row of a claim that this run cannot judge."""
    verdict = f"{NOT_TESTABLE} ({reason})"
    row = {"claim": claim, "statement": STATEMENTS[claim], "comparison": "-", "decides": "yes", "seeds": 0, "units": 0}
    return pd.DataFrame([row | {"verdict": verdict, "verdict on the claim": verdict}])
