import numpy as np
import torch

from xiqa.synthetic import shapes


def test_same_seed_same_pictures():
    first, second, other = (shapes.draw(20, 48, seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_every_kind_is_drawn_and_stands_inside():
    images, kinds = shapes.draw(400, 32, seed=0)
    assert images.shape == (400, 32, 32)
    assert images.dtype == torch.uint8
    assert set(kinds.tolist()) == set(range(len(shapes.KINDS)))


def test_areas_are_those_of_the_kinds():
    """Pixel counts of the outlines against their closed forms, at radius 1 over a fine grid."""
    line = torch.linspace(-1.6, 1.6, 801)
    v, u = torch.meshgrid(line, line, indexing="ij")
    cell = (line[1] - line[0]).item() ** 2
    area = {
        name: (shapes._distance(torch.tensor(i), u, v) < 0).sum().item() * cell for i, name in enumerate(shapes.KINDS)
    }
    expected = {
        "disc": np.pi * 0.85**2,
        "ring": np.pi * (0.95**2 - 0.55**2),
        "square": 1.5**2,
        "frame": 4 * (0.88**2 - 0.52**2),
        "triangle": 3 * 3**0.5 / 4,
        "bar": 2 * 0.44,
        "cross": 2 * 2 * 0.44 - 0.44**2,
        "pair": 2 * np.pi * 0.38**2,
    }
    for name, value in expected.items():
        assert abs(area[name] - value) / value < 0.02, name
