"""Ray sums of bodies and tubes against brute force."""

import numpy as np
import pytest

from xiqa.synthetic.chest import geometry


def test_half_chord_is_brute_force_integration():
    rng = np.random.default_rng(0)
    for _ in range(20):
        centre, axes, angle = rng.normal(0, 5, 2), rng.uniform(3, 20, 3), rng.uniform(-3, 3)
        x, y = rng.uniform(-20, 20, (2, 200))
        z = np.linspace(-25, 25, 20001)
        u = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
        v = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
        plane = (u / axes[0]) ** 2 + (v / axes[1]) ** 2
        inside = plane[:, None] + (z / axes[2]) ** 2 <= 1
        ours = 2 * geometry.half_chord(x, y, tuple(centre), tuple(axes), angle)
        np.testing.assert_allclose(ours, inside.sum(1) * (z[1] - z[0]), atol=0.02)


def test_added_body_equals_the_whole_canvas():
    view = geometry.View(80, 400.0, (3.0, 120.0), 0.05)
    total = np.zeros_like(view.x)
    geometry.add_body(total, view, (40, 150), (30, 60, 20), 0.7)
    np.testing.assert_array_equal(total, geometry.half_chord(view.x, view.y, (40, 150), (30, 60, 20), 0.7))


def test_overlap_of_intervals():
    grid = np.linspace(-10, 10, 200001)
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b, c, d = np.sort(rng.uniform(-9, 9, 2)).tolist() + np.sort(rng.uniform(-9, 9, 2)).tolist()
        brute = ((grid >= a) & (grid <= b) & (grid >= c) & (grid <= d)).mean() * 20
        assert geometry.overlap(np.array(a), np.array(b), np.array(c), np.array(d)) == pytest.approx(brute, abs=1e-3)


def test_pixels_and_body_coordinates_are_inverse():
    view = geometry.View(50, 410.0, (-4.0, 130.0), 0.1)
    column, row = view.to_pixel(view.x.astype(float), view.y.astype(float))
    np.testing.assert_allclose(column, np.broadcast_to(np.arange(50), (50, 50)), atol=1e-3)
    np.testing.assert_allclose(row, np.broadcast_to(np.arange(50)[:, None], (50, 50)), atol=1e-3)


@pytest.mark.parametrize("core", [1.0, 0.3])
def test_tube_keeps_volume_and_profile(core):
    view = geometry.View(200, 200.0, (0.0, 0.0), dense=2.0)
    path = geometry.even(np.array([[-60.0, 0, 0], [60, 0, 0]]), 0.4)
    image = geometry.splat(view, [geometry.tube(view, [path], 8.0, 5.0, core)])
    section = np.pi * 8 * 5 * (1 - (1 - core) * 0.75**2)
    assert image.sum() == pytest.approx(section * 120, rel=0.01)
    # The chord of an ellipse, less that of its core, along a line across the middle of the tube.
    y = view.y[:, 100].astype(float)
    full, inner = (np.sqrt(np.maximum(1 - (y / (8 * part)) ** 2, 0)) * part for part in (1, 0.75))
    expected = 10 * (full - (1 - core) * inner)
    away = (np.abs(np.abs(y) - 8) > 1.2) & (np.abs(np.abs(y) - 6) > 1.2)
    np.testing.assert_allclose(image[:, 90:110].mean(1)[away], expected[away], atol=0.35)
