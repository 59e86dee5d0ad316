"""Outcomes of jobs and notebooks, and of a whole run."""

import re
from dataclasses import dataclass, field

DONE, UP_TO_DATE, NOT_RUN = "done", "up to date", "not run"
FAILED, BAD_INPUT, INTERRUPTED = "failed", "bad_input", "interrupted"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Outcome:
    """Outcome of one job or notebook; ``status`` is done, failed, bad_input or interrupted."""

    status: str = FAILED
    error: str = ""  # class of the exception
    message: str = ""  # one line
    heading: str = ""
    cell: int | None = None  # counted from 1 among the code cells of the source
    line: int | None = None  # of the source file
    place: str = ""  # deepest line of this package in the traceback


@dataclass
class Result:
    """Outcome of a run: name -> fields of an ``Outcome`` and ``seconds``, where ``status`` may be any of the above."""

    outcomes: dict[str, dict] = field(default_factory=dict)
    interrupted: str = ""  # name of the signal
    seconds: float = 0.0

    def having(self, *statuses: str) -> list[str]:
        """Names with one of these statuses."""
        return [name for name, outcome in self.outcomes.items() if outcome["status"] in statuses]


def place(trace: str) -> str:
    """Deepest line of this package, runner and store left out, in a traceback of Python or of IPython."""
    frames = re.findall(r'File "?\S*?/xiqa/(?!runner/|store/)(\S+?\.py)(?:", line |:)(\d+)', ANSI.sub("", trace))
    return f"xiqa/{frames[-1][0]}, line {frames[-1][1]}" if frames else ""


def one_line(message: str) -> str:
    """First line of a message that is not empty, without colours, at most 400 characters."""
    lines = [line.strip() for line in ANSI.sub("", message).splitlines() if line.strip()]
    text = lines[0] if lines else "no message"
    return text if len(text) <= 400 else text[:399] + "…"
