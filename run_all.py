"""The steps of the paper and the command line that runs them: ``python run_all.py --help``.

Each step is a notebook with parameters; papermill executes it in a kernel of its own. A step whose notebook, modules,
parameters, data and libraries are those of its last run, and whose products are still there, is skipped.
Exit codes: 0 all made, 1 a step failed, 2 wrong arguments or data, 3 made but a check fails, 130 interrupted.
"""

import argparse
import functools
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from xiqa import recipes
from xiqa.runner import manifest, report, schedule, summary, twins
from xiqa.runner.settings import Settings
from xiqa.runner.steps import RefusedError, Step, check_parameters, in_order, lean_imports, matching, select
from xiqa.store import digests, hardware
from xiqa.store.places import data_root, figures_root, project_root, results_root
from xiqa.synthetic import catalogue

ROOT = project_root()
TIMEOUT = {"smoke": 15 * 60, "quick": 3 * 3600, "paper": 14 * 86400}  # seconds a step may take
SPLITS = ("train", "val", "test")
PLACES = {"object_cxr": "Object-CXR", "lvot": "LVOT frames", "mri": "brain volumes"}  # what a real folder may stand for
MAPS = "03_saliency"  # the step that keeps saliency maps, if told to


def steps(options: Namespace, settings: Settings) -> list[Step]:
    """The step table: one entry a notebook, and for ``02_training`` one a recipe."""
    profile = options.profile
    places = {name: str(getattr(options, name)) for name in PLACES if getattr(options, name)}
    data = {name: functools.cache(functools.partial(data_fingerprint, name, options, settings)) for name in PLACES}

    def step(name: str, needs: list[str], recipe: str | None = None, after: list[str] = ()) -> Step:
        read = recipes.datasets(profile, name, recipe)
        given = {place: places[place] for place in read if place in places}
        own = {"recipe": recipe} if recipe else {}
        explained = set(read) & set(recipes.IMAGES)
        weights = {"weights": options.weights} if options.weights and explained else {}
        maps = {"save_maps": options.save_maps} if options.save_maps and name == MAPS else {}
        products = () if recipe else tuple(p for p in recipes.PRODUCTS[name] if p not in not_run())
        return Step(
            name=f"{name}:{recipe}" if recipe else name,
            notebook=ROOT / "notebooks" / f"{name}.py",
            parameters={"profile": profile} | given | own | weights | maps,
            places=(*PLACES, "save_maps"),  # maps that are kept beside them change no product
            needs=tuple(needs),
            after=tuple(after),
            products=products,
            values=recipes.resolved(profile, name, recipe, options.weights),
            data={place: data[place] for place in read},
            timeout=TIMEOUT.get(profile, 86400),
        )

    trained = training_steps(profile, options.weights, step)

    def used(name: str) -> list[str]:
        """Trainings that a notebook asks, and what they start from."""
        read = set(recipes.DATASETS[name])
        direct = [s for recipe, s in trained.items() if read & set(recipes.datasets(profile, name, recipe))]
        if name == "01_data":  # the audit asks one of each data set, and none where data are real
            direct = [] if places else [trained[recipe] for recipe in recipes.audited(profile).values()]
        if name in recipes.UNTRAINED:
            direct += [s for recipe, s in trained.items() if recipe.startswith("textures-")]
        return list(dict.fromkeys([need for s in direct for need in s.needs] + [s.name for s in direct]))

    first, *rest = [step(name, used(name), after=recipes.SHARING.get(name, [])) for name in recipes.DATASETS]
    rest.sort(key=lambda made: -recipes.LENGTH.get(made.name, 0))
    return in_order([first, *trained.values(), *rest])


def training_steps(profile: str, weights: str | None, step: Callable) -> dict[str, Step]:
    """Recipe -> its step. The first training of a data set writes and prepares it, so the others wait for that one."""
    made, first = {}, {}
    for recipe, needs in recipes.training_steps(profile, weights).items():
        read = recipes.datasets(profile, "02_training", recipe)
        after = [first[name] for name in read if name in first]
        made[recipe] = step("02_training", [f"02_training:{need}" for need in needs], recipe, after)
        first |= {name: made[recipe].name for name in read if name not in first}
    return made


def not_run() -> dict[str, str]:
    """Products that this version cannot make, and why."""
    return getattr(recipes, "NOT_RUN", {})


