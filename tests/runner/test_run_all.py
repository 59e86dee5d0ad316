"""The whole runner on a toy paper: what runs, what is skipped, how it fails, and that a run can be broken off."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["01_data", "02_training:pretext-net", "02_training:net-s0", "02_training", "03_saliency", "05_pointing_game"]


def explained(toy) -> dict[str, list[str]]:
    """Step -> reasons why it would run."""
    found, current = {}, None
    for line in toy.run("--explain").splitlines():
        if line.startswith("  ") and not line.startswith("   "):
            current = found.setdefault(line.split()[0], [])
        elif line.startswith("      ") and "depends on" not in line:
            current.append(line.strip())
    return {name: reasons for name, reasons in found.items() if reasons}


def test_first_run_makes_everything_and_the_second_repeats_nothing(toy):
    for step in STEPS:
        assert f"done  {step}" in toy.first
    assert (toy.root / "figures/quick/table_datasets.tex").is_file()
    said = toy.run()
    assert "0 to run" in said
    assert said.count("nothing changed since") == len(STEPS)


@pytest.mark.parametrize(
    ("path", "old", "new", "reason", "steps"),
    [
        ("notebooks/01_data.py", "profile)", "profile, 1)", "the code of 01_data.py changed", ["01_data"]),
        ("xiqa/inner.py", "word", "other", "the code of xiqa.inner changed", STEPS),
        ("xiqa/recipes.py", "EPOCHS = 1", "EPOCHS = 2", "the recipe's epochs changed from 1 to 2", STEPS[2:3]),
        ("xiqa/recipes.py", '"size": 8', '"size": 9', "the data object_cxr changed", ["01_data", *STEPS[2:]]),
        ("figures/quick/fig_layers.csv", "1.25", "1.26", "quick/fig_layers.csv was changed since", ["03_saliency"]),
    ],
)
def test_what_a_change_reruns_and_why(toy, path, old, new, reason, steps):
    toy.edit(path, old, new)
    found = explained(toy)
    assert [name for name, reasons in found.items() if any(reason in r for r in reasons)] == steps
    # Everything else that runs does so because of a step before it.
    for name in found.keys() - set(steps):
        assert all(r.startswith("step ") for r in found[name])
    if path == "xiqa/recipes.py" and "EPOCHS" in old:
        assert list(found) == STEPS[2:]


def test_wording_reruns_nothing(toy):
    toy.edit("notebooks/01_data.py", "# What it does.", "# What it really does.")
    toy.edit("notebooks/01_data.py", "from xiqa import toy", "# a remark\nfrom xiqa import toy")
    toy.edit("xiqa/inner.py", "# a comment", "# another")
    toy.edit("xiqa/recipes.py", "NOT_RUN", "# no code of ours\nNOT_RUN")
    toy.edit("xiqa/toy.py", "def make", "\n\ndef make")
    assert explained(toy) == {}


def test_a_missing_product_or_notebook_is_made_again(toy):
    (toy.root / "figures/quick/table_datasets.md").unlink()
    (toy.root / "results/quick/notebooks/05_pointing_game.ipynb").unlink()
    found = explained(toy)
    assert found == {
        "01_data": ["figures/quick/table_datasets.md is missing"],
        "05_pointing_game": ["its executed notebook is gone"],
    }
    assert "done  01_data" in toy.run("--only", "01")
    assert (toy.root / "figures/quick/table_datasets.md").is_file()
    assert list(explained(toy)) == ["05_pointing_game"]


def test_force_runs_again_and_from_leaves_out_what_is_before(toy):
    said = toy.run("--from", "03", "--force", "05")
    assert "skipped  03_saliency" in said
    assert "it is forced" in said
    assert "01_data" not in said


def test_damaged_manifest_counts_as_none(toy):
    (toy.root / "results/quick/manifests/01_data.json").write_text('{"parts": ')
    assert explained(toy) == {"01_data": ["it never ran to its end"]}


def test_failing_cell_is_located_and_what_depends_on_it_waits(toy):
    toy.work(
        "02_training", "x = 1\n\n\ndef broken():\n    raise KeyError('no such\\nthing')\n\n\nif recipe:\n    broken()"
    )
    said = toy.run(code=1)
    source = (toy.root / "notebooks/02_training.py").read_text().splitlines()
    line = source.index("    broken()") + 1
    assert "02_training:pretext-net failed: KeyError: 'no such\\nthing'" in said
    assert f'in notebooks/02_training.py, line {line} (code cell 2, under "The work")' in said
    assert "partial notebook results/quick/notebooks/02_training-pretext-net.ipynb" in said
    assert "skipped  01_data" in said
    assert "because 02_training:pretext-net failed" in said
    assert "To go on: make paper" in said
    partial = json.loads((toy.root / "results/quick/notebooks/02_training-pretext-net.ipynb").read_text())
    assert partial["metadata"]["xiqa"]["status"] == "failed"
    assert partial["metadata"]["papermill"]["input_path"] == "notebooks/02_training.py"
    assert "KeyError" in (toy.root / "results/quick/report.html").read_text()
    # A failure is never kept: repaired, the run goes on there.
    toy.edit("notebooks/02_training.py", "    broken()", "    pass")
    assert "done  02_training:pretext-net" in toy.run("--only", "01", "02_training:pretext")


def test_place_in_the_package_is_named(toy):
    toy.edit("xiqa/toy.py", "    folder =", "    1 / 0\n    folder =")
    said = toy.run("--only", "03", code=1)
    assert "ZeroDivisionError" in said
    assert "raised in xiqa/toy.py, line " in said


def test_bad_input_is_one_sentence_and_exit_code_2(toy):
    toy.work("01_data", "raise toy.BadInput('train.csv has no column image_name: add a header.')")
    said = toy.run("--only", "01", code=2)
    assert "\ntrain.csv has no column image_name: add a header.\n" in said


@pytest.mark.parametrize(
    ("work", "message"),
    [
        ("import sys\n\nsys.exit(0)", "a cell called sys.exit"),
        ("import os\n\nos.kill(os.getpid(), 9)", "the kernel died"),
        ("1 + 1", "it ran to its end without making table_datasets.csv, table_datasets.md"),
        ("raise ValueError", "ValueError"),
    ],
)
def test_what_papermill_calls_completed_is_a_failure(toy, work, message):
    toy.work("01_data", work)
    said = toy.run("--only", "01", code=1)
    assert message in said
    assert not (toy.root / "figures/quick/table_datasets.csv").exists()
    status = json.loads((toy.root / "results/quick/notebooks/01_data.ipynb").read_text())["metadata"]["xiqa"]["status"]
    assert status == "failed"
    assert not (toy.root / "results/quick/manifests/01_data.json").exists()


def test_sources_that_change_during_a_run_are_not_taken_for_what_ran(toy):
    toy.work("05_pointing_game", "p = '../xiqa/inner.py'\nopen(p, 'a').write('LATER = 1\\n')\n'LATER'")
    assert "done  05_pointing_game  in" in (said := toy.run("--only", "05"))
    assert "but its sources changed while it ran, so it will run again" in said
    toy.edit("xiqa/inner.py", "LATER = 1\n", "")
    assert explained(toy)["05_pointing_game"] == ["its sources changed while it ran"]


def test_check_that_does_not_hold_is_exit_code_3(toy):
    line = json.dumps({"name": "direction", "ok": False, "sentence": "A is not above B."})
    code = "from pathlib import Path\n\np = Path('../results/quick/checks')\np.mkdir()\n"
    toy.work("05_pointing_game", code + f"(p / '05_pointing_game.json').write_text({line!r})")
    said = toy.run("--only", "05", code=3)
    assert "Check direction does not hold: A is not above B." in said
    assert "A is not above B." in (toy.root / "results/quick/report.html").read_text()


def _wait_for(path: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broken_off_in_the_middle_then_resumed(toy, number):
    toy.work(
        "02_training",
        "import os, time\nfrom pathlib import Path\n\nhere = Path('../here')\n"
        "if not here.exists():\n    here.write_text(str(os.getpid()))\n    time.sleep(60)",
    )
    started = time.monotonic()
    process = toy.start("--only", "01", "02_training:pretext", "--force", "02_training:pretext")
    _wait_for(toy.root / "here")
    process.send_signal(number)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 130, said
    assert time.monotonic() - started < 30
    assert "stopped  02_training:pretext-net" in said
    assert "To go on: " in said
    assert "run_all.py --only 01 02_training:pretext\n" in said
    assert not _alive(int((toy.root / "here").read_text()))
    assert (toy.root / "results/quick/notebooks/02_training-pretext-net.ipynb").is_file()
    again = toy.run("--only", "01", "02_training:pretext")
    assert "skipped  01_data" in again
    assert "done  02_training:pretext-net" in again


def test_killed_runner_leaves_nothing_behind(toy):
    toy.work("05_pointing_game", "import os, time\n\nopen('../here', 'w').write(str(os.getpid()))\ntime.sleep(60)")
    process = toy.start("--only", "05")
    _wait_for(toy.root / "here")
    time.sleep(0.2)
    process.kill()
    process.communicate(timeout=30)
    kernel = int((toy.root / "here").read_text())
    end = time.monotonic() + 15
    while _alive(kernel):
        assert time.monotonic() < end
        time.sleep(0.1)
    # The lock died with its holder.
    assert "it never ran to its end" in toy.run("--only", "05", "--explain")


def test_second_run_on_the_same_folder_is_refused(toy):
    toy.work("05_pointing_game", "import time\n\nopen('../here', 'w').close()\ntime.sleep(60)")
    process = toy.start("--only", "05")
    try:
        _wait_for(toy.root / "here")
        said = toy.run("--only", "01", code=2)
        assert f"Another run (process {process.pid} on " in said
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "05_pointin_game"], "do you mean 05_pointing_game"),
        (["--only", "9"], "There is no step that begins with '9'; there are 01_data, "),
        (["--object-cxr", "nowhere"], "--object-cxr: there is no folder nowhere."),
        (["--lvot", "nowhere"], "--lvot: there is no folder nowhere"),
        (["--jobs", "0"], "at least 1"),
        (["--jobs", "900", "--threads", "2"], "need 1800 cores"),
        (["--profile", "huge"], "invalid choice: 'huge'"),
        (["--onlly", "05"], "nrecognized arguments: --onlly"),
        (["--save-maps", "all"], "invalid choice: 'all'"),
        (["--only", "05", "--save-maps"], "--save-maps is for the step 03_saliency, which is not among"),
        (["--object-cxr", ".", "--publish"], "--publish writes notebooks that show embedded data"),
    ],
)
def test_wrong_arguments_are_one_sentence(fresh, arguments, sentence):
    said = fresh.run(*arguments, code=2)
    assert sentence in said
    assert len(said.strip().splitlines()) == 1
    assert not (fresh.root / "results").exists()


def test_parameter_that_the_notebook_does_not_declare(fresh):
    fresh.edit("notebooks/02_training.py", "recipe = None", "receipt = None")
    said = fresh.run(code=2)
    assert "02_training.py has no parameter 'recipe': it declares profile, object_cxr, receipt." in said
    assert "01_data" not in said


def test_real_data_have_folders_of_their_own(toy):
    real = toy.root / "films"
    real.mkdir()
    (real / "test.csv").write_text("image_name,annotation\n")
    toy.work("01_data", 'toy.make("table_datasets", text=object_cxr)')
    assert "done  01_data" in toy.run("--only", "01", "--object-cxr", "films")
    assert str(real) in (toy.root / "figures/quick-real/table_datasets.csv").read_text()
    assert str(real) not in (toy.root / "figures/quick/table_datasets.csv").read_text()
    moved = real.rename(toy.root / "moved")
    assert "skipped  01_data" in toy.run("--only", "01", "--object-cxr", "moved")
    (moved / "test.csv").write_text("image_name,annotation\na.png,\n")
    assert "the data object_cxr changed" in toy.run("--only", "01", "--object-cxr", "moved", "--explain")


def test_maps_are_kept_when_told_to_and_nothing_reruns_for_it(toy):
    toy.edit("notebooks/03_saliency.py", "recipe = None", "save_maps = None")
    log = toy.root / "results/quick/logs/03_saliency.log"
    toy.edit("notebooks/03_saliency.py", 'toy.make("fig_layers")', 'toy.make("fig_layers")\nprint("kept:", save_maps)')
    for arguments, kept in ((["--save-maps"], "test"), (["--save-maps", "val"], "val")):
        assert "done  03_saliency" in toy.run("--only", "03", *arguments)
        assert f"kept: {kept}" in log.read_text()
    assert "skipped  03_saliency" in toy.run("--only", "03")
    assert "it is forced" in toy.run("--only", "03", "--save-maps", "--explain")


def test_kernel_is_this_interpreter_with_the_environment_of_the_run(toy):
    names = ["XIQA_STEP", "XIQA_RUN", "XIQA_THREADS", "OMP_NUM_THREADS", "XIQA_DEVICE", "PYTHONHASHSEED"]
    toy.work("05_pointing_game", f"import os, sys\n\nprint([os.environ.get(n) for n in {names}], sys.executable)")
    toy.run("--only", "05", "--threads", "1", "--device", "cpu")
    log = (toy.root / "results/quick/logs/05_pointing_game.log").read_text()
    assert "['05_pointing_game', 'quick', '1', '1', 'cpu', '0']" in log
    manifest = json.loads((toy.root / "results/quick/manifests/05_pointing_game.json").read_text())
    assert manifest["executable"] in log
    assert manifest["executable"] == os.path.abspath(toy.command()[0])


def test_jobs_share_the_cores(fresh):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    show = "import os\n\nprint('cores', sorted(os.sched_getaffinity(0)))"
    for name in ("01_data", "02_training"):
        fresh.work(name, show + ('\ntoy.make("table_datasets")' if name == "01_data" else ""))
    fresh.run("--only", "01", "02_training:pretext", "--jobs", "2", "--threads", "1")
    logs = [(fresh.root / f"results/quick/logs/{s}.log").read_text() for s in ("01_data", "02_training-pretext-net")]
    cores = [log.partition("cores [")[2].partition("]")[0] for log in logs]
    assert cores[0] != cores[1]
    assert all(core.isdigit() for core in cores)


def test_the_real_table_fits_its_notebooks(tmp_path):
    code = "import run_all; [run_all.main(['--explain', '--profile', p]) for p in ('smoke', 'quick', 'paper')]"
    environment = os.environ | {"XIQA_RESULTS": str(tmp_path), "XIQA_FIGURES": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("01_data", "02_training:pretext-", "02_training:object_cxr-resnet", "05_pointing_game"):
        assert f"  {step}" in done.stdout


def test_the_runner_loads_neither_torch_nor_matplotlib():
    check = "import sys, run_all; sys.exit(bool({'torch', 'matplotlib', 'nbformat', 'papermill'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)


NEEDS = """
import json, run_all
for weights in ([], ["--weights", "imagenet"]):
    options = run_all.parser().parse_args(weights)
    table = {step.name: step for step in run_all.steps(options, run_all.settled(options))}
    print(json.dumps({name: table[name].needs for name in ("03_saliency", "04_sanity_checks", "05_pointing_game")}))
"""


def test_notebooks_that_look_at_untrained_heads_wait_for_both_pretexts():
    done = subprocess.run([sys.executable, "-c", NEEDS], cwd=ROOT, capture_output=True, text=True, check=True)
    usual, imagenet = map(json.loads, done.stdout.splitlines())
    textures = {"02_training:textures-resnet34", "02_training:textures-resnet50"}
    assert textures <= set(usual["04_sanity_checks"])
    assert textures <= set(usual["05_pointing_game"])
    assert not textures & set(usual["03_saliency"])
    assert not any("textures" in need or "pretext" in need for needs in imagenet.values() for need in needs)
