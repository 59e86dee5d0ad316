"""Proofs that in the embedded data the cause alone predicts the label: AUCs, what is expected, verdicts.

*Must not predict*: without the cause, or from files, headers and borders. *May predict in part*: a histogram or a blob
detector must not be enough. *Should predict*: the networks of the paper, also on another scanner.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xiqa import metrics, recipes
from xiqa.paper.data_sets import NAMES

NOT, PART, SHOULD = "must not predict", "may predict in part", "should predict"
EQUAL_WITHIN = 0.1  # of an AUC of 0.5: the interval of a predictor without information lies in these bounds (O)


@dataclass(frozen=True, eq=False)
class Proof:
    """One predictor of the label of one data set."""

    dataset: str
    kind: str  # NOT, PART or SHOULD
    predictor: str  # text for the table
    scores: pd.DataFrame  # columns unit, label, score, a row a test item
    most: float | None = None  # bounds of the AUC for PART and SHOULD; None for no bound
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
        """Verdict on an AUC and its interval: that an interval contains 0.5 is no proof that the AUC is 0.5."""
        if np.isnan(area):
            return "not testable"
        if self.kind == NOT:
            if not low <= 0.5 <= high:
                return "fails"
            return "holds" if max(0.5 - low, high - 0.5) < EQUAL_WITHIN else "no difference detected"
        if self.most is None and self.least is None:
            return "-"
        return "holds" if (self.most or 1) >= area >= (self.least or 0) else "fails"


def verdicts(proofs: Sequence[Proof]) -> pd.DataFrame:
    """AUC, interval and verdict of every proof, sorted by kind.

    Columns: dataset, kind, predictor, expected, auc, low, high, positives, negatives, verdict. Intervals of ``NOT`` are
    adjusted for the number of such proofs (Bonferroni).
    """
    count = sum(proof.kind == NOT for proof in proofs)
    rows = []
    for proof in sorted(proofs, key=lambda proof: [NOT, PART, SHOULD].index(proof.kind)):
        scores = proof.scores
        confidence = 1 - (1 - recipes.CONFIDENCE) / count if proof.kind == NOT else recipes.CONFIDENCE
        area, low, high = metrics.auc(scores["label"], scores["score"], scores["unit"], confidence)
        rows.append(
            {"dataset": proof.dataset, "kind": proof.kind, "predictor": proof.predictor, "expected": proof.expected}
            | {"auc": area, "low": low, "high": high}
            | {"positives": int((scores["label"] == 1).sum()), "negatives": int((scores["label"] == 0).sum())}
            | {"verdict": proof.verdict(area, low, high)}
        )
    return pd.DataFrame(rows)


def table(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table of the audit and its caption; ``frame`` is that of :func:`verdicts`."""
    cells = frame[["kind", "dataset", "predictor", "expected"]].rename(columns={"dataset": "data set"})
    cells["data set"] = cells["data set"].map(NAMES)
    cells["AUC"] = [f"{r.auc:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in frame.itertuples()]
    cells["positive / negative"] = [f"{r.positives} / {r.negatives}" for r in frame.itertuples()]
    return cells.assign(verdict=frame["verdict"]), (
        f"Areas under the ROC curve on test items, with {recipes.CONFIDENCE:.0%} intervals over films, patients or "
        f"subjects (those of '{NOT}' adjusted for their number). A proof of '{NOT}' holds if its interval contains 0.5 "
        f"and lies within 0.5 +- {EQUAL_WITHIN}; where a wider interval contains 0.5, no difference is detected, which "
        "does not prove that there is none. The others hold if their AUC is on the right side of its bound."
    )
