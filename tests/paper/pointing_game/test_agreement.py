import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from xiqa import models, sanity
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import write_png
from xiqa.data.prepare_images import prepare
from xiqa.paper.pointing_game import agreement
from xiqa.sanity import similarity
from xiqa.store.files import read_frame, write_frame

METHODS = ["input_x_gradient", "normgrad_bias_single", "normgrad_scaling_combined"]
CHANCES = ["spearman_chance", "ssim_chance", "hog_chance"]
MEASURES = list(similarity.MEASURES)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Eight films in the test split, six of them with an object."""
    root, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    for split, table in (("train", "train.csv"), ("val", "dev.csv"), ("test", "test.csv")):
        lines = ["image_name,annotation"]
        for i in range(8 if split == "test" else 2):
            write_png(root / f"object-CXR_{split}" / "images" / f"{i}.png", rng.random((48, 48)))
            lines.append(f"{i}.png,{'' if i in (1, 4) else '0 8 8 20 20'}")
        (root / f"object-CXR_{split}" / table).write_text("\n".join(lines) + "\n")
    prepare(folder, root, 48)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of two networks that disagree about the class of every image."""
    paths = []
    for seed in (10, 11):
        torch.manual_seed(seed)
        model = models.build("resnet18")
        with torch.no_grad():
            model.fc.bias += torch.tensor([9.0, 0.0] if seed == 10 else [0.0, 9.0])
        paths.append(tmp_path_factory.mktemp("weights") / "weights.pt")
        models.save(model, paths[-1])
    return paths


def run(prepared, weights, **changes):
    given = {
        "first": weights[0], "second": weights[1], "networks": ["resnet18"] * 2, "split": "test", "count": 6,
        "methods": METHODS, "batch": 4,
    }  # fmt: skip
    return agreement.alike(prepared, **(given | changes))


@pytest.fixture(scope="module")
def frame(prepared, weights, tmp_path_factory):
    """As the store gives it back."""
    path = tmp_path_factory.mktemp("frame") / "frame.csv.gz"
    write_frame(run(prepared, weights), path)
    return read_frame(path)


@pytest.fixture(scope="module")
def images(prepared):
    return models.normalise(torch.from_numpy(np.array(Prepared(prepared).images("test")[[0, 2, 3, 5, 6, 7]])))


def copied(prepared, folder, **columns):
    for path in prepared.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    records = pd.read_csv(folder / "records.csv", dtype=str, keep_default_na=False)
    records.assign(**columns).to_csv(folder / "records.csv", index=False)
    return folder


