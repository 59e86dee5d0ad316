"""What a notebook asks of a study: its networks explained, beside untrained ones and rivals, and their moving peaks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from xiqa.paper.appendix.explained_mri.dropout import spread, wander
from xiqa.paper.appendix.explained_mri.observe import METHODS, PRIMARY, observe, rivals
from xiqa.paper.appendix.explained_mri.tables import CALLED_CLEAN, LOCAL
from xiqa.paper.mri import answers as mri_answers

if TYPE_CHECKING:
    from xiqa.paper.study import Experiment

SPLIT = "test"
# Maps under dropout of a scan, at most: time against noise, for the spread of 30 correlates at 0.8 with that of 100.
SAMPLES = 50
CASES, CONTROLS = 100, 1  # missed artifacts at most, and clean scans called clean for each of them


def explained(study: "Experiment", names: Sequence[str]) -> pd.DataFrame:
    """Maps of the trained networks, of untrained ones of the same architecture, and of rivals, scored on every mask.

    Parameters
    ----------
    names : recipes of one arm that differ by their seed.

    Returns
    -------
    DataFrame: rows of :func:`observe` and :func:`rivals`; none where no scan of the test split has a mask.

    """
    root = study.root("mri", _simulated(study)["path"])
    given = {"prepared": study.prepared_volumes(), "split": SPLIT, "unkeyed": {"root": root}}
    recipes = {name: study.recipe(name) for name in names}
    batch, network = study.profile.maps_batch, next(iter(recipes.values())).network
    parts = [
        study.store.frame(
            observe,
            weights=study.train(name) / "weights.pt",
            network=recipe.network,
            seed=recipe.seed,
            methods=list(METHODS),
            batch=batch,
            **given,
        )
        for name, recipe in recipes.items()
    ]
    # The classes of an untrained network mean nothing: another seed says as much as another class.
    parts += [
        study.store.frame(observe, weights=None, network=network, seed=seed, methods=[PRIMARY], batch=batch, **given)
        for seed in range(study.profile.heads)
    ]
    parts.append(study.store.frame(rivals, **given))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def peaks(study: "Experiment", name: str, theta: float) -> pd.DataFrame:
    """How far the peaks of one network move under dropout: on scans with a mask, and on scans that it calls clean.

    Of the scans called clean (mean probability of the samples below ``theta``) all missed artifacts are asked, and
    as many clean scans, both drawn by the seed of the study where there are more.

    Returns
    -------
    DataFrame: rows of :func:`spread` (``set`` local) and of :func:`wander` (``set`` called clean).

    """
    recipe, drawn = study.recipe(name), study.samples(name, SPLIT)
    answers = mri_answers.answers(drawn, study.volumes().records(SPLIT))
    chosen = called_clean(answers, theta)
    given = {
        "prepared": study.prepared_volumes(),
        "weights": study.train(name) / "weights.pt",
        "network": recipe.network,
        "seed": recipe.seed,
        "split": SPLIT,
        "samples": min(SAMPLES, study.profile.samples),
        "drawn": drawn,
    }
    root = study.root("mri", [*_simulated(study)["path"], *chosen["path"]])
    local = study.store.frame(spread, unkeyed={"root": root}, **given)
    others = study.store.frame(wander, images=chosen["image"].to_list(), unkeyed={"root": root}, **given)
    parts = [local.assign(set=LOCAL), others.assign(set=CALLED_CLEAN)]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def called_clean(answers: pd.DataFrame, theta: float) -> pd.DataFrame:
    """Scans with a probability below theta: the missed artifacts, and as many clean ones, as far as there are."""
    below = answers[answers["probability"] < theta]
    missed, clean = (below[below["label"] == label] for label in (1, 0))
    missed = missed.sample(min(CASES, len(missed)), random_state=0)
    clean = clean.sample(min(CONTROLS * len(missed), len(clean)), random_state=0)
    return pd.concat([missed, clean]).sort_index()


def _simulated(study: "Experiment") -> pd.DataFrame:
    """Records of the test scans in which the simulator put an artifact; none of a real folder."""
    records = study.volumes().records(SPLIT)
    return records[records["artifact"] != ""]
