"""The whole paper in its smallest size, as a reader runs it: on embedded data, and on folders of one's own."""

import html
import json
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nibabel
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

from xiqa import recipes

ROOT = Path(__file__).resolve().parents[1]


def run(folder, *arguments, data=None):
    """``run_all.py --profile smoke`` with results and figures below ``folder``; embedded data there or in ``data``."""
    places = ["--results", str(folder / "results"), "--figures", str(folder / "figures")]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XIQA_")}
    return subprocess.run(
        [sys.executable, "run_all.py", "--profile", "smoke", *places, *map(str, arguments)],
        cwd=ROOT,
        env=clean | {"XIQA_DATA": str(data or folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """A finished smoke run with its appendix."""
    folder = tmp_path_factory.mktemp("paper")
    done = run(folder, "--appendix")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def lay_out(root, counts=(8, 4, 4), size=96):
    """Films in the repository's layout, every second one with a bright buckle in a box."""
    rng = np.random.default_rng(1)
    tables = {"train": "train.csv", "val": "dev.csv", "test": "test.csv"}
    number = 0
    for (split, table), count in zip(tables.items(), counts, strict=True):
        (root / f"object-CXR_{split}" / "images").mkdir(parents=True)
        lines = ["image_name,annotation"]
        for i in range(count):
            number += 1
            film = rng.uniform(0.2, 0.6, (size + 10, size))
            film[40:50, 20:30] += 0.4 * (i % 2)
            pixels = np.rint(255 * film.clip(0, 1)).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"object-CXR_{split}" / "images" / f"{number:05d}.png")
            lines.append(f"{number:05d}.png,{'0 18 38 32 52' if i % 2 else ''}")
        (root / f"object-CXR_{split}" / table).write_text("\n".join(lines) + "\n")
    return root


def test_every_product_is_there_with_its_caption(paper):
    for names in recipes.PRODUCTS.values():
        for name in names:
            about = json.loads((paper / "figures" / "smoke" / f"{name}.json").read_text())
            assert about["stand_in"] is True
            assert "simulated" in about["caption"]
            content = paper / "figures" / "smoke" / f"{name}.{'png' if about['kind'] == 'figure' else 'md'}"
            assert content.stat().st_size > 0


def test_the_report_is_one_page_with_everything(paper):
    page = html.unescape((paper / "results" / "smoke" / "report.html").read_text())
    for name in (name for names in recipes.PRODUCTS.values() for name in names):
        assert name in page
    assert "The numbers of this page mean nothing" in page


def test_a_second_run_repeats_nothing_and_notebooks_compute_nothing(paper):
    again = run(paper, "--appendix").stdout
    assert "0 to run" in again
    logs = (paper / "results" / "smoke" / "logs").glob("[0-9A]*.log")
    assert not [path.name for path in logs if "computing " in path.read_text()]


def test_table_1_says_what_was_not_run(paper):
    table = pd.read_csv(paper / "figures" / "smoke" / "table_1_classifiers.csv")
    assert table["start"].str.contains("not run: the smoke profile").sum() == 2
    assert (table["network"] == "resnet18").sum() == 3


def test_pointing_tables_have_the_rows_of_the_papers(paper):
    table = pd.read_csv(paper / "figures" / "smoke" / "table_4_object_cxr.csv")
    assert {"Grad-CAM", "Guided Backprop", "NormGrad conv1x1, combined"} <= set(table.iloc[:, 0])
    assert len(pd.read_csv(paper / "figures" / "smoke" / "midl_table_2.csv")) == 12


def test_a_notebook_opened_by_hand_runs_from_top_to_bottom(paper, monkeypatch):
    """In JupyterLab nobody sets a path or a kernel: the notebook's folder and python3 are all there is."""
    for name in ("results", "figures", "data"):
        monkeypatch.setenv(f"XIQA_{name.upper()}", str(paper / name))
    notebook = jupytext.read(ROOT / "notebooks" / "03_saliency.py")
    for cell in notebook.cells:
        cell.source = cell.source.replace('profile = "quick"', 'profile = "smoke"')
    store = paper / "results" / "smoke" / "store"
    before = set(store.rglob("entry.json"))
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
    assert set(store.rglob("entry.json")) == before


def test_a_smoke_classifier_explains_when_it_is_named(paper, tmp_path):
    film = next((paper / "data").rglob("object-CXR_test/images/*.png"))
    environment = os.environ | {"XIQA_RESULTS": str(paper / "results")}
    command = [sys.executable, "-m", "xiqa", "explain", str(film), "-o", str(tmp_path)]
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--profile smoke" in refused.stderr
    done = subprocess.run(
        [*command, "--profile", "smoke"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / film.stem / "contact_sheet.png").is_file()


def test_real_films_are_used_and_a_damaged_one_is_named(paper, tmp_path):
    root = lay_out(tmp_path / "films")
    broken = root / "object-CXR_train" / "images" / "00002.png"
    broken.write_bytes(broken.read_bytes()[:200])
    done = run(tmp_path, "--object-cxr", root, "--only", "01", data=paper / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "figures" / "smoke-real" / "table_datasets.csv")
    films = table[table["data set"] == "radiographs"].set_index("split")
    assert films["images"].to_dict() == {"train": 7, "val": 4, "test": 4}
    assert films.loc["train", "left out"] == 1
    assert table["data set"].str.contains("simulated stand-in").sum() == 6
    executed = (tmp_path / "results" / "smoke-real" / "notebooks" / "01_data.ipynb").read_text()
    assert "00002.png" in executed


DAMAGED = {
    "flat": "same value",
    "missing_values": "NaN",
    "series": "holds 3 volumes",
    "cine": "a single slice over time",
    "cut": "cut short",
}


def lay_out_heads(root, shape=(40, 44, 36)):
    """Twelve volumes of noise in three splits, one of each damaged kind in the training split."""
    rng = np.random.default_rng(2)
    rows = ["image\tsubject\tsplit\tlabel"]

    def add(name, values, subject, split, label):
        path = root / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), np.diag([4.0, 4, 5, 1])), path)
        rows.append(f"{path.relative_to(root)}\t{subject}\t{split}\t{label}")
        return path

    for i in range(12):
        split = ("train", "val", "test")[i % 3]
        add("T1w", rng.random(shape), f"{i:02d}", split, "artifact" if i // 3 % 2 else "clean")
    noise = rng.random(shape)
    add("flat", np.ones(shape), "20", "train", "clean")
    add("missing_values", np.where(noise < 0.9, np.nan, noise), "21", "train", "clean")
    add("series", rng.random((*shape, 3)), "22", "train", "artifact")
    add("cine", rng.random((*shape[:2], 1, 5)), "23", "train", "clean")
    cut = add("cut", noise, "24", "train", "clean")
    cut.write_bytes(cut.read_bytes()[:2000])
    (root / "scans.tsv").write_text("\n".join(rows) + "\n")
    return root


def test_damaged_volumes_are_named_and_stop_nothing(paper, tmp_path):
    root = lay_out_heads(tmp_path / "heads")
    done = run(tmp_path, "--mri", root, "--only", "01", data=paper / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "figures" / "smoke-real" / "table_datasets.csv")
    scans = table[table["data set"] == "brain volumes"].set_index("split")
    assert scans["images"].to_dict() == {"train": 4, "val": 4, "test": 4}
    assert scans.loc["train", "left out"] == len(DAMAGED)
    executed = (tmp_path / "results" / "smoke-real" / "notebooks" / "01_data.ipynb").read_text()
    for name, reason in DAMAGED.items():
        assert name in executed
        assert reason in executed


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table.write_text("image_name,annotation\n"), "test"),
        (
            lambda table: table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n"),
            "both classes are needed",
        ),
    ],
    ids=["empty split", "one class only"],
)
def test_a_data_set_that_the_protocol_cannot_use_stops_the_run_with_code_2(paper, tmp_path, change, sentence):
    root = lay_out(tmp_path / "films")
    change(root / "object-CXR_test" / "test.csv")
    done = run(tmp_path, "--object-cxr", root, "--only", "01", data=paper / "data")
    assert done.returncode == 2
    assert sentence in done.stdout + done.stderr
    assert not list((tmp_path / "figures").rglob("table_datasets*"))
