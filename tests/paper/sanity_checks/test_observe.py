import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, sanity
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import write_png
from xiqa.data.prepare_images import prepare
from xiqa.paper import numbers
from xiqa.paper.sanity_checks import observe, tables
from xiqa.sanity import similarity
from xiqa.store.files import read_frame, write_frame

METHODS = ["gradcam", "input_x_gradient", "normgrad_bias_single"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Six films a split, four of them with an object."""
    root, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    for split, table in (("train", "train.csv"), ("val", "dev.csv"), ("test", "test.csv")):
        lines = ["image_name,annotation"]
        for i in range(6):
            write_png(root / f"object-CXR_{split}" / "images" / f"{i}.png", rng.random((48, 48)))
            lines.append(f"{i}.png,{'' if i in (1, 4) else '0 8 8 20 20'}")
        (root / f"object-CXR_{split}" / table).write_text("\n".join(lines) + "\n")
    prepare(folder, root, 48)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    paths = []
    for seed in (10, 11):
        torch.manual_seed(seed)
        paths.append(tmp_path_factory.mktemp("weights") / "weights.pt")
        models.save(models.build("resnet18"), paths[-1])
    return paths


def run(prepared, weights, **changes):
    given = {
        "weights": weights[0], "network": "resnet18", "other": weights[1], "split": "test", "count": 3,
        "methods": METHODS, "seed": 0, "repeats": 1, "batch": 2,
    }  # fmt: skip
    return observe.randomisation(prepared, **(given | changes))


@pytest.fixture(scope="module")
def frame(prepared, weights, tmp_path_factory):
    """As the store gives it back."""
    path = tmp_path_factory.mktemp("frame") / "frame.csv.gz"
    write_frame(run(prepared, weights), path)
    return read_frame(path)


@pytest.fixture(scope="module")
def images(prepared):
    return models.normalise(torch.from_numpy(np.array(Prepared(prepared).images("test")[[0, 2, 3]])))


def test_four_kinds_of_rows_of_the_first_images_with_an_object(frame):
    assert frame.groupby("kind").size().to_dict() == {
        "cascade": 3 * 3 * 7, "independent": 3 * 3 * 6, "retrained": 9, "chance": 9,
    }  # fmt: skip
    assert frame["image"].unique().tolist() == ["0.png", "2.png", "3.png"]
    assert (frame["unit"] == frame["image"]).all()


def test_cascade_and_independent_are_the_modules(frame, images, weights):
    model = models.network("resnet18", "trained", weights=weights[0])
    for kind, function in (("cascade", sanity.cascade), ("independent", sanity.independent)):
        expected = function(model, images, METHODS, batch=2)
        found = frame[frame["kind"] == kind].reset_index(drop=True)
        columns = ["method", "step", "layer", "flipped", "degenerate"]
        pd.testing.assert_frame_equal(found[columns], expected[columns])
        measures = list(tables.MEASURES)
        np.testing.assert_allclose(found[measures], expected[measures], atol=1e-9)


def test_the_lines_are_similarities_to_another_seed_and_to_other_images(frame, images, weights):
    first, second = (models.network("resnet18", "trained", weights=path) for path in weights)
    ours = sanity.explained(first, images, METHODS)
    theirs = sanity.explained(second, images, METHODS, ours.target)
    for method in METHODS[:2]:
        rows = frame[frame["method"] == method].set_index("kind")
        expected = similarity.compare(ours.maps[method], theirs.maps[method])
        np.testing.assert_allclose(rows.loc["retrained", "spearman"], expected["spearman"], atol=1e-3)
        left, right = [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]
        others = similarity.compare(ours.maps[method][left], ours.maps[method][right]).groupby(np.array(left)).mean()
        np.testing.assert_allclose(rows.loc["chance", "hog"], others["hog"], atol=1e-3)
    flipped = (ours.predicted != theirs.predicted).tolist()
    assert rows.loc["retrained", "flipped"].tolist() == flipped
    signed = frame.set_index(["kind", "method"])["spearman_signed"]
    assert signed["chance", "input_x_gradient"].notna().all()
    assert signed["chance", "gradcam"].isna().all()


def test_without_a_second_network_there_is_no_upper_line(prepared, weights):
    found = run(prepared, weights, other=None, methods=["input_x_gradient"], count=2)
    assert set(found["kind"]) == {"cascade", "independent", "chance"}
    cells = tables.overview(found, ("spearman",)).iloc[0]
    assert numbers.text(cells["retrained"]) == "-"
    assert numbers.text(cells["other image"]) != "-"


def test_draws_are_repeated_by_seed(prepared, weights):
    found = run(prepared, weights, methods=["input_x_gradient"], count=2, repeats=2, seed=5)
    cascade = found[found["kind"] == "cascade"]
    assert sorted(cascade["repeat"].unique()) == [5, 6]
    ends = cascade[cascade["step"] == 6].pivot(index="image", columns="repeat", values="spearman")
    assert not np.allclose(ends[5], ends[6])
    cell = tables.overview(found, ("spearman",)).iloc[0]["all random"]
    assert cell["mean"] == pytest.approx(ends.mean().mean())


def test_a_unit_counts_once(prepared, weights, tmp_path):
    """Frames of one patient: only the first is explained."""
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    records = pd.read_csv(tmp_path / "records.csv", dtype=str, keep_default_na=False)
    records["unit"] = [f"patient-{int(name[0]) // 3}" for name in records["image"]]
    records.to_csv(tmp_path / "records.csv", index=False)
    found = run(tmp_path, weights, methods=["gradcam"], count=8)
    assert found["image"].unique().tolist() == ["0.png", "3.png"]
    assert found["unit"].unique().tolist() == ["patient-0", "patient-1"]


def test_a_split_without_objects_is_refused(prepared, weights, tmp_path):
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    records = pd.read_csv(tmp_path / "records.csv", dtype=str, keep_default_na=False)
    records.assign(label="0", annotation="").to_csv(tmp_path / "records.csv", index=False)
    with pytest.raises(ValueError, match="no image of the test split"):
        run(tmp_path, weights)


def test_the_strip_shows_the_same_image_down_the_cascade(prepared, weights):
    about = {"network": "resnet18", "split": "test", "seed": 0, "methods": METHODS[:2]}
    row, steps = observe.along(prepared, weights[0], other=weights[1], place=1, **about)
    assert row == 2
    assert list(steps) == ["trained", "head", "layer4", "layer3", "layer2", "layer1", "stem", "retrained"]
    assert steps["stem"]["gradcam"].shape == (48, 48)
    assert not torch.equal(steps["trained"]["input_x_gradient"], steps["head"]["input_x_gradient"])
    assert "retrained" not in observe.along(prepared, weights[0], other=None, **about)[1]


class TestSummaries:
    def test_the_curve_has_a_row_a_measure_method_and_step_and_both_lines(self, frame):
        found = tables.curve(frame)
        assert len(found) == 3 * 3 * (7 + 2)
        row = found.query("measure == 'ssim' and method == 'input_x_gradient' and layer == 'layer3'").iloc[0]
        rows = frame.query("kind == 'cascade' and method == 'input_x_gradient' and step == 3")
        assert row["mean"] == pytest.approx(rows["ssim"].mean())
        half = 4.302653 * rows["ssim"].std() / np.sqrt(3)  # t of two degrees of freedom
        assert row["high"] - row["mean"] == pytest.approx(half, rel=1e-5)

    def test_the_overview_is_in_the_order_of_the_methods(self, frame):
        found = tables.overview(frame)
        assert found["method"].tolist() == METHODS * 3
        start = found.iloc[1]
        rows = frame[(frame["method"] == "input_x_gradient")].set_index("kind")
        assert start["one block random"]["mean"] == pytest.approx(rows.loc["independent", "spearman"].mean())
        last = rows.loc["cascade"].query("step == 6").set_index("image")["spearman"]
        chance = rows.loc["chance"].set_index("image")["spearman"]
        assert start[tables.EXCESS]["mean"] == pytest.approx((last - chance).mean())

    def test_constant_maps_are_counted_and_give_no_number(self, frame):
        """The bias map of the last layer."""
        row = tables.overview(frame).iloc[2]
        assert row["degenerate"] == "18 of 18"
        assert numbers.text(row["all random"]) == "-"

    def test_flips_are_shares_of_images(self, frame):
        found = tables.flips(frame)
        head = frame[(frame["kind"] == "cascade") & (frame["step"] == 1) & (frame["method"] == "gradcam")]
        assert found["head random"]["mean"] == pytest.approx(head["flipped"].mean())
        assert numbers.text(found["other image"]) == "-"
        assert 0 <= found["one block random"]["low"] <= found["one block random"]["high"] <= 1

    def test_text_has_no_negative_zero(self):
        assert numbers.text({"mean": -0.001, "low": -0.2, "high": 0.004}) == "0.00 [-0.20, 0.00]"
