"""What review does to the whole data set: how many bad scans remain after a person has looked at some of them.

The accuracy of the scans that are kept rises with every scan that is taken away. Here the scans stay: a person looks at
a share of them, the highest score first, and the artifacts among these are gone. The reviewer is taken to see every
artifact (what is labelled one). All shares are weighted to the prevalence of the field, and random order and perfect
order stand beside every score.
"""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.figure import Figure

from xiqa import metrics, uncertainty
from xiqa.metrics.enriched import Bench
from xiqa.paper import numbers

P_ALONE, RANDOM, ORACLE = "p alone", "at random (expected)", "oracle: artifacts first"
BUDGETS = (0.02, 0.05, 0.10, 0.20, 0.30)  # shares of all scans, of the table
FINE = np.linspace(0, 0.5, 501)  # of the area and of the figure
COLUMNS = {
    "mutual_information": "mutual information",
    "predictive_entropy": "predictive entropy",
    "variance": "variance",
    "expected_entropy": "expected entropy",
}


def remaining_values(bench: Bench, score: np.ndarray, budgets: Iterable[float]) -> np.ndarray:
    """Share of the artifacts that a person has not seen, for the sample and for each replicate.

    Every replicate orders its own scans. Tied scans are in random order, in expectation; a scan at the edge of the
    budget counts in part.

    Parameters
    ----------
    score : (N,), reviewed from the highest down; a scan without a score (NaN) is reviewed first.
    budgets : B shares of all scans, weighted to the field, in [0, 1].

    Returns
    -------
    (draws + 1, B), in [0, 1]; NaN in a replicate that lacks a class.

    Raises
    ------
    ValueError : a budget outside [0, 1], or a score for another number of scans.

    """
    score, budgets = np.asarray(score, dtype=float), np.asarray(list(budgets), dtype=float)
    if score.shape != bench.labels.shape:
        raise ValueError(f"{len(bench.labels)} scans need as many scores, not an array of shape {score.shape}")
    if not ((budgets >= 0) & (budgets <= 1)).all():
        raise ValueError("budgets are shares of all scans and lie in [0, 1]")
    score = np.where(np.isnan(score), np.inf, score)
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(score[order][1:] != score[order][:-1], True))
    weights = bench.weights[:, order]
    seen = _running(weights, ends)
    found = _running(weights * (bench.labels[order] == 1), ends)
    # Between the ends of two groups of ties the expectation is a straight line.
    return np.stack(
        [1 - np.interp(budgets, mass / mass[-1], own / own[-1]) for mass, own in zip(seen, found, strict=True)]
    )