class TestAlike:
    def test_a_row_an_image_with_an_object_and_method(self, frame):
        assert list(frame) == ["method", "image", "unit", *MEASURES, "degenerate", "flipped", *CHANCES]
        assert frame["method"].tolist() == [name for name in METHODS for _ in range(6)]
        assert frame["image"].tolist() == [f"{i}.png" for i in (0, 2, 3, 5, 6, 7)] * 3
        assert (frame["unit"] == frame["image"]).all()

    def test_similarities_are_those_of_the_modules(self, frame, images, weights):
        first, second = (models.network("resnet18", "trained", weights=path) for path in weights)
        ours, theirs = (sanity.explained(model, images, METHODS, 0) for model in (first, second))
        for method in (METHODS[0], METHODS[2]):
            expected = similarity.compare(ours.maps[method], theirs.maps[method])
            np.testing.assert_allclose(frame.loc[frame["method"] == method, MEASURES], expected[MEASURES], atol=2e-3)

    def test_maps_are_of_the_class_that_the_first_predicts(self, prepared, images, weights):
        """Two classes, so Grad-CAM of the one is nearly what the other's leaves out."""
        found = run(prepared, weights, methods=["gradcam"])
        assert found["flipped"].all()
        first, second = (models.network("resnet18", "trained", weights=path) for path in weights)
        ours = sanity.explained(first, images, ["gradcam"], 0).maps["gradcam"]
        right, wrong = (
            similarity.compare(ours, sanity.explained(second, images, ["gradcam"], target).maps["gradcam"])
            for target in (0, 1)
        )
        np.testing.assert_allclose(found["spearman"], right["spearman"], atol=2e-3)
        # Some of the maps have no positive part, and so no peak.
        assert np.abs(found["spearman"] - wrong["spearman"]).max() > 0.5

    def test_chance_is_the_mean_over_the_seconds_maps_of_other_images(self, frame, images, weights):
        first, second = (models.network("resnet18", "trained", weights=path) for path in weights)
        ours = sanity.explained(first, images, METHODS, 0).maps[METHODS[0]]
        theirs = sanity.explained(second, images, METHODS, 0).maps[METHODS[0]]
        left, right = similarity.pairs(range(6), agreement.PARTNERS, agreement.SEED)
        assert len(left) == 24
        expected = similarity.compare(ours[left], theirs[right]).groupby(left)[MEASURES].mean()
        found = frame.loc[frame["method"] == METHODS[0], CHANCES]
        np.testing.assert_allclose(found, expected, atol=2e-3)

    def test_a_network_is_like_itself_and_unlike_chance(self, prepared, weights):
        found = run(prepared, weights, second=weights[0], methods=[METHODS[0]])
        np.testing.assert_allclose(found[MEASURES], 1, atol=1e-9)
        assert not found["flipped"].any()
        assert (found[CHANCES] < 0.9).all(axis=None)

    def test_a_map_without_a_peak_is_like_nothing(self, frame):
        """The bias map of the last layer."""
        rows = frame[frame["method"] == "normgrad_bias_single"]
        assert rows["degenerate"].all()
        assert rows[MEASURES + CHANCES].isna().all(axis=None)
        rest = frame[frame["method"] != "normgrad_bias_single"]
        assert not rest["degenerate"].any()
        assert rest[MEASURES + CHANCES].notna().all(axis=None)

    def test_networks_that_were_never_trained_are_drawn_from_two_seeds(self, prepared, weights, images):
        found = run(prepared, weights, first=None, second=None, methods=[METHODS[0]])
        pair = [models.network("resnet18", "fully_random", seed) for seed in (0, 1)]
        ours = sanity.explained(pair[0], images, METHODS[:1])
        theirs = sanity.explained(pair[1], images, METHODS[:1], ours.target)
        expected = similarity.compare(ours.maps[METHODS[0]], theirs.maps[METHODS[0]])
        np.testing.assert_allclose(found["spearman"], expected["spearman"], atol=2e-3)
        assert found["spearman"].max() < 0.99

    def test_two_architectures(self, prepared, weights, tmp_path):
        torch.manual_seed(0)
        models.save(models.build("efficientnet_b0"), tmp_path / "weights.pt")
        networks = ["resnet18", "efficientnet_b0"]
        found = run(prepared, weights, second=tmp_path / "weights.pt", networks=networks, count=2)
        assert found.loc[found["method"] == METHODS[0], MEASURES].notna().all(axis=None)
        with pytest.raises(ValueError, match="weights of resnet18, not of efficientnet_b0"):
            run(prepared, weights, networks=networks)

    def test_the_batch_does_not_matter(self, frame, prepared, weights):
        found = run(prepared, weights, methods=METHODS[:1], batch=6)
        expected = frame[frame["method"] == METHODS[0]]
        np.testing.assert_allclose(found[MEASURES], expected[MEASURES], atol=2e-3)

    def test_a_unit_counts_once_and_is_no_chance_partner_of_itself(self, prepared, weights, tmp_path):
        """Frames of one patient: only the first is explained; one patient alone has no chance line."""
        names = pd.read_csv(prepared / "records.csv")["image"].str[0].astype(int)
        two = copied(prepared, tmp_path, unit=[f"patient-{i // 5}" for i in names])
        found = run(two, weights, methods=["gradcam"])
        assert found["image"].tolist() == ["0.png", "5.png"]
        assert found["unit"].tolist() == ["patient-0", "patient-1"]
        alone = run(two, weights, methods=["gradcam"], count=1)
        assert alone["spearman"].notna().all()
        assert alone[CHANCES].isna().all(axis=None)

    def test_a_split_without_objects_and_a_third_network_are_refused(self, prepared, weights, tmp_path):
        with pytest.raises(ValueError, match="no image of the test split"):
            run(copied(prepared, tmp_path, label="0", annotation=""), weights)
        with pytest.raises(ValueError, match="two networks are compared, not 3"):
            run(prepared, weights, networks=["resnet18"] * 3)


