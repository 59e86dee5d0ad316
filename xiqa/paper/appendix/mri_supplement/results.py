"""Store entries of the supplement to the MRI study: learning-rate range test, flips, scans of another scanner."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa.paper.mri.answers import answers
from xiqa.paper.mri.results import samples_entry
from xiqa.paper.study import Job, Study
from xiqa.store.files import read_frame

NOTEBOOKS = ("A3_mri_supplement",)


@dataclass(frozen=True, eq=False)
class Supplement:
    """Results of the supplement, beside those of the MRI study.

    Attributes
    ----------
    range_test : step, learning_rate, loss, smoothed.
    rates : lowest and highest learning rate of the recipe of the range test.
    flip_name, flipped : training whose orientations are compared, and whether it was trained with random flips.
    flip_samples : (8, N, 2) its probabilities of the test scans, one orientation each.
    other_scanner : name of a training -> its answers on the test scans of another scanner; empty for real data.
    """

    range_test: pd.DataFrame
    rates: tuple[float, float]
    flip_name: str
    flipped: bool
    flip_samples: np.ndarray
    other_scanner: dict[str, pd.DataFrame]


def flip_training(study: Study) -> str:
    """The first training with random flips; where there is none, the first of the ramp."""
    return (study.runs("flips") or study.runs("ramp"))[0]


def shifted_trainings(study: Study) -> list[str]:
    """Trainings that predict the other scanner's scans: the primary one and the first with flips; none of real data."""
    return [*study.runs("ramp")[:1], *study.runs("flips")[:1]] if study.stand_in("mri") else []


def range_test_entry(study: Study) -> Path:
    """Entry of the learning-rate range test of the first recipe."""
    recipe = asdict(study.recipe(study.arms()[0]))
    return study.store.path("xiqa.training.volumes.range_test", recipe=recipe, prepared=study.prepared("mri"))


def jobs(study: Study) -> list[Job]:
    """Jobs of the supplement; what it reads of the MRI study is made by that chapter's jobs."""
    data, other, flips, shifted = "data:mri", "data:mri-other-scanner", flip_training(study), shifted_trainings(study)
    made = [Job("range_test:mri", range_test_entry, (data,), NOTEBOOKS)]
    if not study.recipe(flips).flip:
        entry = partial(samples_entry, name=flips, split="test", flips=True)
        made.append(Job(f"sample:{flips}-test-flips", entry, (data, f"train:{flips}"), NOTEBOOKS))
    if shifted:
        made.append(Job(other, lambda study: study.data_sets["mri"].other_scanner().prepared, (), NOTEBOOKS))
    for name in shifted:
        entry = partial(samples_entry, name=name, split="test", data_set=study.data_sets["mri"].other_scanner())
        made.append(Job(f"sample:{name}-other-scanner", entry, (other, f"train:{name}"), NOTEBOOKS))
    return made


def read(study: Study) -> Supplement:
    """Read the results of the supplement; compute what is missing."""
    flips, shifted, other = flip_training(study), shifted_trainings(study), study.data_sets["mri"].other_scanner()
    records = other.arrays.records("test") if shifted else None
    entries = {name: samples_entry(study, name, "test", data_set=other) for name in shifted}
    return Supplement(
        range_test=read_frame(range_test_entry(study) / "frame.csv.gz"),
        rates=study.recipe(study.arms()[0]).rates,
        flip_name=flips,
        flipped=study.recipe(flips).flip,
        flip_samples=np.load(samples_entry(study, flips, "test", flips=True) / "flips.npy"),
        other_scanner={name: answers(entry, records) for name, entry in entries.items()},
    )
