import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from xiqa.synthetic import shapes, textures

KINDS = {name: i for i, name in enumerate(textures.KINDS)}

FY, FX = np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64), indexing="ij")
RADIUS = np.hypot(FY, FX)


@pytest.fixture(scope="module")
def drawn():
    images, kinds = textures.draw(1600, 64, seed=5)
    return images.numpy().astype(float), kinds.numpy()


def accuracy(features, kinds):
    return cross_val_score(RandomForestClassifier(30, random_state=0), features, kinds, cv=4).mean()


def spectrum(images):
    centred = images - images.mean((1, 2), keepdims=True)
    return np.abs(np.fft.fft2(centred / centred.std((1, 2), keepdims=True))) ** 2


def position_scores(images, cells=8):
    """z scores of the energy in each of cells x cells places, over images: noise where no place is special."""
    centred = images - images.mean((1, 2), keepdims=True)
    energy = (centred / centred.std((1, 2), keepdims=True)) ** 2
    side = images.shape[1] // cells
    blocks = energy.reshape(len(images), cells, side, cells, side).mean((2, 4))
    return (blocks.mean(0) - 1) / (blocks.std(0) / np.sqrt(len(images)))


def test_same_seed_same_pictures():
    first, second, other = (textures.draw(20, 48, seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_every_kind_is_drawn(drawn):
    images, kinds = textures.draw(300, 33, seed=0)
    assert (images.shape, images.dtype, kinds.dtype) == ((300, 33, 33), torch.uint8, torch.int64)
    assert set(kinds.tolist()) == set(range(len(textures.KINDS))) == set(drawn[1].tolist())
    assert textures.draw(0, 32, seed=0)[0].shape == (0, 32, 32)


def test_too_small_a_picture_is_refused():
    with pytest.raises(ValueError, match="at least 8 pixels"):
        textures.draw(1, 7, seed=0)


def test_the_spectrum_predicts_the_kind_and_mean_and_variance_do_not(drawn):
    images, kinds = drawn
    score = accuracy(np.stack([images.mean((1, 2)), images.std((1, 2))], 1), kinds)
    assert score < 1 / 8 + 3.3 * np.sqrt(1 / 8 * 7 / 8 / len(images))
    power = np.log(spectrum(images)[:, :32, :] + 1e-3).reshape(len(images), 8, 4, 16, 4).mean((2, 4))
    assert accuracy(power.reshape(len(images), -1), kinds) > 0.95


def test_no_position_is_special(drawn):
    """Energy is the same everywhere, within noise, for each kind; where there are objects it is not."""
    images, kinds = drawn
    for kind in range(len(textures.KINDS)):
        assert np.abs(position_scores(images[kinds == kind])).max() < 4.5, textures.KINDS[kind]
    assert np.abs(position_scores(images)).max() < 4.5
    assert np.abs(position_scores(shapes.draw(1600, 64, seed=5)[0].numpy().astype(float))).max() > 9


@pytest.mark.parametrize(("kind", "slope"), [("white", 0), ("pink", -2), ("brown", -4)])
def test_power_falls_with_the_square_of_the_slope(drawn, kind, slope):
    """Power, so twice the slope of the amplitude; fitted where the flat part below 1/24 no longer matters."""
    power = spectrum(drawn[0][drawn[1] == KINDS[kind]])
    used = (RADIUS > 0.12) & (RADIUS < 0.4)
    found = np.polyfit(np.log(RADIUS[used]), np.log(power.mean(0)[used]), 1)[0]
    # Rounding to grey values adds white noise, which lifts the far end of the steepest.
    assert found == pytest.approx(slope, abs=0.35)


@pytest.mark.parametrize("angle", [0, 60, 120])
def test_streaks_vary_along_their_angle(drawn, angle):
    """The direction in which power lies, over a ring, so that the corners of the spectrum pull nowhere."""
    power = spectrum(drawn[0][drawn[1] == KINDS[f"streaks {angle}"]])
    ring = (RADIUS > 0.1) & (RADIUS < 0.45)
    found = np.angle((power * np.exp(2j * np.arctan2(FY, FX)))[:, ring].sum(1)) / 2
    apart = np.rad2deg((found - np.deg2rad(angle) + np.pi / 2) % np.pi - np.pi / 2)
    assert abs(apart.mean()) < 2
    assert 8 < np.abs(apart).max() < 15  # the draw's own turn, at most 0.15 rad, and noise


def test_a_band_has_no_direction_and_a_grating_has_any(drawn):
    def stretch(image):
        gy, gx = np.gradient(image)
        xx, yy, xy = (gx**2).sum(), (gy**2).sum(), (gx * gy).sum()
        return np.hypot(xx - yy, 2 * xy) / (xx + yy), np.arctan2(2 * xy, xx - yy)

    band = np.array([stretch(image)[0] for image in drawn[0][drawn[1] == KINDS["band"]]])
    grating = np.array([stretch(image) for image in drawn[0][drawn[1] == KINDS["grating"]]])
    assert np.median(band) < 0.2
    assert np.median(grating[:, 0]) > 0.8
    # Rayleigh: the length of the mean of n random directions is seldom above 1.9 / sqrt(n).
    assert np.abs(np.exp(1j * grating[:, 1]).mean()) < 2.2 / np.sqrt(len(grating))
