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
    """Prints the progress of a run; on a terminal also a live line for each running job or notebook."""

    names: Sequence[str]  # of all jobs and notebooks of the run
    slots: int  # how many run at the same time
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    started: float = field(default_factory=time.monotonic)
    running: dict[str, tuple[Path, float]] = field(default_factory=dict)  # log, start
    ended: int = 0
    seconds: list[float] = field(default_factory=list)  # of those that ran
    _lines: int = 0

    def line(self, word: str, name: str, text: str) -> None:
        """Print one lasting line."""
        self._erase()
        count = f"{self.ended} of {len(self.names)}"
        width = max(map(len, self.names), default=0)
        print(f"  {word:>7}  {count:>10}  {name:<{width}}  {text}".rstrip(), file=self.stream, flush=True)
        self.refresh()

    def start(self, name: str, log: Path, reason: str) -> None:
        """A job or notebook starts; it writes to ``log``."""
        self.running[name] = (log, time.monotonic())
        self.line("runs", name, reason)

    def end(self, name: str, word: str, text: str, seconds: float | None = None, silent: bool = False) -> None:
        """A job or notebook has ended, after ``seconds`` if it ran; ``silent`` counts it without a line."""
        self.running.pop(name, None)
        self.ended += 1
        if seconds is not None:
            self.seconds.append(seconds)
            text += f"  ({words(time.monotonic() - self.started)} elapsed"
            if waiting := len(self.names) - self.ended:
                left = waiting * sum(self.seconds) / len(self.seconds) / self.slots
                text += f", about {words(left)} left"
            text += ")"
        if not silent:
            self.line(word, name, text)

    def refresh(self) -> None:
        """Show on a terminal where the running jobs and notebooks are."""
        if not self.stream.isatty():
            return
        self._erase()
        columns = shutil.get_terminal_size().columns - 1
        for name, (log, started) in self.running.items():
            text = f"{words(time.monotonic() - started)}  {_last_line(log)}"
            print(f"  {'...':>7}  {name}  {text}"[:columns], file=self.stream)
        self._lines = len(self.running)
        self.stream.flush()

    def _erase(self) -> None:
        if self._lines:
            self.stream.write(f"\x1b[{self._lines}A\x1b[J")
            self._lines = 0


def _last_line(path: Path) -> str:
    try:
        with open(path, "rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL))
            lines = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return "starting"
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def words(seconds: float) -> str:
    """``7.0 s``, ``12 min 40 s`` or ``1 h 2 min``."""
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
    """Print two lines about the run that begins."""
    waiting = sum(bool(plan.reasons) for plan in plans.values())
    threads = f"{settings.threads} thread{'s' if settings.threads > 1 else ''}"
    where = settings.dask or (f"{settings.jobs} at a time" if settings.jobs > 1 else "one at a time")
    print(f"Profile {settings.profile}, {settings.about_data}, {settings.device}, {threads} a job, {where}.")
    print(f"{len(plans)} jobs and notebooks, {waiting} to run.")


def show_plan(plans: Mapping[str, Plan]) -> None:
    """Print every job and notebook with all reasons why it would run, or since when it is up to date."""
    for name, plan in plans.items():
        print(f"  {name}  runs because" if plan.reasons else f"  {name}  is skipped: {plan.since}")
        for reason in plan.reasons:
            print(f"      {reason}")


def conclude(result: Result, steps: Mapping[str, Step], settings: Settings, report: Path, resume: str) -> int:
    """Print how a run ended; returns the exit code."""
    failed = result.having(FAILED, BAD_INPUT, *(() if result.interrupted else (INTERRUPTED,)))
    for name in failed:
        _describe(name, steps.get(name), result.outcomes[name], settings)
    checks = all_checks(settings, [name for name in steps if name in result.outcomes])
    failing = [check for check in checks if not check["ok"]]
    for check in failing:
        print(f"\nCheck {check['name']} does not hold: {check['sentence']}")
    counts = {"ran": len(result.having(DONE)), "skipped": len(result.having(UP_TO_DATE)), "failed": len(failed)}
    counts["not run"] = len(result.outcomes) - sum(counts.values())
    text = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing to do"
    print(f"\n{text} in {words(result.seconds)}. Tables and figures: {shown(settings.figures_folder, settings)}")
    print(f"Report: {shown(report, settings)}")
    code = exit_code(result, bool(failing))
    if code in (EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED):
        start = f"Interrupted by {result.interrupted}; what" if result.interrupted else "What"
        print(f"{start} is finished stays finished. To go on: {resume}")
    return code


def _describe(name: str, step: Step | None, outcome: dict, settings: Settings) -> None:
    """Print where and why a job or notebook failed."""
    if outcome["status"] == BAD_INPUT:
        print(f"\n{outcome['message']}\n  from {name}")
    else:
        print(f"\n{name} failed: {outcome['error']}: {outcome['message']}")
        if step is not None and outcome["cell"]:
            line = f", line {outcome['line']}" if outcome["line"] else ""
            heading = f', under "{outcome["heading"]}"' if outcome["heading"] else ""
            print(f"  in {shown(step.notebook, settings)}{line} (code cell {outcome['cell']}{heading})")
        if outcome["place"]:
            print(f"  raised in {outcome['place']}")
    if step is not None:
        print(f"  partial notebook {shown(settings.executed(file_stem(name)), settings)}")
    print(f"  log {shown(settings.run_folder / 'logs' / f'{file_stem(name)}.log', settings)}")


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
    """Checks of the reproduction that notebooks wrote: ``name``, ``ok``, ``sentence``."""
    files = [settings.checks(name) for name in names]
    return [json.loads(line) for file in files if file.is_file() for line in file.read_text().splitlines()]


def shown(path: Path, settings: Settings) -> str:
    """A path as a reader types it: relative to the checkout where it lies in it."""
    path = path.resolve()
    return str(path.relative_to(settings.root) if path.is_relative_to(settings.root) else path)
