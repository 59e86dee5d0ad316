import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.feature import hog
from skimage.metrics import structural_similarity

from xiqa.sanity import similarity

RNG = np.random.default_rng(0)


@pytest.fixture
def smooth():
    """Six maps of 48 x 64 pixels with structure, the same in every test."""
    rng = np.random.default_rng(1)
    return torch.nn.functional.interpolate(
        torch.from_numpy(rng.random((6, 1, 6, 8))), (48, 64), mode="bilinear", align_corners=False
    )[:, 0]


def scaled(values):
    return 2 * (values - values.min()) / np.ptp(values) - 1


class TestOracles:
    @pytest.mark.parametrize("shape", [(48, 64), (33, 40), (12, 9, 10)])
    def test_spearman_is_scipys(self, shape):
        first, second = RNG.normal(size=(2, 3, *shape)).round(1)  # rounded, so that ranks tie
        found = similarity.compare(first, second)["spearman"]
        expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-12)
        np.testing.assert_allclose(similarity.spearman(first, second), expected, atol=1e-12)

    @pytest.mark.parametrize("shape", [(48, 64), (12, 9, 10)])
    def test_ssim_is_skimages_on_maps_from_minus_one_to_one(self, shape):
        first, second = RNG.random((2, 3, *shape)) * 40
        expected = [
            structural_similarity(scaled(a), scaled(b), win_size=5, data_range=2)
            for a, b in zip(first, second, strict=True)
        ]
        np.testing.assert_allclose(similarity.compare(first, second)["ssim"], expected, atol=1e-12)

    def test_ssim_is_its_formula(self):
        """One window of 5 x 5 x 5 voxels, written out (Wang et al. 2004, unbiased variances)."""
        a, b = RNG.random((2, 5, 5, 5))
        (x, y), c1, c2 = (scaled(a), scaled(b)), 0.02**2, 0.06**2
        mx, my = x.mean(), y.mean()
        cov = np.cov(x.ravel(), y.ravel())
        expected = (2 * mx * my + c1) * (2 * cov[0, 1] + c2) / ((mx**2 + my**2 + c1) * (cov[0, 0] + cov[1, 1] + c2))
        assert similarity.compare(a[None], b[None])["ssim"][0] == pytest.approx(expected, abs=1e-12)

    def test_hog_is_spearman_of_skimages_features(self, smooth):
        first, second = smooth[:3].numpy(), smooth[3:].numpy()
        given = {"orientations": 9, "pixels_per_cell": (16, 16), "cells_per_block": (3, 3)}
        expected = [
            spearmanr(hog(scaled(a).round(6), **given), hog(scaled(b).round(6), **given)).statistic
            for a, b in zip(first, second, strict=True)
        ]
        np.testing.assert_allclose(similarity.compare(first, second)["hog"], expected, atol=1e-12)


