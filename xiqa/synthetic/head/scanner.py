"""Settings of sites: the usual scanners, and another site with other settings (the shifted set)."""

from dataclasses import dataclass

import numpy as np

# In the order of anatomy.TISSUES, factors of T1 and T2 at 3 T: grey, white, fluid, lesion, bone, fat, muscle and skin.
# After Stanisz 2005 and Wansapura 1999, rounded.
LONGER_T1 = (1.35, 1.40, 1.00, 1.30, 1.10, 1.25, 1.40)
SHORTER_T2 = (0.90, 0.88, 0.90, 0.90, 1.00, 0.85, 0.85)


@dataclass(frozen=True)
class Scanner:
    """Settings of a site: ranges (low, high) of uniform draws, and equally likely choices.

    Attributes
    ----------
    t1, t2 : (7,) factors on the relaxation times at 1.5 T.
    volumes : share of T1 scans that are gradient echoes. gradient : (TR, TE, flip angle) of those in ms and degrees.
    timings : (TR, TE) in ms of the other sequences.
    long, slices, narrow : matrix relative to the requested shape, and its width relative to its length.
    length, height : of the field of view in mm.
    stored : axis codes of files, with weights. tilted : share of fields of view whose header says they are tilted.
    across : share of scans that encode phase from right to left.
    noise : standard deviation relative to the reference tissue. bias : (P99 - P1) / mean over the head.
    centre : how much of the bias is a bright middle, as in a field of 3 T. truncation : share of lines read.
    gain : value in the file of one unit of signal.
    """

    t1: tuple[float, ...]
    t2: tuple[float, ...]
    volumes: float
    gradient: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    timings: dict[str, tuple[tuple[float, float], tuple[float, float]]]
    long: tuple[float, ...]
    slices: tuple[float, ...]
    narrow: tuple[float, ...]
    length: tuple[float, float]
    height: tuple[float, float]
    stored: dict[str, int]
    tilted: float
    across: float
    noise: tuple[float, float]
    bias: tuple[float, float]
    centre: float
    truncation: tuple[float, float]
    gain: tuple[float, float]


SCANNERS = {
    "usual": Scanner(
        t1=(1.0,) * 7,
        t2=(1.0,) * 7,
        volumes=0.5,
        gradient=((18, 30), (3, 6), (22, 30)),
        timings={
            "T1": ((450, 700), (9, 15)),
            "T2": ((3200, 5500), (80, 110)),
            "PD": ((2200, 3400), (12, 30)),
            "FLAIR": ((8000, 10500), (90, 130)),
        },
        long=(0.875, 1.0, 1.0, 1.125),
        slices=(0.875, 1.0, 1.0, 1.125),
        narrow=(0.8125, 0.875, 1.0),
        length=(218, 262),
        height=(166, 198),
        # Mostly axial storage, some sagittal and coronal; the slices themselves are axial.
        stored={"RAS": 3, "LAS": 4, "LPS": 3, "RPS": 1, "LAI": 1, "PIR": 1, "ASL": 1, "PSR": 1, "LIP": 1, "RSA": 1},
        tilted=0.4,
        across=0.6,
        noise=(0.01, 0.05),
        bias=(0.05, 0.40),
        centre=0.0,
        truncation=(0.88, 1.0),
        gain=(1200, 4800),
    ),
    "other": Scanner(
        t1=LONGER_T1,
        t2=SHORTER_T2,
        volumes=0.85,
        gradient=((9, 16), (2.5, 4.5), (14, 20)),
        timings={
            "T1": ((550, 850), (8, 12)),
            "T2": ((4500, 7500), (95, 125)),
            "PD": ((2800, 4200), (8, 18)),
            "FLAIR": ((9000, 11500), (110, 150)),
        },
        long=(0.9375, 1.0625, 1.1875),
        slices=(0.75, 0.8125, 1.0625),
        narrow=(0.75, 0.9375, 1.0),
        length=(236, 280),
        height=(162, 188),
        stored={"LPS": 3, "LPI": 2, "PIR": 3, "PSR": 2, "RSA": 2, "LSA": 2, "ARS": 1, "RAI": 1},
        tilted=0.8,
        across=0.3,
        noise=(0.025, 0.065),
        bias=(0.15, 0.45),
        centre=0.7,
        truncation=(0.80, 0.92),
        gain=(400, 1400),
    ),
}


def scanner(name: str) -> Scanner:
    """A key of ``SCANNERS``, or a ValueError."""
    if name not in SCANNERS:
        raise ValueError(f"scanner must be one of {', '.join(SCANNERS)}, and is {name!r}")
    return SCANNERS[name]


def between(rng: np.random.Generator, pair: tuple[float, float], log: bool = False) -> float:
    """A number from a range, evenly, or evenly in the logarithm."""
    return float(np.exp(rng.uniform(*np.log(pair)))) if log else float(rng.uniform(*pair))
