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
from pathlib import Path

from xiqa import recipes
from xiqa.runner import fingerprints, manifest, report, run, store, summary, twins
from xiqa.runner.settings import Settings
from xiqa.runner.steps import RefusedError, Step, check_parameters, in_order, lean_imports, matching, select
from xiqa.synthetic import embedded

ROOT = store.project_root()
TIMEOUT = {"smoke": 15 * 60, "quick": 3 * 3600, "paper": 14 * 86400}  # seconds a step may take
# Data sets whose notebooks are still to come.
NOT_YET = {"lvot": "LVOT frames", "mri": "brain volumes"}


def steps(options: Namespace, settings: Settings) -> list[Step]:
    """The step table: one entry a notebook, and for ``02_training`` one a recipe."""
    profile = options.profile
    common = {"profile": profile} | ({"object_cxr": str(options.object_cxr)} if options.object_cxr else {})
    weights = {"weights": options.weights} if options.weights else {}
    training = recipes.training_steps(profile, options.weights)
    data = {"object_cxr": functools.cache(lambda: data_fingerprint("object_cxr", options, settings))}

    def step(name: str, needs: list[str], recipe: str | None = None) -> Step:
        own = {"recipe": recipe} if recipe else {}
        products = () if recipe else tuple(p for p in recipes.PRODUCTS[name] if p not in not_run())
        return Step(
            name=f"{name}:{recipe}" if recipe else name,
            notebook=ROOT / "notebooks" / f"{name}.py",
            parameters=common | own | ({} if name == "01_data" else weights),
            places=("object_cxr",),
            needs=tuple(needs),
            products=products,
            values=recipes.resolved(profile, recipe, options.weights),
            data={} if recipe and recipe.startswith("pretext") else data,
            timeout=TIMEOUT.get(profile, 86400),
        )

    trained = [f"02_training:{recipe}" for recipe in training]
    return in_order(
        [
            step("01_data", []),
            *(step("02_training", [f"02_training:{r}" for r in needs], recipe) for recipe, needs in training.items()),
            step("02_training", trained),
            step("03_saliency", trained),
            step("05_pointing_game", trained),
        ]
    )


def not_run() -> dict[str, str]:
    """Products that this version cannot make, and why."""
    return getattr(recipes, "NOT_RUN", {})


def data_fingerprint(name: str, options: Namespace, settings: Settings) -> str:
    """Fingerprint of a data set: of the folder's content, or of the embedded one's code and specification."""
    if folder := getattr(options, name):
        try:
            return fingerprints.folder_digest(folder, memory=settings.run_folder / "hashes.json")
        except OSError as error:
            raise RefusedError(f"{error.filename} cannot be read ({error.strerror}): repair or remove it.") from None
    return embedded.fingerprint(name, recipes.PROFILES[options.profile].embedded[name])


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
    add("--jobs", type=int, default=1, metavar="N", help="steps at the same time (default: 1)")
    add("--threads", type=int, default=fingerprints.thread_cap(), metavar="N", help="threads of a step")
    add("--dask", metavar="ADDRESS", help="scheduler of a running Dask cluster that shares this folder")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"])
    add("--weights", choices=["imagenet"], help="start from torchvision's weights (downloads them)")
    add("--object-cxr", type=Path, metavar="DIR", help="the real Object-CXR instead of embedded radiographs")
    add("--lvot", type=Path, metavar="DIR", help="real four-chamber cine frames")
    add("--mri", type=Path, metavar="DIR", help="real brain volumes")
    add("--results", type=Path, default=store.results_root(), metavar="DIR", help="store, logs, report")
    add("--figures", type=Path, default=store.figures_root(), metavar="DIR", help="tables and figures")
    add("--publish", action="store_true", help="write the executed twins, notebooks/*.ipynb")
    return made


def settled(options: Namespace) -> Settings:
    """The settings of the run, once the arguments have been found sound."""
    for name in ("object_cxr", "lvot", "mri"):
        folder = getattr(options, name)
        if folder is not None and not folder.is_dir():
            raise RefusedError(f"--{name.replace('_', '-')}: there is no folder {folder}.")
        if folder is not None and name in NOT_YET:
            raise RefusedError(f"--{name}: this version has no notebook that reads {NOT_YET[name]}; leave it out.")
    if options.jobs < 1 or options.threads < 1:
        raise RefusedError("--jobs and --threads are at least 1.")
    cores = len(os.sched_getaffinity(0))
    if options.jobs > 1 and options.jobs * options.threads > cores and not options.dask:
        raise RefusedError(
            f"{options.jobs} jobs of {options.threads} threads need {options.jobs * options.threads} cores and there "
            f"are {cores}: give fewer --jobs, or --threads {max(1, cores // options.jobs)} (other threads, other last "
            "digits, so all steps run anew)."
        )
    if options.device == "cuda" and fingerprints.device_kind("auto") != "cuda":
        raise RefusedError("--device cuda: no driver sees a GPU here; leave --device out to compute on the CPU.")
    real = options.object_cxr is not None
    if real:
        options.object_cxr = options.object_cxr.resolve()
    if real and options.publish:
        raise RefusedError("--publish writes notebooks that show embedded data: run it without --object-cxr.")
    if options.publish and options.profile == "smoke":
        raise RefusedError("--publish writes notebooks that people read, and the numbers of smoke mean nothing.")
    return Settings(
        profile=options.profile,
        name=f"{options.profile}-real" if real else options.profile,
        root=ROOT,
        results=options.results.resolve(),
        figures=options.figures.resolve(),
        data=store.data_root(),
        device=fingerprints.device_kind(options.device),
        threads=options.threads,
        jobs=options.jobs,
        dask=options.dask,
        about_data="real Object-CXR" if real else "stand-in data",
    )


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
    if options.explain:
        every = manifest.plan(table, settings, forced)
        summary.show_plan({step.name: every[step.name] for step in chosen})
        return summary.OK
    with run.locked(settings.run_folder):
        every = manifest.plan(table, settings, forced)
        plans = {step.name: every[step.name] for step in chosen}
        summary.show_start(plans, settings)
        environment = report.environment(settings)
        result = run.run(plans, settings, environment)
        page = report.write(every, result, settings, environment, not_run())
        if options.publish:
            twins.publish_all([step for step in chosen if step.main], settings)
    return summary.conclude(result, plans, settings, page, resume(arguments))


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
