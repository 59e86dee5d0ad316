"""The pointing game of the published programs, on the small prepared data of the observations' tests."""

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.data.prepare_images import prepare
from xiqa.paper.pointing_game import published
from xiqa.saliency.methods import ALL
from xiqa.saliency.modes import explain
from xiqa.synthetic.chest import files as chest_files
from xiqa.synthetic.heart import files as heart_files

SMOOTHING = {"sigma": 1.0, "size": 11}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root, entry = tmp_path_factory.mktemp("films"), tmp_path_factory.mktemp("prepared")
    chest_files.write(root, {"size": 64, "train": 2, "val": 2, "test": 6, "seed": 0, "pairs": {}}, workers=1)
    prepare(entry, root, size=64)
    return entry


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    root, entry = tmp_path_factory.mktemp("frames"), tmp_path_factory.mktemp("prepared")
    heart_files.write(
        root, {"size": 64, "train": 6, "val": 6, "test": 8, "frames": 2, "seed": 0, "pairs": {}}, workers=1
    )
    prepare(entry, root, size=64, dataset="lvot")
    return entry


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("resnet18"), path)
    return path


def observe(prepared, weights, **changes):
    given = {
        "prepared": prepared, "weights": weights, "network": "resnet18", "state": "trained", "seed": 0, "split": "test",
        "variants": ["published", "S1", "S8"], "tolerance": 15, "smoothing": SMOOTHING, "methods": list(ALL),
        "batch": 2,
    }  # fmt: skip
    return published.observe(**(given | changes))


def test_rows_are_those_of_the_methods_that_a_variant_changes(films, weights):
    found = observe(films, weights)
    methods = found.groupby("variant")["method"].unique()
    assert set(methods["S1"]) == {"guided_gradcam", "guided_backprop"}
    assert set(methods["S8"]) == {"input_x_gradient"}
    assert set(methods["published"]) == set(ALL) - {"gradcam_combined"}
    count = len(Prepared(films).located("test"))
    assert found.groupby(["variant", "method", "smoothed"]).size().eq(count).all()


def test_rows_equal_explaining_and_playing_by_hand(films, weights):
    found = observe(films, weights).query("variant == 'published' and not smoothed and method == 'guided_backprop'")
    data = Prepared(films)
    rows = data.located("test")
    model = models.build("resnet18", weights=weights)
    images = models.normalise(torch.from_numpy(np.asarray(data.images("test")[rows])))
    maps = explain(model, images, "guided_backprop", mode="published")["guided_backprop"]
    expected = pointing_game.play(maps, data.truth("test", rows), 15)
    assert found["image"].tolist() == data.records("test")["image"].iloc[rows].tolist()
    assert found["outcome"].tolist() == expected["outcome"].tolist()


def test_published_frames_are_scored_against_transposed_masks(frames, weights):
    found = observe(frames, weights, variants=["published"], methods=["normgrad_scaling_single"])
    data = Prepared(frames)
    truth = data.truth("test", data.located("test")).transpose(0, 2, 1)
    for (i, row), smooth in zip(found[~found["smoothed"]].reset_index(drop=True).iterrows(), truth, strict=True):
        where = np.argwhere(smooth)
        assert row["distance"] == pytest.approx(np.hypot(*(where - [row["row"], row["column"]]).T).min()), i


def test_transposed_rescores_peaks_without_explaining_again(frames):
    data = Prepared(frames)
    rows = data.located("test")
    names = data.records("test")["image"].iloc[rows].to_list()
    truth = data.truth("test", rows)
    # A peak in the middle of the mask hits; scored against the transposed mask its mirror image does.
    middle = [np.argwhere(mask)[mask.sum() // 2] for mask in truth]
    peaks = pd.DataFrame(middle, columns=["row", "column"]).assign(image=names, distance=0.0, score=1.0, outcome="hit")
    swapped = peaks.rename(columns={"row": "column", "column": "row"})
    assert published.transposed(swapped, frames, "test", 3.0)["outcome"].eq("hit").all()
    straight = published.transposed(peaks, frames, "test", 3.0)
    assert straight["distance"].gt(0).any()
    expected = pointing_game.play(
        torch.stack([one_hot(p, truth.shape[1:]) for p in middle]), truth.transpose(0, 2, 1), 3.0
    )
    assert straight["outcome"].tolist() == expected["outcome"].tolist()
    assert straight["distance"].to_numpy() == pytest.approx(expected["distance"].to_numpy())


def one_hot(place, shape):
    one = torch.zeros(tuple(shape))
    one[tuple(place)] = 1
    return one


def test_degenerate_maps_stay_degenerate_when_masks_are_transposed(frames):
    name = Prepared(frames).records("test")["image"].iloc[Prepared(frames).located("test")[0]]
    row = {"image": name, "row": -1, "column": -1, "distance": np.nan, "score": np.nan, "outcome": "degenerate"}
    found = published.transposed(pd.DataFrame([row]), frames, "test", 15).iloc[0]
    assert found["outcome"] == "degenerate"
    assert np.isnan(found["score"])


def test_boxes_are_not_transposed(films):
    frame = pd.DataFrame({"image": ["x"], "outcome": ["hit"]})
    assert published.transposed(frame, films, "test", 15) is frame


def test_what_a_variant_does_not_change_is_taken_from_the_corrected_program():
    def row(method, score, target=-1, predicted=1, **more):
        return {"method": method, "score": score, "target": target, "predicted": predicted} | more

    corrected = pd.DataFrame(
        [row("a", 1.0, 0), row("a", 0.5, 1), row("b", 0.2, 0), row("b", 0.7, 1), row("gradcam_combined", 0.9, 1)]
    )
    wrong = pd.DataFrame([row("a", 0.0, variant="S1"), row("a", 0.1, variant="published")])
    alone = published.with_variant(corrected, wrong, "S1")
    assert dict(zip(alone["method"], alone["score"], strict=True)) == {"b": 0.7, "gradcam_combined": 0.9, "a": 0.0}
    whole = published.with_variant(corrected, wrong, "published")
    assert dict(zip(whole["method"], whole["score"], strict=True)) == {"b": 0.7, "a": 0.1}


def test_every_variant_is_made_of_known_defects():
    assert set(published.VARIANTS) == {*published.PROGRAMS, *published.ALONE}
    assert all(set(switched) <= set(saliency.DEFECTS) for switched in published.VARIANTS.values())


def test_an_untrained_network_is_explained_for_what_it_predicts(films):
    found = observe(films, None, state="fully_random", variants=["published"], methods=["gradcam"], once=True)
    assert found["target"].eq(-1).all()
    assert set(found["state"]) == {"fully_random"}
