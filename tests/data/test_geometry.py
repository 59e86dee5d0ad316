import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.data import geometry as geometries
from xiqa.data.arrays.intensity import rescale
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import Volume, geometry
from xiqa.errors import BadInput

SIDES = st.tuples(*[st.integers(2, 40)] * 3)
SHAPES = st.tuples(*[st.integers(4, 32)] * 3)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)


def preprocess(volume, shape):
    """The scale of the paper, which is linear."""
    return geometries.preprocess(volume, shape, "zscore")


def zscore(array):
    array = array.astype(np.float64)
    return (array - array.mean()) / array.std()


def test_a_volume_that_fits_keeps_its_voxels():
    array = noise(20, 18, 10)
    out = preprocess(array, (24, 20, 12))
    assert out.shape == (1, 24, 20, 12)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[0, :20, :18, :10], zscore(array), atol=1e-6)
    padding = np.ones((24, 20, 12), bool)
    padding[:20, :18, :10] = False
    assert not out[0][padding].any()


def test_padding_takes_the_dark_level_of_the_scan():
    array = noise(20, 18, 10)
    out = geometries.preprocess(array, (24, 20, 12))[0]
    scaled, dark = rescale(array, "log")
    np.testing.assert_allclose(out[:20, :18, :10], scaled, atol=1e-6)
    assert (out[20:] == out[:, 18:].min()).all()
    assert out[-1, -1, -1] == np.float32(dark)
    assert dark == pytest.approx(np.percentile(scaled, 5), abs=1e-3)


def test_a_volume_and_its_array_give_the_same_and_stay_as_they_are():
    array = noise(20, 18, 30)
    before = array.copy()
    from_volume = preprocess(Volume(array, np.eye(4), []), (16, 16, 8))
    np.testing.assert_array_equal(from_volume, preprocess(array, (16, 16, 8)))
    np.testing.assert_array_equal(array, before)
    np.testing.assert_allclose(preprocess(array.astype(np.float64), (16, 16, 8)), from_volume, atol=1e-6)


@pytest.mark.parametrize(
    ("scan", "axes"),
    [
        ((30, 20, 10), (0, 1, 2)),
        ((10, 20, 30), (1, 2, 0)),
        ((20, 10, 30), (0, 2, 1)),
        ((10, 20, 10), (0, 1, 2)),
        ((20, 10, 10), (0, 1, 2)),
        ((10, 10, 10), (0, 1, 2)),
        ((10, 10, 20), (0, 2, 1)),
    ],
)
def test_the_shortest_axis_comes_last_and_a_tie_keeps_the_last(scan, axes):
    assert geometry(np.empty(scan), (8, 8, 8)).axes == axes
    array = noise(*scan)
    out = preprocess(array, (32, 32, 32))[0]
    turned = zscore(array).transpose(axes)
    np.testing.assert_allclose(out[tuple(slice(side) for side in turned.shape)], turned, atol=1e-5)


def test_only_axes_that_are_too_long_are_zoomed():
    place = geometry(np.empty((40, 10, 30)), (16, 31, 12))
    assert (place.axes, place.zoomed) == ((0, 2, 1), (16, 30, 10))


def reference(array, axis, size):
    """The triangle filter written out, in float64."""
    length = array.shape[axis]
    step = length / size
    centres = (np.arange(size) + 0.5) * step - 0.5
    weights = np.clip(1 - abs(np.arange(length) - centres[:, None]) / step, 0, None)
    weights /= weights.sum(1, keepdims=True)
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)


@pytest.mark.parametrize("scan", [(45, 33, 20), (45, 12, 20), (20, 33, 9), (17, 33, 47)])
def test_zooming_is_the_antialiased_triangle_filter(scan):
    array, shape = noise(*scan), (16, 16, 12)
    place = geometry(array, shape)
    wanted = array.astype(np.float64).transpose(place.axes)
    for axis, size in enumerate(place.zoomed):
        if wanted.shape[axis] != size:
            wanted = reference(wanted, axis, size)
    out = preprocess(array, shape)[0][tuple(slice(side) for side in place.zoomed)]
    np.testing.assert_allclose(out, zscore(wanted), atol=2e-5)


def test_zooming_does_not_alias():
    # Stripes finer than the new voxels vanish, where picking every fourth voxel makes coarse ones of them.
    x = np.arange(128)[:, None, None]
    smooth = np.broadcast_to(np.cos(np.pi * x / 64), (128, 30, 20))
    striped = smooth + 0.5 * np.cos(np.pi * 0.9 * x)
    inner = slice(2, -2)  # at the edge the filter is cut
    wanted = preprocess(smooth, (32, 30, 20))[0, inner]
    assert abs(preprocess(striped, (32, 30, 20))[0, inner] - wanted).max() < 0.05
    assert abs(zscore(striped[1::4])[inner] - wanted).max() > 0.5


def test_z_scores_hold_over_the_scan_and_not_the_padding():
    out = preprocess(noise(50, 60, 20), (32, 32, 32))[0]
    inside = out[:, :, :20]
    assert inside.mean() == pytest.approx(0, abs=1e-6)
    assert inside.std() == pytest.approx(1, abs=1e-5)
    # A large offset costs no digits.
    np.testing.assert_allclose(preprocess(noise(20, 20, 10) * 100 + 1e5, (20, 20, 10))[0].std(), 1, atol=1e-4)


def test_a_constant_array_has_no_z_score():
    with pytest.raises(BadInput) as caught:
        preprocess(np.ones((5, 6, 7)), (8, 8, 8))
    assert caught.value.reason == "constant"


@pytest.mark.parametrize(("array", "shape"), [(np.empty((4, 5)), (8, 8, 8)), (np.empty((4, 5, 6)), (8, 8))])
def test_other_numbers_of_axes_are_refused(array, shape):
    with pytest.raises(ValueError, match="three axes"):
        geometry(array, shape)


