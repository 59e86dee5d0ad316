"""Ranges of the settings of a cine, for the usual scanner and for another one.

The other machine is of twice the field strength: longer T1, smaller flip angles (heating), more off-resonance and so
more bands; its cines are read more coarsely, with more noise, and shown brighter and on another grey scale.
"""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """Ranges (lowest, highest) of uniform draws; shares where no unit is given."""

    flip: Range  # degrees
    field: Range  # largest precession off resonance in one repetition, as a share of pi
    coil: Range  # spread of the log sensitivity
    t1: float  # factor of the times at 1.5 T
    t2: float
    coarse: Range  # of the k-space lines read along one axis
    fine: Range  # and along the other
    noise: Range  # of the blood's signal
    apodise: Range
    white: Range  # percentile
    gamma: Range  # exponent of the grey scale


LOOKS = {
    "usual": Look((42, 68), (0.4, 1.15), (0.1, 0.35), 1.0, 1.0, (0.62, 0.85), (0.82, 1.0), (0.025, 0.08), (0.2, 0.9),
                  (97.5, 99.6), (1.0, 1.0)),
    "other": Look((26, 40), (1.2, 1.8), (0.25, 0.5), 1.25, 0.85, (0.5, 0.66), (0.66, 0.85), (0.08, 0.15), (0.0, 0.3),
                  (93.0, 97.0), (0.65, 0.85)),
}  # fmt: skip


def look(name: str) -> Look:
    """The ranges of a scanner, "usual" or "other"."""
    if name not in LOOKS:
        raise ValueError(f"unknown scanner {name!r}: choose one of {', '.join(LOOKS)}")
    return LOOKS[name]
