"""What a run says before and after: the list of steps, why each runs, how it ended, and the exit code."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from xiqa.runner.console import words
from xiqa.runner.manifest import Plan, read
from xiqa.runner.schedule import DONE, UP_TO_DATE, Result
from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step

OK, FAILED, BAD_INPUT, CHECK_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def show_list(steps: Sequence[Step], settings: Settings) -> None:
    """The steps with what they need, what they make and how long they took last time."""
    width = max(len(step.name) for step in steps)
    for step in steps:
        manifest = read(settings, step)
        took = f"last run {manifest['ended'][:16]}, {words(manifest['seconds'])}" if manifest else "never ran"
        print(f"  {step.name:<{width}}  {took}")
        for word, names in (("needs", _grouped(step.needs)), ("makes", step.products)):
            if names:
                print(f"      {word} {', '.join(names)}")


def _grouped(names: Sequence[str]) -> list[str]:
    """Names of steps, many runs of one notebook as their number."""
    if len(names) <= 3:
        return list(names)
    counts = Counter(name.partition(":")[0] for name in names)
    return [f"{count} runs of {notebook}" if count > 1 else notebook for notebook, count in counts.items()]


def show_start(plans: dict[str, Plan], settings: Settings) -> None:
    """One line about the run that begins."""
    waiting = sum(bool(planned.reasons) for planned in plans.values())
    threads = f"{settings.threads} thread{'s' if settings.threads > 1 else ''}"
    where = settings.dask or (f"{settings.jobs} at a time" if settings.jobs > 1 else "one at a time")
    print(f"Profile {settings.profile}, {settings.about_data}, {settings.device}, {threads} a step, {where}.")
    print(f"{len(plans)} steps, {waiting} to run.")


def show_plan(plans: dict[str, Plan]) -> None:
    """Every step with all reasons why it would run, or since when it is up to date."""
    for name, planned in plans.items():
        if planned.reasons:
            print(f"  {name}  runs because")
            for reason in planned.reasons:
                print(f"      {reason}")
        else:
            print(f"  {name}  is skipped: nothing changed since {planned.manifest['ended'][:16]}")
        parts = planned.parts
        counts = (("modules", "module"), ("parameters", "parameter"), ("recipe", "recipe value"))
        counts += (("data", "data set"), ("needs", "step"))
        depends = [f"{len(parts[kind])} {word}{'s'[: len(parts[kind]) - 1]}" for kind, word in counts if parts[kind]]
        print(f"      depends on its notebook, {', '.join(depends)}, the libraries and the device")


def conclude(result: Result, plans: dict[str, Plan], settings: Settings, report: Path | None, resume: str) -> int:
    """Print how a run ended; returns the exit code."""
    failed = result.having("failed", "bad_input", *(() if result.interrupted else ("interrupted",)))
    for name in failed:
        _describe(plans[name].step, result.outcomes[name], settings)
    checks = failed_checks(settings, [planned.step for planned in plans.values()])
    for check in checks:
        print(f"\nCheck {check['name']} does not hold: {check['sentence']}")
    counts = [
        (len(result.having(DONE)), "ran"),
        (len(result.having(UP_TO_DATE)), "skipped"),
        (len(failed), "failed"),
        (len(result.outcomes) - len(result.having(DONE, UP_TO_DATE)) - len(failed), "not run"),
    ]
    said = ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing to do"
    print(f"\n{said} in {words(result.seconds)}. Tables and figures: {shown(settings.figures_folder, settings)}")
    if report is not None:
        print(f"Report: {shown(report, settings)}")
    code = exit_code(result, bool(checks))
    if code in (FAILED, BAD_INPUT, INTERRUPTED):
        reason = f"Interrupted by {result.interrupted}; finished" if code == INTERRUPTED else "Finished"
        print(f"{reason} steps stay finished. To go on: {resume}")
    return code


def _describe(step: Step, outcome: dict, settings: Settings) -> None:
    """Where and why a step failed."""
    if outcome["status"] == "bad_input":
        print(f"\n{outcome['message']}")
        print(f"  said by {step.name}; partial notebook {shown(settings.executed(step.stem), settings)}")
        return
    print(f"\n{step.name} failed: {outcome.get('error')}: {outcome['message']}")
    source = shown(step.notebook, settings)
    if outcome.get("cell"):
        line = f", line {outcome['line']}" if outcome.get("line") else ""
        heading = f', under "{outcome["heading"]}"' if outcome.get("heading") else ""
        print(f"  in {source}{line} (code cell {outcome['cell']}{heading})")
    if outcome.get("place"):
        print(f"  raised in {outcome['place']}")
    print(f"  partial notebook {shown(settings.executed(step.stem), settings)}")
    print(f"  what it printed  {shown(settings.run_folder / 'logs' / f'{step.stem}.log', settings)}")


def exit_code(result: Result, check_failed: bool) -> int:
    """0 all made, 1 a step failed, 2 bad data, 3 made but a check fails, 130 interrupted."""
    if result.interrupted:
        return INTERRUPTED
    if result.having("failed", "interrupted"):
        return FAILED
    if result.having("bad_input"):
        return BAD_INPUT
    return CHECK_FAILED if check_failed else OK


def all_checks(settings: Settings, steps: Sequence[Step]) -> list[dict]:
    """Checks of the reproduction that the steps wrote: ``name``, ``ok``, ``sentence``, and the step's name."""
    found = []
    for step in steps:
        path = settings.checks(step.name)
        lines = path.read_text().splitlines() if path.is_file() else []
        found += [{"step": step.name, "sentence": "", **json.loads(line)} for line in lines if line.strip()]
    return found


def failed_checks(settings: Settings, steps: Sequence[Step]) -> list[dict]:
    """Those that do not hold."""
    return [check for check in all_checks(settings, steps) if not check["ok"]]


def shown(path: Path, settings: Settings) -> str:
    """A path as a reader types it: relative to the checkout where it lies in it."""
    try:
        return str(path.resolve().relative_to(settings.root))
    except ValueError:
        return str(path)
