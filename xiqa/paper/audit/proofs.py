"""Do the embedded data ask what they say? Proofs, each an AUC with its interval and what it should be.

Three kinds. *Must not tell*: with the cause of the label removed, or from files, headers and borders alone, nothing may
tell the label, so the interval (adjusted for the number of such proofs, Bonferroni) has to contain 0.5. *May tell in
part*: a histogram or a blob detector must not be enough. *Should tell*: the networks of the paper, and what is left of
them on another scanner.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from xiqa import metrics, recipes
from xiqa.data.prepare_images import prepare
from xiqa.data.prepare_volumes import prepare_volumes
from xiqa.paper.audit import networks, null_worlds, shortcuts
from xiqa.paper.study import NAMES, Experiment
from xiqa.synthetic import catalogue
from xiqa.training import predictions

NOT, PART, SHOULD = "must not tell", "may tell in part", "should tell"
HISTOGRAM = {"object_cxr": 0.70, "lvot": 0.70, "mri": 0.80}  # largest AUC that a histogram may reach (O)
BLOB = 0.75  # the same of a blob detector on radiographs (O)
TRAINED = 0.95  # smallest AUC that the primary networks should reach on images (O)
FILES = 200  # of each class and split, written for the audit where a data set is drawn on the fly (O)
NOTHING_READ = ("split", "unit", "label")


@dataclass(frozen=True)
class Proof:
    """One question to one data set.

    Attributes
    ----------
    dataset, kind, question : what is asked; kind is one of ``NOT``, ``PART``, ``SHOULD``.
    answer : gives the scores, a DataFrame with the columns unit, label, score.
    most, least : bounds of the AUC for ``PART`` and ``SHOULD``; None for no bound.

    """

    dataset: str
    kind: str
    question: str
    answer: Callable[[], pd.DataFrame]
    most: float | None = None
    least: float | None = None

    @property
    def expected(self) -> str:
        """What should come out, in words."""
        if self.kind == NOT:
            return "0.5"
        if self.most is not None:
            return f"at most {self.most:.2f}"
        return f"at least {self.least:.2f}" if self.least is not None else "-"

    def holds(self, area: float, low: float, high: float) -> str:
        """The verdict on an AUC and its interval."""
        if np.isnan(area):
            return "not testable"
        if self.kind == NOT:
            return "holds" if low <= 0.5 <= high else "fails"
        if self.most is None and self.least is None:
            return "-"
        return "holds" if (self.most or 1) >= area >= (self.least or 0) else "fails"


def audit(study: Experiment) -> pd.DataFrame:
    """All proofs of a run, a row each.

    Where a data set is real, only what needs no simulator and no training is asked.

    Returns
    -------
    DataFrame with the columns dataset, kind, question, expected, auc, low, high, positives, negatives, verdict.

    """
    proofs = [proof for dataset in (*recipes.IMAGES, *recipes.VOLUMES) for proof in _Proofs(study, dataset)]
    count = sum(proof.kind == NOT for proof in proofs)
    rows = []
    for proof in proofs:
        found = proof.answer()
        confidence = 1 - (1 - recipes.CONFIDENCE) / count if proof.kind == NOT else recipes.CONFIDENCE
        area, low, high = metrics.auc(found["label"], found["score"], found["unit"], confidence)
        rows.append(
            {"dataset": proof.dataset, "kind": proof.kind, "question": proof.question, "expected": proof.expected}
            | {"auc": area, "low": low, "high": high}
            | {"positives": int((found["label"] == 1).sum()), "negatives": int((found["label"] == 0).sum())}
            | {"verdict": proof.holds(area, low, high)}
        )
    order = [NOT, PART, SHOULD]
    found = pd.DataFrame(rows)
    return found.sort_values("kind", key=lambda kinds: kinds.map(order.index), kind="stable", ignore_index=True)


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """The table that people read."""
    area = [f"{r.auc:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in found.itertuples()]
    counts = [f"{r.positives} / {r.negatives}" for r in found.itertuples()]
    return pd.DataFrame(
        {"": found["kind"], "data set": found["dataset"].map(NAMES), "what is asked": found["question"],
         "expected": found["expected"], "AUC": area, "positive / negative": counts, "verdict": found["verdict"]}
    )  # fmt: skip


class _Proofs:
    """The proofs of one data set, in order."""

    def __init__(self, study: Experiment, dataset: str):
        self.study, self.dataset, self.store = study, dataset, study.store
        self.volumes = dataset in recipes.VOLUMES
        self.prepared = study.prepared_volumes() if self.volumes else study.prepared(dataset)
        self.network = recipes.audited(study.profile.name)[dataset]
        # A run that has real data asks the simulated ones only what costs nothing: their proofs are the default run's.
        self.simulated = not study.real

    def __iter__(self) -> Iterator[Proof]:
        if self.simulated:
            yield from self.worlds()
        if self.dataset != "lvot":  # a plan's tilt moves what lies at the borders of a frame: that is the cause itself
            what = "file and header" if self.volumes else "file, background and borders, number of objects"
            yield self.proof(NOT, f"{what}, by gradient boosting", self.nuisance)
        yield self.proof(
            PART, "histogram, by logistic regression", lambda: self.histogram("bin_"), most=HISTOGRAM[self.dataset]
        )
        if self.dataset == "object_cxr":
            yield self.proof(
                PART, "strongest blob (difference of Gaussians)", lambda: self.histogram("blob"), most=BLOB
            )
        if self.simulated:
            least = None if self.volumes else TRAINED
            yield self.proof(SHOULD, f"the network {self.network}", self.usual, least=least)
            yield self.proof(SHOULD, "the same network, images of another scanner", self.other)

    def proof(self, kind: str, question: str, answer: Callable, **bounds: float | None) -> Proof:
        return Proof(self.dataset, kind, question, answer, **bounds)

    def worlds(self) -> Iterator[Proof]:
        said = "labels of other patients" if self.dataset == "lvot" else "the cause of the label removed everywhere"
        yield self.proof(NOT, f"null world: a network trained and tested with {said}", self.null)
        if self.dataset != "lvot":
            yield self.proof(NOT, f"{self.network} on test items without the cause", self.without_cause)
        if self.dataset == "object_cxr":
            yield self.proof(NOT, f"{self.network}, lungs hidden", lambda: self.masked("lungs"))
            yield self.proof(SHOULD, f"{self.network}, only the lungs shown", lambda: self.masked("rest"))

    def entry(self):
        """Store entry of the null world."""
        given = {"prepared": self.prepared}
        if self.dataset == "lvot":
            return self.store.path(null_worlds.null_frames, **given)
        given["unkeyed"] = {"root": self.study.root(self.dataset)}
        return self.store.path(null_worlds.null_volumes if self.volumes else null_worlds.null_films, **given)

    def null(self) -> pd.DataFrame:
        return self.said(self.entry(), self.study.train_on(self.null_recipe(), self.entry()))

    def null_recipe(self) -> recipes.Recipe:
        """The primary network's recipe; of the MRI study the priming stage's, which needs no other training."""
        if not self.volumes:
            return self.study.recipe(self.network)
        first = self.study.recipe(self.study.arms()[0])
        return replace(first, steps=min(first.steps, recipes.NULL_STEPS))

    def without_cause(self) -> pd.DataFrame:
        entry = self.entry()
        if self.dataset == "lvot":
            root = {"root": self.study.root(self.dataset)}
            entry = self.store.path(null_worlds.bare_frames, prepared=self.prepared, unkeyed=root)
        return self.said(entry, self.study.train(self.network))

    def usual(self) -> pd.DataFrame:
        return self.said(self.prepared, self.study.train(self.network))

    def other(self) -> pd.DataFrame:
        spec = self.study.profile.other_scanner(self.dataset)
        given = {"data": catalogue.fingerprint(self.dataset, spec)}
        given["unkeyed"] = {"root": self.study.embedded_root(self.dataset, spec)}
        if self.volumes:
            entry = self.store.path(prepare_volumes, shape=list(self.study.profile.volumes[0].shape), **given)
        else:
            entry = self.store.path(prepare, size=self.study.size(self.dataset), dataset=self.dataset, **given)
        return self.said(entry, self.study.train(self.network))

    def masked(self, part: str) -> pd.DataFrame:
        return self.said(self.prepared, self.study.train(self.network), hide=part)

    def said(self, entry, training, hide: str = "") -> pd.DataFrame:
        """Scores of a training on the test split of an entry."""
        weights = training / "weights.pt"
        if self.volumes:
            precision = self.study.recipe(self.network).precision
            return self.store.frame(predictions.scores, prepared=entry, weights=weights, precision=precision)
        hidden = {"hide": hide, "unkeyed": {"root": self.study.root(self.dataset)}} if hide else {}
        return self.store.frame(networks.film_scores, prepared=entry, weights=weights, **hidden)

    def nuisance(self) -> pd.DataFrame:
        function = shortcuts.volume_features if self.volumes else shortcuts.picture_features
        root = {"root": self.study.root(self.dataset, self.sample())}
        found = self.store.frame(function, prepared=self.prepared, unkeyed=root)
        return shortcuts.fitted(found, [name for name in found if name not in NOTHING_READ], "boosting")

    def sample(self) -> list[str]:
        """Items of which files are wanted, where a data set is not stored as a whole."""
        if self.study.stored(self.dataset):
            return []
        records = [self.study.volumes().records(split) for split in ("train", "val", "test")]
        few = [r.groupby("label").head(FILES) for r in records]
        return [path for part in few for path in part["path"]]

    def histogram(self, which: str) -> pd.DataFrame:
        found = self.store.frame(shortcuts.histograms, prepared=self.prepared, volumes=self.volumes)
        if which == "blob":
            return found[found["split"] == "test"][["unit", "label"]].assign(score=found["blob"])
        columns = [name for name in found if name.startswith(which)] + ["mean", "spread"]
        return shortcuts.fitted(found, columns, "logistic")


def reliance(study: Experiment) -> pd.DataFrame:
    """How often a network's logit falls when the cause is taken off a test item, a row a data set.

    Returns
    -------
    DataFrame with the columns dataset, network, pairs, falls (share), low, high (Wilson, pairs of a unit depend), fall
    (median, in logits).

    """
    rows = []
    for dataset in (*recipes.IMAGES, *recipes.VOLUMES):
        proofs = _Proofs(study, dataset)
        before, after = proofs.usual(), proofs.without_cause()
        pairs = before.merge(after, on=["image", "unit", "label"], suffixes=("", "_without")).query("label == 1")
        fall = pairs["score"] - pairs["score_without"]
        low, high = metrics.clustered_wilson(fall > 0, pairs["unit"])
        about = {"dataset": dataset, "network": proofs.network, "pairs": len(fall), "falls": (fall > 0).mean()}
        rows.append(about | {"low": low, "high": high, "fall": fall.median()})
    return pd.DataFrame(rows)
