"""What a run prints: its steps and why they run, a line for each that ends, and how the run ended."""

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from xiqa.runner.manifest import Plan, file_stem, read
from xiqa.runner.outcome import BAD_INPUT, DONE, FAILED, INTERRUPTED, UP_TO_DATE, Result
from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step

OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_CHECK, EXIT_INTERRUPTED = 0, 1, 2, 3, 130
TAIL = 4096  # bytes of a log in which its last line is looked up


@dataclass
class Console:
    """Prints the progress of a run: on a terminal a live line for each running job or notebook, too.

    Parameters
    ----------
    names : of all jobs and notebooks of the run.
    slots : how many run at the same time.
    """

    names: Sequence[str]
    slots: int
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    started: float = field(default_factory=time.monotonic)
    running: dict[str, tuple[Path, float]] = field(default_factory=dict)  # log or progress file, start
    ended: int = 0
    seconds: list[float] = field(default_factory=list)  # of those that ran
    _lines: int = 0

    @property
    def live(self) -> bool:
        """Whether lines can be overwritten."""
        return self.stream.isatty()

    def line(self, word: str, name: str, text: str) -> None:
        """Print one lasting line."""
        self._erase()
        count = f"{self.ended} of {len(self.names)}"
        width = max(map(len, self.names), default=0)
        print(f"  {word:>7}  {count:>10}  {name:<{width}}  {text}".rstrip(), file=self.stream, flush=True)
        self.refresh()

    def start(self, name: str, path: Path, reason: str) -> None:
        """A job or notebook starts; ``path`` is its log or its progress file."""
        path.unlink(missing_ok=True)
        self.running[name] = (path, time.monotonic())
        self.line("runs", name, reason)

    def end(self, name: str, word: str, text: str, seconds: float | None = None, silent: bool = False) -> None:
        """A job or notebook has ended, after ``seconds`` if it ran; ``silent`` counts it without a line."""
        self.running.pop(name, None)
        self.ended += 1
        if silent:
            return
        if seconds is not None:
            self.seconds.append(seconds)
            text += f"  ({clock(time.monotonic() - self.started)} elapsed{self._left()})"
        self.line(word, name, text)

    def _left(self) -> str:
        """Estimate of the time left, from the mean of those that ran."""
        waiting = len(self.names) - self.ended
        if not waiting:
            return ""
        return f", about {words(waiting * sum(self.seconds) / len(self.seconds) / self.slots)} left"

    def refresh(self) -> None:
        """Show on a terminal where the running jobs and notebooks are."""
        if not self.live:
            return
        self._erase()
        columns = shutil.get_terminal_size().columns - 1
        for name, (path, started) in self.running.items():
            text = f"{clock(time.monotonic() - started)}  {_position(path)}"
            print(f"  {'...':>7}  {name}  {text}"[:columns], file=self.stream)
        self._lines = len(self.running)
        self.stream.flush()

    def _erase(self) -> None:
        if self._lines:
            self.stream.write(f"\x1b[{self._lines}A\x1b[J")
            self._lines = 0


def _position(path: Path) -> str:
    """Heading of the running cell of a notebook, or the last line of a job's log."""
    try:
        if path.suffix == ".json":
            return json.loads(path.read_text())["heading"]
        with open(path, "rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL))
            lines = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    except (OSError, ValueError, KeyError):
        return "starting"


def clock(seconds: float) -> str:
    """``0:07``, ``12:40`` or ``1:02:03``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def words(seconds: float) -> str:
    """``7 s``, ``12 min 40 s`` or ``1 h 2 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes} min {second} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def show_list(names: Sequence[str], steps: Mapping[str, Step], settings: Settings) -> None:
    """Print jobs and notebooks with their products and the time of their last run."""
    width = max(map(len, names))
    for name in names:
        past = read(settings, name)
        took = f"last run {past['ended'][:16]}, {words(past['seconds'])}" if past else "never ran"
        print(f"  {name:<{width}}  {took}")
        if name in steps:
            print(f"      reads {len(steps[name].needs)} jobs; makes {', '.join(steps[name].products)}")


