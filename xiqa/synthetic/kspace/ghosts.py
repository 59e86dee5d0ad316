r"""Ghosts along the phase-encode axis: k-space lines weighted by a periodic function of their number.

A weight periodic in k copies the image along the axis. With N lines, k = -floor(N/2) ... and x(r) along the axis:

====================  ==========================  =====================================================================
kind                  weight m(k)                 image
====================  ==========================  =====================================================================
amplitude             1 + a cos(2 pi k/P + phi)   x + (a/2) [e^(i phi) x(r + N/P) + e^(-i phi) x(r - N/P)]
comb                  1 - s where n divides k     x - (s/n) sum over j < n of x(r - j N/n)
phase                 exp(i b sin(2 pi k/P))      sum over q of J_q(b) x(r + q N/P)
half (N/2)            exp(i phi (-1)^k)           cos(phi) x + i sin(phi) x(r - N/2)
local                 amplitude, on one part x_p  x + (a/2) [e^(i phi) x_p(r + N/P) + e^(-i phi) x_p(r - N/P)]
====================  ==========================  =====================================================================
"""

import math

import numpy as np
import torch
from scipy import optimize, special
from torch import Tensor

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import filtered, frequencies, like

KINDS = ("amplitude", "comb", "phase", "half", "local")

# Largest modulation of the phase in rad, and of the alternating phase of echo-planar imaging.
_PHASE, _HALF = 1.8, math.pi / 4


def ghosting(
    x: Tensor,
    severity: float = 0.2,
    *,
    axis: int = 1,
    generator: torch.Generator | None = None,
    kind: str = "amplitude",
    period: float | None = None,
    phase: float | None = None,
    source: Tensor | None = None,
) -> Tensor:
    """Copies of the head along the phase-encode axis.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : ghost-to-signal ratio, the first ghost divided by the image it accompanies: a/2 for "amplitude" and
        "local" (up to 0.5), (s/n) / (1 - s/n) for "comb" (up to 1/(n - 1)), J_1(b) / J_0(b) for "phase" (up to 1.71,
        b = 1.8), tan(phi) for "half" (up to 1).
    axis : phase-encode axis.
    generator : draws the parameters that are not given.
    kind : see the table of this module. "half" belongs to echo-planar imaging.
    period : lines P per cycle, or n of the comb (whole). Ghosts lie N/P voxels apart; where that is not whole, they are
        blurred. None draws one: N/P whole for the modulations, n from 2 to 5 for the comb.
    phase : phi in rad of "amplitude" and "local"; None draws it.
    source : (X, Y, Z) in [0, 1], for "local" only: the part that pulsates. None puts it into both eyes, for volumes
        whose axes point right, anterior and superior.

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments, a severity out of the range of its kind, "half" on an odd number of lines.
    """
    arguments.check(x, severity)
    dim = arguments.dimension(axis)
    arguments.choice("kind", kind, KINDS)
    if source is not None and (kind != "local" or source.shape != x.shape[-3:]):
        raise ValueError('source is a mask of the shape of the volume, for kind "local" only')
    lines = x.shape[dim]
    if lines < 2:
        raise ValueError("ghosts need at least two phase-encode lines")
    if kind == "half" and lines % 2:
        raise ValueError(f"N/2 ghosts need an even number of lines, and the axis has {lines}")
    if period is None:
        period = _period(generator, kind, lines)
    elif kind == "comb":
        arguments.whole("period", period, 2, lines)
    else:
        arguments.number("period", period, 1, lines)
    phase = arguments.uniform(generator, 0, 2 * math.pi) if phase is None else arguments.number("phase", phase)
    weight = weights(frequencies(x, dim), kind, severity, period, phase)
    if severity == 0:
        return x
    if kind != "local":
        return like(x, filtered(x, {dim: weight}))
    source = eyes(x) if source is None else source.to(x.device)
    return like(x, x + filtered(x * source.to(x.real.dtype), {dim: weight - 1}))


def weights(k: Tensor, kind: str, severity: float, period: float, phase: float) -> Tensor:
    """Weights m(k) of the lines k for a ghost-to-signal ratio; see `ghosting`."""
    if kind == "comb":
        arguments.number("severity", severity, 0, 1 / (period - 1))
        depth = period * severity / (1 + severity)
        return torch.where(k % period == 0, 1 - depth, 1.0)
    if kind == "phase":
        depth = _bessel_depth(severity)
        return torch.exp(1j * depth * torch.sin(2 * math.pi * k / period))
    if kind == "half":
        arguments.number("severity", severity, 0, math.tan(_HALF))
        return torch.exp(1j * math.atan(severity) * (1 - 2 * (k % 2)))
    arguments.number("severity", severity, 0, 0.5)
    return 1 + 2 * severity * torch.cos(2 * math.pi * k / period + phase)


def _period(generator: torch.Generator | None, kind: str, lines: int) -> float:
    if kind == "comb":
        # a comb whose period divides the number of lines ghosts sharply
        fitting = [n for n in (2, 3, 4, 5) if lines % n == 0]
        return arguments.pick(generator, fitting or [min(3, lines)])
    # not near N/2, where the ghosts of both sides meet and may cancel
    return lines / arguments.pick(generator, range(max(1, lines // 8), max(2, 1 + 3 * lines // 8)))


def _bessel_depth(severity: float) -> float:
    """The b in [0, 1.8] rad with J_1(b) / J_0(b) = severity."""
    arguments.number("severity", severity, 0, float(special.jv(1, _PHASE) / special.jv(0, _PHASE)))
    return optimize.brentq(lambda b: special.jv(1, b) - severity * special.jv(0, b), 0, _PHASE + 1e-9)


def eyes(x: Tensor) -> Tensor:
    """Occupancy (X, Y, Z) of two balls where eyes are in a head that points right, anterior and superior."""
    mask = reference.head(x)
    low, high = np.array(reference.box(mask), float).T
    radius = 0.09 * (high - low)[0]
    places = [low + np.array([side, 0.88, 0.4]) * (high - low) for side in (0.3, 0.7)]
    balls = [reference.ball(mask.shape, place, max(radius, 1.0), np.ones(3), x.device) for place in places]
    return torch.maximum(*balls)