class TestTable:
    def test_cells_are_means_with_t_intervals_over_units(self, frame):
        found = agreement.table({"seeds": frame, "again": frame})
        assert found["comparison"].tolist() == ["seeds"] * 3 + ["again"] * 3
        assert found["method"].tolist() == METHODS * 2
        rows = frame[frame["method"] == METHODS[2]]
        for name, values in (
            ("ssim", rows["ssim"]),
            ("hog_chance", rows["hog_chance"]),
            ("spearman_excess", rows["spearman"] - rows["spearman_chance"]),
        ):
            cell = found[name][2]
            low, high = stats.t.interval(0.95, 5, values.mean(), values.std() / np.sqrt(6))
            assert (cell["mean"], cell["low"], cell["high"]) == pytest.approx((values.mean(), low, high))
            assert cell["units"] == 6
        assert (found["flipped"] == 1).all()

    def test_the_difference_is_paired(self):
        """Images differ much in how alike any maps are, and little in what is above chance."""
        chance = np.linspace(-0.5, 0.5, 20)
        rows = {name: chance + 0.2 + 0.01 * (-1) ** np.arange(20) for name in MEASURES} | dict.fromkeys(CHANCES, chance)
        about = {"method": "a", "unit": [str(i) for i in range(20)], "degenerate": False, "flipped": False}
        cells = agreement.table({"seeds": pd.DataFrame(rows | about)}).iloc[0]
        assert cells["ssim_excess"]["mean"] == pytest.approx(0.2)
        assert cells["ssim_excess"]["high"] - cells["ssim_excess"]["low"] < 0.02
        assert cells["ssim"]["high"] - cells["ssim"]["low"] > 0.2

    def test_pairs_without_a_similarity_are_counted_and_give_no_number(self, frame):
        cells = agreement.table({"seeds": frame}).iloc[1]
        assert cells["degenerate"] == "6 of 6"
        assert np.isnan(cells["hog"]["mean"])
        assert cells["hog"]["units"] == 0


def observed(network, seed, hits, state="trained", units=None, method="gradcam", smoothed=True):
    images = [f"{i}.png" for i in range(len(hits))]
    return pd.DataFrame(
        {"network": network, "state": state, "seed": seed, "image": images, "unit": images if units is None else units,
         "method": method, "smoothed": smoothed, "score": hits}
    )  # fmt: skip


