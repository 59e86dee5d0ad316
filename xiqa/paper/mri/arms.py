"""The arms of the MRI study side by side: trained networks, their corrected logits, their ensemble, simple rivals.

An arm is what it says of validation and of test; how it came to say so no longer matters to the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import softmax

from xiqa import imbalance, metrics, uncertainty
from xiqa.metrics.enriched import Bench
from xiqa.paper.numbers import number, percents
from xiqa.paper.study import Experiment
from xiqa.recipes.kinds import VolumeClassifier

CALIBRATION = {"Brier skill": "brier_skill", "log loss": "log_loss", "ECE (15 bins of p)": "ece"}
SHIFTED, ENSEMBLE = "logits shifted to the field", "ramp, ensemble"


@dataclass(frozen=True, eq=False)
class Arm:
    """What one arm says.

    Attributes
    ----------
    name, seed, start : ``ramp``, 0, ``priming``; seed and start are "-" for what is no single training.
    val, test : records with ``plain``, the probability of an artifact, dropout off.

    """

    name: str
    seed: int | str
    start: str
    val: pd.DataFrame
    test: pd.DataFrame

    @property
    def p(self) -> np.ndarray:
        """Probability of an artifact of the test scans, (N,)."""
        return self.test["plain"].to_numpy()

    @property
    def theta(self) -> float:
        """The threshold of highest Youden's J on validation."""
        return uncertainty.youden(self.val["label"], self.val["plain"])

    @property
    def flagged(self) -> np.ndarray:
        """Test scans called an artifact at ``theta``, (N,) bool."""
        return self.p >= self.theta


def trained(study: Experiment) -> list[Arm]:
    """Every training of the study on all artifacts, in the order of the recipes."""
    found = []
    for name in study.arms():
        recipe = study.recipe(name)
        if not recipe.without:
            said = [study.plain(name, split) for split in ("val", "test")]
            found.append(Arm(recipe.arm, recipe.seed, recipe.start, *said))
    return found


def corrected(arms: Sequence[Arm], study: Experiment, prevalence: float) -> list[Arm]:
    """Arms that were trained at another prior (first seed of each), with their logits shifted to the field's."""
    labels, found = study.volumes().records("train")["label"], []
    recipes = {(r.arm, r.seed): r for r in map(study.recipe, study.arms())}
    for arm in arms:
        prior = training_prior(recipes[arm.name, arm.seed], labels)
        if arm.seed == 0 and not np.isclose(prior, labels.mean()):
            shifted = [frame.assign(plain=shift(frame["plain"], prior, prevalence)) for frame in (arm.val, arm.test)]
            found.append(Arm(f"{arm.name}, {SHIFTED}", arm.seed, arm.start, *shifted))
    return found


def training_prior(recipe: VolumeClassifier, labels: ArrayLike) -> float:
    """Share of artifacts that a recipe's last epochs show; class weights make it one half."""
    even = recipe.class_weights or recipe.sampler == "balanced" or recipe.stage == "priming"
    return 0.5 if even else float(np.mean(labels))


def shift(probability: ArrayLike, prior_train: float, prior_target: float) -> np.ndarray:
    """Probabilities (N,) of class 1 after :func:`xiqa.imbalance.shift_logits`."""
    p = np.clip(np.asarray(probability, dtype=float), 1e-12, 1 - 1e-12)
    logits = np.log(np.stack([1 - p, p], axis=-1))
    return softmax(imbalance.shift_logits(logits, prior_train, prior_target), axis=-1)[:, 1]


def ensemble(study: Experiment) -> list[Arm]:
    """The mean of the ramp's seeds, where there are several."""
    names = study.runs("ramp")
    if len(names) < 2:
        return []
    return [Arm(f"{ENSEMBLE} of {len(names)}", "-", "priming", *(study.ensemble(names, s) for s in ("val", "test")))]


def simple(study: Experiment, said: Mapping[str, Mapping[str, np.ndarray]]) -> list[Arm]:
    """Rivals that are no network, from their probabilities: name -> split -> (N,)."""
    records = {split: study.volumes().records(split) for split in ("val", "test")}
    return [Arm(name, "-", "-", *(records[s].assign(plain=p[s]) for s in records)) for name, p in said.items()]


