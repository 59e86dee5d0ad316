"""Artifacts: kinds, severities, effect on a scan, and detection by a simulated rater.

Three families in the proportions of Pizarro et al. 2023: intensity 27 %, motion 56 %, coverage 17 %. Severities are
log-uniform from nearly invisible to gross. Damage is what is visible after preprocessing; a simulated rater calls a
scan an artifact with the probability 1 / (1 + (half / damage)^steep).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from xiqa.synthetic import kspace
from xiqa.synthetic.head.acquisition import AXES, Protocol

NOTHING = {"artifact": None, "family": None, "axis": None, "severity": 0.0, "unit": None, "details": {},
           "damage": 0.0, "rater_probability": 0.0}  # fmt: skip
STEEP = 4.0  # of the rater's logistic curve in log damage: from 10 % to 90 % within a factor of three


@dataclass(frozen=True)
class Kind:
    """Family, share of all artifacts, unit and range of severity, and the damage at which half the raters object.

    Damage is the root mean square difference in the head to the scan without the artifact, relative to its signal and
    after the best common gain; for coverage the share of the head's signal that is lost or folded.
    """

    family: str
    share: float
    unit: str
    low: float
    high: float
    half: float


KINDS = {
    "rigid_motion": Kind("motion", 0.39, "mm, mean over lines", 1.0, 10.0, 0.08),
    "ghosting": Kind("motion", 0.17, "ghost-to-signal ratio", 0.04, 0.45, 0.065),
    "bias_field": Kind("intensity", 0.05, "(P99 - P1) / mean over the head", 0.42, 2.0, 0.16),
    "rician_noise": Kind("intensity", 0.05, "sigma / reference tissue", 0.06, 0.35, 0.11),
    "spike": Kind("intensity", 0.05, "amplitude / P99", 0.06, 1.2, 0.06),
    "zipper": Kind("intensity", 0.04, "RMS / P99", 0.12, 3.0, 0.04),
    "dropped_slices": Kind("intensity", 0.05, "share of signal lost in the slices", 0.16, 1.0, 0.07),
    "susceptibility": Kind("intensity", 0.03, "share of head voxels losing 30 %", 0.002, 0.04, 0.10),
    "field_of_view_cut": Kind("coverage", 0.10, "share of the brain lost", 0.01, 0.25, 0.03),
    "wrap_around": Kind("coverage", 0.07, "share of the head's signal folded", 0.01, 0.25, 0.03),
}


FAMILIES = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))


def mix(families: Sequence[str] = FAMILIES) -> dict[str, float]:
    """Shares of the kinds of some families, of sum 1.

    Raises
    ------
    ValueError : no family, or an unknown one.
    """
    if isinstance(families, str) or not families or not set(families) <= set(FAMILIES):
        raise ValueError(f"families must be a list of one or more of {', '.join(FAMILIES)}, and is {families!r}")
    shares = {name: kind.share for name, kind in KINDS.items() if kind.family in families}
    return {name: share / sum(shares.values()) for name, share in shares.items()}


@dataclass(frozen=True)
class Plan:
    """An artifact of a scan: name, severity, axis and further arguments of its operator."""

    name: str
    severity: float
    axis: int
    details: dict
    seed: int


@dataclass(frozen=True)
class Found:
    """Result of a plan: magnitude on the canvas, shift of the crop in voxels, local damage, and rating.

    ``mask`` is bool (matrix) or None.
    """

    plan: Plan
    magnitude: torch.Tensor
    shift: np.ndarray
    mask: torch.Tensor | None
    damage: float
    probability: float

    def about(self) -> dict:
        """Plain values for a sidecar."""
        return {
            "artifact": self.plan.name,
            "family": KINDS[self.plan.name].family,
            "axis": AXES[self.plan.axis],
            "severity": round(self.plan.severity, 4),
            "unit": KINDS[self.plan.name].unit,
            "details": {**self.plan.details, "seed": self.plan.seed},
            "damage": round(self.damage, 5),
            "rater_probability": round(self.probability, 4),
        }


def plan(
    name: str | None,
    rng: np.random.Generator,
    given: Protocol,
    severity: float | None = None,
    mild: bool = False,
    volume: bool = False,
    families: Sequence[str] = FAMILIES,
) -> Plan:
    """Draw an artifact.

    Parameters
    ----------
    name : a key of ``KINDS``; None draws one in the proportions of the mix.
    rng : the stream of this attempt.
    given : protocol with the axes of phase encoding and readout.
    severity : None draws one from the kind's range, from its lower half (in the logarithm) if ``mild``.
    volume : the sequence encodes all three axes.
    families : of which artifacts are drawn.
    """
    shares = mix(families)
    drawn = str(rng.choice(list(shares), p=list(shares.values())))
    name = name or drawn
    kind = KINDS[name]
    place = rng.random() * (0.5 if mild else 1.0)
    if severity is None:
        severity = kind.low * (kind.high / kind.low) ** place
    axis, details = DETAILS[name](rng, given, volume) if name in DETAILS else (given.phase_axis, {})
    if name == "ghosting":
        severity = min(severity, details.pop("most"))
    return Plan(name, float(severity), int(axis), details, int(rng.integers(2**31)))


def _ghosting(rng, given: Protocol, volume: bool):
    kind = str(rng.choice(["amplitude", "phase", "comb"], p=[0.5, 0.3, 0.2]))
    lines = given.canvas.size[given.phase_axis]
    if kind == "comb":
        period = next((n for n in (2, 3, 4, 5) if lines % n == 0), 3)
        return given.phase_axis, {"kind": kind, "period": period, "most": 0.9 / max(period - 1, 1)}
    return given.phase_axis, {"kind": kind, "most": 0.5}


def _spike(rng, given: Protocol, volume: bool):
    return given.readout, {"acquisition": "3d" if volume else "2d", "slices": 1 if volume else int(rng.integers(1, 9))}


def _zipper(rng, given: Protocol, volume: bool):
    first, length = int(given.start[given.readout]), given.matrix[given.readout]
    return given.readout, {"width": int(rng.integers(1, 4)), "place": first + int(rng.uniform(0.15, 0.85) * length)}


def _susceptibility(rng, given: Protocol, volume: bool):
    return given.readout, {"sequence": "gradient_echo" if volume else "spin_echo"}


def _wrap(rng, given: Protocol, volume: bool):
    axis = 2 if volume and rng.random() < 0.3 else given.phase_axis
    return axis, {"side": int(rng.choice([-1, 1]))}


DETAILS: dict[str, Callable] = {
    "ghosting": _ghosting,
    "spike": _spike,
    "zipper": _zipper,
    "susceptibility": _susceptibility,
    "dropped_slices": lambda rng, given, volume: (2, {}),
    "field_of_view_cut": lambda rng, given, volume: (2, {"side": int(rng.choice([-1, 1]))}),
    "wrap_around": _wrap,
}


def apply(wanted: Plan, made, given: Protocol, who) -> Found:
    """Acquire a scan with an artifact and rate it.

    Parameters
    ----------
    wanted : see ``plan``.
    made : the exposure (``compose.Exposure``); its noise is used again.
    given, who : protocol and subject.
    """
    kind = KINDS[wanted.name]
    shift, mask = np.zeros(3, int), None
    if wanted.name == "field_of_view_cut":
        magnitude, shift = made.plain, cut_shift(wanted, made, given, who.brain)
        damage, mask = cut_damage(wanted, shift, made, who)
    else:
        magnitude = made.acquire(operator(wanted, made, given))
        folded = wanted.name == "wrap_around"
        damage = wanted.severity if folded else difference(magnitude, made, who.head)
        if is_local(wanted):
            mask = made.crop((magnitude - made.plain).abs() > 3 * made.sigma)
    probability = 1 / (1 + (kind.half / max(damage, 1e-6)) ** STEEP)
    return Found(wanted, magnitude, shift, mask, float(damage), float(probability))


def is_local(wanted: Plan) -> bool:
    """Whether an artifact affects a part of the scan only."""
    flat = wanted.name == "spike" and wanted.details["acquisition"] == "2d"
    return flat or wanted.name in ("zipper", "dropped_slices", "susceptibility", "wrap_around")


def operator(wanted: Plan, made, given: Protocol) -> Callable[[torch.Tensor], torch.Tensor]:
    """The artifact as a function of the complex image on the canvas."""
    generator = torch.Generator().manual_seed(wanted.seed)
    details = dict(wanted.details)
    name, options = wanted.name, {"severity": wanted.severity, "generator": generator}
    if name == "wrap_around":
        return lambda x: wrapped(x, wanted, given)
    if name == "susceptibility":
        return lambda x: within_field(
            x,
            given,
            lambda part: kspace.susceptibility(part, axis=wanted.axis, spacing=given.voxel, **details, **options),
        )
    if name == "spike":
        slices = details.pop("slices")

        def sparks(x: torch.Tensor) -> torch.Tensor:
            for _ in range(slices):
                x = kspace.spike(x, axis=wanted.axis, **details, **options)
            return x

        return sparks
    if name == "rician_noise":
        options["signal"] = 1.0  # signals are stated in units of the reference tissue
    if name == "rigid_motion":
        options |= {"spacing": given.voxel, "poses": 4}
    if name not in ("rician_noise", "bias_field"):
        options["axis"] = wanted.axis
    return lambda x: getattr(kspace, name)(x, **details, **options)


def within_field(x: torch.Tensor, given: Protocol, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Change the field of view and leave the rest of the canvas, most of it neck: places are relative to the head."""
    block = tuple(slice(int(a), int(a) + n) for a, n in zip(given.start, given.matrix, strict=True))
    y = x.clone()
    y[block] = change(x[block])
    return y


