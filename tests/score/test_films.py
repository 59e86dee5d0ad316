import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from xiqa import models, saliency
from xiqa.__main__ import main
from xiqa.errors import BadInput
from xiqa.score import films, volumes

COLUMNS = ["file", "status", "reason", "message", "predicted", "probability", "uncertainty", "folder"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("resnet18"), path, dataset="object_cxr", seed=0, size=96)
    return path


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 120), dtype=np.uint8)).save(path)
    return path


def test_a_film_is_answered_and_drawn(film, weights, tmp_path):
    classifiers = films.find_classifiers([film], weights=weights)
    assert list(classifiers) == ["film"]
    summary = films.explain_files([film], tmp_path / "out", classifiers)
    assert list(summary.columns) == COLUMNS
    assert np.isnan(summary["uncertainty"].iloc[0])
    row = summary.iloc[0]
    assert row["status"] == "ok"
    assert 0 <= row["probability"] <= 1
    folder = Path(row["folder"])
    peaks = pd.read_csv(folder / "peaks.csv").set_index("method")
    assert list(peaks.index) == list(saliency.ALL)
    drawn = {path.stem for path in folder.glob("*.png")}
    assert drawn == {*saliency.ALL, "contact_sheet"}
    # The bias map of the last layer is constant in space, so it has no peak.
    assert "no maximum" in peaks.loc["normgrad_bias_single", "note"]
    located = peaks.dropna(subset=["row"])
    assert located["row"].between(-0.5, 149.5).all()
    assert located["column"].between(-0.5, 119.5).all()


def test_a_bad_file_is_one_row_and_stops_nothing(film, weights, tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(film.read_bytes()[:500])
    out = tmp_path / "out"
    code = main(
        ["explain", str(broken), str(tmp_path / "none.png"), str(film), "-o", str(out), "--weights", str(weights)]
    )
    assert code == 1
    summary = pd.read_csv(out / "summary.csv")
    assert summary["status"].tolist() == ["error", "error", "ok"]
    assert summary["reason"].tolist()[:2] == ["truncated", "missing"]
    assert (out / "film" / "contact_sheet.png").is_file()
    assert "broken.png" in capsys.readouterr().out


def test_the_printed_probability_is_named(film, weights, tmp_path, monkeypatch, capsys):
    """It is p(foreign object) also where no foreign object is predicted."""
    titles = []
    monkeypatch.setattr(films, "_draw", lambda *arguments: titles.append(arguments[-1]))
    bias = torch.tensor([3.0, 0.0])
    classifier = films.load_classifier(weights)
    classifier.model.fc.weight.data.zero_()
    classifier.model.fc.bias.data.copy_(bias)
    films.explain_files([film], tmp_path / "out", {"film": classifier})
    assert titles == [f"film.png: no foreign object, p(foreign object) = {float(bias.softmax(0)[1]):.2f}"]
    assert "no foreign object, p(foreign object) = 0.047" in capsys.readouterr().out


def test_two_files_of_one_name_get_two_folders(film, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(films, "_draw", lambda *_: None)
    other = tmp_path / "other" / "film.png"
    other.parent.mkdir()
    other.write_bytes(film.read_bytes())
    classifiers = films.find_classifiers([film, other], weights=weights)
    summary = films.explain_files([film, other], tmp_path / "out", classifiers)
    assert summary["folder"].nunique() == 2


def test_no_run_is_one_sentence_with_the_remedy(film, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path / "none"))
    assert main(["explain", str(film), "-o", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "make paper" in message
    assert "--profile smoke" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_file_that_is_no_weights_file_is_refused(content, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="weights"):
        films.load_classifier(path)


def finish(results, run, function, name, recipe, weights, age):
    """An entry of a store as a finished training leaves it, ``age`` seconds ago."""
    entry = results / run / "store" / function / name / "entry.json"
    entry.parent.mkdir(parents=True)
    entry.write_text(json.dumps({"key": {"arguments": {"recipe": recipe}}}))
    os.utime(entry, (1e9 - age, 1e9 - age))
    if weights:
        entry.with_name("weights.pt").write_bytes(weights.read_bytes())
    return entry


def test_the_newest_run_answers(tmp_path, monkeypatch, weights):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path))
    runs = (0, "smoke", "resnet18", 0), (9, "quick", "resnet34", 0), (5, "quick", "resnet34", 1)
    for age, run, network, seed in runs:
        recipe = {"dataset": "object_cxr", "network": network, "seed": seed}
        finish(tmp_path, run, "train_classifier", f"{network}{seed}", recipe, weights, age)
    assert "run quick" in films.find_classifier().origin
    assert "stand-in" in films.find_classifier().origin
    assert "run smoke" in films.find_classifier("smoke").origin
    with pytest.raises(BadInput, match="profile paper"):
        films.find_classifier("paper")


def test_the_first_arm_of_the_newest_run_answers(tmp_path):
    entries = []

    def newest(*added):
        for run, arm, seed, age in added:
            recipe = {"arm": arm, "seed": seed}
            entries.append(finish(tmp_path, run, "train_volumes", f"{arm}{seed}", recipe, None, age))
        entry = films.newest_training(entries, "volume")
        return entry and (entry.parents[3].name, entry.parent.name)

    assert newest() is None
    assert newest(("quick", "priming", 0, 0), ("quick", "ramp", 1, 0)) is None
    assert newest(("quick", "ramp", 0, 90)) == ("quick", "ramp0")
    assert newest(("paper", "baseline", 0, 50)) == ("paper", "baseline0")
    assert newest(("paper", "focal", 0, 10)) == ("paper", "focal0")
    assert newest(("paper", "ramp", 0, 70)) == ("paper", "ramp0")


@pytest.fixture(scope="module")
def volume_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("vggnet3d", shape=(32, 32, 32)), path, arm="ramp", seed=0, shape=[32, 32, 32])
    return path


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.nii.gz"
    array = np.random.default_rng(0).integers(0, 900, (40, 36, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(array, np.diag([2.0, 2, 3, 1])), path)
    return path


def test_films_and_volumes_together_are_one_table(film, scan, tmp_path, monkeypatch, weights, volume_weights):
    monkeypatch.setattr(films, "_draw", lambda *_: None)
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path / "results"))
    recipe = {"arm": "ramp", "seed": 0}
    finish(tmp_path / "results", "quick", "train_volumes", "a", recipe, volume_weights, 0)
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(scan.read_bytes()[:900])
    out = tmp_path / "out"
    files = [str(path) for path in (film, broken, scan, tmp_path / "none.nii")]
    assert main(["explain", *files, "-o", str(out), "--weights", str(weights)]) == 1
    summary = pd.read_csv(out / "summary.csv")
    assert list(summary.columns) == COLUMNS
    assert summary["status"].tolist() == ["ok", "error", "ok", "error"]
    assert summary["reason"].tolist()[1::2] == ["truncated", "missing"]
    assert summary["predicted"].iloc[0] in films.CLASSES
    assert summary["predicted"].iloc[2] in volumes.CLASSES
    assert summary["uncertainty"].notna().tolist() == [False, False, True, False]
    assert (out / "scan" / "planes.png").is_file()
    assert (out / "film" / "peaks.csv").is_file()


