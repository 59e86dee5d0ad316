"""Balanced steady-state free precession: the signal of every tissue, its bands, the coil.

Signal for TR << T1, T2, on an effective axis tilted by the precession theta within one TR: with
t = tan(alpha / 2) / cos(theta / 2), M = M0 t / (1 + t^2 T1 / T2). On resonance this is the familiar
M0 sin(alpha) / ((1 + cos(alpha)) + (1 - cos(alpha)) T1 / T2); it is zero at theta = pi, the dark band, and changes its
sign there. Fat is in opposed phase at TE = TR / 2: hence the dark line between fat and water.
"""

import numpy as np

from xiqa.synthetic.heart.looks import Look

# Proton density (negative: opposed phase), T1 and T2 in ms at 1.5 T, after the usual tables.
TISSUES = {
    "blood": (0.95, 1400, 240),
    "venous": (0.95, 1400, 205),
    "myocardium": (0.82, 1000, 48),
    "muscle": (0.78, 950, 42),
    "valve": (0.45, 900, 35),
    "fat": (-0.85, 280, 75),
    "marrow": (-0.40, 550, 50),
    "bone": (0.08, 1000, 30),
    "lung": (0.13, 1200, 60),
    "liver": (0.80, 600, 46),
    "spleen": (0.85, 1050, 72),
    "csf": (1.0, 3000, 1500),
}


def steady_state(density: float, ratio: float, flip: float, precession: np.ndarray) -> np.ndarray:
    """Signed signal; ``ratio`` = T1 / T2, ``flip`` and ``precession`` (in one TR) in radians."""
    cos = np.cos(precession / 2)
    half = np.tan(flip / 2)
    return density * half * cos / (cos * cos + half * half * ratio)


def polynomial(rng: np.random.Generator, size: int, degree: int) -> np.ndarray:
    """A smooth random field over the picture, (size, size): Legendre products of total degree 1 to ``degree``."""
    x = np.linspace(-1, 1, size)
    total = np.zeros((size, size))
    values = [np.polynomial.legendre.Legendre.basis(k)(x) for k in range(degree + 1)]
    for i in range(degree + 1):
        for j in range(degree + 1 - i):
            if i + j:
                total += rng.normal() / (i + j) * np.outer(values[i], values[j])
    return total


def sequence(rng: np.random.Generator, size: int, look: Look) -> dict:
    """Scanner settings of a cine: flip angle, tissue scatter, field, coil, phase; fields (size, size) float32."""
    scatter = {name: float(np.exp(0.08 * rng.normal())) for name in TISSUES}
    scatter["venous"] = scatter["blood"] * float(np.exp(0.03 * rng.normal()))
    field = polynomial(rng, size, 3)
    field *= rng.uniform(*look.field) * np.pi / np.abs(field).max()
    coil = polynomial(rng, size, 2)
    coil = np.exp(rng.uniform(*look.coil) * coil / coil.std())
    phase = polynomial(rng, size, 2)
    return {
        "flip": float(np.deg2rad(rng.uniform(*look.flip))),
        "ratio": look.t1 / look.t2,
        "scatter": scatter,
        "field": field.astype(np.float32),
        "coil": (coil * np.exp(1j * phase)).astype(np.complex64),
        "flow": float(rng.uniform(0.1, 0.5)),
        "texture": float(rng.uniform(0.01, 0.04)),
    }


def signals(scanner: dict) -> dict[str, np.ndarray]:
    """Signed signal of every tissue over the picture, (size, size) float32, bands included."""
    return {
        name: scanner["scatter"][name]
        * steady_state(density, scanner["ratio"] * t1 / t2, scanner["flip"], scanner["field"]).astype(np.float32)
        for name, (density, t1, t2) in TISSUES.items()
    }
