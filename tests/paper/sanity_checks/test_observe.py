import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, saliency, sanity
from xiqa.data.arrays.images import Prepared
from xiqa.paper.sanity_checks import observe
from xiqa.sanity import similarity
from xiqa.store.files import read_frame, write_frame

METHODS = ["gradcam", "input_x_gradient", "normgrad_bias_single"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    paths = []
    for seed in (10, 11):
        torch.manual_seed(seed)
        paths.append(tmp_path_factory.mktemp("weights") / "weights.pt")
        models.save(models.build("resnet18"), paths[-1])
    return paths


def run(films, weights, **changes):
    arguments = {
        "weights": weights[0], "network": "resnet18", "second": weights[1], "split": "test", "count": 3,
        "methods": METHODS, "seed": 0, "batch": 2,
    }  # fmt: skip
    return observe.randomisation(films, **(arguments | changes))


def compare(first, second):
    return similarity.compare_features(similarity.features(first), similarity.features(second))


@pytest.fixture(scope="module")
def frame(films, weights, tmp_path_factory):
    """As the store gives it back."""
    path = tmp_path_factory.mktemp("frame") / "frame.csv.gz"
    write_frame(run(films, weights), path)
    return read_frame(path)


@pytest.fixture(scope="module")
def images(films):
    return models.normalise(torch.from_numpy(np.array(Prepared(films).images("test")[[0, 1, 2]])))


def test_four_kinds_of_rows_of_the_first_images_with_an_object(frame):
    assert frame.groupby("kind").size().to_dict() == {
        "cascade": 3 * 3 * 7, "independent": 3 * 3 * 6, "retrained": 9, "chance": 9,
    }  # fmt: skip
    assert frame["image"].unique().tolist() == ["0.png", "1.png", "2.png"]
    assert (frame["unit"] == frame["image"]).all()


def test_cascade_and_independent_are_the_modules(frame, images, weights):
    model = models.network("resnet18", "trained", weights=weights[0])
    for kind, function in (("cascade", sanity.cascade), ("independent", sanity.independent)):
        expected = function(model, images, METHODS, batch=2)
        rows = frame[frame["kind"] == kind].reset_index(drop=True)
        columns = ["method", "step", "layer", "flipped", "degenerate"]
        pd.testing.assert_frame_equal(rows[columns], expected[columns])
        measures = ["spearman", "spearman_signed", "ssim", "hog"]
        np.testing.assert_allclose(rows[measures], expected[measures], atol=1e-9)


def test_the_lines_are_similarities_to_another_seed_and_to_other_images(frame, images, weights):
    first, second = (models.network("resnet18", "trained", weights=path) for path in weights)
    ours = sanity.signed_maps(first, images, METHODS)
    theirs = sanity.signed_maps(second, images, METHODS, ours.target)
    for method in METHODS[:2]:
        rows = frame[frame["method"] == method].set_index("kind")
        expected = compare(ours.maps[method], theirs.maps[method])
        np.testing.assert_allclose(rows.loc["retrained", "spearman"], expected["spearman"], atol=1e-3)
        left, right = [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]
        others = compare(ours.maps[method][left], ours.maps[method][right]).groupby(np.array(left)).mean()
        np.testing.assert_allclose(rows.loc["chance", "hog"], others["hog"], atol=1e-3)
    flipped = (ours.predicted != theirs.predicted).tolist()
    assert rows.loc["retrained", "flipped"].tolist() == flipped
    signed = frame.set_index(["kind", "method"])["spearman_signed"]
    assert signed["chance", "input_x_gradient"].notna().all()
    assert signed["chance", "gradcam"].isna().all()


def test_without_a_second_network_there_is_no_upper_line(films, weights):
    rows = run(films, weights, second=None, methods=["input_x_gradient"], count=1)
    assert set(rows["kind"]) == {"cascade", "independent", "chance"}


def test_a_unit_counts_once(films, weights, tmp_path):
    """Frames of one patient: only the first is explained."""
    shutil.copytree(films, tmp_path, dirs_exist_ok=True)
    records = pd.read_csv(tmp_path / "records.csv", dtype=str, keep_default_na=False)
    records["unit"] = [f"patient-{int(name[0]) // 3}" for name in records["image"]]
    records.to_csv(tmp_path / "records.csv", index=False)
    rows = run(tmp_path, weights, methods=["gradcam"], count=8)
    assert rows["image"].unique().tolist() == ["0.png", "3.png"]
    assert rows["unit"].unique().tolist() == ["patient-0", "patient-1"]


def test_a_split_without_objects_is_refused(films, weights, tmp_path):
    shutil.copytree(films, tmp_path, dirs_exist_ok=True)
    records = pd.read_csv(tmp_path / "records.csv", dtype=str, keep_default_na=False)
    records.assign(label="0", annotation="").to_csv(tmp_path / "records.csv", index=False)
    with pytest.raises(ValueError, match="no image of the test split"):
        run(tmp_path, weights)


def test_maps_of_the_first_image_down_the_cascade(films, weights, tmp_path):
    arguments = {"network": "resnet18", "split": "test", "seed": 0, "methods": METHODS[:2]}
    observe.cascade_maps(tmp_path, films, weights=weights[0], second=weights[1], **arguments)
    with np.load(tmp_path / "maps.npz") as arrays:
        maps = dict(arrays)
    assert maps.pop("row") == 0
    assert maps.pop("methods").tolist() == METHODS[:2]
    assert list(maps) == ["trained", "head", "layer4", "layer3", "layer2", "layer1", "stem", "retrained"]
    image = models.normalise(torch.from_numpy(np.array(Prepared(films).images("test")[[0]])))
    for step, path in (("trained", weights[0]), ("retrained", weights[1])):
        model = models.network("resnet18", "trained", weights=path)
        target = models.network("resnet18", "trained", weights=weights[0])(image).argmax(1)
        expected = saliency.explain(model, image, METHODS[:2], target=target, silu="clamp")
        for values, method in zip(maps[step], METHODS[:2], strict=True):
            np.testing.assert_allclose(values, expected[method][0], rtol=1e-4, atol=1e-7)
    assert not np.allclose(maps["trained"][1], maps["head"][1])
