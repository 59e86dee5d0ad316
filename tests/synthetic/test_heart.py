"""The embedded hearts: bodies, planes, cycle, signal and chain against independent computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.synthetic.heart import Planning, acquisition, anatomy, chambers, cycle, geometry, planning, signal
from xiqa.synthetic.heart.planning import VISIBLE, View


@pytest.fixture(scope="module")
def hearts():
    return [anatomy.heart(np.random.default_rng([9, number])) for number in range(40)]


# --- bodies -----------------------------------------------------------------------------------------------------------


def cloud(rng, count=400, reach=30.0):
    return tuple(rng.uniform(-reach, reach, (3, count)))


def test_ellipsoid_has_its_sign_and_its_distance_near_the_surface():
    rng = np.random.default_rng(0)
    points = cloud(rng)
    distance = geometry.ellipsoid(points, (1, 2, 3), (12, 20, 9))
    inside = sum(((v - c) / r) ** 2 for v, c, r in zip(points, (1, 2, 3), (12, 20, 9), strict=True)) < 1
    np.testing.assert_array_equal(distance < 0, inside)
    way = rng.normal(size=(200, 3))
    way *= 10 / np.linalg.norm(way, axis=1, keepdims=True)
    surface = way * [1.2, 2.0, 0.9] + [1, 2, 3]
    normal = way / np.array([1.2, 2.0, 0.9])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    near = tuple((surface + 0.3 * normal).T)
    np.testing.assert_allclose(geometry.ellipsoid(near, (1, 2, 3), (12, 20, 9)), 0.3, atol=0.03)


def test_infinite_radius_is_a_cylinder():
    points = cloud(np.random.default_rng(1))
    distance = geometry.ellipsoid(points, (0, 0, 0), (10, 10, np.inf))
    np.testing.assert_array_equal(distance < 0, np.hypot(points[0], points[1]) < 10)


def test_rod_and_tube_are_the_nearest_point_of_a_path():
    points = cloud(np.random.default_rng(2))
    path, radii = np.array([[-10.0, 0, 5], [4, 8, 0], [20, -6, -9]]), np.array([4.0, 6.0, 2.0])
    brute = np.full(len(points[0]), np.inf)
    for i in range(2):
        share = np.linspace(0, 1, 4001)[:, None]
        line = path[i] + share * (path[i + 1] - path[i])
        away = np.linalg.norm(np.stack(points, 1)[:, None] - line[None], axis=2)
        nearest = away.argmin(1)
        radius = radii[i] + share[nearest, 0] * (radii[i + 1] - radii[i])
        brute = np.minimum(brute, away.min(1) - radius)
    np.testing.assert_allclose(geometry.tube(points, path, radii), brute, atol=0.02)


def test_skirt_is_the_nearest_point_of_a_cone():
    points = cloud(np.random.default_rng(3), 300)
    angle, share = np.meshgrid(np.linspace(0, 2 * np.pi, 361), np.linspace(0, 1, 101))
    ring = 14 + share * (5 - 14)
    cone = np.stack([2 + ring * np.cos(angle), 1 + 9 * share, ring * np.sin(angle)], -1).reshape(-1, 3)
    brute = np.array([np.linalg.norm(cone - p, axis=1).min() for p in np.stack(points, 1)]) - 0.7
    np.testing.assert_allclose(geometry.skirt(points, (2, 1, 0), 14, 5, 9, 0.7), brute, atol=0.2)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=5), st.floats(1, 20))
def test_join_is_a_union_that_only_adds(values, width):
    joined = geometry.join([np.array([v]) for v in values], width)[0]
    assert min(values) - width * len(values) / 4 <= joined <= min(values) + 1e-9


def test_waves_have_unit_spread():
    grid = np.meshgrid(*[np.arange(0, 200, 5.0)] * 3, indexing="ij")
    field = geometry.waves(tuple(grid), np.random.default_rng(4), (20, 40), 12)
    assert field.std() == pytest.approx(1, abs=0.1)


# --- planes -----------------------------------------------------------------------------------------------------------


def corners(view):
    """Three places of the picture in body coordinates."""
    points = view.points(np.array([0.0, 60.0, 0.0]), np.array([0.0, 0.0, 60.0]))
    return view.heart.to_body(np.stack(points, 1))


def normal(points):
    vector = np.cross(points[1] - points[0], points[2] - points[0])
    return vector / np.linalg.norm(vector)


def test_true_plane_contains_the_three_landmarks(hearts):
    for heart in hearts:
        marks = heart.landmarks()
        picture = corners(View(heart, Planning(0.0, 0.0), (12.0, -7.0), 17.0))
        for mark in marks.values():
            assert abs((mark - picture[0]) @ normal(picture)) < 1e-3
        frame = heart.axes
        np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(frame) == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(tilt=st.floats(-28, 28), offset=st.floats(-6, 6), turn=st.floats(-40, 40), patient=st.integers(0, 39))
def test_tilt_turns_about_the_long_axis_and_offset_moves(hearts, tilt, offset, turn, patient):
    heart = hearts[patient]
    marks = heart.landmarks()
    true = normal(np.stack([marks["mitral"], marks["tricuspid"], marks["apex"]]))
    picture = corners(View(heart, Planning(tilt, offset), (5.0, 9.0), turn))
    facing = normal(picture)
    assert np.rad2deg(np.arccos(min(abs(true @ facing), 1))) == pytest.approx(abs(tilt), abs=0.05)
    for name in ("apex", "mitral"):
        assert (picture[0] - marks[name]) @ facing == pytest.approx(offset, abs=1e-3)


def test_an_anterior_tilt_lifts_the_right_heart(hearts):
    for heart in hearts[:5]:
        mark = heart.landmarks()["tricuspid"]
        picture = corners(View(heart, Planning(12.0, 0.0)))
        assert ((picture[0] - mark) @ normal(picture)) * np.sign(normal(picture)[2]) > 3


def test_display_is_the_usual_one(hearts):
    for heart in hearts:
        view = View(heart, Planning(0.0, 0.0))
        spine = (-np.array(heart.place)) @ heart.axes.T
        apex, mitral, tricuspid, spine = view.picture(
            np.array([[0, heart.length, 0], [0, 0, 0], [*heart.tricuspid, 0], spine])
        )
        assert apex[0] > mitral[0]
        assert apex[1] < mitral[1] - 20
        assert tricuspid[0] < mitral[0] - 10
        assert spine[1] > mitral[1] + 20


def test_picture_and_points_are_inverse(hearts):
    view = View(hearts[0], Planning(14.0, 2.0), (20.0, -11.0), -25.0)
    columns, rows = np.random.default_rng(0).uniform(-80, 80, (2, 50))
    np.testing.assert_allclose(view.picture(np.stack(view.points(columns, rows), 1)), np.stack([columns, rows], 1),
                               atol=1e-3)  # fmt: skip


def test_plans_of_both_kinds_are_tilted_as_far_and_apart_in_what_they_show(hearts):
    tilts, gaps = {}, {}
    for shows in (True, False):
        plans = [planning.stratified(np.random.default_rng([4, k]), hearts[k % 40], shows) for k in range(160)]
        tilts[shows] = np.array([p.tilt for p in plans])
        moments = [cycle.state(heart, 0.1) for heart in hearts]
        areas = np.array([View(hearts[k % 40], p).area(moments[k % 40]) for k, p in enumerate(plans)])
        gaps[shows] = np.mean((areas > 1.5 * planning.HIDDEN) & (areas < 0.9 * planning.CLEAR))
    assert (tilts[True] > 0).all()
    assert abs(np.mean(tilts[False] > 0) - planning.ANTERIOR) < 0.12
    # The same sizes, in either direction, and anterior ones too that do not show the tract.
    for group in (tilts[False], tilts[False][tilts[False] > 0]):
        assert abs(np.abs(group).mean() - tilts[True].mean()) < 2.5
        assert (np.abs(group) > 15).mean() > 0.1
    assert 0 < gaps[True] < 2 * planning.BORDERLINE
    assert 0 < gaps[False] < 2 * planning.BORDERLINE


def test_true_plane_hides_the_tract_with_the_least_offset(hearts):
    for heart in hearts[:12]:
        for phase in (0.0, 0.3, 0.6):
            moment = cycle.state(heart, phase)
            plan_ = planning.true_plane(heart, moment)
            assert View(heart, plan_).area(moment) < planning.HIDDEN
            if plan_.offset < 0:
                assert View(heart, Planning(0.0, plan_.offset + planning.NEAREST)).area(moment) >= planning.HIDDEN
            assert plan_.offset > -4


def test_only_the_anterior_one_of_two_equal_tilts_shows_the_tract(hearts):
    for heart in hearts:
        moments = [cycle.state(heart, phase) for phase in (0.0, 0.2, 0.4, 0.7)]
        for tilt in (15, 20, 25):
            assert min(View(heart, Planning(float(tilt), 0.0)).area(m) for m in moments) >= VISIBLE
            assert max(View(heart, Planning(-float(tilt), 0.0)).area(m) for m in moments) < 1
        assert max(View(heart, Planning(0.0, 0.0)).area(m) for m in moments) < VISIBLE


def test_area_is_brute_force_integration(hearts):
    for heart in hearts[:4]:
        moment, view = cycle.state(heart, 0.3), View(heart, Planning(17.0, 1.0), (6.0, 4.0), 30.0)
        grid = np.arange(-90, 90, 0.5)
        inside = chambers.lumen(heart, moment, view.points(grid[None, :], grid[:, None])) < 0
        assert view.area(moment) == pytest.approx(inside.sum() * 0.25, rel=0.03, abs=3)


# --- cycle ------------------------------------------------------------------------------------------------------------


def volumes(heart, phase):
    """Blood and muscle of the left ventricle in ml, by counting 2 mm cubes."""
    grid = np.meshgrid(np.arange(-50, 60, 2.0), np.arange(-10, 120, 2.0), np.arange(-50, 60, 2.0), indexing="ij")
    moment, points = cycle.state(heart, phase), tuple(grid)
    blood = chambers.pool(heart, moment, points) < 0
    wall = geometry.ellipsoid(chambers.upright(heart, moment, points), moment.cavity, moment.wall_radii) < 0
    wall &= (points[1] > moment.base) & ~blood
    return blood.sum() * 0.008, wall.sum() * 0.008


def test_ejection_fraction_and_muscle(hearts):
    fractions = []
    for heart in hearts[:12]:
        (full, muscle), (rest, squeezed) = volumes(heart, 0.0), volumes(heart, 0.35)
        fractions.append(1 - rest / full)
        assert 60 < full < 260
        assert squeezed == pytest.approx(muscle, rel=0.2)
    assert 0.5 < np.mean(fractions) < 0.7
    assert 0.35 < min(fractions) < max(fractions) < 0.8


@given(st.floats(0, 3))
def test_cycle_is_periodic_and_bounded(phase):
    for curve in (cycle.contraction, cycle.ejection, cycle.filling):
        assert -1e-9 <= curve(phase) <= 1 + 1e-9
        assert curve(phase) == pytest.approx(curve(phase + 1), abs=1e-6)


def test_base_descends_and_atria_fill(hearts):
    for heart in hearts:
        full, empty = cycle.state(heart, 0.0), cycle.state(heart, 0.35)
        assert empty.base - full.base == pytest.approx(heart.descent)
        assert empty.gate - empty.base > 0
        for name in ("left_atrium_radii", "right_atrium_radii"):
            assert np.prod(getattr(empty, name)) > 1.15 * np.prod(getattr(full, name))


# --- signal and chain -------------------------------------------------------------------------------------------------


def bloch(ratio, flip, precession, t1=1000.0, tr=0.01):
    """Steady state of alternating pulses by the matrix of one repetition, echo in its middle."""
    t2 = t1 / ratio

    def about_z(angle):
        cos, sin = np.cos(angle), np.sin(angle)
        return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])

    pulse = np.array([[1, 0, 0], [0, np.cos(flip), -np.sin(flip)], [0, np.sin(flip), np.cos(flip)]])
    half = np.diag([np.exp(-tr / 2 / t2)] * 2 + [np.exp(-tr / 2 / t1)])
    gain = np.array([0, 0, 1 - np.exp(-tr / 2 / t1)])
    turn = half @ about_z((precession + np.pi) / 2)
    # From echo to echo: half a repetition, the pulse, half a repetition.
    matrix, shift = turn @ pulse @ turn, turn @ pulse @ gain + gain
    steady = np.linalg.solve(np.eye(3) - matrix, shift)
    return np.hypot(*steady[:2])


def test_steady_state_is_that_of_the_bloch_equations():
    for ratio in (2.0, 5.8, 21.0):
        for precession in (0.0, 0.8, 2.0, 2.9, 3.5, 5.0):
            ours = abs(signal.steady_state(1.0, ratio, 0.9, np.array(precession)))
            assert ours == pytest.approx(bloch(ratio, 0.9, precession), rel=2e-3)


def test_band_is_dark_and_changes_the_sign():
    before, at, after = signal.steady_state(1.0, 5.0, 0.9, np.pi + np.array([-0.2, 0.0, 0.2]))
    assert before > 0 > after
    assert abs(at) < 1e-9
    ratio, flip = 5.0, 0.9
    known = np.sin(flip) / ((1 + np.cos(flip)) + (1 - np.cos(flip)) * ratio)
    assert signal.steady_state(1.0, ratio, flip, np.array(0.0)) == pytest.approx(known)


@pytest.mark.parametrize("size", [31, 48])
def test_full_sampling_without_noise_is_the_identity(size):
    rng = np.random.default_rng(0)
    image = (rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))).astype(np.complex64)
    whole = acquisition.Scan((1.0, 1.0), 0.0, 0.0, 99.0)
    np.testing.assert_allclose(acquisition.acquire(image, whole, 1.0, rng), np.abs(image), atol=1e-5)


def test_air_is_rayleigh_with_the_noise_of_the_lines_kept():
    settings_, rng = acquisition.Scan((0.7, 0.9), 0.05, 0.5, 99.0), np.random.default_rng(1)
    air = np.stack([acquisition.acquire(np.zeros((64, 64), np.complex64), settings_, 2.0, rng) for _ in range(30)])
    share = np.prod([np.mean(acquisition.window(64, kept, 0.5) ** 2) for kept in settings_.kept])
    sigma = 0.1 * np.sqrt(share)
    assert air.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)
    assert air.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.02)
