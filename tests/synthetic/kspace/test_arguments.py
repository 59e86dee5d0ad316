import numpy as np
import pytest
import torch

from xiqa.synthetic.kspace import arguments


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((3, 3, 3)),
        torch.zeros(3, 3),
        torch.zeros(3, 0, 3),
        torch.zeros(3, 3, 3, dtype=torch.int16),
        torch.zeros(3, 3, 3, dtype=torch.float16),
        torch.full((3, 3, 3), float("nan")),
        torch.full((3, 3, 3), complex(0, float("inf"))),
    ],
)
def test_what_is_no_volume_is_refused(x):
    with pytest.raises(ValueError, match=r"give a tensor|not finite"):
        arguments.check_volume(x)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axes(axis):
    assert arguments.dimension(axis) == arguments.dimension(axis - 3) == axis - 3


@pytest.mark.parametrize("axes", [3, -4, (), (0, 0), (0, -3)])
def test_bad_axes(axes):
    with pytest.raises(ValueError, match="ax"):
        arguments.dimensions(axes)


@pytest.mark.parametrize(
    ("check", "values"),
    [
        (lambda v: arguments.number("n", v, 0, 1), (-0.1, 1.1, float("nan"), float("inf"))),
        (lambda v: arguments.positive("n", v), (0, -1, float("nan"), float("inf"))),
        (lambda v: arguments.whole("n", v, 0, 3), (0.5, -1, 4, float("nan"), float("inf"))),
        (arguments.millimetres, ((1, 1), (1, 1, 0), (1, 1, float("nan")))),
        (lambda v: arguments.vector("n", v), ((1, 1), (1, 1, float("inf")))),
        (lambda v: arguments.choice("n", v, ("a", "b")), ("c", "")),
    ],
)
def test_bad_values(check, values):
    for value in values:
        with pytest.raises(ValueError, match="must be"):
            check(value)


def test_draws_come_from_the_generator(seeded):
    first = [arguments.uniform(seeded(3), 2, 5) for _ in range(2)]
    assert first[0] == first[1]
    assert 2 <= first[0] < 5
    generator = seeded(0)
    assert {arguments.pick(generator, "abc") for _ in range(50)} == set("abc")
