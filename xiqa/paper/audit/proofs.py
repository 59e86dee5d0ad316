"""Proofs that in the embedded data the cause alone predicts the label: AUCs, what is expected, verdicts.

Three kinds. *Must not predict*: with the cause of the label removed, or from files, headers and borders alone, the
interval of the AUC (adjusted for the number of such proofs, Bonferroni) has to contain 0.5. *May predict in part*: a
histogram or a blob detector must not be enough. *Should predict*: the networks of the paper, also on another scanner.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xiqa import metrics, recipes
from xiqa.paper.data_sets import NAMES

NOT, PART, SHOULD = "must not predict", "may predict in part", "should predict"


@dataclass(frozen=True, eq=False)
class Proof:
    """One predictor of the label of one data set.

    Attributes
    ----------
    dataset, kind, predictor : kind is one of ``NOT``, ``PART``, ``SHOULD``; the predictor is a text for the table.
    scores : columns unit, label, score, a row a test item.
    most, least : bounds of the AUC for ``PART`` and ``SHOULD``; None for no bound.
    """

    dataset: str
    kind: str
    predictor: str
    scores: pd.DataFrame
    most: float | None = None
    least: float | None = None

    @property
    def expected(self) -> str:
        """The expected AUC, in words."""
        if self.kind == NOT:
            return "0.5"
        if self.most is not None:
            return f"at most {self.most:.2f}"
        return f"at least {self.least:.2f}" if self.least is not None else "-"

    def verdict(self, area: float, low: float, high: float) -> str:
        """Verdict on an AUC and its interval."""
        if np.isnan(area):
            return "not testable"
        if self.kind == NOT:
            return "holds" if low <= 0.5 <= high else "fails"
        if self.most is None and self.least is None:
            return "-"
        return "holds" if (self.most or 1) >= area >= (self.least or 0) else "fails"


def verdicts(proofs: Sequence[Proof]) -> pd.DataFrame:
    """AUC, interval and verdict of every proof, sorted by kind.

    Returns
    -------
    DataFrame with the columns dataset, kind, predictor, expected, auc, low, high, positives, negatives, verdict.
    """
    count = sum(proof.kind == NOT for proof in proofs)
    rows = []
    for proof in proofs:
        scores = proof.scores
        confidence = 1 - (1 - recipes.CONFIDENCE) / count if proof.kind == NOT else recipes.CONFIDENCE
        area, low, high = metrics.auc(scores["label"], scores["score"], scores["unit"], confidence)
        rows.append(
            {"dataset": proof.dataset, "kind": proof.kind, "predictor": proof.predictor, "expected": proof.expected}
            | {"auc": area, "low": low, "high": high}
            | {"positives": int((scores["label"] == 1).sum()), "negatives": int((scores["label"] == 0).sum())}
            | {"verdict": proof.verdict(area, low, high)}
        )
    order = [NOT, PART, SHOULD]
    return pd.DataFrame(rows).sort_values(
        "kind", key=lambda kinds: kinds.map(order.index), kind="stable", ignore_index=True
    )


def table(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table of the audit and its caption; ``frame`` is that of :func:`verdicts`."""
    area = [f"{r.auc:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in frame.itertuples()]
    counts = [f"{r.positives} / {r.negatives}" for r in frame.itertuples()]
    cells = pd.DataFrame(
        {"kind": frame["kind"], "data set": frame["dataset"].map(NAMES), "predictor": frame["predictor"],
         "expected": frame["expected"], "AUC": area, "positive / negative": counts, "verdict": frame["verdict"]}
    )  # fmt: skip
    caption = (
        f"Areas under the ROC curve on test items, with {recipes.CONFIDENCE:.0%} intervals over films, patients or "
        f"subjects (those of '{NOT}' adjusted for their number). A proof of '{NOT}' holds if its interval contains "
        "0.5; the others hold if their AUC is on the right side of its bound."
    )
    return cells, caption
