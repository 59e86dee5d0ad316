import threading
import time

import pytest

from xiqa.runner.workers import Workers

SOURCE = """# %% [markdown]
# # Toy

# %%
import time

# %% [markdown]
# ## The `long` part

# %%
# %precision 3
open("begun", "w").close()
try:
    time.sleep({seconds})
finally:
    open("cleared", "w").close()
"""


@pytest.fixture
def outcome(tmp_path):
    """The outcome of a notebook that a worker executes."""
    workers = Workers(tmp_path / "stop")

    def executed(seconds: float, timeout: float) -> dict:
        (tmp_path / "01_toy.py").write_text(SOURCE.format(seconds=seconds))
        spec = {"notebook": str(tmp_path / "01_toy.py"), "executed": str(tmp_path / "a.ipynb"), "parameters": {}}
        spec |= {"products": [], "timeout": timeout, "about": {}}
        task = {"target": "xiqa.runner.execute:execute", "arguments": spec, "name": "01_toy"}
        task |= {"log": str(tmp_path / "a.log"), "environment": {}}
        return workers.outcome(0, workers.submit(0, task))

    yield executed
    workers.close()


def test_a_notebook_out_of_time_is_stopped_and_its_worker_goes_on(outcome):
    started = time.monotonic()
    result = outcome(seconds=60, timeout=5)
    assert time.monotonic() - started < 30
    assert (result["status"], result["error"]) == ("failed", "Timeout")
    assert result["message"] == "stopped after its 5 seconds"
    assert outcome(seconds=0, timeout=100)["status"] == "done"


def test_stop_file_interrupts_a_notebook_which_may_clear_up(outcome, tmp_path):
    def stop():
        while not (tmp_path / "begun").exists():
            time.sleep(0.1)
        time.sleep(0.5)
        (tmp_path / "stop").touch()

    threading.Thread(target=stop, daemon=True).start()
    assert outcome(seconds=60, timeout=100)["status"] == "interrupted"
    assert (tmp_path / "cleared").exists()
    assert "The long part" in (tmp_path / "a.log").read_text()
