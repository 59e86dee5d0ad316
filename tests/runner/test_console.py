import io

import pytest

from xiqa.runner.console import Console, exit_code, words
from xiqa.runner.outcome import Result


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (59, "59 s"), (119.7, "2 min 0 s"), (7260, "2 h 1 min")]
)
def test_words(seconds, text):
    assert words(seconds) == text


def test_a_line_counts_what_has_ended_and_estimates_what_is_left(tmp_path):
    console = Console(["a", "bb", "c", "d"], slots=2, stream=io.StringIO())
    console.start("a", tmp_path / "a.log", "it never ran to its end")
    console.end("a", "done", "in 30 s", 30.0)
    console.end("bb", "skipped", "nothing changed", silent=True)
    console.end("c", "done", "in 10 s", 10.0)
    lines = console.stream.getvalue().splitlines()
    assert lines[0].split() == ["runs", "0", "of", "4", "a", "it", "never", "ran", "to", "its", "end"]
    # One is left after c: at a mean of 20 s, on two slots.
    assert lines[1].endswith("(0.0 s elapsed, about 45 s left)")
    assert lines[2].endswith("(0.0 s elapsed, about 10 s left)")
    assert "3 of 4" in lines[2]


def test_on_a_terminal_the_running_line_shows_the_end_of_the_log_and_is_overwritten(tmp_path):
    stream = io.StringIO()
    stream.isatty = lambda: True
    console = Console(["a"], slots=1, stream=stream)
    console.start("a", tmp_path / "a.log", "it never ran to its end")
    assert "starting" in stream.getvalue()
    (tmp_path / "a.log").write_text("epoch 1\nepoch 2: 10 %\repoch 2: 50 %\n\n")
    console.refresh()
    console.end("a", "done", "in 1 s", 1.0)
    text = stream.getvalue()
    assert "epoch 2: 50 %" in text
    assert text.rstrip().endswith("elapsed)")
    assert text.count("\x1b[1A\x1b[J") == 2


@pytest.mark.parametrize(
    ("statuses", "interrupted", "check_failed", "code"),
    [
        (["done", "up to date"], "", False, 0),
        (["done"], "", True, 3),
        (["bad_input", "not run"], "", True, 2),
        (["failed", "bad_input"], "", False, 1),
        (["interrupted", "done"], "SIGINT", False, 130),
    ],
)
def test_exit_code(statuses, interrupted, check_failed, code):
    result = Result({str(i): {"status": status} for i, status in enumerate(statuses)}, interrupted)
    assert exit_code(result, check_failed) == code
