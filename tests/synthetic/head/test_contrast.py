"""Signals of tissues: limits of the equations, and the order of brightness that radiologists expect."""

import numpy as np
import pytest

from xiqa.synthetic.head import contrast
from xiqa.synthetic.head.anatomy import TISSUES
from xiqa.synthetic.head.scanner import SCANNERS

GREY, WHITE, CSF, LESION, BONE, FAT, SOFT = range(len(TISSUES))


def drawn(name: str, count: int = 60, site: str = "usual") -> list[np.ndarray]:
    """Signals of many sequences of one contrast."""
    rng = np.random.default_rng(0)
    return [contrast.signals(contrast.sequence(name, rng, SCANNERS[site]), rng, SCANNERS[site]) for _ in range(count)]


def test_long_repetition_and_short_echo_show_proton_density(monkeypatch):
    monkeypatch.setattr(contrast, "SPREAD", np.zeros(3))
    rng = np.random.default_rng(0)
    for given in (
        contrast.Sequence("PD", "spin echo", 1e6, 0.0),
        contrast.Sequence("PD", "gradient echo", 1e6, 0.0, flip=90.0),
        contrast.Sequence("PD", "inversion recovery", 1e6, 0.0, inversion=1e6),
    ):
        np.testing.assert_allclose(contrast.signals(given, rng), contrast.DENSITY, rtol=1e-6)


def test_gradient_echo_at_the_ernst_angle_is_the_best(monkeypatch):
    monkeypatch.setattr(contrast, "SPREAD", np.zeros(3))
    ernst = np.rad2deg(np.arccos(np.exp(-25 / contrast.T1[WHITE])))
    values = [
        contrast.signals(
            contrast.Sequence("T1", "gradient echo", 25.0, 4.0, flip=ernst + away), np.random.default_rng()
        )
        for away in (-3, 0, 3)
    ]
    assert values[1][WHITE] > max(values[0][WHITE], values[2][WHITE])


@pytest.mark.parametrize("site", list(SCANNERS))
@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("T1", (FAT, WHITE, GREY, CSF)),
        ("T2", (CSF, LESION, GREY, WHITE, SOFT)),
        ("PD", (GREY, WHITE, BONE)),
        ("FLAIR", (LESION, GREY, WHITE, CSF)),
    ],
)
def test_order_of_brightness(name, order, site):
    for values in drawn(name, site=site):
        assert (np.diff(values[list(order)]) < 0).all(), dict(zip(TISSUES, values.round(3), strict=True))
