"""Trainings of a profile: their histories, and Table 1 with the test performance of every classifier of images."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from xiqa import metrics, recipes
from xiqa.paper import numbers
from xiqa.paper.study import Study
from xiqa.recipes.kinds import Classifier, Recipe, VolumeClassifier
from xiqa.store.files import read_frame

LEARNED = 0.6  # the lower bound of the test AUC of every primary classifier must be above it (O)


@dataclass(frozen=True, eq=False)  # comparing frames is ambiguous, so identity
class Trainings:
    """All trainings of a profile."""

    recipes: dict[str, Recipe]  # name of a training -> its recipe
    histories: dict[str, pd.DataFrame]  # name of a training -> a row an epoch
    predictions: dict[str, pd.DataFrame]  # name of a classifier of images -> split, unit, label, probability
    missing: dict[str, str]  # name of what the profile does not train -> reason
    primaries: dict[str, str]  # data set -> the study's primary network

    @property
    def volumes(self) -> list[str]:
        """Names of the trainings of the MRI study."""
        return [name for name, recipe in self.recipes.items() if isinstance(recipe, VolumeClassifier)]


def read(study: Study) -> Trainings:
    """Read the entries of all trainings, training what is missing."""
    every = {name: study.recipe(name) for name in recipes.trainings(study.profile.name, study.weights)}
    histories = {name: read_frame(study.train(name) / "history.csv") for name in every}
    classifiers = [name for name, recipe in every.items() if isinstance(recipe, Classifier)]
    predictions = {name: read_frame(study.train(name) / "predictions.csv") for name in classifiers}
    return Trainings(every, histories, predictions, dict(study.profile.missing), study.primaries())


def performance(trainings: Trainings) -> pd.DataFrame:
    """Test performance of every classifier of images: a row a classifier, columns of ``metrics.classification``."""
    rows = []
    for name, predictions in trainings.predictions.items():
        recipe, test = trainings.recipes[name], predictions[predictions["split"] == "test"]
        row = {"data set": recipe.dataset, "network": recipe.network, "seed": recipe.seed, "start": recipe.start}
        row["units"] = test["unit"].nunique()
        rows.append(row | metrics.classification(test["label"], test["probability"], groups=test["unit"]))
    return pd.DataFrame(rows)


def classifiers(frame: pd.DataFrame, missing: dict[str, str]) -> tuple[pd.DataFrame, str]:
    """Table 1 and its caption, of ``performance``; classifiers of images that are ``missing`` have a row each."""
    about = frame[["data set", "network", "seed", "start", "images", "units"]]
    cells = {
        f"{title} %": [numbers.percent(*values) for values in frame[[name, f"{name}_low", f"{name}_high"]].to_numpy()]
        for name, title in (("accuracy", "accuracy"), ("auc", "AUC"))
    }
    table = about.assign(**cells, Brier=frame["brier"].round(3), ECE=frame["ece"].round(3))
    images = {name: reason for name, reason in missing.items() if not name.startswith("mri")}
    not_run = [{"data set": name, "start": f"not run: {reason}"} for name, reason in images.items()]
    caption = (
        "Test performance of every classifier of images; intervals are 95 % over units (films, patients). Published on "
        "the real data: accuracy 87.1 % (radiographs) and 95.5 % (LVOT; both Swin transformer), AUC of the challenge's "
        "baseline 92.1 %."
    )
    return pd.concat([table, pd.DataFrame(not_run)], ignore_index=True) if not_run else table, caption


def learned(frame: pd.DataFrame, primaries: dict[str, str]) -> dict[str, float]:
    """Data set -> lowest lower bound of the test AUC among its primary classifiers."""
    return {
        dataset: frame.loc[(frame["data set"] == dataset) & (frame["network"] == network), "auc_low"].min()
        for dataset, network in primaries.items()
    }


def curves(trainings: Trainings) -> tuple[Figure, pd.DataFrame, str]:
    """Training loss and validation AUC by epoch of every training on images, a column a pretext or data set."""
    images = {name: frame for name, frame in trainings.histories.items() if name not in trainings.volumes}
    data = pd.concat([frame.assign(recipe=name) for name, frame in images.items()], ignore_index=True)
    data["epoch"] += 1
    caption = (
        f"Training loss and validation AUC by epoch; {len(images)} trainings on images, a line each. For a pretext the "
        "AUC is the mean of each kind against the others."
    )
    parts = data["recipe"].str.partition("-")
    kinds = list(data.assign(kind=parts[0], network=parts[2]).groupby("kind", sort=False))
    figure, axes = plt.subplots(2, len(kinds), figsize=(3.6 * len(kinds), 5), squeeze=False, sharex="col")
    for (above, below), (kind, part) in zip(axes.T, kinds, strict=True):
        for ax, column, text in ((above, "train_loss", "training loss"), (below, "val_auc", "validation AUC")):
            sns.lineplot(part, x="epoch", y=column, hue="network", marker="o", ax=ax, legend=column == "val_auc")
            ax.set(ylabel=text)
            ax.xaxis.get_major_locator().set_params(integer=True)
        above.set_title(kind)
        sns.move_legend(below, "lower right", title="", fontsize=7)
    return figure, data, caption
