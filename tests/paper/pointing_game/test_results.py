"""What an experiment asks the store for its maps, with a store that only writes down what it is asked."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from xiqa.paper.appendix.localisation import files, truths
from xiqa.paper.appendix.localisation import observe as localisation_observe
from xiqa.paper.pointing_game import agreement, observe, published, results
from xiqa.paper.study import Experiment
from xiqa.store.files import write_frame


class Asked:
    """Answers every question with the same frame."""

    def __init__(self, folder):
        self.folder, self.calls = folder / "results" / "smoke" / "store", []

    def frame(self, function, **given):
        self.calls.append((function, given))
        if function is localisation_observe.iou_thresholds:
            return pd.DataFrame({"method": ["gradcam", "random"], "threshold": [0.5, float("nan")], "iou": [0.2, 0.1]})
        rows = {"seed": given.get("seed", 0), "image": ["a", "b"], "predicted": [1, 0], "method": "gradcam"}
        return pd.DataFrame(rows)

    def path(self, function, **given):
        self.calls.append((function, given))
        return Path("entry") / function.__name__

    def of(self, function):
        return [given for called, given in self.calls if called is function]


class Truth:
    """Five frames of three patients; the first shows nothing."""

    def has_truth(self, split):
        return True

    def records(self, split):
        return pd.DataFrame({"image": list("abcde"), "unit": list("ppqqr")})

    def located(self, split):
        return [1, 2, 3, 4]


@pytest.fixture
def study(tmp_path, monkeypatch):
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    made = Experiment("quick")
    made.store = Asked(tmp_path)
    monkeypatch.setattr(made, "prepared", lambda dataset: Path(f"prepared-{dataset}"))
    monkeypatch.setattr(made, "data", lambda dataset: Truth())
    monkeypatch.setattr(made, "root", lambda dataset: Path(f"root-{dataset}"))
    monkeypatch.setattr(made, "trained", lambda dataset, network, seed: tmp_path / f"{network}-{seed}")
    monkeypatch.setattr(made, "pretext", lambda network: Path(f"shapes-{network}"))
    monkeypatch.setattr(made, "textures", lambda network: Path(f"textures-{network}"))
    return made


def test_untrained_heads_stand_on_the_backbone_that_is_asked_for(study):
    study.observations("object_cxr", "resnet34", "semi_random", task="textures")
    study.observations("object_cxr", "resnet34", "semi_random")
    weights = [given["weights"] for given in study.store.of(observe.observe)]
    assert weights == [Path("textures-resnet34/weights.pt")] * 3 + [Path("shapes-resnet34/weights.pt")] * 3
    assert all(given["targets"] == [0, 1] and given["once"] for given in study.store.of(observe.observe))


def test_untrained_networks_see_as_many_units_as_the_profile_says(study):
    study.profile = replace(study.profile, untrained=2)
    study.observations("lvot", "resnet50", "fully_random")
    study.defective("lvot", "resnet50", ["S5"], "fully_random")
    study.observations("lvot", "resnet50")
    asked = study.store.of(observe.observe) + study.store.of(published.observe)
    assert [given.get("images") for given in asked] == [["b", "c"]] * 3 + [None] * 3 + [["b", "c"]] * 3


def test_imagenet_is_one_backbone(tmp_path, monkeypatch):
    study = Experiment("quick", weights="imagenet")
    assert study._weights("object_cxr", "resnet34", "semi_random", 0, study.backbones("resnet34")["SR"]) == "imagenet"


def test_what_a_seed_missed_is_asked_of_that_seed(study):
    study.missed("object_cxr", "resnet34")
    asked = [given for given in study.store.of(observe.observe) if given["targets"] == [1]]
    assert [given["seed"] for given in asked] == [0, 1, 2]
    assert all(given["images"] == ["b"] for given in asked)


def test_programs_are_asked_for_with_their_variants(study):
    study.defective("lvot", "resnet50", ["published", "S5"], "fully_random")
    asked = study.store.of(published.observe)
    assert [given["seed"] for given in asked] == [0, 1, 2]
    assert asked[0]["weights"] is None
    assert asked[0]["variants"] == ["published", "S5"]


def test_only_guided_methods_are_explained_with_silu_as_it_is(study):
    study.plain_silu("object_cxr", "efficientnet_b0")
    (asked,) = study.store.of(observe.observe)
    assert (asked["silu"], asked["methods"]) == ("plain", list(results.GUIDED))


def test_perturbation_is_for_the_first_seed_and_thresholds_are_of_validation(study):
    study.localised("object_cxr", "resnet34")
    asked = study.store.of(localisation_observe.localise)
    assert [given["perturbed"] for given in asked] == [study.profile.perturbed] * study.profile.localised
    study.profile = replace(study.profile, localised=3)
    study.store.calls.clear()
    study.localised("object_cxr", "resnet34")
    asked = study.store.of(localisation_observe.localise)
    assert [given["perturbed"] for given in asked] == [study.profile.perturbed, 0, 0]
    assert all(given["iou_threshold"] == {"gradcam": 0.5} for given in asked)
    assert study.store.of(truths.write_truths)[0]["unkeyed"] == {"root": Path("root-object_cxr")}


def test_maps_are_compared_with_other_seeds_another_network_and_untrained_ones(study):
    found = study.alike("lvot")
    assert list(found) == [
        "seed 0 and seed 1", "seed 0 and seed 2", "resnet50 and efficientnet_b0", results.UNTRAINED,
    ]  # fmt: skip
    asked = study.store.of(agreement.alike)
    assert [given["networks"][1] for given in asked] == ["resnet50", "resnet50", "efficientnet_b0", "resnet50"]
    assert (asked[-1]["first"], asked[-1]["second"]) == (None, None)


def test_predictions_in_the_format_of_the_challenge(study, tmp_path):
    table = pd.DataFrame({"split": ["val", "test", "test"], "image": ["x", "a", "b"], "probability": [0.1, 0.9, 0.2]})
    write_frame(table, tmp_path / "resnet34-0" / "predictions.csv")
    points = pd.DataFrame({"method": "gradcam", "image": ["a", "a"], "probability": [0.9, 0.5], "x": 1.0, "y": 2.0})
    folder = tmp_path / study.exported("object_cxr", "resnet34", points, "gradcam")
    found = files.read_localization(folder / "prediction_localization.csv")
    assert found == {"a": [(0.9, 1.0, 2.0), (0.5, 1.0, 2.0)], "b": []}