def test_only_the_classifier_that_is_needed_is_looked_for(film, scan, tmp_path, monkeypatch, weights, volume_weights):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path / "none"))
    assert list(films.find_classifiers([scan], weights=volume_weights)) == ["volume"]
    with pytest.raises(BadInput, match="brain volumes"):
        films.find_classifiers([film, scan], weights=weights)
    for file, wrong in ((film, volume_weights), (scan, weights)):
        with pytest.raises(BadInput, match="name other weights"):
            films.find_classifiers([file], weights=wrong)


def test_weights_that_do_not_know_their_shape_are_refused(scan, tmp_path):
    models.save(models.build("vggnet3d", shape=(32, 32, 32)), tmp_path / "weights.pt", arm="ramp")
    with pytest.raises(BadInput, match="shape"):
        films.find_classifiers([scan], weights=tmp_path / "weights.pt")


def test_a_volume_of_many_is_chosen_on_the_command_line(tmp_path, volume_weights):
    path, out = tmp_path / "four.nii", tmp_path / "out"
    array = np.random.default_rng(0).integers(0, 900, (34, 33, 12, 3)).astype(np.int16)
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    arguments = ["explain", str(path), "-o", str(out), "--weights", str(volume_weights)]
    assert main(arguments) == 1
    assert "--volume k" in pd.read_csv(out / "summary.csv")["message"].iloc[0]
    answers = []
    for k in ("0", "2"):
        assert main([*arguments, "--volume", k]) == 0
        answers.append(pd.read_csv(out / "four" / "answer.csv")["probability"].iloc[0])
    assert answers[0] != answers[1]
    assert main([*arguments, "--volume", "3"]) == 1


REAL = Path(os.environ.get("XIQA_REAL_DATA", "missing")) / "object_cxr" / "images" / "09361.jpg"


@pytest.mark.skipif(not REAL.is_file(), reason="XIQA_REAL_DATA names no folder with a real film")
def test_a_real_film_is_explained_by_every_method(weights, tmp_path):
    classifiers = films.find_classifiers([REAL], weights=weights)
    summary = films.explain_files([REAL], tmp_path, classifiers)
    assert summary["status"].tolist() == ["ok"]
    assert len(list((tmp_path / "09361").glob("*.png"))) == len(saliency.ALL) + 1
