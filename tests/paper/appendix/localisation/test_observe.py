import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.localisation.overlap import average_precision, energy_pointing_game, iou_curve
from xiqa.localisation.perturbation import area, insertion_deletion
from xiqa.paper.appendix.localisation.observe import iou_thresholds, localise
from xiqa.paper.appendix.localisation.truths import Truths
from xiqa.paper.batches import Explainer

SMOOTHING = {"sigma": 1.0, "size": 11}
METHODS = ["gradcam_combined", "guided_backprop", "random", "constant_point"]
KEY = ["image", "unit", "method"]


def judged(prepared, weights, truths, **changes):
    given = {
        "network": "resnet18", "seed": 0, "split": "test", "truths": truths, "methods": METHODS, "tolerance": 8,
        "smoothing": SMOOTHING, "iou_threshold": {"guided_backprop": 0.3}, "perturbed": 2, "batch": 3,
        "perturbed_methods": ["guided_backprop", "random"], "steps": 3,
    }  # fmt: skip
    return localise(prepared, weights, **(given | changes))


@pytest.fixture(scope="module")
def frame(prepared, weights, truths):
    return judged(prepared, weights, truths)


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
    known, rows = Truths(truths), frame[frame["method"] == "guided_backprop"]
    usual = known.masks("usual")
    logits = model(images)
    assert rows["predicted"].tolist() == logits.argmax(1).tolist()
    assert rows["probability"].to_numpy() == pytest.approx(logits.softmax(1)[:, 1].detach().numpy(), abs=1e-5)
    assert rows["energy"].to_numpy() == pytest.approx(energy_pointing_game(maps, usual), rel=1e-3)
    assert rows["average_precision"].to_numpy() == pytest.approx(average_precision(maps, usual), rel=1e-3)
    assert rows["iou_best"].to_numpy() == pytest.approx(iou_curve(maps, usual, [0.3])["iou"].to_numpy(), abs=0.02)
    smooth = pointing_game.smooth(maps, **SMOOTHING)
    for name in ("usual", "silhouette", "causal"):
        played = pointing_game.play(smooth, known.masks(name), 8)
        assert rows[f"hit_{name}"].tolist() == played["score"].tolist()


def test_only_the_first_units_are_perturbed(frame, explained):
    model, images, maps = explained
    rows = frame[frame["method"] == "guided_backprop"]
    expected = area(insertion_deletion(model, images[:2], maps[:2], steps=3))
    for kind in ("insertion", "deletion"):
        assert rows[kind].to_numpy()[:2] == pytest.approx(expected[kind].to_numpy(), abs=1e-4)
        assert rows[kind].isna().tolist() == [False, False, True, True]
        assert frame.loc[frame["method"] == "gradcam_combined", kind].isna().all()


def test_one_image_of_each_unit_is_perturbed(prepared, weights, truths, monkeypatch):
    records = Prepared.records
    monkeypatch.setattr(Prepared, "records", lambda self, split: records(self, split).assign(unit="one"))
    rows = judged(prepared, weights, truths, methods=["random"], iou_threshold=None)
    assert rows["insertion"].notna().tolist() == [True, False, False, False]
    assert rows["iou_best"].isna().all()


def test_without_a_list_every_method_is_perturbed_and_for_none_nothing(prepared, weights, truths):
    given = {"methods": ["gradcam", "random"], "perturbed": 1, "steps": 1}
    every = judged(prepared, weights, truths, perturbed_methods=None, **given)
    assert every.groupby("method")["insertion"].count().to_dict() == {"gradcam": 1, "random": 1}
    assert judged(prepared, weights, truths, **given | {"perturbed": 0})["deletion"].isna().all()


def test_the_batch_changes_nothing_but_rounding(frame, prepared, weights, truths):
    other = judged(prepared, weights, truths, batch=4)
    a, b = (f.sort_values(KEY).reset_index(drop=True) for f in (frame, other))
    pd.testing.assert_frame_equal(a, b, rtol=0.02, atol=1e-4)
    np.testing.assert_array_equal(*(f.loc[f["method"] == "random", "energy"] for f in (a, b)))


