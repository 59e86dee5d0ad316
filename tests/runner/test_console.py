import io
import json

import pytest

from xiqa.runner import console
from xiqa.runner.console import Progress, clock, words


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (67.9, "1:07"), (3723, "1:02:03")])
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (59, "59 s"), (119.7, "2 min 0 s"), (7260, "2 h 1 min")]
)
def test_words(seconds, text):
    assert words(seconds) == text


def test_without_a_terminal_headings_are_told_now_and_then(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    stream, path = io.StringIO(), tmp_path / "a.json"
    shown = Progress(4, stream)
    shown.start("a", path, "it never ran")
    for seconds, heading in [(1, "One"), (20, "One"), (21, "Two"), (40, "Two"), (60, "Two")]:
        now[0] = seconds
        path.write_text(json.dumps({"heading": heading}))
        shown.refresh()
    shown.end("a", "done", "in 60 s")
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert lines == [
        ["runs", "a", "it", "never", "ran"],
        ["a", "0:20", "One"],
        ["a", "0:40", "Two"],
        ["done", "a", "in", "60", "s"],
    ]


def test_on_a_terminal_the_running_line_is_overwritten(tmp_path):
    stream = io.StringIO()
    stream.isatty = lambda: True
    shown = Progress(4, stream)
    shown.start("a", tmp_path / "a.json", "it never ran")
    shown.refresh()
    shown.end("a", "done", "in 1 s")
    text = stream.getvalue()
    assert text.count("\x1b[1A\x1b[J") == 3 - 1
    assert text.rstrip().endswith("in 1 s")
