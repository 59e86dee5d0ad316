"""Time that the runner adds to the work itself: ``python benchmarks/runner.py``.

The smoke profile runs twice in an empty folder. The second run has nothing to do (bar: 3 s). A job adds its time in the
first run less the time of its store entries (bar: 1 s in the median).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]


def run(folder: Path) -> float:
    """Seconds of a smoke run with its results below a folder."""
    places = ["--results", str(folder / "results"), "--figures", str(folder / "figures")]
    started = time.perf_counter()
    subprocess.run([sys.executable, "run_all.py", "--profile", "smoke", *places], cwd=ROOT, check=True)
    return time.perf_counter() - started


def added(folder: Path) -> pd.Series:
    """Seconds that each job took beyond its store entries."""
    entries = [json.loads(path.read_text()) for path in (folder / "store").rglob("entry.json")]
    own = {json.dumps(entry["key"], sort_keys=True): entry["seconds"] for entry in entries}
    manifests = [json.loads(path.read_text()) for path in (folder / "manifests").glob("*.json")]
    return pd.Series(
        {
            job["name"]: job["seconds"] - sum(own[json.dumps(key, sort_keys=True)] for key in job["keys"])
            for job in manifests
            if "keys" in job
        }
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first, second = run(folder), run(folder)
        jobs = added(folder / "results" / "smoke")
    rows = [
        ("whole smoke run", first, 180),
        ("run with nothing to do", second, 3),
        (f"added by a job, median of {len(jobs)}", jobs.median(), 1),
        (f"added by a job, most ({jobs.idxmax()})", jobs.max(), None),
    ]
    print(pd.DataFrame(rows, columns=["what", "seconds", "bar"]).round(1).to_markdown(index=False))


if __name__ == "__main__":
    main()