def _running(weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Sums up to the end of each group of ties, from 0: (draws + 1, groups + 1)."""
    return np.pad(np.cumsum(weights, axis=1)[:, ends], ((0, 0), (1, 0)))


def remaining(bench: Bench, score: np.ndarray, budgets: Iterable[float] = BUDGETS) -> pd.DataFrame:
    """Bad scans that remain in the data set after review of the highest scores; see ``remaining_values``.

    Returns
    -------
    DataFrame, a row a budget: ``budget``, ``remaining`` (share of all artifacts), ``low``, ``high`` (95 %, bootstrap
    over subjects), and the same as bad scans among 1,000 of the field: ``per_1000``, ``per_1000_low``,
    ``per_1000_high``.

    """
    budgets = [float(budget) for budget in budgets]
    values = remaining_values(bench, score, budgets).T
    found = pd.DataFrame([metrics.estimate(own) for own in values], columns=["remaining", "low", "high"])
    found.insert(0, "budget", budgets)
    thousand = 1000 * bench.prevalence * found[["remaining", "low", "high"]]
    return found.join(thousand.set_axis(["per_1000", "per_1000_low", "per_1000_high"], axis=1))


def orders(
    test: pd.DataFrame,
    theta: float,
    flips: pd.DataFrame | None = None,
    ensemble: Sequence[pd.DataFrame] | None = None,
) -> dict[str, np.ndarray]:
    """Scores by which scans can be sent to a person, the highest first.

    Parameters
    ----------
    test : what :func:`xiqa.paper.mri.answers.answers` gives for one network.
    theta : its threshold of p, fixed on validation.
    flips : the same, with the columns ``flip_...`` and ``both_...``, of the network that was trained with flips.
    ensemble : the same of two or more trainings, over the same scans.

    Returns
    -------
    name -> score (N,). ``p alone`` is the mean over Monte Carlo samples; random and perfect order come last.

    """
    p = test["probability"].to_numpy()
    found = {P_ALONE: p, "|p - theta|, nearest first": -np.abs(p - theta)}
    found |= {name: test[column].to_numpy() for column, name in COLUMNS.items()}
    if flips is not None:
        found |= _flip_orders(flips)
    if ensemble:
        found |= _ensemble_orders(ensemble)
    return found | {RANDOM: np.zeros(len(p)), ORACLE: test["label"].to_numpy().astype(float)}


def _flip_orders(flips: pd.DataFrame) -> dict[str, np.ndarray]:
    """Of the flip-trained network: its flips, and Monte Carlo samples in all orientations together."""
    return {
        "flip network: p over flips": flips["flip_probability"].to_numpy(),
        "flip network: flip disagreement": flips["flip_mutual_information"].to_numpy(),
        "flip network: p, samples in all flips": flips["both_probability"].to_numpy(),
        "flip network: disagreement, samples in all flips": flips["both_mutual_information"].to_numpy(),
    }


def _ensemble_orders(ensemble: Sequence[pd.DataFrame]) -> dict[str, np.ndarray]:
    """Mean p of several trainings, and the mutual information between them: each training is one sample."""
    if len(ensemble) < 2:
        raise ValueError("an ensemble needs two trainings or more")
    p = np.stack([answers["probability"].to_numpy() for answers in ensemble])
    parts, count = uncertainty.decompose(np.stack([1 - p, p], axis=-1)), len(p)
    return {
        f"ensemble of {count}: mean p": parts["probability"].to_numpy(),
        f"ensemble of {count}: disagreement": parts["mutual_information"].to_numpy(),
    }


def area_values(bench: Bench, score: np.ndarray, most: float = 0.5) -> np.ndarray:
    """Mean share of bad scans remaining over budgets from 0 to ``most``, (draws + 1,); 1 - most / 2 at random."""
    budgets = FINE / FINE[-1] * most
    return np.trapezoid(remaining_values(bench, score, budgets), budgets, axis=1) / most


def area(bench: Bench, scores: Mapping[str, np.ndarray], against: str = P_ALONE, most: float = 0.5) -> pd.DataFrame:
    """Orders of review by one number: the mean share of bad scans remaining over all budgets up to ``most``.

    Returns
    -------
    DataFrame, a row an order: ``order``, ``area``, ``low``, ``high``; ``difference``, ``difference_low``,
    ``difference_high`` to the order ``against``, paired over replicates: above 0 more bad scans remain.

    """
    values = {name: area_values(bench, score, most) for name, score in scores.items()}
    rows = [(name, *metrics.estimate(own), *metrics.estimate(own - values[against])) for name, own in values.items()]
    names = ["area", "low", "high", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=["order", *names])


def review_table(
    bench: Bench, scores: Mapping[str, np.ndarray], budgets: Sequence[float] = BUDGETS, against: str = P_ALONE
) -> pd.DataFrame:
    """A row an order: bad scans remaining at each budget in % of all, the area, and its difference to ``against``."""
    base, rows = area_values(bench, scores[against]), []
    for name, score in scores.items():
        values, own = remaining_values(bench, score, budgets), area_values(bench, score)
        row = {"reviewed first": name}
        row |= {f"remaining % after {100 * b:g} %": numbers.percents(v) for b, v in zip(budgets, values.T, strict=True)}
        row["mean remaining %, budgets to 50 %"] = numbers.percents(own)
        row[f"more than by {against}"] = "-" if name == against else numbers.percents(own - base)
        rows.append(row)
    return pd.DataFrame(rows)


def review_curves(
    bench: Bench, scores: Mapping[str, np.ndarray], budgets: Iterable[float] = tuple(np.linspace(0, 0.5, 101))
) -> pd.DataFrame:
    """``remaining`` of every order, tidy: order and its columns."""
    budgets = list(budgets)
    return pd.concat(
        [remaining(bench, score, budgets).assign(order=name) for name, score in scores.items()], ignore_index=True
    )


def draw_review(curves: pd.DataFrame, banded: Sequence[str] = (P_ALONE, "mutual information")) -> Figure:
    """Bad scans that remain among 1,000 against the share reviewed; intervals for the orders in ``banded``."""
    figure, ax = plt.subplots(figsize=(6.4, 4))
    # More orders than the style has colours; grey is for those in closed form.
    coloured = [color for color in sns.color_palette("tab10") if len({*color}) > 1]
    ax.set_prop_cycle(cycler(linestyle=["-", "-."]) * cycler(color=coloured))
    for name, part in curves.groupby("order", sort=False):
        known = name in (RANDOM, ORACLE)
        style = {"color": "0.6", "linestyle": ":" if name == RANDOM else "--"} if known else {}
        (line,) = ax.plot(100 * part["budget"], part["per_1000"], label=name, linewidth=1.2, **style)
        if name in banded:
            about = {"color": line.get_color(), "alpha": 0.15, "linewidth": 0}
            ax.fill_between(100 * part["budget"], part["per_1000_low"], part["per_1000_high"], **about)
    ax.set(xlabel="scans that a person looks at (%)", ylabel="bad scans remaining of 1,000", ylim=(0, None))
    ax.set_xlim(0, 100 * curves["budget"].max())
    # Beside the curves: a dozen of them leave no corner free.
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7)
    return figure
