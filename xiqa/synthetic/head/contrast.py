"""Signals of tissues: T1-, T2-, proton-density-weighted and FLAIR, from tissue parameters and sequences."""

from dataclasses import asdict, dataclass

import numpy as np

from xiqa.synthetic.head.anatomy import TISSUES
from xiqa.synthetic.head.scanner import SCANNERS, Scanner, between

CONTRASTS = ("T1", "T2", "PD", "FLAIR")

# Proton density (water 1), T1 and T2 in ms at 1.5 T, in the order of TISSUES: grey, white, fluid, lesion, cortical
# bone, fat, muscle and skin. Fluid and fat appear with the T2 that fast spin echoes show. After Bottomley 1984,
# Stanisz 2005 and the tissue tables of BrainWeb (Collins 1998), rounded.
DENSITY = np.array([0.83, 0.71, 1.0, 0.86, 0.12, 0.78, 0.78])
T1 = np.array([1120.0, 610.0, 4200.0, 1300.0, 450.0, 290.0, 950.0])
T2 = np.array([95.0, 76.0, 1100.0, 170.0, 2.0, 105.0, 42.0])
SPREAD = np.array([0.015, 0.03, 0.03])  # relative, of density, T1 and T2 between subjects and scanners
REFERENCE = {"T1": "white", "T2": "csf", "PD": "csf", "FLAIR": "grey"}  # tissue that noise is stated against


@dataclass(frozen=True)
class Sequence:
    """Name, kind ("spin echo", "gradient echo", "inversion recovery"), times in ms, flip angle in degrees."""

    contrast: str
    kind: str
    repetition: float
    echo: float
    inversion: float = 0.0
    flip: float = 90.0

    @property
    def volume(self) -> bool:
        """Whether all three axes are encoded, as fast gradient echoes do; the others read slice by slice."""
        return self.kind == "gradient echo"

    def about(self) -> dict:
        """Plain values for a sidecar."""
        return {name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(self).items()}


def sequence(contrast: str, rng: np.random.Generator, site: Scanner = SCANNERS["usual"]) -> Sequence:
    """Draw the timing of a sequence as sites differ in it."""
    if contrast == "T1" and rng.random() < site.volumes:
        repetition, echo, flip = (between(rng, pair) for pair in site.gradient)
        return Sequence("T1", "gradient echo", repetition, echo, flip=flip)
    repetition, echo = (between(rng, pair) for pair in site.timings[contrast])
    if contrast != "FLAIR":
        return Sequence(contrast, "spin echo", repetition, echo)
    fluid = (T1 * site.t1)[TISSUES.index("csf")]
    null = fluid * np.log(2 / (1 + np.exp(-repetition / fluid)))
    return Sequence(contrast, "inversion recovery", repetition, echo, inversion=null * rng.uniform(0.95, 1.05))


def signals(given: Sequence, rng: np.random.Generator, site: Scanner = SCANNERS["usual"]) -> np.ndarray:
    """Signal of every tissue (7,), in units of water's proton density, tissue parameters jittered.

    Spin echo: PD (1 - exp(-TR/T1)) exp(-TE/T2). Spoiled gradient echo: PD sin a (1 - E1)/(1 - E1 cos a) exp(-TE/T2)
    with E1 = exp(-TR/T1). Inversion recovery: PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2).
    """
    jitter = np.exp(SPREAD[:, None] * rng.standard_normal((3, len(TISSUES))))
    density, t1, t2 = np.stack([DENSITY, T1 * site.t1, T2 * site.t2]) * jitter
    recovery = np.exp(-given.repetition / t1)
    if given.kind == "gradient echo":
        angle = np.deg2rad(given.flip)
        upright = np.sin(angle) * (1 - recovery) / (1 - recovery * np.cos(angle))
    elif given.kind == "inversion recovery":
        upright = np.abs(1 - 2 * np.exp(-given.inversion / t1) + recovery)
    else:
        upright = 1 - recovery
    return density * upright * np.exp(-given.echo / t2)


def reference(contrast: str, values: np.ndarray) -> float:
    """Signal of the tissue that the noise of a contrast is stated against."""
    return float(values[TISSUES.index(REFERENCE[contrast])])
