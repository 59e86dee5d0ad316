"""Drawn objects keep their area, place and attenuation."""

import numpy as np
import pytest

from xiqa.synthetic.chest import placement, strokes


def test_disc_is_drawn_to_area_and_place():
    for pixel in (0.5, 1.3):
        patch, left, top = placement.rasterise([strokes.disc(3.0, -2.0, 9.0, 0.7, 200)], pixel, 4)
        assert patch.sum() * pixel**2 == pytest.approx(0.7 * np.pi * 81, rel=0.06)
        rows, columns = np.indices(patch.shape)
        assert ((columns + 0.5 + left) * pixel * patch).sum() / patch.sum() == pytest.approx(3.0, abs=0.3)
        assert ((rows + 0.5 + top) * pixel * patch).sum() / patch.sum() == pytest.approx(-2.0, abs=0.3)


def test_thin_wire_keeps_its_attenuation():
    thin = strokes.wire([(0, 0), (40, 0)], 1.0, 0.4)
    patch, _, _ = placement.rasterise([thin], 1.25, 4)
    assert patch.sum() * 1.25**2 == pytest.approx(40 * 0.4, rel=0.1)
