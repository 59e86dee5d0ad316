import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.data.shapes import parse_annotation
from xiqa.localisation.challenge import froc
from xiqa.localisation.maxima import peaks, to_points
from xiqa.paper.appendix.localisation.detection import froc_points, froc_scores, original_shapes, valid_rows
from xiqa.paper.arguments import Network
from xiqa.store.files import write_frame
from xiqa.store.store import FRAME

METHODS = ["guided_backprop", "normgrad_bias_single", "random"]


def points_of(prepared, network, methods):
    return froc_points(prepared, network, "test", 8, 3, methods)


def scores_of(folder, points, prepared, split="test"):
    """As from an entry of the store."""
    write_frame(points, folder / FRAME)
    return froc_scores(folder, prepared, split)


@pytest.fixture(scope="module")
def points(prepared, network):
    return points_of(prepared, network, METHODS)


def test_every_image_gets_points_also_those_without_an_object(points, prepared):
    assert points.columns.tolist() == ["method", "image", "row", "probability", "x", "y"]
    assert set(points["method"]) == {"guided_backprop", "random"}, "a constant map has no point"
    assert points.loc[points["method"] == "random", "row"].unique().tolist() == list(range(8))
    records = Prepared(prepared).records("test")
    assert (records["image"].to_numpy()[points["row"]] == points["image"]).all()


@pytest.fixture(scope="module")
def reluctant(weights, tmp_path_factory):
    """Weights of a network that always predicts the negative class."""
    path, model = tmp_path_factory.mktemp("reluctant") / "weights.pt", models.build("resnet18", weights=weights)
    torch.nn.init.constant_(model.fc.bias[0], 9)
    models.save(model, path)
    return path


def test_points_are_peaks_for_the_positive_class_in_original_pixels(prepared, reluctant):
    data, model = Prepared(prepared), models.build("resnet18", weights=reluctant).eval()
    images = models.normalise(torch.from_numpy(np.array(data.images("test"))))
    probabilities = model(images).softmax(1)[:, 1].tolist()
    assert max(probabilities) < 0.1
    maps = saliency.explain(model, images, "guided_backprop", target=1)["guided_backprop"]
    points = points_of(prepared, Network("resnet18", weights=reluctant), ["guided_backprop"])
    for row in range(8):
        expected = to_points(peaks(maps[row], probabilities[row], 8), 64, 128, 128)
        own = points.loc[points["row"] == row, ["probability", "x", "y"]].to_numpy()
        assert own == pytest.approx(np.array(expected), rel=1e-3)


def test_scores_are_froc_s(points, prepared, tmp_path):
    data = Prepared(prepared)
    shapes = [parse_annotation(text) for text in data.records("test")["annotation"]]
    for method, score, low, high in scores_of(tmp_path, points, prepared).itertuples(index=False):
        own = points[points["method"] == method]
        listed = [own.loc[own["row"] == row, ["probability", "x", "y"]].values.tolist() for row in range(8)]
        assert score == pytest.approx(froc(listed, shapes)[0])
        assert low <= score <= high


def test_points_on_the_objects_score_one(prepared, tmp_path):
    records = Prepared(prepared).records("test")
    rows = []
    for row, text in enumerate(records["annotation"]):
        for shape in parse_annotation(text):
            x1, y1, x2, y2 = shape.box
            inside = [(x, y) for x in np.linspace(x1, x2, 9) for y in np.linspace(y1, y2, 9) if shape.contains(x, y)]
            rows.append(("oracle", records["image"][row], row, 0.9, *inside[0]))
    oracle = pd.DataFrame(rows, columns=["method", "image", "row", "probability", "x", "y"])
    assert scores_of(tmp_path, oracle, prepared).values.tolist() == [["oracle", 1, 1, 1]]


def test_points_of_another_split_are_refused(points, prepared, tmp_path):
    with pytest.raises(ValueError, match="row 4"):
        scores_of(tmp_path, points[points["row"] >= 4], prepared, "val")


def entry(folder, masks, labels, located):
    """A preparation of mask data at 32 px whose originals have 64 rows and 96 columns."""
    for split in ("train", "val", "test"):
        np.save(folder / f"{split}.npy", np.zeros((len(masks), 32, 32), np.uint8))
        np.save(folder / f"{split}_masks.npy", np.packbits(masks.reshape(len(masks), -1), axis=1))
    rows = [
        (split, f"{i}.png", f"p{i}", f"{i}.png", label, with_truth, "", 64, 96)
        for split in ("train", "val", "test")
        for i, (label, with_truth) in enumerate(zip(labels, located, strict=True))
    ]
    columns = ["split", "image", "unit", "path", "label", "located", "annotation", "height", "width"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "records.csv", index=False)
    pd.DataFrame(columns=["split", "path", "line", "reason", "status", "message"]).to_csv(
        folder / "problems.csv", index=False
    )
    (folder / "notes.txt").write_text("")
    return folder


def test_masks_become_shapes_of_the_original_without_their_holes(tmp_path):
    masks = np.zeros((3, 32, 32), bool)
    masks[1, 4:10, 6:14], masks[1, 6:8, 9:11], masks[1, 20:22, 20:22] = True, False, True
    data = Prepared(entry(tmp_path, masks, [0, 1, 1], [0, 1, 0]))
    assert valid_rows(data, "test").tolist() == [0, 1], "a positive image without a mask has no truth"
    assert original_shapes(data, "test", 0) == []
    shapes = sorted(original_shapes(data, "test", 1), key=lambda shape: shape.box)
    # Prepared columns 6 to 13 and rows 4 to 9 are original columns 18 to 41 and rows 8 to 19, edges half a pixel out.
    assert len(shapes) == 2
    assert shapes[0].box == pytest.approx((17.5, 7.5, 41.5, 19.5))
    assert shapes[0].contains(30, 14)
