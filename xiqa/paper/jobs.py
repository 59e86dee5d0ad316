"""The jobs of the paper: all heavy work, by name, as a graph.

The runner calls ``perform`` in its workers; a notebook opened by hand computes what is missing itself.
"""

from xiqa import recipes
from xiqa.paper.appendix.explained_mri import results as explained_mri
from xiqa.paper.appendix.localisation import results as localisation
from xiqa.paper.appendix.mri_supplement import results as mri_supplement
from xiqa.paper.audit import results as audit
from xiqa.paper.mri import results as mri
from xiqa.paper.pointing_game import results as pointing_game
from xiqa.paper.sanity_checks import results as sanity_checks
from xiqa.paper.study import Job, Study

CHAPTERS = (audit, pointing_game, sanity_checks, mri)
APPENDIX = (localisation, explained_mri, mri_supplement)


def jobs(study: Study, appendix: bool = True) -> dict[str, Job]:
    """Every job of a study by name, each after all that it needs: data, trainings, and those of the chapters."""
    made = []
    for name in study.data_sets:
        readers = tuple(notebook for notebook, datasets in recipes.DATASETS.items() if name in datasets)
        made.append(Job(f"data:{name}", lambda study, name=name: study.prepared(name), (), readers))
    for name, starts in recipes.trainings(study.profile.name, study.weights).items():
        dataset = getattr(study.recipe(name), "dataset", None)
        needs = (*(f"train:{start}" for start in starts), *([f"data:{dataset}"] if dataset else []))
        made.append(Job(f"train:{name}", lambda study, name=name: study.train(name), needs, ("02_training",)))
    for chapter in CHAPTERS + (APPENDIX if appendix else ()):
        made += chapter.jobs(study)
    return {job.name: job for job in made}


def perform(arguments: dict, name: str) -> None:
    """Compute one job; ``arguments`` are those of :class:`xiqa.paper.study.Study`."""
    study = Study(**arguments)
    jobs(study)[name].entries(study)
