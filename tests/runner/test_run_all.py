"""The whole runner on a toy paper: what runs, what is skipped, how it fails, and that a run can be broken off."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JOBS = ["data:films", "train:net"]
NOTEBOOKS = ["01_data", "03_saliency", "05_pointing_game"]
STEPS = [*JOBS, *NOTEBOOKS]


def explained(toy) -> dict[str, list[str]]:
    """Job or notebook -> reasons why it would run."""
    reasons, current = {}, None
    for line in toy.run("--explain").splitlines():
        if line.startswith("  ") and not line.startswith("   "):
            current = reasons.setdefault(line.split()[0], [])
        elif line.startswith("      "):
            current.append(line.strip())
    return {name: lines for name, lines in reasons.items() if lines}


def test_first_run_makes_everything_and_the_second_repeats_nothing(toy):
    for step in STEPS:
        assert f"  {step}  " in toy.first
    assert toy.first.count("done") == len(STEPS)
    assert (toy.root / "figures/quick/table_datasets.tex").is_file()
    second = toy.run()
    assert "0 to run" in second
    assert "5 skipped in" in second


@pytest.mark.parametrize(
    ("path", "old", "new", "reason", "steps"),
    [
        ("notebooks/01_data.py", "profile)", "profile, 1)", "the code of 01_data.py changed", ["01_data"]),
        ("xiqa/inner.py", "word", "other", "the code of xiqa.inner changed", NOTEBOOKS),
        ("xiqa/recipes.py", "EPOCHS = 1", "EPOCHS = 2", "the recipe's epochs changed from 1 to 2", ["03_saliency"]),
        ("xiqa/work.py", "two films", "2 films", "the code of xiqa.work changed", ["data:films"]),
        ("figures/quick/fig_layers.csv", "1.25", "1.26", "quick/fig_layers.csv was changed since", ["03_saliency"]),
    ],
)
def test_what_a_change_reruns_and_why(toy, path, old, new, reason, steps):
    toy.edit(path, old, new)
    reasons = explained(toy)
    assert [name for name, lines in reasons.items() if any(reason in line for line in lines)] == steps
    # Everything else that may run waits for a job before it.
    for name in reasons.keys() - set(steps):
        assert all(line.endswith(" runs") for line in reasons[name])


def ended(output: str, word: str) -> list[str]:
    """Names that ended with a word: done, skipped, FAILED ..."""
    return re.findall(rf"^ +{word} +\d+ of \d+  (\S+)", output, flags=re.MULTILINE)


def test_a_job_that_writes_the_same_bytes_ends_the_chain(toy):
    toy.edit("xiqa/work.py", '"two films"', '"two " + "films"')
    # Both functions stand in one module, so both run; what they write is the same, so no notebook does.
    output = toy.run()
    assert ended(output, "done") == JOBS
    assert ended(output, "skipped") == NOTEBOOKS
    toy.edit("xiqa/work.py", " learned", " learned much")
    output = toy.run()
    assert sorted(ended(output, "done")) == sorted([*JOBS, "03_saliency", "05_pointing_game"])
    assert ended(output, "skipped") == ["01_data"]


def test_wording_reruns_nothing(toy):
    toy.edit("notebooks/01_data.py", "# What it does.", "# What it really does.")
    toy.edit("notebooks/01_data.py", "from xiqa import toy", "# a remark\nfrom xiqa import toy")
    toy.edit("xiqa/inner.py", "# a comment", "# another")
    toy.edit("xiqa/toy.py", "def make", "\n\ndef make")
    assert explained(toy) == {}


def test_a_missing_product_notebook_entry_or_manifest_is_made_again(toy):
    (toy.root / "figures/quick/table_datasets.md").unlink()
    (toy.root / "results/quick/notebooks/05_pointing_game.ipynb").unlink()
    assert explained(toy) == {
        "01_data": ["figures/quick/table_datasets.md is missing"],
        "05_pointing_game": ["its executed notebook is gone"],
    }
    assert ended(toy.run("--only", "01"), "done") == ["01_data"]
    assert (toy.root / "figures/quick/table_datasets.md").is_file()
    (entry,) = (toy.root / "results/quick/store/train").glob("*/entry.json")
    entry.unlink()
    (toy.root / "results/quick/manifests/01_data.json").write_text('{"parts": ')
    reasons = explained(toy)
    assert reasons["train:net"] == ["its entry is gone"]
    assert reasons["01_data"] == ["it never ran to its end"]


def test_what_the_options_choose(toy):
    output = toy.run("--from", "03", "--force", "05", "train")
    assert output.count("it is forced") == 2
    assert ended(output, "skipped") == ["03_saliency"]
    assert "01_data" not in output
    assert "A1_more" not in toy.first
    assert ended(toy.run("--appendix", "--only", "01", "A1"), "done") == ["A1_more"]


def test_a_failing_job_is_located_and_what_depends_on_it_waits(toy):
    toy.edit("xiqa/work.py", 'print("training")', 'raise KeyError("no such\\nthing")')
    output = toy.run(code=1)
    assert "train:net failed: KeyError: 'no such\\nthing'" in output
    assert "raised in xiqa/work.py, line " in output
    assert "log results/quick/logs/train-net.log" in output
    assert "KeyError" in (toy.root / "results/quick/logs/train-net.log").read_text()
    assert output.count("because train:net failed") == 2
    assert "To go on: make paper" in output
    assert not list((toy.root / "results/quick/store/train").glob(".*-*/"))
    # A failure is never kept: repaired, the run goes on there.
    toy.edit("xiqa/work.py", 'raise KeyError("no such\\nthing")', "pass")
    assert "done" in toy.run("--only", "train")


def test_failing_cell_is_located(toy):
    toy.notebook("03_saliency", "x = 1\n\n\ndef broken():\n    raise KeyError('no such thing')\n\n\nbroken()")
    output = toy.run(code=1)
    line = (toy.root / "notebooks/03_saliency.py").read_text().splitlines().index("broken()") + 1
    assert "03_saliency failed: KeyError: 'no such thing'" in output
    assert f'in notebooks/03_saliency.py, line {line} (code cell 2, under "The work")' in output
    assert "partial notebook results/quick/notebooks/03_saliency.ipynb" in output
    partial = json.loads((toy.root / "results/quick/notebooks/03_saliency.ipynb").read_text())
    assert partial["metadata"]["xiqa"]["status"] == "failed"
    assert "KeyError" in (toy.root / "results/quick/report.html").read_text()


@pytest.mark.parametrize("place", ["notebook", "job"])
def test_bad_input_is_one_sentence_and_exit_code_2(toy, place):
    if place == "notebook":
        toy.notebook("01_data", "raise toy.BadInput('train.csv has no column image_name: add a header.')")
    else:
        toy.edit("xiqa/work.py", "def read(folder):", "from xiqa.toy import BadInput\n\n\ndef read(folder):")
        toy.edit(
            "xiqa/work.py",
            '    (folder / "films.txt")',
            "    raise BadInput('train.csv has no column image_name: add a header.')\n    (folder / \"films.txt\")",
        )
    output = toy.run("--only", "01", code=2)
    assert "\ntrain.csv has no column image_name: add a header.\n" in output


@pytest.mark.parametrize(
    ("work", "message"),
    [
        ("import sys\n\nsys.exit(0)", "a cell called sys.exit"),
        ("import os\n\nos.kill(os.getpid(), 9)", "the kernel died"),
        ("1 + 1", "it ran to its end without making table_datasets.csv, table_datasets.md"),
        ("raise ValueError", "ValueError"),
        ("toy.make(3)", "raised in xiqa/toy.py, line "),
    ],
)
def test_what_papermill_calls_completed_or_raises_is_a_failure(toy, work, message):
    toy.notebook("01_data", work)
    assert message in toy.run("--only", "01", code=1)
    assert not (toy.root / "figures/quick/table_datasets.csv").exists()
    status = json.loads((toy.root / "results/quick/notebooks/01_data.ipynb").read_text())["metadata"]["xiqa"]["status"]
    assert status == "failed"
    assert not (toy.root / "results/quick/manifests/01_data.json").exists()


def test_a_job_whose_process_dies_fails_alone(toy):
    toy.edit("xiqa/work.py", 'print("training")', "import os\n    os.kill(os.getpid(), 9)")
    output = toy.run("--force", "01", code=1)
    assert "train:net failed: DeadWorker: its process died (killed, or out of memory)" in output
    assert "01_data" in ended(output, "done")


def test_sources_that_change_during_a_run_are_not_taken_for_what_ran(toy):
    toy.notebook("05_pointing_game", "p = '../xiqa/inner.py'\nopen(p, 'a').write('LATER = 1\\n')\n'LATER'")
    assert "but its sources changed while it ran, so it will run again" in toy.run("--only", "05")
    toy.edit("xiqa/inner.py", "LATER = 1\n", "")
    assert explained(toy)["05_pointing_game"] == ["its sources changed while it ran"]


def test_check_that_does_not_hold_is_exit_code_3(toy):
    line = json.dumps({"name": "direction", "ok": False, "sentence": "A is not above B."})
    code = "from pathlib import Path\n\np = Path('../results/quick/checks')\np.mkdir()\n"
    toy.notebook("05_pointing_game", code + f"(p / '05_pointing_game.json').write_text({line!r})")
    assert "Check direction does not hold: A is not above B." in toy.run("--only", "05", code=3)
    assert "A is not above B." in (toy.root / "results/quick/report.html").read_text()


def _wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


SLEEP = "import os, time\n{0}open({1!r}, 'w').write(str(os.getpid()))\n{0}time.sleep(60)"


def _started(toy, kind: str, *arguments: str) -> tuple[subprocess.Popen, int]:
    """A run whose training or notebook 03 sleeps, and the process that sleeps."""
    here = toy.root / "here"
    if kind == "job":
        toy.edit("xiqa/work.py", 'print("training")', SLEEP.format("    ", str(here)))
    else:
        toy.notebook("03_saliency", SLEEP.format("", str(here)))
    process = toy.start(*arguments)
    _wait_for(here)
    return process, int(here.read_text())


@pytest.mark.parametrize(("kind", "number"), [("notebook", signal.SIGINT), ("job", signal.SIGTERM)])
def test_broken_off_in_the_middle_then_resumed(toy, kind, number):
    before = {name: (toy.root / name).read_text() for name in ("xiqa/work.py", "notebooks/03_saliency.py")}
    process, sleeper = _started(toy, kind, "--only", "03", "05", "--force", "05")
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    assert "stopped" in output
    assert output.count("run_all.py --only 03 05\n") == 1
    assert not _alive(sleeper)
    for name, text in before.items():
        (toy.root / name).write_text(text)
    assert "03_saliency" in toy.run("--only", "03")


def test_the_report_of_an_interrupted_run_counts_no_file_that_it_did_not_make(fresh):
    """The files of an earlier checkout lie there; the run that would make them is broken off before it does."""
    (fresh.root / "figures/quick").mkdir(parents=True)
    for form in ("png", "csv", "json"):
        (fresh.root / f"figures/quick/fig_layers.{form}").write_text("{}")
    process, _ = _started(fresh, "job", "--only", "03")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    report = (fresh.root / "results/quick/report.html").read_text()
    assert "<b>0 of 2</b> tables and figures made,\n<b>0</b> by this run" in report
    assert "This run was interrupted" in report


@pytest.mark.parametrize("kind", ["notebook", "job"])
def test_killed_runner_leaves_nothing_behind(toy, kind):
    process, sleeper = _started(toy, kind, "--only", "03")
    process.kill()
    process.communicate(timeout=30)
    end = time.monotonic() + 15
    while _alive(sleeper):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_second_run_on_the_same_folder_is_refused_and_a_lock_ends_with_its_process(toy):
    process, _ = _started(toy, "notebook", "--only", "03")
    try:
        assert f"Another run (process {process.pid} on " in toy.run("--only", "01", code=2)
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert "skipped" in toy.run("--only", "01")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "05_pointin_game"], "do you mean 05_pointing_game"),
        (["--only", "9"], "There is no step that begins with '9'; --list shows all names."),
        (["--object-cxr", "nowhere"], "--object-cxr: there is no folder nowhere."),
        (["--lvot", "nowhere"], "--lvot: there is no folder nowhere"),
        (["--jobs", "0"], "at least 1"),
        (["--profile", "huge"], "invalid choice: 'huge'"),
        (["--onlly", "05"], "nrecognized arguments: --onlly"),
        (["--object-cxr", ".", "--publish"], "--publish writes notebooks that show embedded data"),
    ],
)
def test_wrong_arguments_are_one_sentence(fresh, arguments, sentence):
    output = fresh.run(*arguments, code=2)
    assert sentence in output
    assert len(output.strip().splitlines()) == 1
    assert not (fresh.root / "results").exists()


def test_what_does_not_fit_the_notebooks_is_one_sentence(fresh):
    fresh.edit("notebooks/03_saliency.py", 'profile = "quick"', 'size = "quick"')
    assert "03_saliency.py has no parameter 'profile': it declares size, object_cxr." in fresh.run(code=2)
    fresh.edit("xiqa/inner.py", "WORD", "WORD WORD")
    assert "01_data.py, or a module it imports, is not Python" in fresh.run("--only", "01", code=2)
    (fresh.root / "notebooks/01_data.py").unlink()
    assert "01_data.py does not exist" in fresh.run("--only", "01", code=2)


def test_real_data_have_folders_of_their_own(toy):
    real = toy.root / "films"
    real.mkdir()
    (real / "test.csv").write_text("image_name,annotation\n")
    toy.notebook("01_data", 'toy.make("table_datasets", text=object_cxr)')
    assert "01_data" in ended(toy.run("--only", "01", "--object-cxr", "films"), "done")
    assert str(real) in (toy.root / "figures/quick-real/table_datasets.csv").read_text()
    assert str(real) not in (toy.root / "figures/quick/table_datasets.csv").read_text()
    moved = real.rename(toy.root / "moved")
    assert "2 skipped" in toy.run("--only", "01", "--object-cxr", "moved")
    (moved / "test.csv").write_text("image_name,annotation\na.png,\n")
    assert "the data files changed" in toy.run("--only", "01", "--object-cxr", "moved", "--explain")


def test_kernel_is_this_interpreter_with_the_environment_of_the_run(toy):
    names = ["XIQA_STEP", "XIQA_RUN", "XIQA_THREADS", "OMP_NUM_THREADS", "XIQA_DEVICE", "PYTHONHASHSEED"]
    toy.notebook("05_pointing_game", f"import os, sys\n\nprint([os.environ.get(n) for n in {names}], sys.executable)")
    toy.run("--only", "05", "--device", "cpu")
    log = (toy.root / "results/quick/logs/05_pointing_game.log").read_text()
    assert "['05_pointing_game', 'quick', '1', '1', 'cpu', '0']" in log
    manifest = json.loads((toy.root / "results/quick/manifests/05_pointing_game.json").read_text())
    assert sys.executable in log
    assert manifest["environment"]["Python"].endswith(sys.executable)


def test_the_number_of_jobs_changes_no_entry(fresh):
    def entries():
        return {path.parent.name: path.read_bytes() for path in (fresh.root / "results").rglob("*.txt")}

    fresh.run("--only", "train", "--jobs", "1")
    first = entries()
    fresh.run("--only", "train", "--jobs", "2", "--force", "data", "train")
    assert entries() == first


def test_the_runner_loads_neither_torch_nor_matplotlib():
    check = "import sys, run_all; sys.exit(bool({'torch', 'matplotlib', 'nbformat', 'papermill'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)


GRAPH = """
import json, os, sys, run_all
for weights in ([], ["--weights", "imagenet"]):
    options = run_all.parser().parse_args(["--appendix", *weights])
    study, _ = run_all.opened(options, run_all.settled(options))
    graph = run_all.jobs.jobs(study)
    table = run_all.steps(options, study, graph)
    run_all.check_parameters(list(table.values()))
    only = {name: run_all.parser().parse_args(["--only", name]) for name in table}
    print(json.dumps({name: run_all.chosen_names(wish, graph, table) for name, wish in only.items()}))
    names = [*graph, *table]
    for name, one in (graph | table).items():
        assert all(need in graph and names.index(need) < names.index(name) for need in one.needs), name
"""


def test_the_real_graph_fits_its_notebooks_and_waits_for_both_pretexts(tmp_path):
    environment = os.environ | {"XIQA_RESULTS": str(tmp_path), "XIQA_FIGURES": str(tmp_path)}
    command = [sys.executable, "-c", GRAPH]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    usual, imagenet = map(json.loads, done.stdout.splitlines())
    textures = {"train:textures-resnet34", "train:textures-resnet50"}
    assert textures <= set(usual["05_pointing_game"])
    assert not textures & set(usual["03_saliency"])
    assert not any("mri" in name for name in usual["05_pointing_game"])
    assert not any("textures" in name or "pretext" in name for names in imagenet.values() for name in names)