FIRST = [1.0] * 25 + [0.0] * 25
SECOND = [1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15
PAIR = (("resnet34", 0), ("resnet34", 1))


class TestAgreement:
    def test_hits_of_two_seeds(self):
        frame = pd.concat([observed("resnet34", 0, FIRST), observed("resnet34", 1, SECOND)])
        row = agreement.agreement(frame, ["gradcam"], [PAIR]).iloc[0]
        assert (row["first"], row["second"], row["method"]) == ("resnet34 s0", "resnet34 s1", "gradcam")
        assert row["kappa"] == pytest.approx(0.4)
        assert row["kappa"] == pytest.approx(cohen_kappa_score(FIRST, SECOND))
        assert row["low"] < 0.2 < 0.6 < row["high"]
        assert row["agreement"] == pytest.approx(0.7)
        wilson = stats.binomtest(35, 50).proportion_ci(method="wilson")
        assert (row["agreement_low"], row["agreement_high"]) == pytest.approx((wilson.low, wilson.high), abs=0.01)
        assert (row["first_score"], row["second_score"]) == (0.5, 0.6)
        assert (row["images"], row["units"]) == (50, 50)

    def test_only_smoothed_maps_of_the_networks_asked_for_count(self):
        other = 1 - np.array(SECOND)
        frame = pd.concat(
            [
                observed("resnet34", 0, FIRST),
                observed("efficientnet_b0", 0, SECOND),
                observed("resnet34", 1, FIRST),
                observed("efficientnet_b0", 0, other, smoothed=False),
                observed("efficientnet_b0", 0, other, state="fully_random"),
                observed("efficientnet_b0", 0, other, method="gradcam_combined"),
                observed("resnet34", 0, other, method="gradcam_combined"),
            ]
        )
        pairs = [(("resnet34", 0), ("efficientnet_b0", 0)), (("efficientnet_b0", 0), ("resnet34", 1))]
        found = agreement.agreement(frame, ["gradcam"], pairs)
        assert found["kappa"].tolist() == pytest.approx([0.4, 0.4])
        assert found["second"].tolist() == ["efficientnet_b0 s0", "resnet34 s1"]
        both = agreement.agreement(frame, ["gradcam", "gradcam_combined"], pairs[:1])
        assert both["method"].tolist() == ["gradcam", "gradcam_combined"]
        assert both["kappa"][1] == pytest.approx(1)

    def test_images_are_matched_by_name_and_need_both_verdicts(self):
        first = observed("resnet34", 0, [*FIRST, np.nan, 1.0])
        second = observed("resnet34", 1, [*SECOND, 1.0, np.nan]).iloc[::-1]
        row = agreement.agreement(pd.concat([first, second]), ["gradcam"], [PAIR]).iloc[0]
        assert row["kappa"] == pytest.approx(0.4)
        assert row["images"] == 50

    def test_frames_of_a_patient_are_drawn_together(self):
        patients = [f"p{i // 5}" for i in range(50)]
        parts = [(0, FIRST), (1, SECOND)]
        alone = pd.concat([observed("resnet34", seed, hits) for seed, hits in parts])
        grouped = pd.concat([observed("resnet34", seed, hits, units=patients) for seed, hits in parts])
        one, ten = (agreement.agreement(frame, ["gradcam"], [PAIR]).iloc[0] for frame in (alone, grouped))
        assert one["kappa"] == ten["kappa"]
        assert ten["units"] == 10
        assert ten["high"] - ten["low"] > 1.3 * (one["high"] - one["low"])
        assert ten["agreement_high"] - ten["agreement_low"] > 1.3 * (one["agreement_high"] - one["agreement_low"])

    def test_kappa_is_low_where_nearly_all_hit(self):
        first, second = [1.0] * 49 + [0.0], [0.0] + [1.0] * 49
        frame = pd.concat([observed("resnet34", 0, first), observed("resnet34", 1, second)])
        row = agreement.agreement(frame, ["gradcam"], [PAIR]).iloc[0]
        assert row["agreement"] == pytest.approx(0.96)
        assert row["kappa"] < 0

    def test_without_a_verdict_there_is_a_row_without_numbers(self):
        nothing = [np.nan] * 4
        frame = pd.concat([observed("resnet34", seed, nothing) for seed in (0, 1)])
        row = agreement.agreement(frame, ["gradcam"], [PAIR]).iloc[0]
        assert row["images"] == 0
        assert row[["kappa", "low", "agreement", "first_score"]].isna().all()

    @pytest.mark.parametrize("missing", [("resnet34", 2), ("resnet50", 0)])
    def test_what_was_not_observed_is_refused(self, missing):
        frame = observed("resnet34", 0, FIRST)
        with pytest.raises(ValueError, match=f"no observations of {missing[0]} s{missing[1]}"):
            agreement.agreement(frame, ["gradcam"], [(PAIR[0], missing)])
        with pytest.raises(ValueError, match="by guided_backprop"):
            agreement.agreement(frame, ["guided_backprop"], [(PAIR[0], PAIR[0])])
