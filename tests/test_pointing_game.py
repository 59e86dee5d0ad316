"""The pointing game against its definition, pixel by pixel, and the chance, ceiling and baselines beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from xiqa.pointing_game import (
    baselines,
    chance,
    constant_point,
    dog_peak,
    gradient_magnitude,
    grid_ceiling,
    play,
    reachable,
    smooth,
)
from xiqa.saliency.methods import resize


def by_definition(saliency, mask, tolerance):
    """(row, column, distance to the object, hit) by looking at every pixel in turn."""
    best, position = -np.inf, None
    for row in range(saliency.shape[0]):
        for column in range(saliency.shape[1]):
            if saliency[row, column] > best:
                best, position = saliency[row, column], (row, column)
    distances = [np.sqrt((row - position[0]) ** 2 + (column - position[1]) ** 2) for row, column in np.argwhere(mask)]
    return *position, min(distances), any(distance < tolerance for distance in distances)


def test_a_thousand_random_maps_equal_the_definition():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        height, width = generator.integers(5, 25, 2)
        saliency = generator.integers(0, 50, (height, width)).astype(np.float32)
        mask = generator.random((height, width)) < 0.01
        mask[generator.integers(height), generator.integers(width)] = True
        tolerance = generator.choice([1, 2, np.sqrt(5), 4, 5.5])
        row, column, distance, hit = by_definition(saliency, mask, tolerance)
        one = play(saliency[None], mask[None], tolerance).iloc[0]
        assert (one.row, one.column, one.outcome) == (row, column, "hit" if hit else "miss")
        assert (one.score, one.distance) == (hit, pytest.approx(distance))
        assert one.tied == (saliency == saliency.max()).sum()
        hits += hit
    assert 200 < hits < 800


@pytest.mark.parametrize("many", [False, True])
def test_tie_rules(many):
    """Peaks at distances 0, 3 and 9 from the object (`many`: thirty of each, so that the other route is taken)."""
    saliency, mask = torch.zeros(1, 40, 40), np.zeros((1, 40, 40), bool)
    mask[0, 20, :30] = True
    for row in (20, 17, 11):
        saliency[0, row, slice(0, 30) if many else 4] = 1
    for ties, tolerance, score, outcome, distance in (
        ("first", 4, 0, "miss", 9),
        ("all", 4, 0, "miss", 9),
        ("mean", 4, 2 / 3, "hit", 3),
        ("mean", 3, 1 / 3, "miss", 3),  # a distance that equals the tolerance is no hit
        ("all", 10, 1, "hit", 9),
        ("mean", 10, 1, "hit", 3),
        ("first", 10, 1, "hit", 9),
    ):
        one = play(saliency, mask, tolerance, ties).iloc[0]
        assert (one.score, one.outcome, one.distance) == (pytest.approx(score), outcome, distance), (ties, tolerance)
        assert (one.row, one.column, one.tied) == (11, 0 if many else 4, 90 if many else 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["first", "all", "mean"]))
def test_one_distance_serves_every_tolerance(seed, ties):
    generator = np.random.default_rng(seed)
    saliency = generator.integers(0, 3, (1, 9, 13)).astype(float)
    mask = generator.random((1, 9, 13)) < 0.03
    for tolerance in (0.5, 1, 2, 3.7):
        one = play(saliency, mask, tolerance, ties).iloc[0]
        if one.outcome in ("hit", "miss"):
            assert (one.distance < tolerance) == (one.outcome == "hit")
            assert 0 <= one.score <= 1


def test_no_verdict_without_a_peak_or_an_object():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(5, 8, 9, generator=generator)
    maps[1] = 0.1
    maps[2, 3, 3] = torch.nan
    maps[4] = 0
    masks = np.zeros((5, 8, 9), bool)
    masks[:3, 2:5, 2:5] = True
    played = play(maps, masks, 20)
    assert played.outcome.tolist() == ["hit", "degenerate", "degenerate", "no_object", "no_object"]
    assert played.score.isna().tolist() == played.distance.isna().tolist() == [False, True, True, True, True]
    assert played.row.tolist()[1:3] == [-1, -1]
    assert played.tied.tolist()[1:3] == [72, 0]
    assert played.score.mean() == 1


def test_torch_and_numpy_and_other_types_agree():
    generator = np.random.default_rng(3)
    maps = generator.integers(0, 200, (4, 11, 7)).astype(np.uint8)
    masks = generator.random((4, 11, 7)) < 0.1
    expected = play(maps, masks, 2)
    readonly = np.broadcast_to(maps, maps.shape)
    for other in (torch.from_numpy(maps), maps.astype(np.float64), torch.from_numpy(maps).bfloat16(), readonly):
        assert play(other, torch.from_numpy(masks), 2).equals(expected)


def test_what_does_not_fit_is_said():
    maps, masks = torch.rand(2, 6, 8), np.ones((2, 6, 8), bool)
    for bad, tolerance, ties, message in (
        (masks.transpose(0, 2, 1), 3, "first", r"\(2, 6, 8\).*\(2, 8, 6\)"),
        (masks, 3, "last", "ties"),
        (masks, 0, "first", "tolerance"),
        (masks.astype(np.uint8), 3, "first", "bool"),
    ):
        with pytest.raises(ValueError, match=message):
            play(maps, bad, tolerance, ties)
    with pytest.raises(ValueError, match="odd size"):
        smooth(maps[:, :5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smoothing_equals_scipy(dtype):
    maps = torch.rand(3, 20, 33, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    theirs = ndimage.gaussian_filter(maps.double().numpy(), (0, 1, 1), radius=(0, 5, 5), mode="mirror")
    ours = smooth(maps)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6 if dtype == torch.float32 else 1e-14)
    wide = ndimage.gaussian_filter(maps.double().numpy(), (0, 2, 2), radius=(0, 3, 3), mode="mirror")
    np.testing.assert_allclose(smooth(maps, sigma=2, size=7).numpy(), wide, atol=1e-6)


def test_smoothing_keeps_constants_and_takes_volumes():
    constant = torch.full((1, 20, 20), 0.1)
    assert torch.equal(smooth(constant), constant)
    volume = torch.rand(2, 8, 9, 10, dtype=torch.float64)
    theirs = ndimage.gaussian_filter(volume.numpy(), (0, 1, 1, 1), radius=(0, 5, 5, 5), mode="mirror")
    np.testing.assert_allclose(smooth(volume).numpy(), theirs, atol=1e-14)


def test_chance_is_the_share_of_pixels_that_hit():
    generator = np.random.default_rng(1)
    masks = np.zeros((4, 30, 41), bool)
    masks[0, 0, 0] = masks[1, 10:14, 20:33] = masks[2, 29, 40] = True
    masks[2] |= generator.random((30, 41)) < 0.01
    for tolerance in (1, 4, 6.5):
        distances = [ndimage.distance_transform_edt(~mask) for mask in masks[:3]]
        theirs = [(distance < tolerance).mean() for distance in distances]
        np.testing.assert_allclose(chance(masks, tolerance), [*theirs, 0])


def first_peaks(maps):
    """Flat index of the first maximum, a tie being a tie also where float64 rounds it away."""
    flat = maps.flatten(1)
    tied = flat >= flat.amax(1, keepdim=True) * (1 - 1e-12)
    return set(tied.float().argmax(1).tolist())


def slopes(cells):
    """Lines of a grid that rise slowly to one cell and fall steeply."""
    lines = torch.eye(cells, dtype=torch.float64)
    yield from lines
    for cell in range(cells):
        for neighbour in {cell - 1, cell + 1} & set(range(cells)):
            yield lines[cell] + 0.99 * lines[neighbour]


@pytest.mark.parametrize(
    ("grid", "size"), [((3, 4), (24, 40)), ((4, 3), (31, 27)), ((3, 3), (9, 15)), ((2, 5), (64, 37))]
)
def test_reachable_peaks_are_those_of_all_maps_on_the_grid(grid, size):
    """Random grids never leave the set, and single cells with a slope reach all of it."""
    rows, columns = (reachable(cells, length) for cells, length in zip(grid, size, strict=True))
    allowed = {int(row) * size[1] + int(column) for row in rows for column in columns}
    random = torch.rand(2000, *grid, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    built = torch.stack([torch.outer(down, across) for down in slopes(grid[0]) for across in slopes(grid[1])])
    assert first_peaks(resize(random, size)) <= allowed
    assert first_peaks(resize(built, size)) == allowed


def test_reachable_peaks_of_smoothed_maps():
    grid, size = (3, 3), (96, 96)
    rows = reachable(3, 96, reach=5)
    assert rows.tolist() == [0, *range(42, 54), 85]
    lines = [[1, 0, 0], [0, 0, 1]]
    for steep in (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1):
        lines += [[1 - steep, 1, 0], [0, 1, 1 - steep]]
    built = torch.zeros(len(lines), *grid, dtype=torch.float64)
    built[:, :, 0] = torch.tensor(lines)
    peaks = {index // 96 for index in first_peaks(smooth(resize(built, size)))}
    assert {0, 85} < peaks <= set(rows.tolist())
    assert min(peaks - {0}) <= 44
    assert max(peaks - {85}) >= 51
    random = torch.rand(500, *grid, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    allowed = {int(row) * 96 + int(column) for row in rows for column in rows}
    assert first_peaks(smooth(resize(random, size))) <= allowed


def test_the_grid_ceiling_is_what_the_best_map_scores():
    generator = np.random.default_rng(5)
    masks = np.zeros((60, 40, 64), bool)
    for mask in masks:
        row, column = generator.integers(40), generator.integers(64)
        mask[row : row + 3, column : column + 2] = True
    tolerance, grid = 3, (3, 4)
    rows, columns = reachable(3, 40), reachable(4, 64)
    maps = torch.zeros(len(rows) * len(columns), 40, 64)
    for index, (row, column) in enumerate((row, column) for row in rows for column in columns):
        maps[index, row, column] = 1
    best = [play(maps, np.broadcast_to(mask, maps.shape), tolerance).distance.min() for mask in masks]
    # An empty mask has no distance and is left out.
    ceiling, distances = grid_ceiling(np.concatenate([masks, masks[:1] & False]), tolerance, grid)
    np.testing.assert_allclose(distances, [*best, np.nan])
    assert ceiling == np.mean(np.array(best) < tolerance)
    assert np.isnan(grid_ceiling(masks[:1] & False, tolerance, grid)[0])


def small_objects(count, size, seed=0):
    """One object of 2 to 6 % of the width, away from the edges as in a lung."""
    generator, masks = np.random.default_rng(seed), np.zeros((count, size, size), bool)
    for mask in masks:
        row, column = (generator.uniform(0.15, 0.8, 2) * size).astype(int)
        height, width = (generator.uniform(0.02, 0.06, 2) * size).astype(int) + 1
        mask[row : row + height, column : column + width] = True
    return masks


def test_the_ceiling_falls_with_the_tolerance_and_not_with_the_picture():
    """15 pixels are half a cell of the last layer at any size; 4 at 160 pixels are not."""
    shrunk = grid_ceiling(small_objects(400, 160), 4, (5, 5))[0]
    assert 0.1 < shrunk < 0.35
    assert grid_ceiling(small_objects(50, 600), 15, (19, 19))[0] == 1
    assert grid_ceiling(small_objects(400, 160), 15, (5, 5))[0] > 0.85
    assert shrunk < grid_ceiling(small_objects(400, 160), 4, (5, 5), smoothing=11)[0] < 1


def test_baselines_are_played_like_methods():
    size, count = 60, 6
    masks = small_objects(count, size, seed=2)
    images = np.full((count, size, size), 0.4, np.float32)
    images[masks] = 0.9
    train = np.zeros((5, size, size), bool)
    train[:4, 10:14, 40:44] = True
    train[4, 50, 5] = True
    maps = baselines(images, train, tolerance=6, seed=1)
    assert list(maps) == ["constant_point", "centre", "random", "difference_of_gaussians", "gradient_magnitude"]
    assert {(saliency.shape, saliency.dtype) for saliency in maps.values()} == {(images.shape, torch.float32)}
    played = {name: play(saliency, masks, 6) for name, saliency in maps.items()}
    peaks = {name: frame[["row", "column"]].drop_duplicates().to_numpy().tolist() for name, frame in played.items()}
    assert played["difference_of_gaussians"].score.mean() == played["gradient_magnitude"].score.mean() == 1
    assert (peaks["centre"], peaks["constant_point"]) == ([[30, 30]], [[11, 41]])
    again = play(baselines(torch.from_numpy(images)[:, None], train, tolerance=6, seed=1)["random"], masks, 6)
    assert again.equals(played["random"])
    assert played["random"].tied.eq(1).all()
    assert len(peaks["random"]) > 1


def test_the_constant_point_hits_the_most_training_masks():
    generator = np.random.default_rng(8)
    train = generator.random((12, 15, 22)) < 0.01
    best = constant_point(train, 3, (15, 22))
    everywhere = torch.eye(15 * 22).reshape(-1, 15, 22)
    hits = np.stack([play(everywhere, np.broadcast_to(mask, everywhere.shape), 3).score.fillna(0) for mask in train])
    shares = hits.sum(0).reshape(15, 22)
    assert shares[best] == shares.max()
    with pytest.raises(ValueError, match=r"\(15, 22\).*\(22, 15\)"):
        constant_point(train, 3, (22, 15))


def test_image_baselines_find_dark_and_bright_blobs_off_centre():
    for value in (0.0, 1.0):
        image = np.full((1, 100, 140), 0.5, np.float32)
        image[0, 20:23, 110:113] = value
        peak = play(dog_peak(image), np.ones((1, 100, 140), bool), 1).iloc[0]
        assert (peak.row, peak.column) == (21, 111)
    edge = np.zeros((1, 100, 140), np.float32)
    edge[:, :, 90:] = 1
    assert gradient_magnitude(edge)[0, 50].argmax().item() in (89, 90)
