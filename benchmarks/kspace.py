"""Seconds of one artifact on one core: ``python benchmarks/kspace.py [--repeats N]``.

On a 1 mm head, 200 x 240 x 192, in seconds and in Fourier transforms; the bars are 3 s, bias field 0.5 s, rigid motion
of four poses 6 s. On 72 x 64 x 40, the canvas of the quick profile, in milliseconds. Processor time of the fastest of a
few runs, so that other load has little effect.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch

from xiqa.synthetic import kspace

LARGE, SMALL = (200, 240, 192), (72, 64, 40)
BARS = {"rigid_motion": 6.0, "bias_field": 0.5}
OTHER_BAR = 3.0

OPERATORS = {
    "rigid_motion": {"poses": 4, "trajectory": "nod"},
    "rigid_motion, shifts only": {"rotation": (0, 0, 0)},
    **{f"ghosting, {kind}": {"kind": kind} for kind in ("amplitude", "comb", "phase", "half", "local")},
    "gibbs_ringing": {},
    "spike": {},
    "zipper": {},
    "wrap_around": {},
    "field_of_view_cut": {},
    "bias_field": {},
    "rician_noise": {},
    "susceptibility, gradient echo": {},
    "susceptibility, spin echo": {"sequence": "spin_echo"},
    "dropped_slices": {},
    "interleave_step": {},
    "thick_slices": {},
    "gaussian_blur": {},
    "clipped": {},
}


def head(shape: tuple[int, int, int]) -> torch.Tensor:
    """A textured ellipsoid with a smooth phase, complex64."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
    inside = (x / 0.7) ** 2 + (y / 0.8) ** 2 + (z / 0.75) ** 2 < 1
    return torch.from_numpy(inside * (1 + 0.3 * np.cos(12 * x) * np.cos(9 * y)) * np.exp(1j * y)).to(torch.complex64)


def seconds(function, repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        taken.append(time.process_time() - started)
    return min(taken)


def cases(x: torch.Tensor) -> dict:
    """What is timed, by name."""
    spacing = {"spacing": tuple(192.0 / n for n in x.shape)} if x.shape == SMALL else {}
    spaced = ("rigid_motion", "susceptibility", "interleave_step", "thick_slices", "gaussian_blur")

    def run(name: str, options: dict) -> None:
        operator = name.split(",")[0]
        options = options | (spacing if operator in spaced else {})
        getattr(kspace, operator)(x, generator=torch.Generator().manual_seed(3), **options)

    found = {name: lambda name=name, options=options: run(name, options) for name, options in OPERATORS.items()}
    found["acquire (clean)"] = lambda: kspace.acquire(x, noise=0.02, generator=torch.Generator().manual_seed(0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2, help="runs on the large head; ten times as many on the small")
    options = parser.parse_args()
    torch.set_num_threads(1)
    large, small = head(LARGE), head(SMALL)
    transform = seconds(lambda: torch.fft.fftn(large), options.repeats + 1)
    print(f"One 3D Fourier transform of {LARGE}: {transform:.2f} s, of {SMALL}: ", end="")
    print(f"{1000 * seconds(lambda: torch.fft.fftn(small), 20):.1f} ms")
    at_small = cases(small)
    rows = []
    for name, function in cases(large).items():
        taken = seconds(function, options.repeats)
        bar = BARS.get(name.split(",")[0], OTHER_BAR)
        quick = 1000 * seconds(at_small[name], 10 * options.repeats)
        rows.append(
            {"operator": name, "s": taken, "transforms": taken / transform, "bar (s)": bar, "small (ms)": quick}
        )
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=("", ".2f", ".1f", ".1f", ".1f")))


if __name__ == "__main__":
    main()
