import numpy as np
import pandas as pd
import pytest

from xiqa.data.arrays.intensity import linear, rescale
from xiqa.paper.mri import content
from xiqa.paper.mri.content import unpadded, volume_content

SHAPE = (40, 44, 24)


def head(seed=0, noise=0.02, shape=SHAPE):
    """A bright ellipsoid with some structure in dark, slightly noisy air, as z-scores."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij"))
    inside = (grid**2 / np.array([0.5, 0.6, 0.6])[:, None, None, None] ** 2).sum(axis=0) < 1
    rng = np.random.default_rng(seed)
    volume = inside * (1 + 0.2 * np.cos(9 * grid[1])) + np.abs(rng.normal(0, noise, shape))
    return (volume - volume.mean()) / volume.std()


def read(volume):
    return content.content(volume.astype(np.float16))


class TestContent:
    def test_noise(self):
        quiet, loud = read(head()), read(head(noise=0.2))
        for name in ("noise_x", "noise_air_y", "air_spread", "band_z_0.5"):
            assert loud[name] > quiet[name] + 0.02, name

    def test_a_ghost_shines_in_the_shadow_of_the_axis_it_runs_along(self):
        ghost = head()
        ghost = ghost + 0.1 * np.roll(ghost, SHAPE[1] // 2, axis=1)
        features, usual = read(ghost), read(head())
        assert features["ghost_y"] > usual["ghost_y"] + 0.05
        assert features["ghost_y"] > 2 * features["ghost_x"]
        assert features["air_mean"] > usual["air_mean"]

    @pytest.mark.parametrize(("axis", "name"), list(enumerate("xyz")))
    def test_a_dropped_plane(self, axis, name):
        dropped = head()
        place = [slice(None)] * 3
        place[axis] = dropped.shape[axis] // 2
        dropped[tuple(place)] = dropped.min()
        features, usual = read(dropped), read(head())
        assert features[f"plane_{name}"] > 3 * usual[f"plane_{name}"]
        assert features[f"plane_odd_{name}"] > 3 * usual[f"plane_odd_{name}"]

    @pytest.mark.parametrize(("axis", "name"), list(enumerate("xyz")))
    def test_a_cut_head(self, axis, name):
        volume = head()
        cut = volume.take(range(volume.shape[axis] // 2), axis)
        features, usual = read(cut), read(volume)
        assert usual[f"cut_{name}_high"] == 0 < features[f"cut_{name}_high"]
        assert features[f"cut_{name}_low"] == 0
        assert features[f"border_{name}_high"] > usual[f"border_{name}_high"]
        assert features[f"length_{name}"] == volume.shape[axis] // 2

    def test_a_bright_side(self):
        lit = head() - head().min()
        lit = lit * np.linspace(0.5, 1.5, SHAPE[0])[:, None, None]
        features = read(lit)
        assert features["slope_x"] > 0.1 > 10 * abs(features["slope_y"])
        assert read(lit[::-1])["slope_x"] == pytest.approx(-features["slope_x"], abs=0.02)
        assert features["mirror"] < read(head())["mirror"] - 0.02

    def test_a_spike_in_k_space(self):
        waves = 0.3 * np.cos(2 * np.pi * 0.3 * np.indices(SHAPE).sum(axis=0))
        assert read(head() + waves)["spike"] > read(head())["spike"] + 1

    def test_lines_of_k_space_that_differ(self):
        spectrum = np.fft.fft(head(), axis=1)
        spectrum[:, 3::2] *= 0.3
        uneven = np.abs(np.fft.ifft(spectrum, axis=1))
        features, usual = read(uneven), read(head())
        for name in ("ragged_y", "ragged_most_y"):
            assert features[name] > 1.5 * usual[name] > 0, name

    def test_brightness_has_no_unit(self):
        one, two = read(head()), read(3 * head() + 1)
        apart = {name for name in one if two[name] != pytest.approx(one[name], rel=0.05, abs=0.02)}
        assert apart <= {"air_level", "range"}

    def test_padding_changes_nothing(self):
        padded = np.pad(head(), [(0, 5), (3, 4), (0, 2)])
        assert read(padded) == read(head())

    @pytest.mark.parametrize(
        "volume",
        [np.zeros((8, 8, 8)), np.ones((8, 8, 8)), np.full((1, 1, 1), 3.0), np.eye(9)[:, :, None], head()[:, :, :3],
         np.where(np.arange(512).reshape(8, 8, 8) == 100, 6e4, -1)],
    )  # fmt: skip
    def test_odd_volumes_have_the_same_finite_numbers(self, volume):
        features = read(volume)
        assert list(features) == list(read(head()))
        assert np.isfinite(list(features.values())).all()

    def test_large_volumes_are_averaged_first(self):
        large = np.kron(head(shape=(64, 64, 32)), np.ones((2, 2, 2)))
        assert read(large) == pytest.approx(read(head(shape=(64, 64, 32))), rel=1e-3, abs=1e-3)


def test_what_is_padding():
    volume = np.zeros((6, 7, 8))
    volume[1:4, 2:5, 3:8] = 1
    volume[2, 3, 4] = 0
    np.testing.assert_array_equal(unpadded(volume), volume[1:4, 2:5, 3:8])
    assert unpadded(np.zeros((2, 3, 4))).shape == (2, 3, 4)


def test_padding_of_any_value_is_cut_off():
    volume = np.pad(head(), ((0, 3), (0, 0), (0, 5)), constant_values=head().min())
    np.testing.assert_array_equal(unpadded(volume), head())
    np.testing.assert_array_equal(unpadded(head()), head())


def test_features_are_those_of_linear_brightness_on_either_scale():
    volume = head().astype(np.float32)
    log = linear(rescale(volume, "log")[0].astype(np.float16), "log")
    one, two = content.content(linear(volume, "zscore")), content.content(log)
    for name in ("head_share", "slope_x", "mirror", "edge_y", "border_z_high", "air_top"):
        assert two[name] == pytest.approx(one[name], rel=0.02, abs=2e-3), name


def test_a_row_a_scan(tmp_path):
    rows = []
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        np.save(tmp_path / f"{split}.npy", np.stack([head(i) for i in range(count)]).astype(np.float16))
        rows += [(split, f"{split}{i}", f"{split}{i}", f"00{i}", i % 2, "", "", 0, 0, "") for i in range(count)]
    names = ["split", "image", "path", "subject", "label", "artifact_type", "contrast", "severity", "rater_probability",
             "artifact"]  # fmt: skip
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "records.csv", index=False)
    (tmp_path / "problems.csv").write_text("split,path,line,reason,status,message\n")
    (tmp_path / "notes.txt").write_text("")
    features = volume_content(tmp_path, "zscore")
    assert features["split"].tolist() == ["train"] * 3 + ["val"] * 2 + ["test"] * 2
    assert features["unit"].tolist()[:3] == ["000", "001", "002"]
    assert features["image"].tolist() == [row[1] for row in rows]
    assert features["label"].tolist() == [0, 1, 0, 0, 1, 0, 1]
    wanted = read(head(1))
    assert features.loc[4, list(wanted)].to_dict() == pytest.approx(wanted)
