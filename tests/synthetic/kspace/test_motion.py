import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.synthetic.kspace import ellipsoids
from xiqa.synthetic.kspace import motion, reference, rigid_motion, to_image, to_kspace

ORIGIN = np.zeros(3)


@pytest.mark.parametrize("order", motion.ORDERS)
@pytest.mark.parametrize("lines", [2, 9, 16, 17])
def test_every_line_is_read_once(order, lines):
    times = motion.line_times(lines, order)
    assert sorted(times) == list(range(lines))


def test_orders_by_hand():
    assert list(motion.line_times(5, "linear")) == [0, 1, 2, 3, 4]
    assert list(motion.line_times(5, "centric")) == [3, 1, 0, 2, 4]
    assert list(motion.line_times(10, "interleaved")) == [0, 2, 4, 5, 6, 7, 8, 9, 1, 3]


@pytest.mark.parametrize("shape", [(8, 9, 6), (7, 10, 5)])
@pytest.mark.parametrize("dim", [-3, -2, -1])
def test_a_whole_shift_of_all_lines_is_a_roll(volume, shape, dim):
    x = volume(*shape)
    shifts = np.tile([2.0, -6.0, 3.0], (x.shape[dim], 1))
    moved = motion.read_in_poses(x, np.zeros_like(shifts), shifts, dim, np.array([1.0, 2.0, 3.0]), ORIGIN)
    assert torch.allclose(moved, x.roll((2, -3, 1), (-3, -2, -1)), atol=1e-12)


