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


def compare(first, second):
    return similarity.compare_features(similarity.features(first), similarity.features(second))


def scaled(values):
    return 2 * (values - values.min()) / np.ptp(values) - 1


class TestOracles:
    @pytest.mark.parametrize("shape", [(48, 64), (33, 40), (12, 9, 10)])
    def test_spearman_is_scipys(self, shape):
        first, second = RNG.normal(size=(2, 3, *shape)).round(1)  # rounded, so that ranks tie
        result = compare(first, second)["spearman"]
        expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
        np.testing.assert_allclose(result, expected, atol=1e-12)
        np.testing.assert_allclose(similarity.spearman(first, second), expected, atol=1e-12)

    @pytest.mark.parametrize("shape", [(48, 64), (12, 9, 10)])
    def test_ssim_is_skimages_on_maps_from_minus_one_to_one(self, shape):
        first, second = RNG.random((2, 3, *shape)) * 40
        expected = [
            structural_similarity(scaled(a), scaled(b), win_size=5, data_range=2)
            for a, b in zip(first, second, strict=True)
        ]
        np.testing.assert_allclose(compare(first, second)["ssim"], expected, atol=1e-12)

    def test_ssim_is_its_formula(self):
        """One window of 5 x 5 x 5 voxels, written out (Wang et al. 2004, unbiased variances)."""
        a, b = RNG.random((2, 5, 5, 5))
        (x, y), c1, c2 = (scaled(a), scaled(b)), 0.02**2, 0.06**2
        mx, my = x.mean(), y.mean()
        cov = np.cov(x.ravel(), y.ravel())
        expected = (2 * mx * my + c1) * (2 * cov[0, 1] + c2) / ((mx**2 + my**2 + c1) * (cov[0, 0] + cov[1, 1] + c2))
        assert compare(a[None], b[None])["ssim"][0] == pytest.approx(expected, abs=1e-12)

    def test_hog_is_spearman_of_skimages_features(self, smooth):
        first, second = smooth[:3].numpy(), smooth[3:].numpy()
        options = {"orientations": 9, "pixels_per_cell": (16, 16), "cells_per_block": (3, 3)}
        expected = [
            spearmanr(hog(scaled(a).round(6), **options), hog(scaled(b).round(6), **options)).statistic
            for a, b in zip(first, second, strict=True)
        ]
        np.testing.assert_allclose(compare(first, second)["hog"], expected, atol=1e-12)


class TestMeaning:
    def test_a_map_has_similarity_one_with_itself(self, smooth):
        result = compare(smooth, smooth)
        np.testing.assert_allclose(result[list(similarity.MEASURES)], 1, atol=1e-12)
        assert not result["degenerate"].any()

    def test_independent_noise_has_no_similarity(self):
        first, second = torch.rand(2, 8, 96, 96, generator=torch.Generator().manual_seed(0))
        means = compare(first, second)[list(similarity.MEASURES)].mean()
        assert (means.abs() < 0.06).all()

    def test_an_inverted_map_is_the_opposite_in_order_alone(self, smooth):
        result = compare(smooth, -smooth)
        np.testing.assert_allclose(result["spearman"], -1, atol=1e-12)
        noise = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(2))
        assert (compare(noise, -noise)["ssim"] > 0.5).all()
        np.testing.assert_allclose(result["hog"], 1, atol=1e-4)  # orientations have no sign

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10**6), st.floats(1e-9, 1e9), st.floats(-1e3, 1e3))
    def test_it_is_symmetric_and_independent_of_the_scale(self, seed, factor, shift):
        first, second = np.random.default_rng(seed).random((2, 2, 32, 40))
        plain = compare(first, second)[list(similarity.MEASURES)]
        np.testing.assert_allclose(compare(second, first)[list(similarity.MEASURES)], plain, atol=1e-10)
        result = compare(first * factor + shift * factor, second)
        np.testing.assert_allclose(result[list(similarity.MEASURES)], plain, atol=1e-6)
        assert plain.abs().to_numpy().max() <= 1 + 1e-12

    def test_pairs_are_compared_one_by_one(self, smooth):
        turned = smooth.flip(0)
        whole = compare(smooth, turned)
        single = [compare(smooth[i : i + 1], turned[i : i + 1]).iloc[0] for i in range(6)]
        for name in similarity.MEASURES:
            np.testing.assert_array_equal(whole[name], [row[name] for row in single])

    @pytest.mark.parametrize("what", [3.0, float("nan"), float("inf")])
    def test_a_map_without_a_peak_is_counted_and_has_no_similarity(self, smooth, what):
        flat = smooth.clone()
        flat[1] = what if what == 3 else flat[1].index_fill(0, torch.tensor([0]), what)
        for result in (compare(smooth, flat), compare(flat, smooth)):
            assert result["degenerate"].tolist() == [False, True, False, False, False, False]
            assert result.loc[1, list(similarity.MEASURES)].isna().all()
            assert result.drop(index=1)[list(similarity.MEASURES)].notna().all().all()
        assert np.isnan(similarity.spearman(smooth, flat)).tolist() == [False, True, False, False, False, False]

    def test_volumes_have_no_hog(self):
        first, second = RNG.random((2, 2, 8, 9, 10))
        result = compare(first, second)
        assert result["hog"].isna().all()
        assert result[["spearman", "ssim"]].notna().all().all()

    def test_small_pictures_have_smaller_blocks(self):
        first = RNG.random((2, 32, 47))
        assert compare(first, first)["hog"].tolist() == pytest.approx([1, 1])


class TestRefusals:
    @pytest.mark.parametrize("shape", [(2, 31, 90), (2, 4, 9, 9)])
    def test_sides_must_be_long_enough(self, shape):
        with pytest.raises(ValueError, match="too small"):
            similarity.features(np.zeros(shape))

    def test_there_must_be_maps(self):
        with pytest.raises(ValueError, match="no maps"):
            similarity.features(np.zeros((0, 40, 40)))

    def test_maps_have_two_or_three_axes(self):
        with pytest.raises(ValueError, match="must be"):
            similarity.features(np.zeros((3, 40)))


class TestChance:
    def test_it_is_the_mean_over_pairs_of_other_images(self, smooth):
        result = similarity.chance_line(smooth)
        for image in range(6):
            others = [other for other in range(6) if other != image]
            alike = compare(smooth[[image] * 5], smooth[others])
            for name in similarity.MEASURES:
                assert result.loc[image, name] == pytest.approx(alike[name].mean())

    def test_partners_are_other_images_and_drawn_by_seed(self):
        left, right = similarity.pairs(20, seed=1)
        assert (left != right).all()
        assert (np.bincount(left) == similarity.PARTNERS).all()
        assert len(set(zip(left.tolist(), right.tolist(), strict=True))) == len(left)
        again, other = similarity.pairs(20, 1), similarity.pairs(20, 2)
        np.testing.assert_array_equal(again[1], right)
        assert not np.array_equal(other[1], right)

    def test_one_image_has_no_chance(self, smooth):
        result = similarity.chance_line(smooth[:1])
        assert len(result) == 1
        assert result[list(similarity.MEASURES)].isna().all().all()

    def test_constant_partners_are_left_out(self, smooth):
        maps = smooth[:3].clone()
        maps[2] = 1
        result = similarity.chance_line(maps)
        expected = compare(maps[:1], maps[1:2])["spearman"][0]
        assert result["spearman"].tolist()[:2] == pytest.approx([expected, expected])
        assert result["degenerate"].tolist() == [False, False, True]
        assert np.isnan(result["spearman"][2])
