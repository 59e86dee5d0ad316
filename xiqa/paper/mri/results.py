"""Entries of the MRI study in the store, and all that its tables, claims and figures read, as frames and arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa import recipes
from xiqa.paper.study import Job, Study
from xiqa.recipes import VolumeClassifier
from xiqa.store.files import read_frame

SPLITS = ("val", "test")
RESULTS, ARMS, SUPPLEMENT = "06_mri_uncertainty", "07_imbalance_handling", "A3_mri_supplement"


@dataclass(frozen=True, eq=False)
class MriResults:
    """Results of the MRI study. eq=False: comparing frames is ambiguous, so identity."""

    records: dict[str, pd.DataFrame]  # by split: label (1 = artifact), subject, artifact, contrast ...
    recipes: dict[str, VolumeClassifier]  # by name of the training, in the order of the profile
    plain: dict[tuple[str, str], pd.DataFrame]  # by (training, split): records with ``plain``, p with dropout off
    answers: dict[tuple[str, str], pd.DataFrame]  # by (sampled training, split): see ``xiqa.paper.mri.answers``
    samples: dict[tuple[str, str], dict[str, np.ndarray]]  # by (sampled training, "test"): ``mc`` (T, N, 2), ``flips``
    histories: dict[str, pd.DataFrame]  # by training
    features: dict[str, pd.DataFrame]  # "histograms", "content": of every scan
    missing: dict[str, str]  # by arm: reason why the profile does not train it
    profile: str

    def runs(self, arm: str) -> list[str]:
        """Names of the trainings of an arm, one a seed; none where the profile does not train it."""
        return [name for name, recipe in self.recipes.items() if recipe.arm == arm]

    @property
    def primary(self) -> str:
        """The training that notebook 06 is about: the first of the ramp."""
        return self.runs("ramp")[0]

    @property
    def flip_network(self) -> str | None:
        """The training whose predictions of flipped scans are compared, or None."""
        return next((name for name, split in self.samples if "flips" in self.samples[name, split]), None)


def sampled(study: Study) -> list[str]:
    """Names of the trainings of which Monte Carlo samples are drawn."""
    return [name for arm in recipes.SAMPLED for name in study.runs(arm)]


def flip_training(study: Study) -> str | None:
    """The training whose predictions of flipped scans are compared: it was trained with random flips; or None."""
    return next((name for name in (*study.runs("flips"), *study.runs("ramp")) if study.recipe(name).flip), None)


def samples_entry(study: Study, name: str, split: str, flips: bool | None = None, prepared: Path | None = None) -> Path:
    """Entry of the Monte Carlo samples of a training on a split.

    ``flips`` : in all eight orientations too; by default for the first training with random flips. ``prepared`` : by
    default the scans of the study.
    """
    recipe = study.recipe(name)
    return study.store.path(
        "xiqa.paper.mri.sample.sample",
        weights=study.train(name) / "weights.pt",
        prepared=prepared or study.prepared("mri"),
        split=split,
        samples=study.profile.samples,
        seed=recipe.seed,
        flips=(prepared is None and name == flip_training(study)) if flips is None else flips,
        precision=recipe.precision,
    )


def plain_entry(study: Study, name: str, split: str) -> Path:
    """Entry of the predictions of a training on a split with dropout off."""
    return study.store.path(
        "xiqa.training.predictions.scores",
        prepared=study.prepared("mri"),
        weights=study.train(name) / "weights.pt",
        precision=study.recipe(name).precision,
        split=split,
    )


def histograms_entry(study: Study) -> Path:
    """Entry of the histogram features of every scan."""
    return study.store.path("xiqa.paper.features.histograms", prepared=study.prepared("mri"), volumes=True)


def content_entry(study: Study) -> Path:
    """Entry of the hand-made image features of every scan."""
    data = study.data_sets["mri"]
    return study.store.path("xiqa.paper.mri.content.volume_content", prepared=data.prepared, intensity=data.intensity)


def jobs(study: Study) -> list[Job]:
    """Predictions, Monte Carlo samples and features that the MRI chapter reads."""
    data = "data:mri"
    made = [
        Job("features:mri-histograms", histograms_entry, (data,), ("01_data", ARMS, SUPPLEMENT)),
        Job("features:mri-content", content_entry, (data,), (ARMS, SUPPLEMENT)),
    ]
    for name in study.arms():
        drawn = name in sampled(study)
        entry: Callable = samples_entry if drawn else plain_entry
        for split in SPLITS:
            made.append(
                Job(
                    f"{'sample' if drawn else 'predict'}:{name}-{split}",
                    partial(entry, name=name, split=split),
                    (f"train:{name}", data),
                    (RESULTS, ARMS, SUPPLEMENT),
                )
            )
    return made


def read(study: Study) -> MriResults:
    """All results of the MRI study."""
    from scipy.special import expit

    from xiqa.paper.mri.answers import answers

    data, drawn = study.data("mri"), sampled(study)
    records = {split: data.records(split) for split in ("train", *SPLITS)}
    folders = {(name, split): samples_entry(study, name, split) for name in drawn for split in SPLITS}
    responses = {key: answers(folder, records[key[1]]) for key, folder in folders.items()}
    plain = {}
    for name in study.arms():
        for split in SPLITS:
            if name in drawn:
                p = responses[name, split]["plain"].to_numpy()
            else:
                p = expit(read_frame(plain_entry(study, name, split) / "frame.csv.gz")["score"].to_numpy())
            plain[name, split] = records[split].assign(plain=p)
    return MriResults(
        records=records,
        recipes={name: study.recipe(name) for name in study.arms()},
        plain=plain,
        answers=responses,
        samples={
            (name, "test"): {file.stem: np.load(file) for file in sorted(folders[name, "test"].glob("*.npy"))}
            for name in drawn
        },
        histories={name: read_frame(study.train(name) / "history.csv") for name in study.arms()},
        features={
            "histograms": read_frame(histograms_entry(study) / "frame.csv.gz"),
            "content": read_frame(content_entry(study) / "frame.csv.gz"),
        },
        missing={n.split("-")[2]: why for n, why in study.profile.missing.items() if n.startswith("mri-")},
        profile=study.profile.name,
    )