def test_truths_that_are_absent_give_no_verdict(prepared, weights, films, tmp_path):
    from xiqa.paper.appendix.localisation.truths import write_truths

    write_truths(tmp_path, prepared, tmp_path, "object_cxr", "test")
    rows = judged(prepared, weights, tmp_path, methods=["random"])
    assert rows[["hit_silhouette", "hit_causal", "on_distractor"]].isna().all(axis=None)
    assert rows["hit_usual"].notna().all()


def test_truths_of_other_images_are_refused(prepared, weights, films, tmp_path):
    from xiqa.paper.appendix.localisation.truths import write_truths

    write_truths(tmp_path, prepared, films, "object_cxr", "val")
    with pytest.raises(ValueError, match="other images"):
        judged(prepared, weights, tmp_path)


def test_distractors_are_asked_of_misses_only(frame):
    assert frame.loc[frame["hit_usual"] == 1, "on_distractor"].isna().all()
    assert frame.loc[frame["hit_usual"] == 0, "on_distractor"].isin([0, 1]).all()
    assert (frame["hit_usual"] == 0).any()


def test_a_constant_map_has_no_verdict_anywhere(prepared, weights, truths):
    # The gradient of the last block is the same everywhere: global average pooling.
    rows = judged(prepared, weights, truths, methods=["normgrad_bias_single"], perturbed_methods=None)
    values = ["energy", "average_precision", "on_distractor", "hit_usual", "hit_causal", "insertion", "deletion"]
    assert rows[values].isna().all(axis=None)


def test_the_constant_point_is_the_best_of_the_training_masks(prepared, weights):
    data = Prepared(prepared)
    explainer = Explainer(prepared, weights, "resnet18", ["constant_point"], 0, 8)
    (some,) = explainer.batches("test", np.arange(2), 2)
    maps = some.maps["constant_point"]
    expected = pointing_game.constant_point(data.truth("train", data.located("train")), 8, (64, 64))
    assert np.unravel_index(int(maps[1].argmax()), (64, 64)) == expected
    row, column = expected
    assert float(maps[0, row, abs(column - 8)]) == pytest.approx(np.exp(-0.5))


def test_every_image_has_a_random_map_of_its_own_whatever_the_batch(prepared, weights):
    explainer = Explainer(prepared, weights, "resnet18", ["random"], 0, 8)
    (both,), (_, second) = (list(explainer.batches("test", np.arange(2), size)) for size in (2, 1))
    assert not torch.equal(*both.maps["random"])
    assert torch.equal(both.maps["random"][1], second.maps["random"][0])


def test_without_training_masks_there_is_no_constant_point(prepared, weights, truths, monkeypatch):
    located = Prepared.located
    monkeypatch.setattr(
        Prepared, "located", lambda self, split: located(self, split)[: 0 if split == "train" else None]
    )
    rows = judged(prepared, weights, truths, methods=["constant_point", "random"])
    assert set(rows["method"]) == {"random"}


def test_random_maps_know_nothing(frame, truths):
    rows = frame[frame["method"] == "random"]
    share = Truths(truths).masks("usual").mean((1, 2))
    assert rows["energy"].to_numpy() == pytest.approx(share, rel=0.3)


def test_thresholds_are_the_best_on_validation(prepared, weights):
    found = iou_thresholds(prepared, weights, "resnet18", methods=["guided_backprop", "normgrad_bias_single"], batch=2)
    data, model = Prepared(prepared), models.build("resnet18", weights=weights).eval()
    rows = data.located("val")
    images = models.normalise(torch.from_numpy(np.array(data.images("val")[rows])))
    curve = iou_curve(saliency.explain(model, images, "guided_backprop")["guided_backprop"], data.truth("val", rows))
    means = curve.groupby("threshold")["iou"].mean()
    assert found["method"].tolist() == ["guided_backprop", "normgrad_bias_single"]
    assert found["threshold"][0] == means.idxmax()
    assert found["iou"][0] == pytest.approx(means.max(), rel=0.02)
    assert np.isnan(found["threshold"][1])
    assert np.isnan(found["iou"][1])


def test_no_threshold_where_validation_has_no_truth(prepared, weights, monkeypatch):
    monkeypatch.setattr(Prepared, "located", lambda self, split: np.array([], dtype=int))
    found = iou_thresholds(prepared, weights, "resnet18", methods=["random"], batch=2)
    assert found.empty
    assert found.columns.tolist() == ["method", "threshold", "iou"]
