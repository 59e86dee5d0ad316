"""The paper on the command line: ``python run_all.py --help``.

Heavy work is a graph of named jobs, which run in worker processes; papermill then executes each notebook, which reads
what the jobs stored. What nothing has changed is skipped.
Exit codes: 0 all made, 1 a job or notebook failed, 2 wrong arguments or data, 3 made but a check fails,
130 interrupted.
"""

import argparse
import os
import shlex
import sys
from argparse import Namespace
from pathlib import Path

from xiqa import recipes
from xiqa.paper import jobs
from xiqa.paper.study import Job, Study
from xiqa.runner import console, report, schedule
from xiqa.runner.manifest import Planner
from xiqa.runner.settings import Settings
from xiqa.runner.steps import RefusedError, Step, check_parameters, lean_imports, matching, select
from xiqa.store.hardware import device_kind, thread_cap
from xiqa.store.places import data_root, figures_root, project_root, results_root

ROOT = project_root()
TIMEOUT = {"smoke": 15 * 60, "quick": 3 * 3600, "paper": 14 * 86400}  # seconds a notebook may take
PLACES = {"object_cxr": "Object-CXR", "lvot": "LVOT frames", "mri": "brain volumes"}  # real folders, in words
MEMORY = 3e9  # bytes that a job of the quick profile takes at most
TARGET = "xiqa.paper.jobs:perform"


def steps(options: Namespace, study: Study, graph: dict[str, Job]) -> dict[str, Step]:
    """The notebooks of the run, each with the jobs that it reads."""
    made = {}
    for name in recipes.PRODUCTS:
        if name.startswith("A") and not options.appendix:
            continue
        read = recipes.DATASETS[name]
        parameters = {place: str(folder) for place, folder in study.real.items() if place in read}
        if options.weights and set(read) & set(recipes.IMAGES):
            parameters["weights"] = options.weights
        made[name] = Step(
            name=name,
            notebook=ROOT / "notebooks" / ("appendix" if name.startswith("A") else "") / f"{name}.py",
            parameters={"profile": options.profile} | parameters,
            places=tuple(PLACES),
            needs=tuple(job.name for job in graph.values() if name in job.notebooks),
            products=tuple(recipes.PRODUCTS[name]),
            values=recipes.resolved(options.profile, name, options.weights),
            timeout=TIMEOUT.get(options.profile, 86400),
        )
    return made


class Parser(argparse.ArgumentParser):
    """A parser that answers a wrong argument with one sentence."""

    def error(self, message: str) -> None:
        """Refuse, without printing the usage."""
        raise RefusedError(f"{message[0].upper()}{message[1:]}; see --help.")


def parser() -> Parser:
    """The command line."""
    made = Parser(description="Regenerates the tables and figures of the paper.", allow_abbrev=False)
    add = made.add_argument
    add("--profile", default="quick", choices=list(recipes.PROFILES), help="size of the run (default: quick)")
    add("--only", nargs="+", action="extend", default=[], metavar="STEP", help="only what begins so: 05, train:mri")
    add("--from", dest="since", metavar="STEP", help="this notebook and all after it")
    add("--force", nargs="+", action="extend", default=[], metavar="STEP", help="run these even if nothing changed")
    add("--list", action="store_true", help="show jobs and notebooks and stop")
    add("--explain", action="store_true", help="show why each would run or be skipped, and stop")
    add("--jobs", type=int, metavar="N", help="at the same time (default: what cores and memory allow, 1 on a GPU)")
    add("--dask", metavar="ADDRESS", help="scheduler of a running Dask cluster that shares this folder")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"])
    add("--weights", choices=["imagenet"], help="start from torchvision's weights (downloads them)")
    add("--appendix", action="store_true", help="the notebooks of the appendix, too")
    add("--object-cxr", type=Path, metavar="DIR", help="the real Object-CXR instead of embedded radiographs")
    add("--lvot", type=Path, metavar="DIR", help="real four-chamber cine frames instead of embedded ones")
    add("--mri", type=Path, metavar="DIR", help="real brain volumes instead of embedded ones")
    add("--results", type=Path, default=results_root(), metavar="DIR", help="store, logs, report")
    add("--figures", type=Path, default=figures_root(), metavar="DIR", help="tables and figures")
    add("--publish", action="store_true", help="write the executed twins, notebooks/*.ipynb")
    return made


