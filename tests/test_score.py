import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, saliency, score
from xiqa.__main__ import main
from xiqa.data import BadInput
from xiqa.data.images import write_png


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("resnet18"), path, dataset="object_cxr", seed=0, size=96)
    return path


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.png"
    write_png(path, np.random.default_rng(0).uniform(0, 1, (150, 120)))
    return path


def test_a_film_is_answered_and_drawn(film, weights, tmp_path):
    summary = score.explain_files([film], tmp_path / "out", score.find_classifier(weights=weights), say=lambda _: None)
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
    known = peaks.dropna(subset=["row"])
    assert known["row"].between(-0.5, 149.5).all()
    assert known["column"].between(-0.5, 119.5).all()


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


def test_two_files_of_one_name_get_two_folders(film, weights, tmp_path):
    other = tmp_path / "other" / "film.png"
    other.parent.mkdir()
    other.write_bytes(film.read_bytes())
    classifier = score.find_classifier(weights=weights)
    summary = score.explain_files([film, other], tmp_path / "out", classifier, say=lambda _: None)
    assert summary["folder"].nunique() == 2


def test_no_run_is_one_sentence_with_the_remedy(film, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path / "none"))
    assert main(["explain", str(film), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "make paper" in said
    assert "--profile smoke" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_file_that_is_no_weights_file_is_refused(content, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="weights"):
        score.find_classifier(weights=path)


def test_the_newest_run_answers(tmp_path, monkeypatch, weights):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path))
    for age, run, network, seed in (
        (0, "smoke", "resnet18", 0),
        (9, "quick", "resnet34", 0),
        (5, "quick", "resnet34", 1),
    ):
        entry = tmp_path / run / "store" / "train_classifier" / f"{network}{seed}" / "entry.json"
        entry.parent.mkdir(parents=True)
        recipe = f'{{"dataset": "object_cxr", "network": "{network}", "seed": {seed}}}'
        entry.write_text(f'{{"key": {{"arguments": {{"recipe": {recipe}}}}}}}')
        os.utime(entry, (1e9 - age, 1e9 - age))
        entry.with_name("weights.pt").write_bytes(weights.read_bytes())
    assert "run quick" in score.find_classifier().origin
    assert "stand-in" in score.find_classifier().origin
    assert "run smoke" in score.find_classifier("smoke").origin
    with pytest.raises(BadInput, match="profile paper"):
        score.find_classifier("paper")


REAL = Path(os.environ.get("XIQA_REAL_DATA", "missing")) / "object_cxr" / "images" / "09361.jpg"


@pytest.mark.skipif(not REAL.is_file(), reason="XIQA_REAL_DATA names no folder with a real film")
def test_a_real_film_is_explained_by_every_method(weights, tmp_path):
    summary = score.explain_files([REAL], tmp_path, score.find_classifier(weights=weights), say=lambda _: None)
    assert summary["status"].tolist() == ["ok"]
    assert len(list((tmp_path / "09361").glob("*.png"))) == len(saliency.ALL) + 1
