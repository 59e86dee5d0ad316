import math

import numpy as np
import pytest
import torch
from scipy import special

from xiqa.synthetic.kspace import ghosting
from xiqa.synthetic.kspace.ghosts import KINDS, eyes

CASES = [((8, 12, 6), 1), ((7, 15, 10), 1), ((12, 7, 5), 0), ((5, 6, 12), 2)]


def away(x, axis, voxels):
    """x(r + voxels) along an axis."""
    return x.roll(-voxels, axis)


@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_amplitude(volume, shape, axis):
    x, n = volume(*shape), shape[axis]
    y = ghosting(x, 0.3, axis=axis, period=n / 3, phase=0.7)
    turn = complex(math.cos(0.7), math.sin(0.7))
    expected = x + 0.3 * (turn * away(x, axis, 3) + turn.conjugate() * away(x, axis, -3))
    assert torch.allclose(y, expected, atol=1e-13)


@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_comb(volume, shape, axis):
    x, n = volume(*shape), 3
    s = 0.6
    y = ghosting(x, (s / n) / (1 - s / n), axis=axis, kind="comb", period=n)
    expected = x - s / n * sum(away(x, axis, -j * shape[axis] // n) for j in range(n))
    assert torch.allclose(y, expected, atol=1e-13)


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("depth", [0.2, 1.0, 1.8])
def test_phase(volume, shape, axis, depth):
    x, n = volume(*shape), shape[axis]
    y = ghosting(x, special.jv(1, depth) / special.jv(0, depth), axis=axis, kind="phase", period=n / 2)
    expected = sum(special.jv(q, depth) * away(x, axis, 2 * q) for q in range(-40, 41))
    assert torch.allclose(y, expected, atol=1e-11)


@pytest.mark.parametrize(("shape", "axis"), [((8, 12, 6), 1), ((10, 7, 5), 0)])
def test_half(volume, shape, axis):
    x, phi = volume(*shape), 0.5
    y = ghosting(x, math.tan(phi), axis=axis, kind="half")
    expected = math.cos(phi) * x + 1j * math.sin(phi) * away(x, axis, -shape[axis] // 2)
    assert torch.allclose(y, expected, atol=1e-13)


def test_local_moves_the_source_only(volume):
    x = volume(8, 12, 6)
    source = torch.zeros(8, 12, 6)
    source[2:4, 5:7, 1:3] = 1
    y = ghosting(x, 0.25, kind="local", period=4, phase=0.0, source=source)
    part = x * source
    assert torch.allclose(y, x + 0.25 * (away(part, 1, 3) + away(part, 1, -3)), atol=1e-13)
    whole = ghosting(x, 0.25, kind="local", period=4, phase=0.0, source=torch.ones(8, 12, 6))
    assert torch.allclose(whole, ghosting(x, 0.25, period=4, phase=0.0), atol=1e-13)


def test_eyes_lie_in_front(head):
    x, y, z = np.argwhere(eyes(head).numpy() > 0.5).T
    assert y.min() > 25
    assert (x < 17).any()
    assert (x > 19).any()
    assert z.max() < 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_drawn_ghosts(head, seeded, kind, seed):
    x = head[:, 1:] if kind == "half" else head
    y = ghosting(x, 0.2, kind=kind, generator=seeded(seed))
    assert ((y - x).norm() / x.norm()).item() > (0.01 if kind == "local" else 0.1)
