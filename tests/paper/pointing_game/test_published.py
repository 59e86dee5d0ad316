"""The pointing game of the published programs, on the small prepared data of the observations' tests."""

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, pointing_game, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.data.prepare_images import prepare
from xiqa.paper.arguments import Images, Network, Rule
from xiqa.paper.pointing_game import programs, published
from xiqa.saliency.methods import ALL
from xiqa.saliency.modes import explain
from xiqa.store.files import write_frame
from xiqa.synthetic.heart import files as heart_files

RULE = Rule(15, 1.0, 11)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    root, entry = tmp_path_factory.mktemp("frames"), tmp_path_factory.mktemp("prepared")
    heart_files.write(
        root, {"size": 64, "train": 6, "val": 6, "test": 8, "frames": 2, "seed": 0, "pairs": {}}, workers=1
    )
    prepare(entry, root, size=64, dataset="lvot")
    return entry


def observe(prepared, weights, state="trained", once=False, **changes):
    arguments = {
        "network": Network("resnet18", state, 0, weights), "images": Images("test", once), "rule": RULE,
        "variants": ["published", "S1", "S8"], "batch": 2,
    }  # fmt: skip
    return published.observe(prepared, **(arguments | changes))


def test_rows_are_those_of_the_methods_that_a_variant_changes(films, weights):
    scored = observe(films, weights)
    methods = scored.groupby("variant")["method"].unique()
    assert set(methods["S1"]) == {"guided_gradcam", "guided_backprop"}
    assert set(methods["S8"]) == {"input_x_gradient"}
    assert set(methods["published"]) == set(ALL) - {"gradcam_combined"}
    count = len(Prepared(films).located("test"))
    assert scored.groupby(["variant", "method", "smoothed"]).size().eq(count).all()


def test_rows_equal_explaining_and_playing_by_hand(films, weights):
    scored = observe(films, weights).query("variant == 'published' and not smoothed and method == 'guided_backprop'")
    data = Prepared(films)
    rows = data.located("test")
    model = models.build("resnet18", weights=weights)
    images = models.normalise(torch.from_numpy(np.asarray(data.images("test")[rows])))
    maps = explain(model, images, "guided_backprop", mode="published")["guided_backprop"]
    expected = pointing_game.play(maps, data.truth("test", rows), 15)
    assert scored["image"].tolist() == data.records("test")["image"].iloc[rows].tolist()
    assert scored["outcome"].tolist() == expected["outcome"].tolist()


def test_published_frames_are_scored_against_transposed_masks(frames, weights):
    scored = observe(frames, weights, variants=["published"]).query("method == 'normgrad_scaling_single'")
    data = Prepared(frames)
    truth = data.truth("test", data.located("test")).transpose(0, 2, 1)
    for (i, row), smooth in zip(scored[~scored["smoothed"]].reset_index(drop=True).iterrows(), truth, strict=True):
        where = np.argwhere(smooth)
        assert row["distance"] == pytest.approx(np.hypot(*(where - [row["row"], row["column"]]).T).min()), i


def entry(folder, frame):
    write_frame(frame, folder / "frame.csv.gz")
    return folder


def test_transposed_rescores_peaks_without_explaining_again(frames, tmp_path):
    data = Prepared(frames)
    rows = data.located("test")
    truth = data.truth("test", rows)
    # A peak in the middle of the mask hits; scored against the transposed mask its mirror image does.
    middle = [np.argwhere(mask)[mask.sum() // 2] for mask in truth]
    peaks = pd.DataFrame(middle, columns=["row", "column"]).assign(distance=0.0, score=1.0, outcome="hit")
    peaks["image"] = data.records("test")["image"].iloc[rows].to_list()
    mirrored = entry(tmp_path / "mirrored", peaks.rename(columns={"row": "column", "column": "row"}))
    assert published.transposed(frames, mirrored, "test", 3.0)["outcome"].eq("hit").all()
    straight = published.transposed(frames, entry(tmp_path / "straight", peaks), "test", 3.0)
    maps = torch.stack([one_hot(place, truth.shape[1:]) for place in middle])
    expected = pointing_game.play(maps, truth.transpose(0, 2, 1), 3.0)
    assert straight["outcome"].tolist() == expected["outcome"].tolist()
    assert straight["distance"].to_numpy() == pytest.approx(expected["distance"].to_numpy())


def one_hot(place, shape):
    one = torch.zeros(tuple(shape))
    one[tuple(place)] = 1
    return one


def test_degenerate_maps_stay_degenerate_when_masks_are_transposed(frames, tmp_path):
    name = Prepared(frames).records("test")["image"].iloc[Prepared(frames).located("test")[0]]
    row = {"image": name, "row": -1, "column": -1, "distance": np.nan, "score": np.nan, "outcome": "degenerate"}
    rescored = published.transposed(frames, entry(tmp_path, pd.DataFrame([row])), "test", 15).iloc[0]
    assert rescored["outcome"] == "degenerate"
    assert np.isnan(rescored["score"])


def test_boxes_are_not_transposed(films, tmp_path):
    frame = pd.DataFrame({"image": ["x"], "distance": [50.0], "outcome": ["miss"]})
    assert published.transposed(films, entry(tmp_path, frame), "test", 15).equals(frame)


def test_every_variant_is_made_of_known_defects():
    assert set(programs.VARIANTS) == {*programs.PROGRAMS, *programs.ALONE}
    assert all(set(switched) <= set(saliency.DEFECTS) for switched in programs.VARIANTS.values())


def test_an_untrained_network_is_explained_for_what_it_predicts(films):
    scored = observe(films, None, state="fully_random", variants=["published"], once=True)
    assert scored["target"].eq(-1).all()
    assert set(scored["state"]) == {"fully_random"}