@settings(max_examples=80, deadline=None)
@given(SIDES, SHAPES, st.integers(0, 2**31))
def test_points_go_both_ways(scan, shape, seed):
    place = geometry(np.empty(scan), shape)
    points = np.random.default_rng(seed).uniform(-5, 45, (20, 3))
    np.testing.assert_allclose(place.to_scan(place.to_network(points)), points, atol=1e-9)
    np.testing.assert_allclose(place.to_network(place.to_scan(points)), points, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(SIDES, SHAPES)
def test_outer_edges_coincide(scan, shape):
    place = geometry(np.empty(scan), shape)
    corners = np.array(list(itertools.product(*((-0.5, side - 0.5) for side in scan))))
    ends = np.array(list(itertools.product(*((-0.5, side - 0.5) for side in place.zoomed))))
    mapped = place.to_network(corners)
    assert {tuple(row) for row in mapped.round(9)} == {tuple(row) for row in ends}
    centre = (np.array(scan) - 1) / 2
    np.testing.assert_allclose(place.to_network(centre[None])[0], (np.array(place.zoomed) - 1) / 2, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(SIDES, SHAPES, st.integers(0, 2**31))
def test_a_bright_voxel_lands_where_geometry_says(scan, shape, seed):
    voxel = np.random.default_rng(seed).integers(0, scan)
    array = np.zeros(scan, np.float32)
    array[tuple(voxel)] = 1
    place = geometry(array, shape)
    out = preprocess(array, shape)[0]
    peak = np.array(np.unravel_index(out.argmax(), out.shape))
    exact = place.to_network(voxel[None])[0]
    # The filter is cut at the edge and its weights sum to 1, so the outermost voxel is the peak up to 8/15 away.
    assert (abs(peak - exact) <= 0.55).all()


def test_a_blob_keeps_its_centre_of_mass():
    grid = np.stack(np.meshgrid(*map(np.arange, (90, 70, 60)), indexing="ij"), -1)
    centre = np.array([40.3, 31.6, 22.2])
    array = np.exp(-((grid - centre) ** 2).sum(-1) / (2 * 6**2)).astype(np.float32)
    place = geometry(array, (32, 32, 32))
    out = preprocess(array, (32, 32, 32))[0]
    mass = out - out.min()
    mass[mass < 0.01 * mass.max()] = 0
    places = np.stack(np.meshgrid(*map(np.arange, mass.shape), indexing="ij"), -1)
    mapped = (places * mass[..., None]).sum((0, 1, 2)) / mass.sum()
    np.testing.assert_allclose(place.to_scan(mapped[None])[0], centre, atol=0.05)


@settings(max_examples=60, deadline=None)
@given(SIDES, SHAPES, st.integers(0, 2**31))
def test_a_maps_peak_comes_back_to_its_voxel(scan, shape, seed):
    place = geometry(np.empty(scan), shape)
    voxel = np.random.default_rng(seed).integers(0, place.zoomed)
    values = np.zeros(shape, np.float32)
    values[tuple(voxel)] = 1
    back = place.map_to_scan(values)
    assert back.shape == scan
    mapped = np.array(np.unravel_index(back.argmax(), scan))
    assert (abs(place.to_network(mapped[None])[0] - voxel) <= 0.5 + 1e-6).all()


@pytest.mark.parametrize("scan", [(20, 18, 10), (10, 18, 20), (18, 10, 20)])
def test_a_map_of_a_scan_that_fits_comes_back_exactly(scan):
    place = geometry(np.empty(scan), (24, 24, 16))
    values = noise(24, 24, 16)
    back = place.map_to_scan(torch.from_numpy(values))
    assert back.shape == scan
    assert back.dtype == np.float32
    for voxel in itertools.product(*map(range, scan)):
        (there,) = np.rint(place.to_network([voxel])).astype(int)
        assert back[voxel] == values[tuple(there)]


def test_a_linear_map_comes_back_linear():
    scan, shape = (60, 50, 40), (24, 24, 16)
    place = geometry(np.empty(scan), shape)
    values = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) @ (1.0, 2.0, 3.0)
    back = place.map_to_scan(values)
    points = np.stack(np.meshgrid(*(np.arange(5, side - 5) for side in scan), indexing="ij"), -1).reshape(-1, 3)
    np.testing.assert_allclose(back[tuple(points.T)], place.to_network(points) @ (1, 2, 3), atol=1e-3)


def test_a_map_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        geometry(np.empty((5, 6, 7)), (8, 8, 8)).map_to_scan(np.zeros((8, 8, 9)))


REAL = Path(os.environ.get("XIQA_REAL_DATA", "missing")) / "mri"


@pytest.mark.skipif(not REAL.is_dir(), reason="XIQA_REAL_DATA names no folder with mri")
@pytest.mark.parametrize("name", ["ch2", "chris_PD"])
@pytest.mark.parametrize("shape", [(64, 64, 32), (256, 256, 64)])
def test_real_heads(name, shape):
    volume = load_volume(REAL / f"{name}.nii.gz")
    out, place = preprocess(volume, shape), geometry(volume, shape)
    assert out.shape == (1, *shape)
    assert np.isfinite(out).all()
    inside = out[0][tuple(slice(side) for side in place.zoomed)]
    assert inside.std() == pytest.approx(1, abs=1e-4)
    assert place.axes == (0, 1, 2)
    assert place.map_to_scan(out[0]).shape == volume.array.shape
    # Brought there and back, the head is a blurred version of itself.
    assert np.corrcoef(place.map_to_scan(out[0]).ravel(), volume.array.ravel())[0, 1] > 0.9
