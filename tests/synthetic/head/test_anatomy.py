"""Subjects: tissues add up, lie where they belong, and differ between people but not between runs."""

import numpy as np
import pytest
import torch

from xiqa.synthetic.head import anatomy, atlas

GRID = anatomy.Grid((72, 76, 54), (3.6, 3.6, 5.4))
FIELD = np.array([230.0, 240.0, 184.0])
GREY, WHITE, CSF, LESION, BONE, FAT, SOFT = range(len(anatomy.TISSUES))


@pytest.fixture(scope="module")
def subjects():
    return [anatomy.subject(GRID, FIELD, np.random.default_rng([1, number])) for number in range(4)]


# --- the atlas --------------------------------------------------------------------------------------------------------


def test_ellipsoid_is_exact_for_a_ball_and_zero_on_its_surface():
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(-30, 30, (3, 500))
    ball = atlas.ellipsoid(x, y, z, (1, 2, 3), (10, 10, 10))
    np.testing.assert_allclose(ball, np.sqrt((x - 1) ** 2 + (y - 2) ** 2 + (z - 3) ** 2) - 10, atol=1e-9)
    angle = rng.uniform(0, np.pi, 50)
    surface = atlas.ellipsoid(5 * np.cos(angle), 8 * np.sin(angle), np.zeros(50), (0, 0, 0), (5, 8, 3))
    np.testing.assert_allclose(surface, 0, atol=1e-9)


def test_merge_is_the_minimum_far_from_the_crease():
    first, second = np.array([-9.0, 30.0, 0.0]), np.array([20.0, -5.0, 0.0])
    np.testing.assert_allclose(atlas.merge(first, second, 8.0)[:2], [-9.0, -5.0])
    assert atlas.merge(first, second, 8.0)[2] == pytest.approx(-2.0)
    ours = anatomy.smooth_union(torch.tensor([-9.0, 30.0, 0.0]), torch.tensor([20.0, -5.0, 0.0]), 8.0)
    np.testing.assert_allclose(ours, atlas.merge(first, second, 8.0), atol=1e-5)


def test_sampling_at_voxel_centres_gives_the_voxels():
    maps = atlas.shapes()
    sizes = maps.values.shape[2:]
    rng = np.random.default_rng(2)
    index = np.stack([rng.integers(1, size - 1, 200) for size in sizes], axis=-1)
    points = torch.from_numpy(maps.origin + maps.spacing * index).float().T.reshape(3, -1, 1, 1)
    expected = maps.values[0, :, index[:, 0], index[:, 1], index[:, 2]]
    np.testing.assert_allclose(maps.sample(points)[:, :, 0, 0], expected, atol=2e-3)


def test_template_is_not_changed_and_has_no_ripples():
    values, _ = atlas.template("gm", 2)
    assert 0 <= values.min() <= values.max() <= 1
    assert not ((values > 0) & (values < 0.01)).any()
    from nilearn import datasets

    np.testing.assert_allclose(
        np.asarray(datasets.load_mni152_gm_template(resolution=2).dataobj)[values > 0], values[values > 0], atol=1e-6
    )


# --- subjects ---------------------------------------------------------------------------------------------------------


def test_shares_lie_between_nothing_and_a_whole_voxel(subjects):
    for who in subjects:
        assert who.shares.shape == (7, *GRID.size)
        assert torch.isfinite(who.shares).all()
        assert who.shares.min() > -0.02
        assert who.shares.sum(0).max() < 1.15
        assert who.shares.sum(0)[~who.head].mean() < 0.1


def test_volumes_of_a_brain(subjects):
    voxel = float(np.prod(GRID.voxel)) / 1000  # ml
    for who in subjects:
        grey, white = (float(who.shares[i].sum()) * voxel for i in (GREY, WHITE))
        assert 450 < grey < 1150
        assert 300 < white < 850
        assert 60 < float(who.shares[CSF].sum()) * voxel < 650


