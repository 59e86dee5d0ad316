"""The chain's parts: protocols, nuisances, headers that agree with their arrays."""

import nibabel as nib
import numpy as np
import pytest
import torch

from xiqa.synthetic.head import acquisition as acq
from xiqa.synthetic.head.grids import Grid
from xiqa.synthetic.head.scanner import SCANNERS

SHAPE = (64, 64, 32)
USUAL = SCANNERS["usual"]


@pytest.mark.parametrize("site", list(SCANNERS))
def test_protocols_lie_around_the_shape_and_fit_their_canvas(site):
    drawn = [acq.protocol(SHAPE, SCANNERS[site], np.random.default_rng(number)) for number in range(60)]
    for given in drawn:
        assert all(0.65 * n <= m <= 1.2 * n for n, m in zip(SHAPE, given.matrix, strict=True))
        assert (np.array(given.canvas.size) >= np.array(given.matrix) + 2 * given.start - 1).all()
        assert (given.start > 0).all()
        assert 160 < given.field[2] < 199
        assert {given.phase_axis, given.readout} == {0, 1}
        assert given.matrix[2] == min(given.matrix)  # slices lie along the shortest axis
    assert len({given.stored for given in drawn}) > 5
    assert {given.phase_axis for given in drawn} == {0, 1}


@pytest.mark.parametrize("codes", sorted({codes for site in SCANNERS.values() for codes in site.stored}))
def test_header_agrees_with_the_array(codes):
    given = acq.Protocol((6, 8, 5), (2.0, 3.0, 4.0), Grid((8, 10, 9), (2.0, 3.0, 4.0)), codes, 7.0, 0, 1)
    matrix = acq.affine(given, np.random.default_rng(0))
    array = np.arange(6 * 8 * 5, dtype=np.int16).reshape(6, 8, 5)
    stored, moved = acq.reorder(array, matrix, codes)
    assert "".join(nib.aff2axcodes(moved)) == codes
    np.testing.assert_allclose(np.sort(nib.affines.voxel_sizes(moved)), [2, 3, 4])
    for index in np.ndindex(stored.shape):
        point = nib.affines.apply_affine(np.linalg.inv(matrix), nib.affines.apply_affine(moved, index))
        assert stored[index] == array[tuple(np.round(point).astype(int))]


def test_receive_field_has_the_spread_requested_and_a_smooth_phase():
    canvas = Grid((40, 44, 36), (4.0, 4.0, 4.0))
    for number in range(5):
        field = acq.receive(canvas, 0.3, np.random.default_rng(number))
        size = field.abs()
        ticks = [torch.linspace(-1, 1, n) for n in canvas.size]
        x, y, z = torch.meshgrid(*ticks, indexing="ij")
        inside = (x / 0.7) ** 2 + (y / 0.8) ** 2 + (z / 0.75) ** 2 <= 1
        low, high = np.percentile(size[inside], (1, 99))
        assert 0.2 < (high - low) / size[inside].mean() < 0.42
        assert (field[1:] / field[:-1]).angle().abs().max() < 1.0


def test_a_bright_middle_is_bright_in_the_middle():
    canvas = Grid((40, 44, 36), (4.0, 4.0, 4.0))
    ratio = [acq.receive(canvas, 0.3, np.random.default_rng(3), centre).abs() for centre in (0.0, 1.0)]
    middle, side = ratio[1][20, 22, 18], ratio[1][8, 22, 18]
    assert middle > 1.1 * side
    assert not torch.allclose(*ratio)


def test_unsteady_without_drift_and_truncation_changes_nothing():
    given = acq.protocol(SHAPE, USUAL, np.random.default_rng(0))
    still = acq.Nuisance(0.02, 0.1, np.zeros(3), 0.0, 5.0, 1.0, np.zeros(3, int), 1000.0)
    signal = torch.randn(given.canvas.size, dtype=torch.complex64)
    image = torch.fft.ifftn(acq.unsteady(signal, given, still), norm="ortho")
    np.testing.assert_allclose(image, signal, atol=1e-5)


def test_drift_keeps_energy_and_is_small():
    given = acq.protocol(SHAPE, USUAL, np.random.default_rng(0))
    moving = acq.Nuisance(0.02, 0.1, np.array([0.3, -0.2, 0.2]), 0.0, 5.0, 1.0, np.zeros(3, int), 1000.0)
    signal = torch.zeros(given.canvas.size, dtype=torch.complex64)
    signal[20:40, 20:50, 10:30] = 1
    moved = torch.fft.ifftn(acq.unsteady(signal, given, moving), norm="ortho")
    assert float(moved.norm()) == pytest.approx(float(signal.norm()), rel=1e-4)
    assert 0 < (moved - signal).norm() / signal.norm() < 0.1


def test_stored_rounds_and_saturates():
    values = acq.stored(torch.tensor([0.0, 0.0014, 1.0, 1e6]), 1000.0)
    assert values.dtype == np.int16
    assert values.tolist() == [0, 1, 1000, 32767]