def settled(options: Namespace) -> Settings:
    """The settings of the run; RefusedError where the arguments do not fit together."""
    real = [name for name in PLACES if getattr(options, name) is not None]
    for name in real:
        folder = getattr(options, name)
        if not folder.is_dir():
            raise RefusedError(f"--{name.replace('_', '-')}: there is no folder {folder}.")
        setattr(options, name, folder.resolve())
    jobs_at_once = default_jobs(options) if options.jobs is None else options.jobs
    if jobs_at_once < 1:
        raise RefusedError("--jobs is at least 1.")
    if options.device == "cuda" and device_kind("auto") != "cuda":
        raise RefusedError("--device cuda: no driver sees a GPU here; leave --device out to compute on the CPU.")
    if real and options.publish:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in real)
        raise RefusedError(f"--publish writes notebooks that show embedded data: run it without {flags}.")
    if options.publish and options.profile == "smoke":
        raise RefusedError("--publish writes notebooks that people read, and the numbers of smoke mean nothing.")
    return Settings(
        profile=options.profile,
        name=f"{options.profile}-real" if real else options.profile,
        root=ROOT,
        results=options.results.resolve(),
        figures=options.figures.resolve(),
        data=data_root(),
        device=device_kind(options.device),
        threads=thread_cap(),
        jobs=jobs_at_once,
        dask=options.dask,
        about_data=about_data(real),
        meaning=recipes.PROFILES[options.profile].meaning,
    )


def default_jobs(options: Namespace) -> int:
    """Jobs at the same time: as many as the cores and the memory allow; one on a GPU, and 64 on a cluster."""
    if options.dask:
        return 64
    if device_kind(options.device) == "cuda":
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)) // thread_cap(), int(memory / MEMORY)))


def about_data(real: list[str]) -> str:
    """Description of the data of a run."""
    if not real:
        return "stand-in data"
    simulated = [words for name, words in PLACES.items() if name not in real]
    kinds = [f"real {PLACES[name]}" for name in real]
    return "; ".join(kinds + ([f"stand-in {' and '.join(simulated)}"] if simulated else []))


def opened(options: Namespace, settings: Settings) -> tuple[Study, dict]:
    """The study of the run, which computes nothing here, and its arguments for the worker processes."""
    os.environ.update(settings.environment())
    arguments = {name: str(folder) for name in PLACES if (folder := getattr(options, name))}
    arguments |= {"profile": options.profile, "weights": options.weights}
    study = Study(**arguments, compute=False)
    for name in study.real:
        try:
            study.data_sets[name].fingerprint  # noqa: B018
        except OSError as error:
            raise RefusedError(f"{error.filename} cannot be read ({error.strerror}): repair or remove it.") from None
    return study, arguments


def chosen_names(options: Namespace, graph: dict[str, Job], table: dict[str, Step]) -> list[str]:
    """Jobs and notebooks of the run, each after all that it needs: those of --only, and the jobs that these need."""
    jobs_only = [start for start in options.only if not any(name.startswith(start) for name in table)]
    chosen = set(select([*graph, *table], jobs_only)) if jobs_only else set()
    if len(jobs_only) < len(options.only) or not options.only:
        chosen |= set(select(list(table), set(options.only) - set(jobs_only), options.since))
    every = graph | table
    for name in reversed(every):  # those that need come after what they need
        if name in chosen:
            chosen.update(every[name].needs)
    return [name for name in every if name in chosen]


def main(arguments: list[str]) -> int:
    """Run what has to run; returns the exit code."""
    lean_imports()
    options = parser().parse_args(arguments)
    settings = settled(options)
    study, study_arguments = opened(options, settings)
    graph = jobs.jobs(study, options.appendix)
    table = steps(options, study, graph)
    names = chosen_names(options, graph, table)
    if options.list:
        console.show_list(names, table, settings)
        return console.OK
    check_parameters([table[name] for name in names if name in table])
    forced = {name for start in options.force for name in matching([*graph, *table], start)}
    planner = Planner(settings, study, graph, table, forced)
    if options.explain:
        plans = planner.everything()
        console.show_plan({name: plans[name] for name in names})
        return console.OK
    schedule.lock(settings.run_folder)
    plans = planner.everything()
    console.show_start({name: plans[name] for name in names}, settings)
    environment = report.environment(settings)
    result = schedule.run(planner, names, TARGET, study_arguments, environment)
    page = report.write(planner, result, environment)
    if options.publish:
        from xiqa.runner import twins  # loads nbformat

        twins.publish_all([table[name] for name in names if name in table], settings)
    return console.conclude(result, table, settings, page, resume(arguments))


def resume(arguments: list[str]) -> str:
    """The command that goes on where this one stopped: the same, without what was forced."""
    kept, forced = [], False
    for argument in arguments:
        if argument.startswith("-"):
            forced = argument.partition("=")[0] == "--force"
        if not forced:
            kept.append(argument)
    return f"{os.path.relpath(sys.executable)} run_all.py {shlex.join(kept)}" if kept else "make paper"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RefusedError as refused:
        print(f"run_all.py: {refused}", file=sys.stderr)
        sys.exit(console.EXIT_BAD_INPUT)
    except KeyboardInterrupt:  # before the first job, or after the last
        sys.exit(console.EXIT_INTERRUPTED)