def test_a_ray_from_the_middle_meets_brain_then_bone_then_scalp(subjects):
    for who in subjects:
        along = who.shares[:, :, GRID.size[1] // 2, int(0.62 * GRID.size[2])]
        middle = GRID.size[0] // 2
        right = along[:, middle:]
        last = int((right[GREY] + right[WHITE] > 0.5).nonzero().max())
        bone, scalp = right[BONE].argmax().item(), int((right[FAT] > 0.2).nonzero().max())
        assert last < bone < scalp
        assert right[:, -1].sum() < 0.05  # air at the edge


def test_air_around_the_vault_and_neck_at_the_bottom(subjects):
    for who in subjects:
        assert not who.head[0].any()
        assert not who.head[:, :, -1].any()
        assert who.head[:, :, 0].any()  # nobody floats


def test_subjects_differ_and_can_be_drawn_again(subjects):
    again = anatomy.subject(GRID, FIELD, np.random.default_rng([1, 0]))
    assert torch.equal(again.shares, subjects[0].shares)
    brains = [who.brain.float().flatten() for who in subjects]
    for first in range(4):
        for second in range(first):
            overlap = 2 * (brains[first] * brains[second]).sum() / (brains[first].sum() + brains[second].sum())
            assert overlap < 0.95


def test_atrophy_turns_brain_into_fluid():
    brain = torch.stack([torch.full((8, 8, 8), 0.4), torch.full((8, 8, 8), 0.3)])
    grid = anatomy.Grid((8, 8, 8), (3.0, 3.0, 3.0))
    votes = [anatomy.folds(grid, atrophy, np.random.default_rng(0)).rows() for atrophy in (-0.5, 0.0, 0.5)]
    csf = [anatomy.label(brain, vote, grid)[2].mean() for vote in votes]
    assert csf[0] < csf[1] < csf[2]


def test_lesions_replace_white_matter_only():
    shares = torch.zeros(7, 40, 40, 40)
    shares[WHITE] = 1
    before = shares.sum(0)
    anatomy.add_lesions(shares, anatomy.Grid((40, 40, 40), (2.0, 2.0, 2.0)), 5, np.random.default_rng(0))
    assert 0 < shares[LESION].sum() < 5 * 4 / 3 * np.pi * 5**3
    np.testing.assert_allclose(shares.sum(0), before, atol=1e-6)
    assert shares[LESION, :, :, :10].sum() < 1  # none below the middle, where the cerebellum is


def test_slabs_do_not_show(monkeypatch, subjects):
    monkeypatch.setattr(anatomy, "SLAB", 1)
    thin = anatomy.subject(GRID, FIELD, np.random.default_rng([1, 0]))
    torch.testing.assert_close(thin.shares, subjects[0].shares, atol=1e-3, rtol=0)
    assert (thin.head != subjects[0].head).sum() < 5


def test_a_thick_slice_blurs_what_lies_along_it():
    x, _, z = torch.meshgrid(*[torch.arange(12.0)] * 3, indexing="ij")
    grid = anatomy.Grid((12, 12, 12), (1.0, 1.0, 4.0))
    assert anatomy.blur(4 * z, grid).mean() == pytest.approx(1.2)
    assert anatomy.blur(x, grid).mean() == pytest.approx(0.3)
    assert 0.3 < anatomy.blur((x + 4 * z) / 2**0.5, grid).mean() < 1.2


def test_the_block_of_a_slab_holds_all_of_the_head(subjects):
    """What is left out as air would have been air: the same subject without any block."""
    whole = pytest.MonkeyPatch()
    whole.setattr(anatomy, "around_head", lambda points: (slice(None),) * 3)
    every = anatomy.subject(GRID, FIELD, np.random.default_rng([1, 0]))
    whole.undo()
    up = slice(GRID.size[2] // 4, None)  # the shoulders, at the bottom, are cut by the atlas itself
    torch.testing.assert_close(every.shares[..., up], subjects[0].shares[..., up], atol=2e-2, rtol=0)
