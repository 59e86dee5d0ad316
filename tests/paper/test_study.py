import numpy as np
import pytest
from PIL import Image

from xiqa import recipes
from xiqa.paper.study import Experiment
from xiqa.training import images as training


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    monkeypatch.delenv("XIQA_RUN", raising=False)
    return tmp_path


def test_an_unknown_profile_is_refused_with_the_known_ones(folders):
    with pytest.raises(ValueError, match="smoke, quick, paper"):
        Experiment("tiny")


def test_real_data_have_a_run_of_their_own(folders):
    real = Experiment("smoke", object_cxr=folders)
    assert (real.run, real.stand_in("object_cxr"), real.stand_in("mri"), real.stand_in()) == (
        "smoke-real", False, True, True,
    )  # fmt: skip
    assert Experiment("smoke").run == "smoke"
    assert "stand-in" in Experiment("smoke").label("mri")
    assert "stand-in" not in real.label("object_cxr")
    assert real.label("object_cxr", "lvot").startswith(f"Radiographs: {folders.name}; embedded stand-in data")


def test_the_fingerprint_of_a_real_folder_follows_its_content(folders):
    root = folders / "films"
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(root / "a.png")
    study = Experiment("smoke", object_cxr=root)
    first = study.fingerprint("object_cxr")
    assert study.fingerprint("object_cxr") == first
    (root / "train.csv").write_text("image_name,annotation\n")
    assert study.fingerprint("object_cxr") != first


def test_a_training_is_asked_of_the_store_once(folders, monkeypatch):
    calls = []

    def train_pretext(folder, recipe):
        calls.append(recipe["network"])
        (folder / "weights.pt").write_text("x")

    train_pretext.__module__ = "xiqa.training.images"
    monkeypatch.setattr(training, "train_pretext", train_pretext)
    study = Experiment("smoke")
    first, second = study.train("pretext-resnet18"), study.pretext("resnet18")
    assert first == second
    assert calls == ["resnet18"]


def test_imagenet_weights_change_what_semi_random_means(folders):
    usual, imagenet = Experiment("smoke"), Experiment("smoke", weights="imagenet")
    assert usual.backbones("resnet18") == {"SR* (shapes)": "shapes", "SR* (textures)": "textures"}
    assert usual.backbones("efficientnet_b0") == {"SR* (shapes)": "shapes"}
    assert imagenet.backbones("resnet18") == {"SR": "imagenet"}


def test_sizes_follow_the_recipes(folders):
    for name, profile in recipes.PROFILES.items():
        study = Experiment(name)
        for dataset in recipes.IMAGES:
            assert study.size(dataset) == profile.embedded[dataset]["size"]
        assert all(list(v.shape) == profile.embedded["mri"]["shape"] for v in profile.volumes)