def wrapped(x: torch.Tensor, wanted: Plan, given: Protocol) -> torch.Tensor:
    """The head moved beyond the field of view on one side, the part outside folded in."""
    axis, size = wanted.axis, given.matrix[wanted.axis]
    if axis == 2:  # only the slab is excited, not the whole neck
        x = kspace.crop(kspace.crop(x, (*x.shape[:2], size)), x.shape)
    voxels = kspace.cut_offset(x, wanted.severity, axis, size, wanted.details["side"])
    sizes, offsets = list(x.shape), [0, 0, 0]
    sizes[axis], offsets[axis] = x.shape[axis] + 2 * abs(voxels), voxels
    moved = kspace.crop(x, sizes, offsets)
    return kspace.crop(kspace.wrap_around(moved, wanted.severity, axis=axis, size=size), x.shape)


def cut_shift(wanted: Plan, made, given: Protocol, brain: torch.Tensor) -> np.ndarray:
    """Shift (3,) of the field of view in voxels that loses the wanted share of the brain, within the canvas."""
    axis = wanted.axis
    voxels = kspace.cut_offset(brain.float(), wanted.severity, axis, given.matrix[axis], wanted.details["side"])
    voxels -= int(made.nuisance.offset[axis])
    room = int(given.start[axis]) - abs(int(made.nuisance.offset[axis]))
    shift = np.zeros(3, int)
    shift[axis] = np.clip(voxels, -room, room)
    return shift


