import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic.kspace import ellipsoids
from xiqa.synthetic.kspace import (
    crop,
    cut_offset,
    field_of_view_cut,
    fold,
    holding_size,
    to_image,
    wrap_around,
    wrapped_size,
)
from xiqa.synthetic.kspace.coverage import head_signal


@given(st.integers(1, 17), st.data())
def test_fold_is_its_formula(n, data):
    m = data.draw(st.integers(1, n))
    axis = data.draw(st.integers(0, 2))
    x = torch.arange(1.0, n + 1).reshape([n if a == axis else 1 for a in range(3)])
    values = x.flatten()
    expected = []
    for j in range(m):
        start = j - m // 2 + n // 2
        expected.append(sum(values[start + turn * m].item() for turn in range(-n, n) if 0 <= start + turn * m < n))
    assert fold(x, m, axis).flatten().tolist() == expected


@given(
    st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 12)] * 3), st.tuples(*[st.integers(-12, 12)] * 3)
)
def test_crop_is_its_formula(shape, sizes, offsets):
    x = torch.arange(1.0, np.prod(shape) + 1).reshape(shape)
    block = crop(x, sizes, offsets)
    assert block.shape == sizes
    for place in np.ndindex(*sizes):
        source = [p - m // 2 + n // 2 + o for p, m, n, o in zip(place, sizes, shape, offsets, strict=True)]
        inside = all(0 <= s < n for s, n in zip(source, shape, strict=True))
        assert block[place] == (x[tuple(source)] if inside else 0)


@pytest.mark.parametrize(("n", "m"), [(48, 33), (47, 34), (47, 33), (48, 34)])
def test_wrap_against_the_closed_form(n, m):
    # a field of view of M voxels samples the same transform at k / M
    spacing = (5.0, 5.0, 5.0)
    canvas = to_image(torch.from_numpy(ellipsoids.kspace(ellipsoids.HEAD, (36, n, 40), spacing, 6.5)))
    folded = to_image(torch.from_numpy(ellipsoids.kspace(ellipsoids.HEAD, (36, m, 40), spacing, 6.5)))
    assert (fold(canvas, m, 1) - folded).abs().max().item() < 2e-4
    wrapped = wrap_around(canvas, size=m, axis=1)
    assert wrapped.shape == canvas.shape
    assert (crop(wrapped, (36, m, 40)) - folded).abs().max().item() < 2e-4
    assert (folded.abs() - crop(canvas, (36, m, 40)).abs()).abs().max().item() > 0.2


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("severity", [0.02, 0.1, 0.3])
def test_wrapped_share(head, axis, severity):
    size = wrapped_size(head, severity, axis)
    signal = head_signal(head, axis)
    block = slice(len(signal) // 2 - size // 2, len(signal) // 2 - size // 2 + size)
    assert 1 - signal[block].sum() == pytest.approx(severity, abs=signal.max())
    y = wrap_around(head.abs(), severity, axis=axis)
    assert y.sum().item() == pytest.approx(head.abs().sum().item(), rel=1e-12)
    planes = y.sum([a for a in range(3) if a != axis]) != 0
    assert planes.sum() == size


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("severity", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_missing_share(head, seeded, axis, severity, seed):
    x = head.abs()
    y = field_of_view_cut(x, severity, axis=axis, generator=seeded(seed))
    signal = head_signal(x, axis)
    assert 1 - (y.sum() / x.sum()).item() == pytest.approx(severity, abs=signal.max())
    size = holding_size(x, axis)
    assert head_signal(crop(x, [size if a == axis else n for a, n in enumerate(x.shape)]), axis).sum() == 1
    planes = y.sum([a for a in range(3) if a != axis]) != 0
    assert planes.sum() <= size


def test_both_ends_are_cut(head, seeded):
    lost = [field_of_view_cut(head.abs(), 0.2, axis=2, generator=seeded(seed)) for seed in range(6)]
    top = crop(head.abs(), (36, 45, holding_size(head, 2)), (0, 0, cut_offset(head, 0.2, 2, holding_size(head, 2), -1)))
    assert {torch.equal(crop(y, top.shape), top) for y in lost} == {True, False}


def test_offset_and_size_can_be_given(volume):
    x = volume(8, 9, 6)
    y = field_of_view_cut(x, axis=1, size=5, offset=-2)
    assert torch.equal(crop(y, (8, 5, 6)), x[:, 0:5])
    assert not y[:, :2].any()
    assert not y[:, 7:].any()


def test_a_plane_cannot_be_wrapped():
    with pytest.raises(ValueError, match="one voxel wide"):
        wrap_around(torch.ones(4, 1, 4), axis=1)