def data_fingerprint(name: str, options: Namespace, settings: Settings) -> str:
    """Fingerprint of a data set: of the folder's content, or of the embedded one's code and specification."""
    if folder := getattr(options, name):
        try:
            return digests.folder_digest(folder, memory=settings.run_folder / "hashes.json")
        except OSError as error:
            raise RefusedError(f"{error.filename} cannot be read ({error.strerror}): repair or remove it.") from None
    return catalogue.fingerprint(name, recipes.PROFILES[options.profile].embedded[name])


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
    add("--only", nargs="+", action="extend", default=[], metavar="STEP", help="only steps that begin so: 05")
    add("--from", dest="since", metavar="STEP", help="this step and all after it")
    add("--force", nargs="+", action="extend", default=[], metavar="STEP", help="run these even if nothing changed")
    add("--list", action="store_true", help="show the steps and stop")
    add("--explain", action="store_true", help="show why each step would run or be skipped, and stop")
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="steps at the same time (default: 2 where there are the cores, 1 on a GPU)",
    )
    add("--threads", type=int, default=hardware.thread_cap(), metavar="N", help="threads of a step")
    add("--dask", metavar="ADDRESS", help="scheduler of a running Dask cluster that shares this folder")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"])
    add("--weights", choices=["imagenet"], help="start from torchvision's weights (downloads them)")
    add("--object-cxr", type=Path, metavar="DIR", help="the real Object-CXR instead of embedded radiographs")
    add("--lvot", type=Path, metavar="DIR", help="real four-chamber cine frames instead of embedded ones")
    add("--mri", type=Path, metavar="DIR", help="real brain volumes instead of embedded ones")
    add("--results", type=Path, default=results_root(), metavar="DIR", help="store, logs, report")
    add("--figures", type=Path, default=figures_root(), metavar="DIR", help="tables and figures")
    add(
        "--save-maps",
        nargs="?",
        const="test",
        choices=SPLITS,
        metavar="SPLIT",
        help="keep the saliency maps of every image of a split: train, val or test (default: test)",
    )
    add("--publish", action="store_true", help="write the executed twins, notebooks/*.ipynb")
    return made


def settled(options: Namespace) -> Settings:
    """The settings of the run, once the arguments have been found sound."""
    real = [name for name in PLACES if getattr(options, name) is not None]
    for name in real:
        folder = getattr(options, name)
        if not folder.is_dir():
            raise RefusedError(f"--{name.replace('_', '-')}: there is no folder {folder}.")
        setattr(options, name, folder.resolve())
    cores = len(os.sched_getaffinity(0))
    if options.jobs is None:
        alone = options.dask or hardware.device_kind(options.device) == "cuda"
        options.jobs = 1 if alone else max(1, min(2, cores // max(1, options.threads)))
    if options.jobs < 1 or options.threads < 1:
        raise RefusedError("--jobs and --threads are at least 1.")
    if options.jobs > 1 and options.jobs * options.threads > cores and not options.dask:
        raise RefusedError(
            f"{options.jobs} jobs of {options.threads} threads need {options.jobs * options.threads} cores and there "
            f"are {cores}: give fewer --jobs, or --threads {max(1, cores // options.jobs)} (other threads, other last "
            "digits, so all steps run anew)."
        )
    if options.device == "cuda" and hardware.device_kind("auto") != "cuda":
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
        device=hardware.device_kind(options.device),
        threads=options.threads,
        jobs=options.jobs,
        dask=options.dask,
        about_data=about_data(real),
    )


def about_data(real: list[str]) -> str:
    """What the data of a run are, in words."""
    if not real:
        return "stand-in data"
    simulated = [words for name, words in PLACES.items() if name not in real]
    kinds = [f"real {PLACES[name]}" for name in real]
    return "; ".join(kinds + ([f"stand-in {' and '.join(simulated)}"] if simulated else []))


def main(arguments: list[str]) -> int:
    """Run the steps that have to run; returns the exit code."""
    lean_imports()
    options = parser().parse_args(arguments)
    settings = settled(options)
    os.environ["XIQA_DEVICE"] = settings.device  # recipes choose a precision by it
    table = steps(options, settings)
    chosen = select(table, options.only, options.since)
    if options.list:
        summary.show_list(chosen, settings)
        return summary.OK
    check_parameters(chosen)
    forced = {step.name for wish in options.force for step in matching(table, wish)}
    forced |= saving(chosen) if options.save_maps else set()
    if options.explain:
        every = manifest.plan(table, settings, forced)
        summary.show_plan({step.name: every[step.name] for step in chosen})
        return summary.OK
    with schedule.locked(settings.run_folder):
        every = manifest.plan(table, settings, forced)
        plans = {step.name: every[step.name] for step in chosen}
        summary.show_start(plans, settings)
        environment = report.environment(settings)
        result = schedule.run(plans, settings, environment)
        page = report.write(every, result, settings, environment, not_run())
        if options.publish:
            twins.publish_all([step for step in chosen if step.main], settings)
    return summary.conclude(result, plans, settings, page, resume(arguments))


def saving(chosen: list[Step]) -> set[str]:
    """The step that keeps saliency maps: it runs whenever it is told to, and writes what is missing."""
    if MAPS not in {step.name for step in chosen}:
        raise RefusedError(f"--save-maps is for the step {MAPS}, which is not among the steps chosen: choose it too.")
    return {MAPS}


def resume(arguments: list[str]) -> str:
    """The command that goes on where this one stopped: the same, without what it was told to repeat."""
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
        sys.exit(summary.BAD_INPUT)
    except KeyboardInterrupt:  # before the first step, or after the last
        sys.exit(summary.INTERRUPTED)