def experiments(bench: Bench, arms: Sequence[Arm], missing: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm, seed and threshold, after the row that calls every scan clean; missing arms say why."""
    rows = [pd.DataFrame([{"arm": "all clean", "seed": "-", "start": "-"} | all_clean(bench)])]
    for arm in arms:
        found = experiment(bench, arm.val, arm.test)
        rows.append(found.assign(arm=arm.name.replace("_", " "), seed=arm.seed, start=arm.start))
    rows.append(pd.DataFrame([{"arm": arm, "threshold by": f"not run: {why}"} for arm, why in missing.items()]))
    table = pd.concat(rows, ignore_index=True).astype(object).fillna("-")
    first = ["arm", "seed", "start"]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def experiment(bench: Bench, val: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """One network, dropout off, at its two thresholds fixed on validation: Youden's J (the paper's) and best F1."""
    p, weights = test["plain"].to_numpy(), metrics.prevalence_weights(val["label"], bench.prevalence)
    ranked, calibrated = bench.rank(p), bench.calibrate(p)
    thresholds = {
        "Youden": uncertainty.youden(val["label"], val["plain"]),
        "best F1": uncertainty.best_f1(val["label"], val["plain"], weights),
    }
    rows = []
    for rule, theta in thresholds.items():
        row = {
            "threshold by": rule,
            "theta": _threshold(theta),
            "AUC": number(ranked["auc"]),
            "AP": number(ranked["ap"]),
        }
        row |= decision_cells(bench, p >= theta)
        row |= {name: number(calibrated[part]) for name, part in CALIBRATION.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def decision_cells(bench: Bench, flagged: np.ndarray) -> dict[str, object]:
    """What a decision is worth: weighted to the field with intervals, per 1,000 scans, and the plain counts."""
    found, counts = bench.decide(flagged), metrics.detection(bench.labels, flagged)
    shares = {"accuracy": "accuracy %", "balanced_accuracy": "balanced accuracy %", "sensitivity": "sensitivity %"}
    shares |= {"specificity": "specificity %", "precision": "PPV %", "npv": "NPV %"}
    row = {title: percents(found[part]) for part, title in shares.items()}
    row |= {"F1": number(found["f1"]), "MCC": number(found["mcc"])}
    thousand = 1000 * np.array([found["tp"][0] + found["fp"][0], found["tp"][0], found["fn"][0]]) / bench.weight.sum()
    row["of 1,000 scans: flagged / rightly / missed"] = " / ".join(f"{part:.1f}" for part in thousand)
    return row | {name: int(counts[name]) for name in ("tp", "fn", "fp", "tn")}


def all_clean(bench: Bench) -> dict[str, object]:
    """The trivial row: every scan called clean, with the prevalence as its probability."""
    stated = np.full(len(bench.labels), bench.prevalence)
    ranked, calibrated = bench.rank(stated), bench.calibrate(stated)
    first = {"threshold by": "-", "theta": "-", "AUC": number(ranked["auc"]), "AP": number(ranked["ap"])}
    cells = {name: number(calibrated[part]) for name, part in CALIBRATION.items()}
    return first | decision_cells(bench, np.zeros(len(stated), bool)) | cells


def headline_row(
    bench: Bench, runs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray | float]], rival: np.ndarray | None = None
) -> dict[str, str]:
    """The numbers of the headline table for one setting; of the kept scans alone where some are referred.

    Parameters
    ----------
    runs : for each seed p(artifact), what is called an artifact, and what is kept (1 for all), each (N,); numbers are
        means over seeds, with their intervals over subjects.
    rival : p(artifact) of another model, (N,): how much average precision lies above its own, in the same draws.

    """
    decided = [bench.decide(flagged, kept) for _, flagged, kept in runs]
    ranked = [
        (bench.rank(p) if np.all(kept == 1) else metrics.ranking(bench.labels, p, bench.weights * kept))["ap"]
        for p, _, kept in runs
    ]
    cells = {"accuracy": percents, "f1": number, "mcc": number, "balanced_accuracy": percents}
    found = {part: write(np.mean([each[part] for each in decided], axis=0)) for part, write in cells.items()}
    precision = np.mean(ranked, axis=0)
    row = {"seeds": len(runs), "accuracy %": found["accuracy"], "F1": found["f1"], "AP": number(precision)}
    row |= {"MCC": found["mcc"], "balanced accuracy %": found["balanced_accuracy"]}
    if rival is not None:
        gap = precision - bench.rank(rival)["ap"]
        says = "above" if metrics.estimate(gap)[1] > 0 else "not surely above"
        row["AP less that of the histogram"] = f"{number(gap)}: {says}"
    return row


def _threshold(value: float) -> str:
    if np.isnan(value):
        return "at that budget"
    return "none" if np.isinf(value) else f"{value:.3g}"
