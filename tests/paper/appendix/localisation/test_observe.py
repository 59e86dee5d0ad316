import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.localisation.overlap import average_precision, energy_pointing_game, iou_curve
from xiqa.localisation.perturbation import area, insertion_deletion
from xiqa.paper.appendix.localisation.observe import STEPS, Truths, iou_thresholds, localise, measures
from xiqa.paper.appendix.localisation.truths import write_truths
from xiqa.paper.arguments import Rule
from xiqa.paper.batches import Explainer
from xiqa.store.files import write_frame
from xiqa.store.store import FRAME

RULE = Rule(8, 1.0, 11)
METHODS = ["gradcam_combined", "guided_backprop", "random", "constant_point"]
KEY = ["image", "unit", "method"]


@pytest.fixture(scope="session")
def thresholds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thresholds")
    frame = pd.DataFrame({"method": ["guided_backprop", "random"], "threshold": [0.3, np.nan]})
    write_frame(frame, folder / FRAME)
    return folder


@pytest.fixture(scope="session")
def localised(prepared, network, truths, thresholds):
    """`localise` with changed arguments."""
    arguments = {
        "network": network, "truths": truths, "thresholds": thresholds, "split": "test", "methods": METHODS,
        "rule": RULE, "perturbed": {"guided_backprop": 2, "random": 2}, "batch": 3,
    }  # fmt: skip
    return lambda **changes: localise(prepared, **(arguments | changes))


@pytest.fixture(scope="module")
def frame(localised):
    return localised()


@pytest.fixture(scope="module")
def explained(prepared, weights):
    """Images, maps of Guided Backprop and the predicted classes, computed apart."""
    data = Prepared(prepared)
    pictures = torch.from_numpy(np.array(data.images("test")[data.located("test")]))
    images, model = models.normalise(pictures), models.build("resnet18", weights=weights).eval()
    return model, images, saliency.explain(model, images, "guided_backprop")["guided_backprop"]


def test_a_row_an_image_and_method(frame, prepared):
    assert len(frame) == 4 * len(METHODS)
    assert not frame.duplicated(KEY).any()
    records = Prepared(prepared).records("test")
    assert set(frame["image"]) == set(records.loc[records["located"] == 1, "image"])
    assert frame["method"].unique().tolist() == METHODS
    assert set(frame[["network", "seed", "split"]].itertuples(index=False, name=None)) == {("resnet18", 0, "test")}


def test_rows_are_what_the_parts_give(frame, explained, truths):
    model, images, maps = explained
    stored, rows = Truths(truths), frame[frame["method"] == "guided_backprop"]
    usual = stored.masks("usual")
    logits = model(images)
    assert rows["predicted"].tolist() == logits.argmax(1).tolist()
    assert rows["probability"].to_numpy() == pytest.approx(logits.softmax(1)[:, 1].detach().numpy(), abs=1e-5)
    assert rows["energy"].to_numpy() == pytest.approx(energy_pointing_game(maps, usual), rel=1e-3)
    assert rows["average_precision"].to_numpy() == pytest.approx(average_precision(maps, usual), rel=1e-3)
    assert rows["iou_best"].to_numpy() == pytest.approx(iou_curve(maps, usual, [0.3])["iou"].to_numpy(), abs=0.02)
    smooth = pointing_game.smooth(maps, RULE.sigma, RULE.size)
    for name in ("usual", "silhouette", "causal"):
        outcomes = pointing_game.play(smooth, stored.masks(name), 8)
        assert rows[f"hit_{name}"].tolist() == outcomes["score"].tolist()


def test_only_the_first_units_are_perturbed(frame, explained):
    model, images, maps = explained
    rows = frame[frame["method"] == "guided_backprop"]
    expected = area(insertion_deletion(model, images[:2], maps[:2], steps=STEPS))
    for kind in ("insertion", "deletion"):
        assert rows[kind].to_numpy()[:2] == pytest.approx(expected[kind].to_numpy(), abs=1e-4)
        assert rows[kind].isna().tolist() == [False, False, True, True]
        assert frame.loc[frame["method"] == "gradcam_combined", kind].isna().all()


def test_one_image_of_each_unit_is_perturbed(localised, monkeypatch):
    records = Prepared.records
    monkeypatch.setattr(Prepared, "records", lambda self, split: records(self, split).assign(unit="one"))
    rows = localised(methods=["random"])
    assert rows["insertion"].notna().tolist() == [True, False, False, False]
    assert rows["iou_best"].isna().all()


def test_the_batch_changes_nothing_but_rounding(frame, localised):
    a, b = (f.sort_values(KEY).reset_index(drop=True) for f in (frame, localised(batch=4)))
    pd.testing.assert_frame_equal(a, b, rtol=0.02, atol=1e-4)
    np.testing.assert_array_equal(*(f.loc[f["method"] == "random", "energy"] for f in (a, b)))


def test_an_absent_truth_gives_nan(localised, prepared, tmp_path):
    write_truths(tmp_path, prepared, tmp_path, "object_cxr", "test")
    rows = localised(truths=tmp_path, methods=["random"])
    assert rows[["hit_silhouette", "hit_causal", "on_distractor"]].isna().all(axis=None)
    assert rows["hit_usual"].notna().all()