def cut_damage(wanted: Plan, shift: np.ndarray, made, who) -> tuple[float, torch.Tensor]:
    """Share of the brain that is lost, and the two outermost planes of the head at the cut."""
    lost = 1 - made.crop(who.brain, shift).sum().item() / max(who.brain.sum().item(), 1)
    mask = made.crop(who.head, shift)
    # A field of view that is moved up loses its lower end.
    away = slice(2, None) if shift[wanted.axis] > 0 else slice(0, -2)
    mask.movedim(wanted.axis, 0)[away] = False
    return max(lost, 0.0), mask


def difference(magnitude: torch.Tensor, made, head: torch.Tensor) -> float:
    """Root mean square difference in the head, relative, after the best common gain and at the size networks see."""
    with_, without = (shrink(made.crop(volume), made.shape) for volume in (magnitude, made.plain))
    inside = shrink(made.crop(head).float(), made.shape) > 0.5
    with_, without = with_[inside], without[inside]
    gain = (with_ @ without) / (with_ @ with_).clamp(min=1e-12)
    return float((gain * with_ - without).norm() / without.norm())


def shrink(volume: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Means over blocks, down to at most ``shape``."""
    size = tuple(min(a, b) for a, b in zip(volume.shape, shape, strict=True))
    return volume if size == tuple(volume.shape) else functional.adaptive_avg_pool3d(volume[None, None], size)[0, 0]
