import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from xiqa.paper.audit import shortcuts
from xiqa.paper.audit.shortcuts import blob, fitted, picture_features, picture_file, volume_header


def test_a_picture_file_in_numbers(tmp_path):
    grey = np.full((40, 64), 100, np.uint8)
    grey[0, :], grey[-1, :], grey[:, 0], grey[:, -1] = 0, 0, 0, 0
    grey[20, 30] = 255
    Image.fromarray(grey).save(tmp_path / "a.png")
    found = picture_file(tmp_path / "a.png")
    assert found["bytes"] == (tmp_path / "a.png").stat().st_size
    assert (found["height"], found["width"], found["tables"]) == (40, 64, 0)
    assert (found["border_mean"], found["border_spread"], found["noise"]) == (0, 0, 0)
    assert found["zeros"] == pytest.approx((2 * 64 + 2 * 38) / grey.size)
    assert found["brightness"] == pytest.approx(grey.mean())
    corner = grey[:5, :8]
    assert found["corner_mean"] == pytest.approx(corner.mean())
    assert found["corner_spread"] == pytest.approx(corner.std())


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
    found = volume_header(tmp_path / "a.nii.gz")
    assert [found[f"length_{axis}"] for axis in "ijk"] == [4, 5, 6]
    assert [found[f"voxel_{axis}"] for axis in "ijk"] == pytest.approx([1, 2, 3])
    assert [found[f"origin_{axis}"] for axis in "xyz"] == pytest.approx([5, -7, 9])
    assert [found[f"axis_{axis}"] for axis in "ijk"] == [1, 0, 2]  # j runs to the left: x, backwards
    assert found["aligned"] == pytest.approx(1)


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
    found = fitted(table(leak), ["a", "b"], kind)
    assert len(found) == 200
    assert low < roc_auc_score(found["label"], found["score"]) < high


def test_it_is_scored_on_test_items_only():
    features = table(1.0)
    told = features.assign(a=features["a"].where(features["split"] == "test", features["label"] * 100.0))
    assert set(fitted(told, ["a"], "boosting").index) == set(features.index[features["split"] == "test"])


def test_a_blob_is_the_strongest_difference_of_gaussians():
    image = np.zeros((160, 160), np.float32)
    image[70:76, 40:46] = 200
    expected = max(
        np.abs(ndimage.gaussian_filter(image, s) - ndimage.gaussian_filter(image, 1.6 * s)).max()
        for s in shortcuts.SCALES
    )
    assert blob(image) == pytest.approx(expected)
    assert blob(np.full((160, 160), 90, np.float32)) == pytest.approx(0, abs=1e-3)
    assert blob(image) == pytest.approx(blob(255 - image), rel=1e-4)


def test_histograms_are_shares_of_what_networks_see(entry, noise):
    splits = {split: (noise(4), [0, 1, 0, 1], list("abcd")) for split in ("train", "val", "test")}
    found = shortcuts.histograms(entry(splits), volumes=False)
    bins = [name for name in found if name.startswith("bin_")]
    assert len(bins) == 32
    assert found[bins].sum(axis=1).to_numpy() == pytest.approx(1)
    assert found["mean"].to_numpy()[:4] == pytest.approx(noise(4).mean(axis=(1, 2)))
    assert found["unit"].tolist() == list("abcd") * 3


def test_features_of_a_data_set_have_the_number_of_objects_where_it_is_told(tmp_path, entry, noise):
    splits = {split: (noise(2), [0, 1], ["a", "b"]) for split in ("train", "val", "test")}
    for split, (images, *_) in splits.items():
        folder, told = tmp_path / f"object-CXR_{split}" / "images", tmp_path / "derivatives" / split
        folder.mkdir(parents=True)
        told.mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{i}.png")
            (told / f"{i}.json").write_text(f'{{"objects": {[{}] * (i + 3)}}}')
    found = picture_features(entry(splits), tmp_path)
    assert found["objects"].tolist() == [3, 4] * 3
    assert found["brightness"][0] == pytest.approx(noise(2)[0].mean())