def test_translation_is_the_phase_of_its_line(volume, dft):
    x = volume(2, 8, 9, 6)
    shifts = np.random.default_rng(0).normal(size=(9, 3))
    moved = motion.read_in_poses(x, np.zeros((9, 3)), shifts, -2, np.ones(3), ORIGIN)
    k = np.meshgrid(*[(np.arange(n) - n // 2) / n for n in (8, 9, 6)], indexing="ij")
    phase = sum(f * shifts[:, a][:, None] for a, f in enumerate(k))
    assert np.allclose(dft(moved), np.exp(-2j * np.pi * phase) * dft(x), atol=1e-12)
    assert np.allclose(abs(dft(moved)), abs(dft(x)), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    st.tuples(*[st.floats(0.5, 5.0)] * 3),
    st.tuples(*[st.floats(-9.0, 9.0)] * 3),
)
def test_four_shears_make_the_pose(rotation, spacing, shift):
    spacing = np.array(spacing)
    matrix = Rotation.from_rotvec(rotation).as_matrix() * spacing / spacing[:, None]
    product = np.eye(4)
    for axis, slopes, offset in motion.shears(matrix, np.array(shift)):
        step = np.eye(4)
        step[axis, :3] += slopes
        step[axis, 3] = offset
        product = step @ product
    assert np.allclose(product[:3, :3], matrix, atol=1e-8)
    assert np.allclose(product[:3, 3], shift, atol=1e-8)


def test_half_a_turn_is_refused():
    with pytest.raises(ValueError, match="half turn"):
        motion.shears(np.diag([-1.0, -1.0, 1.0]), ORIGIN)


@pytest.mark.parametrize(("shape", "spacing"), [((42, 54, 46), (5.6, 5.0, 5.4)), ((43, 53, 33), (5.6, 5.0, 7.5))])
def test_poses_against_the_closed_form(shape, spacing):
    # rotation in mm on a grid that is neither cubic nor isotropic, about the middle of the grid
    rotation, shift = (0.10, -0.06, 0.15), (6.0, -4.0, 3.0)
    blur = 1.5 * max(spacing)
    still = to_image(torch.from_numpy(ellipsoids.kspace(ellipsoids.HEAD, shape, spacing, blur)))
    turned = [one.moved(rotation, shift) for one in ellipsoids.HEAD]
    expected = to_image(torch.from_numpy(ellipsoids.kspace(turned, shape, spacing, blur)))
    moved = motion.move(still, rotation, shift, np.array(spacing), np.array(shape) // 2)
    assert ((moved - expected).norm() / expected.norm()).item() < 1e-4
    assert ((still - expected).norm() / expected.norm()).item() > 0.1


def test_lines_are_read_in_their_poses():
    shape, spacing, blur = (42, 54, 46), np.array([5.6, 5.0, 5.4]), 8.0
    still = ellipsoids.kspace(ellipsoids.HEAD, shape, spacing, blur)
    turned = [one.moved((0, 0, 0.2), (5, 0, -5)) for one in ellipsoids.HEAD]
    expected = still.copy()
    late = np.arange(54) > 33
    expected[:, late] = ellipsoids.kspace(turned, shape, spacing, blur)[:, late]
    rotations, shifts = np.outer(late, (0, 0, 0.2)), np.outer(late, (5, 0, -5))
    x = to_image(torch.from_numpy(still))
    read = motion.read_in_poses(x, rotations, shifts, -2, spacing, np.array(shape) // 2)
    assert np.linalg.norm(to_kspace(read).numpy() - expected) / np.linalg.norm(expected[:, late]) < 1e-4


def outer_energy(x):
    share = [abs(torch.arange(n) - n // 2) / (n // 2) for n in x.shape]
    outer = torch.maximum(torch.maximum(share[0][:, None, None], share[1][:, None]), share[2]) > 0.5
    return to_kspace(x).abs().square()[outer].sum().item()


@pytest.mark.parametrize("degrees", [1, 4, 10])
def test_turned_heads_stay_sharp(degrees):
    sharp = to_image(torch.from_numpy(ellipsoids.kspace(ellipsoids.HEAD, (54, 68, 40), (3.6, 3.4, 5.2), 0.8)))
    rotation = np.radians(degrees) * np.array([0.8, 0.36, -0.48])
    moved = motion.move(sharp, rotation, (1.3, -0.7, 2.1), np.array([3.6, 3.4, 5.2]), np.array([27, 34, 20]))
    assert outer_energy(moved) / outer_energy(sharp) == pytest.approx(1, abs=0.01)
    assert moved.norm().item() == pytest.approx(sharp.norm().item(), rel=1e-12)


@pytest.mark.parametrize("trajectory", motion.TRAJECTORIES)
@pytest.mark.parametrize("order", motion.ORDERS)
@pytest.mark.parametrize("axis", [1, 2])
def test_the_line_at_the_centre_is_not_moved(head, spacing, seeded, trajectory, order, axis):
    options = {"trajectory": trajectory, "order": order, "spacing": spacing, "axis": axis}
    moved = to_kspace(rigid_motion(head, 3.0, generator=seeded(1), **options))
    middle = head.shape[axis] // 2
    still = to_kspace(head)
    assert torch.allclose(moved.select(axis, middle), still.select(axis, middle), atol=1e-10)
    assert not torch.allclose(moved, still, atol=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_severity_is_the_mean_displacement(head, spacing, seeded, monkeypatch, seed):
    seen = {}

    def record(x, rotations, shifts, dim, sizes, centre):
        seen.update(rotations=rotations, shifts=shifts, centre=centre)
        return x

    monkeypatch.setattr(motion, "read_in_poses", record)
    rigid_motion(head, 2.5, spacing=spacing, generator=seeded(seed), poses=5)
    places = (np.argwhere(reference.head(head).numpy()) - seen["centre"]) * spacing
    per_line = []
    for rotation, shift in zip(seen["rotations"], seen["shifts"], strict=True):
        away = Rotation.from_rotvec(rotation).apply(places) + shift - places
        per_line.append(np.sqrt((away**2).sum(1).mean()))
    assert np.mean(per_line) == pytest.approx(2.5, rel=1e-6)
    assert len(np.unique(np.round(seen["rotations"], 9), axis=0)) <= 5


def test_directions_can_be_given(head, spacing, seeded, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        motion, "read_in_poses", lambda x, rotations, shifts, *rest: seen.update(r=rotations, s=shifts) or x
    )
    rigid_motion(head, 1.0, spacing=spacing, generator=seeded(0), translation=(0, 3, 0), rotation=(0, 0, 0))
    assert not seen["r"].any()
    assert not seen["s"][:, [0, 2]].any()
    rigid_motion(head, 1.0, spacing=spacing, generator=seeded(0), translation=(0, 0, 0), rotation=(0, 0, 1))
    assert not seen["s"].any()
    assert seen["r"][:, 2].any()
