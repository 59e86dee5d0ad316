"""Artifacts of magnetic resonance imaging, simulated where they arise: in k-space.

Every operator takes a real or complex tensor (..., X, Y, Z) (float32, float64, complex64, complex128; CPU or CUDA), a
``severity`` in the unit of its docstring, an ``axis`` and a ``generator``; leading axes (coils, contrasts) share one
draw, and what severities refer to (the head, the 99th percentile) is measured on them together. It returns the same
shape: complex for a complex input, the magnitude for a real one, and the very input at severity 0. Operators never
pad: an image is periodic, as the discrete Fourier transform has it, with the zero frequency and the origin at index
floor(N/2).

`acquire` is the chain from a complex signal to a scan, the same for clean and corrupted ones.
"""

from xiqa.synthetic.kspace.acquisition import acquire, read
from xiqa.synthetic.kspace.coverage import (
    crop,
    cut_offset,
    field_of_view_cut,
    fold,
    holding_size,
    wrap_around,
    wrapped_size,
)
from xiqa.synthetic.kspace.fields import bias_field, susceptibility
from xiqa.synthetic.kspace.ghosts import ghosting
from xiqa.synthetic.kspace.motion import move, rigid_motion
from xiqa.synthetic.kspace.noise import rician_noise
from xiqa.synthetic.kspace.slices import clipped, dropped_slices, interleave_step, thick_slices
from xiqa.synthetic.kspace.spectral import gaussian_blur, gibbs_ringing, spike, zipper
from xiqa.synthetic.kspace.transform import to_image, to_kspace

__all__ = [
    "acquire",
    "bias_field",
    "clipped",
    "crop",
    "cut_offset",
    "dropped_slices",
    "field_of_view_cut",
    "fold",
    "gaussian_blur",
    "ghosting",
    "gibbs_ringing",
    "holding_size",
    "interleave_step",
    "move",
    "read",
    "rician_noise",
    "rigid_motion",
    "spike",
    "susceptibility",
    "thick_slices",
    "to_image",
    "to_kspace",
    "wrap_around",
    "wrapped_size",
    "zipper",
]
