import json
import subprocess
import sys

import pytest

from xiqa import recipes
from xiqa.runner.fingerprints import digest


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_every_recipe_needs_only_recipes_of_its_profile(profile):
    steps = recipes.training_steps(profile)
    assert all(need in steps for needs in steps.values() for need in needs)
    assert list(steps) == sorted(steps, key=lambda name: not name.startswith("pretext"))


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_resolved_values_are_plain_and_stable(profile):
    for name in (None, *recipes.training_steps(profile)):
        values = recipes.resolved(profile, name)
        assert digest(values) == digest(json.loads(json.dumps(values)))


def test_imagenet_replaces_the_pretext():
    steps = recipes.training_steps("quick", "imagenet")
    assert not any(name.startswith("pretext") for name in steps)
    assert recipes.recipe("quick", "object_cxr-resnet34-s0", "imagenet").start == "imagenet"
    assert recipes.recipe("quick", "object_cxr-resnet34-s0").start == "pretext"


def test_the_papers_recipe_is_the_authors():
    recipe = recipes.recipe("paper", "object_cxr-resnet34-s2")
    assert (recipe.size, recipe.epochs, recipe.batch, recipe.optimiser) == (600, 20, 16, "sgd")
    assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.drop) == (0.005, 0.9, 5e-4, 5)
    assert recipes.PROFILES["paper"].embedded["object_cxr"] == {
        "size": 600, "train": 8000, "val": 1000, "test": 1000, "seed": 0,
    }  # fmt: skip


def test_quick_trains_the_primary_network_with_three_seeds():
    profile = recipes.PROFILES["quick"]
    assert profile.networks("object_cxr") == ["resnet34", "efficientnet_b0"]
    assert profile.seeds("object_cxr", "resnet34") == [0, 1, 2]


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="object_cxr-resnet18-s0"):
        recipes.recipe("smoke", "object_cxr-resnet99-s0")


def test_recipes_and_the_package_load_no_torch():
    code = "import sys, xiqa, xiqa.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_precision_follows_the_hardware(monkeypatch):
    monkeypatch.setattr(recipes, "device_kind", lambda: "cpu")
    for amx, expected in ((True, "bf16"), (False, "32")):
        monkeypatch.setattr(recipes, "_has_amx", lambda amx=amx: amx)
        assert recipes.precision("resnet34") == expected
        assert recipes.precision("efficientnet_b0") == "32"
    monkeypatch.setattr(recipes, "device_kind", lambda: "cuda")
    assert recipes.precision("efficientnet_b0") == "bf16"
