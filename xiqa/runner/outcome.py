"""Outcomes of jobs and notebooks, and of a whole run."""

from dataclasses import dataclass, field

DONE, UP_TO_DATE, NOT_RUN = "done", "up to date", "not run"
FAILED, BAD_INPUT, INTERRUPTED = "failed", "bad_input", "interrupted"


@dataclass
class Outcome:
    """Outcome of one job or notebook; ``status`` is done, failed, bad_input or interrupted."""

    status: str = FAILED
    seconds: float = 0.0  # with the start of the process and of the kernel
    error: str = ""  # class of the exception
    message: str = ""  # one line
    heading: str = ""
    cell: int | None = None  # counted from 1 among the code cells of the source
    line: int | None = None  # of the source file
    place: str = ""  # deepest line of this package in the traceback
    executable: str | None = None  # interpreter of the kernel


@dataclass
class Result:
    """Outcome of a run.

    Attributes
    ----------
    outcomes : job or notebook -> fields of an ``Outcome``; its status may also be ``up to date`` or ``not run``.
    interrupted : by the name of the signal, or empty.
    seconds : of the whole run.
    """

    outcomes: dict[str, dict] = field(default_factory=dict)
    interrupted: str = ""
    seconds: float = 0.0

    def having(self, *statuses: str) -> list[str]:
        """Names with one of these statuses."""
        return [name for name, outcome in self.outcomes.items() if outcome["status"] in statuses]

    def status(self, name: str) -> str | None:
        """Status of a job or notebook; None while it waits or runs."""
        return self.outcomes.get(name, {}).get("status")
