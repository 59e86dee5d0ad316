import threading
import time

import pytest

from xiqa.runner.execute import heading, run_step

SOURCE = """# %% [markdown]
# # Toy

# %%
import time

# %% [markdown]
# ## The `long` part

# %%
%precision 3
try:
    time.sleep({seconds})
finally:
    open("cleared", "w").close()
"""


@pytest.fixture
def spec(tmp_path):
    """A specification as the runner hands it over."""

    def made(seconds: float, timeout: float) -> dict:
        notebook = tmp_path / "01_toy.py"
        notebook.write_text(SOURCE.format(seconds=seconds).replace("%precision", "# %precision"))
        places = {"outcome": "p/a.outcome.json", "progress": "p/a.progress.json", "log": "a.log", "stop": "stop"}
        return {
            "step": "01_toy",
            "stem": "a",
            "run": "quick",
            "fingerprint": "f",
            "root": str(tmp_path),
            "notebook": str(notebook),
            "cwd": str(tmp_path),
            "parameters": {},
            "executed": str(tmp_path / "a.ipynb"),
            "products": [],
            "timeout": timeout,
            "environment": {},
            "module": "xiqa.runner.execute",
        } | {name: str(tmp_path / path) for name, path in places.items()}

    return made


def test_step_out_of_time_is_stopped_and_may_clear_up(spec, tmp_path):
    started = time.monotonic()
    outcome = run_step(spec(seconds=60, timeout=5))
    assert time.monotonic() - started < 30
    assert outcome["status"] == "failed"
    assert (outcome["error"], outcome["message"]) == ("Timeout", "stopped after its 5 seconds")
    assert (tmp_path / "cleared").exists()


def test_stop_file_interrupts(spec, tmp_path):
    threading.Timer(3, (tmp_path / "stop").touch).start()
    assert run_step(spec(seconds=60, timeout=100))["status"] == "interrupted"


def test_done_with_the_kernel_named(spec):
    outcome = run_step(spec(seconds=0, timeout=100))
    assert outcome["status"] == "done", outcome
    assert "python" in outcome["executable"]
    assert outcome["seconds"] > 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# One\ntext\n## Two *so* `far`", "Two so far"),
        ("no heading", ""),
        ("#hash\n#!x", ""),
        ("### A # B ##", "A # B"),
    ],
)
def test_heading(text, found):
    assert heading(text) == found