def test_truths_of_other_images_are_refused(localised, prepared, films, tmp_path):
    write_truths(tmp_path, prepared, films, "object_cxr", "val")
    with pytest.raises(ValueError, match="other images"):
        localised(truths=tmp_path)


def squares(*places, size=40, side=3):
    masks = np.zeros((len(places), size, size), bool)
    for mask, place in zip(masks, places, strict=True):
        if place is not None:
            mask[place[0] : place[0] + side, place[1] : place[1] + side] = True
    return masks


def test_hits_of_each_truth_and_misses_on_other_metal():
    maps, rule = torch.zeros(7, 40, 40), Rule(4, 1.0, 11)
    maps[range(6), [20, 17, 16, 6, 30, 20], [26, 20, 20, 6, 30, 20]] = 1
    # In turn: 4 px right of the metal, 3 px above, 4 px above, on the truth, no metal, no truth, a constant map.
    truth = squares(*[(5, 5)] * 5, None, (5, 5))
    metal = squares(*[(20, 20)] * 4, None, (20, 20), (20, 20))
    rows = measures(maps, {"usual": truth, "distractors": metal, "silhouette": metal}, rule, None)
    assert rows["hit_usual"].tolist() == pytest.approx([0, 0, 0, 1, 0, np.nan, np.nan], nan_ok=True)
    assert rows["hit_silhouette"].tolist() == pytest.approx([0, 1, 0, 0, np.nan, 1, np.nan], nan_ok=True)
    assert rows["on_distractor"].tolist() == pytest.approx([0, 1, 0, np.nan, 0, np.nan, np.nan], nan_ok=True)
    assert rows[["hit_causal", "iou_best"]].isna().all(axis=None)


def test_a_constant_map_has_no_value_anywhere(localised):
    # The gradient of the last block is the same everywhere: global average pooling.
    rows = localised(methods=["normgrad_bias_single"], perturbed={"normgrad_bias_single": 2})
    values = ["energy", "average_precision", "on_distractor", "hit_usual", "hit_causal", "insertion", "deletion"]
    assert rows[values].isna().all(axis=None)


def test_the_constant_point_is_the_best_of_the_training_masks(prepared, network):
    data = Prepared(prepared)
    explainer = Explainer(prepared, network, ["constant_point"], 8)
    (some,) = explainer.batches("test", np.arange(2), 2)
    maps = some.maps["constant_point"]
    expected = pointing_game.constant_point(data.truth("train", data.located("train")), 8, (64, 64))
    assert np.unravel_index(int(maps[1].argmax()), (64, 64)) == expected
    row, column = expected
    assert float(maps[0, row, abs(column - 8)]) == pytest.approx(np.exp(-0.5))


def test_every_image_has_a_random_map_of_its_own_whatever_the_batch(prepared, network):
    explainer = Explainer(prepared, network, ["random"], 8)
    (both,), (_, second) = (list(explainer.batches("test", np.arange(2), size)) for size in (2, 1))
    assert not torch.equal(*both.maps["random"])
    assert torch.equal(both.maps["random"][1], second.maps["random"][0])


def test_without_training_masks_there_is_no_constant_point(localised, monkeypatch):
    located = Prepared.located
    monkeypatch.setattr(
        Prepared, "located", lambda self, split: located(self, split)[: 0 if split == "train" else None]
    )
    assert set(localised(methods=["constant_point", "random"])["method"]) == {"random"}


def test_energy_of_random_maps_is_the_share_of_the_object(frame, truths):
    rows = frame[frame["method"] == "random"]
    share = Truths(truths).masks("usual").mean((1, 2))
    assert rows["energy"].to_numpy() == pytest.approx(share, rel=0.3)


def test_thresholds_are_the_best_on_validation(prepared, network, weights):
    result = iou_thresholds(prepared, network, "val", 8, 2, ["guided_backprop", "normgrad_bias_single"])
    data, model = Prepared(prepared), models.build("resnet18", weights=weights).eval()
    rows = data.located("val")
    images = models.normalise(torch.from_numpy(np.array(data.images("val")[rows])))
    curve = iou_curve(saliency.explain(model, images, "guided_backprop")["guided_backprop"], data.truth("val", rows))
    means = curve.groupby("threshold")["iou"].mean()
    assert result["method"].tolist() == ["guided_backprop", "normgrad_bias_single"]
    assert result["threshold"][0] == means.idxmax()
    assert result["iou"][0] == pytest.approx(means.max(), rel=0.02)
    assert np.isnan(result["threshold"][1])
    assert np.isnan(result["iou"][1])


def test_no_threshold_where_validation_has_no_truth(prepared, network, monkeypatch):
    monkeypatch.setattr(Prepared, "located", lambda self, split: np.array([], dtype=int))
    result = iou_thresholds(prepared, network, "val", 8, 2, ["random"])
    assert result.empty
    assert result.columns.tolist() == ["method", "threshold", "iou"]
