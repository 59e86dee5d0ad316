"""What notebook 05 asks of an experiment, on an experiment that answers at once."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from xiqa import metrics
from xiqa.paper.pointing_game.game import Game, play, why_not
from xiqa.paper.pointing_game.scores import NORMGRAD, RIVALS
from xiqa.store.files import write_frame

METHODS = [*RIVALS, "gradcam_combined", *NORMGRAD]


class Study:
    """Two data sets of 12 images; on LVOT three images are of one patient."""

    tolerance = 15

    def __init__(self, folder, networks=None, truth=("train", "val", "test")):
        self.folder, self.truth, self.asked = folder, truth, []
        networks = networks or {"object_cxr": ["resnet34", "efficientnet_b0"], "lvot": ["resnet50"]}
        self.profile = SimpleNamespace(
            name="smoke", missing={}, networks=lambda d: networks.get(d, []), seeds=lambda d, n: [0, 1]
        )

    def units(self, dataset):
        return [f"{i if dataset == 'object_cxr' else i // 3}" for i in range(12)]

    def data(self, dataset):
        has = lambda split: dataset == "object_cxr" or split in self.truth  # noqa: E731
        return SimpleNamespace(has_truth=has, records=lambda split: pd.DataFrame({"unit": self.units(dataset)}))

    def backbones(self, network):
        return {"SR* (shapes)": "shapes", "SR* (textures)": "textures"}

    def defective(self, dataset, network, variants, state="trained", split="test", task="shapes"):
        self.asked.append((dataset, network, state, task, *variants))
        rows = self.observations(dataset, network, state, split)
        rows = rows[rows["method"] != "gradcam_combined"].assign(score=0.0)
        return pd.concat([rows.assign(variant=name) for name in variants])

    def observations(self, dataset, network, state="trained", split="test", task="shapes"):
        self.asked.append((dataset, split))
        rng, rows = np.random.default_rng(0), []
        for method in METHODS:
            share = (
                0.9 if method == ("normgrad_bias_combined" if dataset == "lvot" else "normgrad_scaling_single") else 0.4
            )
            for seed in (0, 1):
                for i, unit in enumerate(self.units(dataset)):
                    for smoothed in (False, True):
                        distance = 3.0 if rng.random() < share else 30.0
                        rows.append((f"{i}", unit, seed, method, smoothed, distance, float(distance < 15), "hit"))
        columns = ["image", "unit", "seed", "method", "smoothed", "distance", "score", "outcome"]
        return pd.DataFrame(rows, columns=columns).assign(target=-1, predicted=1)

    def rivals(self, dataset):
        rows = self.observations(dataset, "").query("method == 'gradcam' and seed == 0 and not smoothed")
        names = ["centre", "chance"] + ["constant_point"] * self.data(dataset).has_truth("train")
        return pd.concat([rows.drop(columns="seed").assign(method=name) for name in names])

    def ceilings(self, dataset, network):
        rows = [("layer4", True, False, 0.9), ("layer4", True, True, 0.95), ("layer2", False, True, 1.0)]
        return pd.DataFrame(rows, columns=["layer", "single", "smoothed", "ceiling"])

    def trained(self, dataset, network, seed):
        entry = self.folder / f"{dataset}-{network}-{seed}"
        labels = np.tile([0, 1], 12)
        scores = labels * (0.6 + 0.2 * seed) + np.random.default_rng(seed).random(24) * 0.7
        splits = ["val"] * 12 + ["test"] * 12
        write_frame(pd.DataFrame({"split": splits, "label": labels, "probability": scores}), entry / "predictions.csv")
        write_frame(pd.DataFrame({"val_auc": [0.5, 0.6 + seed / 10]}), entry / "history.csv")
        return entry


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_every_data_set_has_its_own_speaker(study):
    found = play(study, ["object_cxr", "lvot"])
    assert {name: game.chosen for name, game in found.items()} == {
        "object_cxr": "normgrad_scaling_single",
        "lvot": "normgrad_bias_combined",
    }
    assert [(game.network, game.other) for game in found.values()] == [
        ("resnet34", "efficientnet_b0"),
        ("resnet50", None),
    ]
    assert found["lvot"].second is None


def test_without_masks_on_validation_the_other_data_set_chooses(tmp_path):
    study = Study(tmp_path, truth=("test",))
    lvot = play(study, ["object_cxr", "lvot"])["lvot"]
    assert lvot.validation is None
    assert lvot.chosen == "normgrad_scaling_single"
    assert ("lvot", "val") not in study.asked
    assert "constant_point" not in set(lvot.curve(["gradcam"], [15])["method"])


def test_a_data_set_that_cannot_be_played_on_says_why(tmp_path):
    study = Study(tmp_path, truth=())
    assert why_not(study, "lvot") == "its test split has no masks"
    assert why_not(study, "object_cxr") == ""
    assert list(play(study, ["object_cxr", "lvot"])) == ["object_cxr"]
    untrained = Study(tmp_path, networks={"object_cxr": ["resnet18"]})
    assert why_not(untrained, "lvot") == "the smoke profile trains no network on it"
    untrained.profile.missing["lvot"] = "too slow"
    assert why_not(untrained, "lvot") == "too slow"


def test_states_and_the_best_seed(study):
    game = Game(study, "object_cxr")
    assert list(game.states) == ["FR", "SR* (shapes)", "SR* (textures)", "Repeated"]
    assert set(game.best["seed"]) == {1}
    assert game.ceiling(smoothed=False) == 0.9
    assert game.ceiling(smoothed=True) == 0.95


def test_the_bound_is_the_worst_seeds_over_patients(study, monkeypatch):
    asked = []

    def auc(labels, scores, groups=None):
        asked.append(list(groups))
        return 0.8, 0.7 - 0.1 * len(asked), 0.9

    monkeypatch.setattr(metrics, "auc", auc)
    assert Game(study, "lvot").auc_low("resnet50") == pytest.approx(0.5)
    assert asked == [study.units("lvot")] * 2
    assert Game(study, "lvot").auc_low(None) == 0


def test_claims_are_judged_over_patients(study, monkeypatch):
    monkeypatch.setattr(metrics, "auc", lambda labels, scores, groups=None: (0.9, 0.8, 0.95))
    found = Game(study, "lvot").claims(0.02)
    assert set(found["claim"]) == {1, 2, 3, 4, 5}
    assert found.loc[found["claim"] == 1, "units"].eq(4).all()
    assert found.loc[found["comparison"] == "architectures", "units"].tolist() == [0]


def test_consistency_has_a_row_a_network_and_method(study):
    found = Game(study, "lvot").consistency(["gradcam", "guided_backprop"])
    assert len(found) == 4 * 2 * 2
    assert found["smoothed"].all()
    assert found["units"].eq(4).all()


def test_curves_of_all_seeds_of_each_and_of_the_constant_point(study):
    found = Game(study, "object_cxr").curve(["gradcam"], [4, 15])
    assert found.groupby(["method", "seed"]).size().to_dict() == {
        ("constant_point", "all"): 2, ("gradcam", "0"): 2, ("gradcam", "1"): 2, ("gradcam", "all"): 2,
    }  # fmt: skip


def test_the_published_program_is_asked_for_every_network_of_the_tables(study):
    game = Game(study, "object_cxr")
    found = game.published("published")
    assert list(found) == ["FR", "SR* (shapes)", "Repeated", "second"]
    for frame in found.values():
        assert frame["score"].eq(0).all()
        assert "gradcam_combined" not in set(frame["method"])
    assert ("object_cxr", "resnet34", "semi_random", "shapes", "published", "S5", "S7") in study.asked


def test_a_defect_that_leaves_normgrad_alone_is_computed_for_the_trained_network_only(study):
    game = Game(study, "object_cxr")
    study.asked.clear()
    found = game.published("S1")
    assert {asked[2] for asked in study.asked if len(asked) > 2} == {"trained"}
    assert found["Repeated"]["score"].eq(0).any()
    assert found["FR"].equals(game.fully_random)


def test_transposed_masks_matter_only_where_masks_are_drawn(study):
    assert "S3" not in Game(study, "object_cxr").variants()
    assert "S3" in Game(study, "lvot").variants()


def test_claims_of_a_variant_are_judged_on_its_own_rows(study, monkeypatch):
    monkeypatch.setattr(metrics, "auc", lambda labels, scores, groups=None: (0.9, 0.8, 0.95))
    game = Game(study, "object_cxr")
    found = game.claims(0.02, "published")
    assert set(found["claim"]) == {1, 2, 3, 4, 5}
    assert found[found["claim"] == 1]["difference"].eq(0).all()
    assert not game.claims(0.02)["difference"].eq(0).all()


def test_what_is_ours_is_left_out_beside_the_published_programs(study, monkeypatch):
    monkeypatch.setattr(metrics, "auc", lambda labels, scores, groups=None: (0.9, 0.8, 0.95))
    game = Game(study, "object_cxr")
    whole, theirs = game.claims(0.02), game.claims(0.02, ours=False)
    assert set(whole["comparison"]) - set(theirs["comparison"]) == {"gradcam_combined", "SR* (textures)"}
    assert set(game.claims(0.02, "published")["comparison"]) == set(theirs["comparison"])