def show_start(plans: Mapping[str, Plan], settings: Settings) -> None:
    """Print one line about the run that begins."""
    waiting = sum(bool(plan.reasons) for plan in plans.values())
    threads = f"{settings.threads} thread{'s' if settings.threads > 1 else ''}"
    where = settings.dask or (f"{settings.jobs} at a time" if settings.jobs > 1 else "one at a time")
    print(f"Profile {settings.profile}, {settings.about_data}, {settings.device}, {threads} a job, {where}.")
    print(
        f"{len(plans)} jobs and notebooks, {waiting} to run."
        if waiting
        else f"{len(plans)} jobs and notebooks, 0 to run."
    )


def show_plan(plans: Mapping[str, Plan]) -> None:
    """Print every job and notebook with all reasons why it would run, or since when it is up to date."""
    for name, plan in plans.items():
        if plan.reasons:
            print(f"  {name}  runs because")
            for reason in plan.reasons:
                print(f"      {reason}")
        else:
            since = f"nothing changed since {plan.past['ended'][:16]}" if plan.past else "the store has it"
            print(f"  {name}  is skipped: {since}")


def conclude(result: Result, steps: Mapping[str, Step], settings: Settings, report: Path, resume: str) -> int:
    """Print how a run ended; returns the exit code."""
    failed = result.having(FAILED, BAD_INPUT, *(() if result.interrupted else (INTERRUPTED,)))
    for name in failed:
        _describe(name, steps.get(name), result.outcomes[name], settings)
    checks = [
        check for check in all_checks(settings, [name for name in steps if name in result.outcomes]) if not check["ok"]
    ]
    for check in checks:
        print(f"\nCheck {check['name']} does not hold: {check['sentence']}")
    counts = [
        (len(result.having(DONE)), "ran"),
        (len(result.having(UP_TO_DATE)), "skipped"),
        (len(failed), "failed"),
        (len(result.outcomes) - len(result.having(DONE, UP_TO_DATE)) - len(failed), "not run"),
    ]
    text = ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing to do"
    print(f"\n{text} in {words(result.seconds)}. Tables and figures: {shown(settings.figures_folder, settings)}")
    print(f"Report: {shown(report, settings)}")
    code = exit_code(result, bool(checks))
    if code in (EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED):
        reason = (
            f"Interrupted by {result.interrupted}; what is finished" if code == EXIT_INTERRUPTED else "What is finished"
        )
        print(f"{reason} stays finished. To go on: {resume}")
    return code


def _describe(name: str, step: Step | None, outcome: dict, settings: Settings) -> None:
    """Print where and why a job or notebook failed."""
    log = settings.run_folder / "logs" / f"{file_stem(name)}.log"
    if outcome["status"] == BAD_INPUT:
        print(f"\n{outcome['message']}\n  from {name}")
    else:
        print(f"\n{name} failed: {outcome.get('error')}: {outcome['message']}")
    if step is not None and outcome.get("cell") and outcome["status"] != BAD_INPUT:
        line = f", line {outcome['line']}" if outcome.get("line") else ""
        heading = f', under "{outcome["heading"]}"' if outcome.get("heading") else ""
        print(f"  in {shown(step.notebook, settings)}{line} (code cell {outcome['cell']}{heading})")
    if outcome.get("place") and outcome["status"] != BAD_INPUT:
        print(f"  raised in {outcome['place']}")
    if step is not None:
        print(f"  partial notebook {shown(settings.executed(file_stem(name)), settings)}")
    print(f"  log {shown(log, settings)}")


def exit_code(result: Result, check_failed: bool) -> int:
    """0 all made, 1 a step failed, 2 bad data, 3 made but a check fails, 130 interrupted."""
    if result.interrupted:
        return EXIT_INTERRUPTED
    if result.having(FAILED, INTERRUPTED):
        return EXIT_FAILED
    if result.having(BAD_INPUT):
        return EXIT_BAD_INPUT
    return EXIT_CHECK if check_failed else OK


def all_checks(settings: Settings, names: Sequence[str]) -> list[dict]:
    """Checks of the reproduction that notebooks wrote: ``name``, ``ok``, ``sentence``, and the notebook's name."""
    checks = []
    for name in names:
        path = settings.checks(name)
        lines = path.read_text().splitlines() if path.is_file() else []
        checks += [{"step": name, "sentence": "", **json.loads(line)} for line in lines if line.strip()]
    return checks


def shown(path: Path, settings: Settings) -> str:
    """A path as a reader types it: relative to the checkout where it lies in it."""
    try:
        return str(path.resolve().relative_to(settings.root))
    except ValueError:
        return str(path)
