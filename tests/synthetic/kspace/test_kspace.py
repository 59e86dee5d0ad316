"""What holds for every operator."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
import torch

from xiqa.synthetic import kspace

SPACING = (5.4, 5.0, 7.5)

# severities from hardly visible to gross, in the units of the operators
RANGES = {
    "rigid_motion": (0.3, 1.0, 2.0, 4.0, 8.0),
    "ghosting": (0.02, 0.1, 0.2, 0.5),
    "gibbs_ringing": (0.1, 0.4, 0.6, 0.8),
    "spike": (0.02, 0.1, 0.3, 1.0),
    "zipper": (0.02, 0.1, 0.3, 1.0),
    "wrap_around": (0.02, 0.1, 0.2, 0.4),
    "bias_field": (0.05, 0.2, 0.6, 1.5),
    "rician_noise": (0.01, 0.03, 0.09, 0.3),
    "susceptibility": (0.005, 0.02, 0.08, 0.3),
    "field_of_view_cut": (0.02, 0.1, 0.2, 0.4),
    "dropped_slices": (0.1, 0.3, 0.6, 1.0),
    "interleave_step": (0.5, 2.0, 4.0, 8.0),
    "thick_slices": (8.0, 16.0, 32.0),
    "gaussian_blur": (1.0, 3.0, 6.0, 12.0),
    "clipped": (0.02, 0.1, 0.3, 0.6),
}
EVERY = pytest.mark.parametrize("name", RANGES)


def run(name, x, severity=None, seed=0, **options):
    operator = getattr(kspace, name)
    if "spacing" in inspect.signature(operator).parameters:
        options.setdefault("spacing", SPACING)
    severity = RANGES[name][2] if severity is None else severity
    return operator(x, severity=severity, generator=torch.Generator().manual_seed(seed), **options)


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_kinds_of_numbers(head, name, dtype):
    x = head.to(dtype) if dtype.is_complex else head.abs().to(dtype)
    y = run(name, x)
    assert y.shape == x.shape
    assert y.dtype == dtype
    assert torch.isfinite(y).all()
    assert y.is_complex() or (y >= 0).all()
    again = run(name, x, 0)
    assert torch.equal(again, x)
    assert again.dtype == dtype


@EVERY
def test_single_precision_agrees_with_double(head, name):
    double, single = run(name, head), run(name, head.to(torch.complex64))
    tolerance = 2e-2 if name == "susceptibility" else 1e-5  # parts that arrive on an edge go either way
    if name not in ("rician_noise",):  # torch draws other normal numbers in single precision
        assert ((double - single).norm() / double.norm()).item() < tolerance


@EVERY
def test_a_real_input_gives_the_magnitude(head, name):
    x = head.abs()
    assert torch.allclose(run(name, x), run(name, x.to(torch.complex128)).abs(), atol=1e-12)


@EVERY
def test_same_seed_same_bytes_and_the_input_stays(head, name):
    x = head.to(torch.complex64)
    before = x.clone()
    assert torch.equal(run(name, x, seed=4), run(name, x, seed=4))
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "name", [n for n in RANGES if n not in ("gibbs_ringing", "wrap_around", "thick_slices", "gaussian_blur", "clipped")]
)
def test_seeds_differ(head, name):
    results = [run(name, head, seed=seed) for seed in range(4)]
    assert any(not torch.equal(results[0], other) for other in results[1:])


@EVERY
def test_leading_axes_share_one_draw(head, name):
    batch = torch.stack([head, head]).unsqueeze(1)
    result = run(name, batch)
    assert result.shape == (2, 1, *head.shape)
    for one in result:
        assert torch.allclose(one[0], run(name, head), atol=1e-12)


@EVERY
@pytest.mark.parametrize("seed", [0, 3])
def test_damage_grows_with_severity(head, name, seed):
    def damage(severity):
        y = run(name, head, severity, seed)
        if name == "field_of_view_cut":  # the picture moves as well: count what is lost
            return 1 - (y.norm() / head.norm()).item()
        return ((y - head).norm() / head.norm()).item()

    found = [damage(severity) for severity in RANGES[name]]
    assert found[0] > 0
    assert all(a < b for a, b in pairwise(found))


@EVERY
@pytest.mark.parametrize("severity", [-0.1, float("nan"), float("inf")])
def test_impossible_severities(head, name, severity):
    with pytest.raises(ValueError, match="severity must be"):
        run(name, head, severity)


@EVERY
def test_volumes_that_are_none(name):
    for x in (torch.zeros(4, 4), torch.full((4, 4, 4), float("nan")), torch.zeros(4, 4, 4, dtype=torch.int32)):
        with pytest.raises(ValueError, match=r"tensor|finite"):
            run(name, x)


NAN = float("nan")
BAD = {
    "wrap_around": [{"severity": 1.0}, {"size": 0}, {"size": 10}],
    "field_of_view_cut": [{"severity": 1.0}, {"size": 7, "axis": 2}, {"offset": 0.5}],
    "bias_field": [{"severity": 2.5}, {"coefficients": torch.zeros(3, 3, 3)}, {"coefficients": torch.zeros(4, 4, 4)},
                   {"coefficients": torch.full((4, 4, 4), NAN)}],
    "susceptibility": [{"severity": 0.6}, {"sequence": "echo_planar"}, {"field": 0.0}, {"bandwidth": NAN},
        {"echo_time": -1}, {"affine": np.zeros((4, 4))}, {"affine": np.eye(3)},
        {"sources": torch.zeros(3, 3, 3)}, {"sources": torch.zeros(8, 9, 6)}],
    "ghosting": [{"kind": "many"}, {"severity": 0.6}, {"severity": 1.8, "kind": "phase"},
        {"severity": 0.6, "kind": "comb", "period": 3}, {"period": 0.5}, {"period": 2.5, "kind": "comb"},
        {"period": NAN}, {"phase": float("inf")}, {"axis": 1, "kind": "half"},
        {"source": torch.ones(8, 9, 6)}, {"source": torch.ones(8, 9, 5), "kind": "local"}],
    "rigid_motion": [{"severity": 21.0}, {"trajectory": "jump"}, {"order": "random"}, {"poses": 1},
        {"spacing": (1, 1)}, {"translation": (0, 0, 0), "rotation": (0, 0, 0)}, {"rotation": (0, NAN, 0)}],
    "dropped_slices": [{"severity": 1.1}, {"count": 0}],
    "interleave_step": [{"packages": 1}],
    "thick_slices": [{"severity": 1e4}],
    "clipped": [{"severity": 1.0}],
    "gibbs_ringing": [{"severity": 1.0}, {"window": "hann"}, {"acquisition": "4d"}, {"acquisition": "2d", "axis": 2}],
    "spike": [{"burst": 0}, {"place": (0, 0)}, {"place": (4, 0, 0)}, {"phase": NAN}, {"acquisition": "2d", "axis": 2}],
    "zipper": [{"width": 0}, {"width": 9}, {"place": 8}],
    "gaussian_blur": [{"spacing": (1, -1, 1)}, {"axis": (1, 1)}],
}  # fmt: skip
REFUSED = r"must|constant|no effect|need an even number|source is a mask|zero|2D acquisition|different axes"


@pytest.mark.parametrize(("name", "options"), [(name, options) for name in BAD for options in BAD[name]])
def test_bad_arguments(volume, name, options):
    with pytest.raises(ValueError, match=REFUSED):
        getattr(kspace, name)(volume(8, 9, 6), **options)


@EVERY
def test_axes_are_parameters(head, name):
    options = {"burst": 3} if name == "spike" else {}
    results = [run(name, head, axis=axis, **options) for axis in (0, 1, 2)]
    differs = name not in ("bias_field", "rician_noise", "clipped")
    assert torch.allclose(results[0], results[1]) != differs
    assert torch.allclose(results[1], results[2]) != differs
    assert torch.equal(results[2], run(name, head, axis=-1, **options))
    with pytest.raises(ValueError, match="axis"):
        run(name, head, axis=3)


@EVERY
def test_odd_and_even_sizes(head, name):
    for x in (head[:35, :44, :27], head[1:, :, :26]):
        y = run(name, x)
        assert y.shape == x.shape
        assert torch.isfinite(y).all()


@EVERY
def test_every_parameter_has_a_default(name):
    parameters = list(inspect.signature(getattr(kspace, name)).parameters.values())
    assert [p.name for p in parameters[:2]] == ["x", "severity"]
    assert all(p.default is not inspect.Parameter.empty for p in parameters[1:])
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[2:])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@EVERY
def test_cuda_gives_what_the_cpu_gives(head, name):
    x = head.to(torch.complex64)
    there = run(name, x.cuda()).cpu()
    assert ((there - run(name, x)).norm() / x.norm()).item() < (2e-2 if name == "susceptibility" else 1e-5)