class TestMeaning:
    def test_a_map_is_wholly_like_itself(self, smooth):
        found = similarity.compare(smooth, smooth)
        np.testing.assert_allclose(found[list(similarity.MEASURES)], 1, atol=1e-12)
        assert not found["degenerate"].any()

    def test_independent_noise_is_like_nothing(self):
        first, second = torch.rand(2, 8, 96, 96, generator=torch.Generator().manual_seed(0))
        means = similarity.compare(first, second)[list(similarity.MEASURES)].mean()
        assert (means.abs() < 0.06).all()

    def test_an_inverted_map_is_the_opposite_in_order_alone(self, smooth):
        found = similarity.compare(smooth, -smooth)
        np.testing.assert_allclose(found["spearman"], -1, atol=1e-12)
        noise = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(2))
        assert (similarity.compare(noise, -noise)["ssim"] > 0.5).all()  # the trap that the module's text names
        np.testing.assert_allclose(found["hog"], 1, atol=1e-4)  # orientations have no sign

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10**6), st.floats(1e-9, 1e9), st.floats(-1e3, 1e3))
    def test_it_is_symmetric_and_blind_to_the_scale(self, seed, factor, shift):
        first, second = np.random.default_rng(seed).random((2, 2, 32, 40))
        plain = similarity.compare(first, second)[list(similarity.MEASURES)]
        np.testing.assert_allclose(similarity.compare(second, first)[list(similarity.MEASURES)], plain, atol=1e-10)
        found = similarity.compare(first * factor + shift * factor, second)
        np.testing.assert_allclose(found[list(similarity.MEASURES)], plain, atol=1e-6)
        assert plain.abs().to_numpy().max() <= 1 + 1e-12

    def test_maps_of_any_smallness_are_compared(self, smooth):
        found = similarity.compare(smooth * 1e-30, smooth)
        np.testing.assert_allclose(found[list(similarity.MEASURES)], 1, atol=1e-4)

    def test_pairs_are_compared_one_by_one(self, smooth):
        turned = smooth.flip(0)
        whole = similarity.compare(smooth, turned)
        single = [similarity.compare(smooth[i : i + 1], turned[i : i + 1]).iloc[0] for i in range(6)]
        for name in similarity.MEASURES:
            np.testing.assert_array_equal(whole[name], [row[name] for row in single])

    @pytest.mark.parametrize("what", [3.0, float("nan"), float("inf")])
    def test_a_map_without_a_peak_is_counted_and_like_nothing(self, smooth, what):
        flat = smooth.clone()
        flat[1] = what if what == 3 else flat[1].index_fill(0, torch.tensor([0]), what)
        for found in (similarity.compare(smooth, flat), similarity.compare(flat, smooth)):
            assert found["degenerate"].tolist() == [False, True, False, False, False, False]
            assert found.loc[1, list(similarity.MEASURES)].isna().all()
            assert found.drop(index=1)[list(similarity.MEASURES)].notna().all().all()
        assert np.isnan(similarity.spearman(smooth, flat)).tolist() == [False, True, False, False, False, False]

    def test_volumes_have_no_hog(self):
        first, second = RNG.random((2, 2, 8, 9, 10))
        found = similarity.compare(first, second)
        assert found["hog"].isna().all()
        assert found[["spearman", "ssim"]].notna().all().all()

    def test_small_pictures_have_smaller_blocks(self):
        first = RNG.random((2, 32, 47))
        assert similarity.compare(first, first)["hog"].tolist() == pytest.approx([1, 1])


class TestRefusals:
    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match="cannot be compared"):
            similarity.compare(np.zeros((2, 40, 40)), np.zeros((2, 40, 41)))

    @pytest.mark.parametrize("shape", [(2, 31, 90), (2, 4, 9, 9)])
    def test_sides_must_be_long_enough(self, shape):
        with pytest.raises(ValueError, match="too small"):
            similarity.compare(np.zeros(shape), np.zeros(shape))

    def test_there_must_be_maps(self):
        with pytest.raises(ValueError, match="no maps"):
            similarity.compare(np.zeros((0, 40, 40)), np.zeros((0, 40, 40)))

    def test_maps_have_two_or_three_axes(self):
        with pytest.raises(ValueError, match="must be"):
            similarity.features(np.zeros((3, 40)))


class TestChance:
    def test_it_is_the_mean_over_pairs_of_other_images(self, smooth):
        found = similarity.chance_line(smooth)
        for image in range(6):
            others = [other for other in range(6) if other != image]
            alike = similarity.compare(smooth[[image] * 5], smooth[others])
            for name in similarity.MEASURES:
                assert found.loc[image, name] == pytest.approx(alike[name].mean())

    def test_partners_are_of_another_unit_and_drawn_by_seed(self):
        units = np.repeat(["a", "b", "c", "d"], 5)
        left, right = similarity.pairs(units, partners=3, seed=1)
        assert (units[left] != units[right]).all()
        assert (np.bincount(left) == 3).all()
        assert len(set(zip(left.tolist(), right.tolist(), strict=True))) == len(left)
        again, other = similarity.pairs(units, 3, 1), similarity.pairs(units, 3, 2)
        np.testing.assert_array_equal(again[1], right)
        assert not np.array_equal(other[1], right)

    def test_one_image_has_no_chance(self, smooth):
        found = similarity.chance_line(smooth[:1])
        assert len(found) == 1
        assert found[list(similarity.MEASURES)].isna().all().all()

    def test_constant_partners_are_left_out(self, smooth):
        maps = smooth[:3].clone()
        maps[2] = 1
        found = similarity.chance_line(maps)
        expected = similarity.compare(maps[:1], maps[1:2])["spearman"][0]
        assert found["spearman"].tolist()[:2] == pytest.approx([expected, expected])
        assert found["degenerate"].tolist() == [False, False, True]
        assert np.isnan(found["spearman"][2])
