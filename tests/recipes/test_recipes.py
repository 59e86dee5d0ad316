import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from xiqa import recipes
from xiqa.store.digests import digest
from xiqa.training import epochs


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_every_recipe_needs_only_recipes_of_its_profile(profile):
    steps = recipes.trainings(profile)
    assert all(need in steps for needs in steps.values() for need in needs)
    order = list(steps)
    assert all(order.index(need) < order.index(name) for name, needs in steps.items() for need in needs)


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_resolved_values_are_plain_and_stable(profile):
    for notebook in recipes.DATASETS:
        values = recipes.resolved(profile, notebook)
        assert digest(values) == digest(json.loads(json.dumps(values)))


def test_a_notebook_depends_only_on_the_recipes_of_its_data_sets():
    assert set(recipes.audited("quick").values()) == {
        "object_cxr-resnet34-s0", "lvot-resnet50-s0", "mri-vggnet3d_strided-ramp-s0",
    }  # fmt: skip
    volumes = recipes.resolved("quick", "06_mri_uncertainty")["trained"]
    assert set(volumes) == set(recipes.PROFILES["quick"].arms())
    images = recipes.resolved("quick", "05_pointing_game")["trained"]
    assert not set(images) & set(volumes)
    assert set(images) | set(volumes) == set(recipes.trainings("quick"))


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_every_arm_that_starts_primed_has_its_priming(profile):
    for recipe in recipes.PROFILES[profile].volumes:
        if recipe.start == "priming":
            assert recipes.recipe(profile, recipes.priming_name(recipe)).stage == "priming"


def test_arms_share_one_budget_of_gradient_steps():
    """That of the priming included, except in the paper profile, which has the paper's own."""
    for profile in (recipes.PROFILES["smoke"], recipes.PROFILES["quick"]):
        steps = {recipes.volume_name(v): v.steps for v in profile.volumes}
        arms = [v for v in profile.volumes if v.stage == "imbalanced"]
        assert len({v.steps + (steps[recipes.priming_name(v)] if v.start == "priming" else 0) for v in arms}) == 1


def test_quick_trains_volumes_in_one_precision_on_every_machine():
    assert {v.precision for v in recipes.PROFILES["quick"].volumes} == {"32"}


def test_imagenet_replaces_the_pretext():
    steps = recipes.trainings("quick", "imagenet")
    assert not any(name.startswith(("pretext", "textures")) for name in steps)
    assert recipes.recipe("quick", "object_cxr-resnet34-s0", "imagenet").start == "imagenet"
    assert recipes.recipe("quick", "object_cxr-resnet34-s0").start == "pretext"


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_every_primary_network_of_images_has_both_pretexts(profile):
    chosen, steps = recipes.PROFILES[profile], recipes.trainings(profile)
    for network in {chosen.networks(dataset)[0] for dataset in recipes.IMAGES}:
        assert {f"pretext-{network}", f"textures-{network}"} <= set(steps)
        assert isinstance(recipes.recipe(profile, f"textures-{network}"), recipes.Textures)
        assert not isinstance(recipes.recipe(profile, f"pretext-{network}"), recipes.Textures)


def test_the_papers_recipe_is_the_authors():
    recipe = recipes.recipe("paper", "object_cxr-resnet34-s2")
    assert (recipe.size, recipe.epochs, recipe.batch, recipe.optimiser) == (600, 20, 16, "sgd")
    assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.drop) == (0.005, 0.9, 5e-4, 5)
    embedded = recipes.PROFILES["paper"].embedded["object_cxr"]
    assert [embedded[name] for name in ("size", "train", "val", "test")] == [600, 8000, 1000, 1000]


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


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize(("arm", "ramp", "whole"), [("ramp_short", 5, 53), ("ramp_medium", 20, 60), ("ramp", 100, 100)])
def test_ramps_take_the_papers_share_of_the_epochs(profile, arm, ramp, whole):
    chosen = recipes.PROFILES[profile]
    labels = np.repeat([0, 1], chosen.embedded["mri"]["train"])
    recipe = next(v for v in chosen.volumes if v.arm == arm)
    plan = epochs.epochs(labels, asdict(recipe))
    assert recipe.ramp_epochs / len(plan) == pytest.approx(ramp / whole, abs=0.04)
    assert plan[0].clean_fraction == 0.5
    assert plan[-1].clean_fraction == pytest.approx(0.98, abs=0.002)
    assert sum(epoch.steps for epoch in plan) == recipe.steps
