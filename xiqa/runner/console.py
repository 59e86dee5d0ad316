"""What a run prints: on a terminal one live line a running step, elsewhere a line whenever something happens."""

import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

QUIET = 15.0  # seconds between two headings of one step where there is no terminal


@dataclass
class _Running:
    path: Path  # the small file in which the step says where it is
    started: float
    heading: str = ""
    told: float = 0.0
    last: str = ""  # heading told


@dataclass
class Progress:
    """Prints how the steps of a run go.

    Parameters
    ----------
    width : characters of the longest step name, so that what follows stands in a column.

    """

    width: int
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    running: dict[str, _Running] = field(default_factory=dict)
    _lines: int = 0

    @property
    def live(self) -> bool:
        """Whether lines can be overwritten."""
        return self.stream.isatty()

    def say(self, word: str, name: str, text: str) -> None:
        """One lasting line about a step."""
        self._erase()
        print(f"  {word:>7}  {name:<{self.width}}  {text}".rstrip(), file=self.stream, flush=True)
        self.refresh()

    def start(self, name: str, path: Path, reason: str) -> None:
        """A step starts; ``path`` is its progress file."""
        path.unlink(missing_ok=True)
        self.running[name] = _Running(path, time.monotonic())
        self.say("runs", name, reason)

    def end(self, name: str, word: str, text: str) -> None:
        """A step has ended."""
        self.running.pop(name, None)
        self.say(word, name, text)

    def refresh(self) -> None:
        """Show where the running steps are."""
        for name, state in self.running.items():
            _update(state)
            elapsed = time.monotonic() - state.started
            if not self.live and state.heading != state.last and elapsed - state.told > QUIET:
                state.told, state.last = elapsed, state.heading
                text = f"{clock(elapsed)}  {state.heading}"
                print(f"  {'':>7}  {name:<{self.width}}  {text}", file=self.stream, flush=True)
        if self.live:
            self._erase()
            columns = shutil.get_terminal_size().columns - 1
            for name, state in self.running.items():
                text = f"{clock(time.monotonic() - state.started)}  {state.heading or 'starting'}"
                print(f"  {'...':>7}  {name:<{self.width}}  {text}"[:columns], file=self.stream)
            self._lines = len(self.running)
            self.stream.flush()

    def _erase(self) -> None:
        if self._lines:
            self.stream.write(f"\x1b[{self._lines}A\x1b[J")
            self._lines = 0


def _update(state: _Running) -> None:
    try:
        found = json.loads(state.path.read_text())
        state.heading = found["heading"]
    except (OSError, ValueError):
        pass  # not there yet


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
