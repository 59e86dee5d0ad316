import numpy as np
import pytest
from PIL import Image

from xiqa import recipes
from xiqa.paper.study import Study
from xiqa.store.store import MissingEntryError


def test_an_unknown_profile_is_refused_with_the_known_ones(folders):
    with pytest.raises(ValueError, match="smoke, quick, paper"):
        Study("tiny")


def test_real_data_have_a_run_of_their_own(folders):
    real = Study("smoke", object_cxr=folders)
    assert (real.run, real.stand_in("object_cxr"), real.stand_in("mri"), real.stand_in()) == (
        "smoke-real", False, True, True,
    )  # fmt: skip
    assert Study("smoke").run == "smoke"
    assert "stand-in" in Study("smoke").label("mri")
    assert "stand-in" not in real.label("object_cxr")
    assert real.label("object_cxr", "lvot").startswith(f"Radiographs: {folders.name}; embedded stand-in data")


def test_the_fingerprint_of_a_real_folder_follows_its_content(folders):
    root = folders / "films"
    root.mkdir()
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(root / "a.png")
    first = Study("smoke", object_cxr=root).data_sets["object_cxr"].fingerprint
    assert Study("smoke", object_cxr=root).data_sets["object_cxr"].fingerprint == first
    (root / "train.csv").write_text("image_name,annotation\n")
    assert Study("smoke", object_cxr=root).data_sets["object_cxr"].fingerprint != first


def test_nothing_is_written_before_it_is_read(folders):
    study = Study("smoke", compute=False)
    assert study.data_sets["lvot"].fingerprint
    with pytest.raises(MissingEntryError, match="no entry of prepare"):
        study.prepared("lvot")
    assert not (folders / "data").exists()


def test_imagenet_weights_change_what_semi_random_means(folders):
    usual, imagenet = Study("smoke"), Study("smoke", weights="imagenet")
    assert usual.backbones("resnet18") == {"SR* (shapes)": "shapes", "SR* (textures)": "textures"}
    assert usual.backbones("efficientnet_b0") == {"SR* (shapes)": "shapes"}
    assert imagenet.backbones("resnet18") == {"SR": "imagenet"}


def test_sizes_follow_the_recipes(folders):
    for name, profile in recipes.PROFILES.items():
        study = Study(name)
        for dataset in recipes.IMAGES:
            assert study.data_sets[dataset].size == profile.embedded[dataset]["size"]
        assert all(list(v.shape) == profile.embedded["mri"]["shape"] for v in profile.volumes)
