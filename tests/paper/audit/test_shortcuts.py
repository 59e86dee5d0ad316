import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from xiqa.paper.audit import shortcuts
from xiqa.paper.audit.shortcuts import fitted, picture_features, picture_file, volume_header


def test_a_picture_file_in_numbers(tmp_path):
    grey = np.full((40, 64), 100, np.uint8)
    grey[0, :], grey[-1, :], grey[:, 0], grey[:, -1] = 0, 0, 0, 0
    grey[20, 30] = 255
    Image.fromarray(grey).save(tmp_path / "a.png")
    features = picture_file(tmp_path / "a.png")
    assert features["bytes"] == (tmp_path / "a.png").stat().st_size
    assert (features["height"], features["width"], features["tables"]) == (40, 64, 0)
    assert (features["border_mean"], features["border_spread"], features["noise"]) == (0, 0, 0)
    assert features["zeros"] == pytest.approx((2 * 64 + 2 * 38) / grey.size)
    assert features["brightness"] == pytest.approx(grey.mean())
    corner = grey[:5, :8]
    assert features["corner_mean"] == pytest.approx(corner.mean())
    assert features["corner_spread"] == pytest.approx(corner.std())


def test_the_quality_of_a_jpeg_is_seen(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    for quality in (60, 95):
        Image.fromarray(grey).save(tmp_path / f"{quality}.jpg", quality=quality)
    assert picture_file(tmp_path / "60.jpg")["tables"] > picture_file(tmp_path / "95.jpg")["tables"] > 0


def test_the_noise_measure_grows_with_noise(tmp_path):
    rng = np.random.default_rng(0)
    for sigma in (2, 8):
        Image.fromarray(np.clip(128 + sigma * rng.normal(size=(64, 64)), 0, 255).astype(np.uint8)).save(
            tmp_path / f"{sigma}.png"
        )
    few, much = (picture_file(tmp_path / f"{sigma}.png")["noise"] for sigma in (2, 8))
    assert much == pytest.approx(4 * few, rel=0.2)


def test_a_header_in_numbers(tmp_path):
    affine = np.array([[0, -2, 0, 5.0], [1, 0, 0, -7], [0, 0, 3, 9], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), affine)
    nibabel.save(image, tmp_path / "a.nii.gz")
    features = volume_header(tmp_path / "a.nii.gz")
    assert [features[f"length_{axis}"] for axis in "ijk"] == [4, 5, 6]
    assert [features[f"voxel_{axis}"] for axis in "ijk"] == pytest.approx([1, 2, 3])
    assert [features[f"origin_{axis}"] for axis in "xyz"] == pytest.approx([5, -7, 9])
    assert [features[f"axis_{axis}"] for axis in "ijk"] == [1, 0, 2]  # j runs to the left: x, backwards
    assert features["aligned"] == pytest.approx(1)


def test_where_an_axis_runs_backwards_is_seen(tmp_path):
    for sign in (-1, 1):
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6)), np.diag([1, 2, 3 * sign, 1])), tmp_path / f"{sign}.nii")
    assert volume_header(tmp_path / "-1.nii")["axis_k"] == -volume_header(tmp_path / "1.nii")["axis_k"] != 0


def table(leak, seed=0, count=(400, 200)):
    """Features of a train and a test split; ``leak`` is how much the label shifts the first."""
    rng = np.random.default_rng(seed)
    parts = []
    for split, number in zip(("train", "test"), count, strict=True):
        label = rng.integers(0, 2, number)
        about = {"split": split, "unit": np.arange(number), "label": label}
        parts.append(pd.DataFrame(about | {"a": rng.normal(size=number) + leak * label, "b": rng.normal(size=number)}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("kind", shortcuts.CLASSIFIERS)
@pytest.mark.parametrize(("leak", "low", "high"), [(0, 0.4, 0.6), (1.5, 0.8, 0.95)])
def test_a_leak_is_found_and_nothing_else(kind, leak, low, high):
    scores = fitted(table(leak), ["a", "b"], kind)
    assert len(scores) == 200
    assert low < roc_auc_score(scores["label"], scores["score"]) < high


def test_it_is_scored_on_test_items_only():
    features = table(1.0)
    leaking = features.assign(a=features["a"].where(features["split"] == "test", features["label"] * 100.0))
    assert set(fitted(leaking, ["a"], "boosting").index) == set(features.index[features["split"] == "test"])


def test_features_of_a_data_set_have_the_number_of_objects_where_the_simulator_wrote_it(tmp_path, entry, noise):
    splits = {split: (noise(2), [0, 1], ["a", "b"]) for split in ("train", "val", "test")}
    for split, (images, *_) in splits.items():
        folder, notes = tmp_path / f"object-CXR_{split}" / "images", tmp_path / "derivatives" / split
        folder.mkdir(parents=True)
        notes.mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{i}.png")
            (notes / f"{i}.json").write_text(f'{{"objects": {[{}] * (i + 3)}}}')
    features = picture_features(entry(splits), tmp_path)
    assert features["objects"].tolist() == [3, 4] * 3
    assert features["brightness"][0] == pytest.approx(noise(2)[0].mean())
