"""The acquisition chain and the nuisances of every scan.

Complex signal on a canvas larger than the matrix -> operator or identity -> complex noise -> common filter ->
magnitude -> crop to the acquisition matrix -> int16. No step depends on the label.
"""

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.spatial.transform import Rotation

from xiqa.synthetic.head.grids import Grid, upsample
from xiqa.synthetic.head.scanner import Scanner, between

ROOM = (0.06, 0.06, 0.42)  # canvas beyond the matrix on either side, as a share of the matrix
AXES = "xyz"


@dataclass(frozen=True)
class Protocol:
    """Protocol of all scans of a subject.

    Attributes
    ----------
    matrix, voxel : of the file before its axes are reordered (right, front, up), and mm.
    canvas : the grid on which signals are computed; the matrix lies in its middle.
    stored : axis codes of the file, as nibabel writes them.
    tilt : rotation of the field of view about the left-right axis that the header states, in degrees.
    phase_axis, readout : axes of phase encoding and readout.
    """

    matrix: tuple[int, int, int]
    voxel: tuple[float, float, float]
    canvas: Grid
    stored: str
    tilt: float
    phase_axis: int
    readout: int

    @property
    def field(self) -> np.ndarray:
        """Field of view in mm."""
        return np.array(self.matrix) * np.array(self.voxel)

    @property
    def start(self) -> np.ndarray:
        """First voxel of the matrix on the canvas."""
        return np.array(self.canvas.size) // 2 - np.array(self.matrix) // 2


def protocol(shape: tuple[int, int, int], site: Scanner, rng: np.random.Generator) -> Protocol:
    """Draw matrix, voxel size, storage and phase-encode axis around the number of voxels wanted."""
    long, slices = rng.choice(site.long), rng.choice(site.slices)
    length, height = between(rng, site.length), between(rng, site.height)
    narrow = rng.choice(site.narrow)
    matrix = tuple(2 * round(number / 2) for number in (shape[0] * long * narrow, shape[1] * long, shape[2] * slices))
    voxel = (length / (shape[0] * long), length / (shape[1] * long), height / matrix[2])
    size = tuple(
        next_fast_len(number + 2 * int(np.ceil(room * number))) for number, room in zip(matrix, ROOM, strict=True)
    )
    codes, weights = list(site.stored), np.array(list(site.stored.values()), float)
    tilt = rng.normal(0, 8) if rng.random() < site.tilted else 0.0
    phase_axis = 0 if rng.random() < site.across else 1
    stored = str(rng.choice(codes, p=weights / weights.sum()))
    return Protocol(matrix, voxel, Grid(size, voxel), stored, float(tilt), phase_axis, 1 - phase_axis)


@dataclass(frozen=True)
class Nuisance:
    """Nuisances of every scan, below visibility.

    Attributes
    ----------
    noise : standard deviation relative to the reference tissue. bias : (P99 - P1)/mean over the head, about.
    drift : slow shift of the head during the scan in mm, three axes. ghost : ghost-to-signal ratio of the pulse, and
        cycles : how often it beats. truncation : share of phase-encode lines read.
    offset : of the field of view in voxels. gain : value in the file of one unit of signal.
    """

    noise: float
    bias: float
    drift: np.ndarray
    ghost: float
    cycles: float
    truncation: float
    offset: np.ndarray
    gain: float


def nuisance(given: Protocol, site: Scanner, rng: np.random.Generator) -> Nuisance:
    """Draw the nuisances of a scan."""
    return Nuisance(
        noise=between(rng, site.noise, log=True),
        bias=between(rng, site.bias),
        drift=rng.normal(0, 0.2, 3),
        ghost=rng.uniform(0, 0.03),
        cycles=rng.uniform(3, 20),
        truncation=between(rng, site.truncation),
        offset=np.round(np.clip(rng.normal(0, (4, 4, 3)), -8, 8) / given.voxel).astype(int),
        gain=between(rng, site.gain, log=True),
    )


def receive(canvas: Grid, spread: float, rng: np.random.Generator, centre: float = 0.0) -> torch.Tensor:
    """Complex sensitivity (X, Y, Z) of mean magnitude about 1: a smooth bias field and a smooth phase.

    The logarithm of the magnitude is a polynomial of degree 3 scaled to the spread (P99 - P1) over an ellipsoid of a
    head's size; computed on a lattice. ``centre`` in [0, 1] is the share of a bright middle in it.
    """
    basis, inside, decay, dome = legendre_basis()
    log, phase = np.tensordot(rng.normal(0, decay, (2, len(decay))), basis, axes=1)
    log = (1 - centre) * log / np.ptp(log[inside]) + centre * dome
    low, high = np.percentile(log[inside], (1, 99))
    log = (log - log[inside].mean()) * spread / (high - low)
    field = np.exp(log + 1j * (phase + rng.uniform(0, 2 * np.pi)))
    return torch.complex(*upsample(np.stack([field.real, field.imag]), canvas.size))


@lru_cache(maxsize=1)
def legendre_basis() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Legendre polynomials up to degree 3 on a lattice, where a head is on it, the polynomials' weights, and a dome."""
    ticks = np.linspace(-1, 1, 9)
    lines = np.polynomial.legendre.legvander(ticks, 3).T
    powers = [(i, j, k) for i in range(4) for j in range(4) for k in range(4) if 0 < i + j + k <= 3]
    basis = np.stack([np.einsum("x,y,z->xyz", lines[i], lines[j], lines[k]) for i, j, k in powers])
    x, y, z = np.meshgrid(ticks, ticks, ticks, indexing="ij")
    away = (x / 0.7) ** 2 + (y / 0.8) ** 2 + (z / 0.75) ** 2
    return basis, away <= 1, np.array([1 / sum(power) ** 1.5 for power in powers]), -away


def unsteady(signal: torch.Tensor, given: Protocol, nuisances: Nuisance) -> torch.Tensor:
    """K-space of a slightly moving, pulsating head, its outermost phase-encode lines not read.

    Unitary, in the order of torch's FFT. The drift is a phase ramp that grows with the phase-encode line; it is zero
    at the centre of k-space.
    """
    time = np.fft.fftfreq(given.canvas.size[given.phase_axis])
    pulse = 1 + 2 * nuisances.ghost * np.cos(2 * np.pi * nuisances.cycles * time)
    factor = shaped(np.where(np.abs(time) <= 0.5 * nuisances.truncation, pulse, 0), given.phase_axis).to(
        torch.complex64
    )
    for axis, number in enumerate(given.canvas.size):
        frequency = np.fft.fftfreq(number)
        turns = -4j * np.pi * nuisances.drift[axis] / given.voxel[axis]
        if axis == given.phase_axis:
            phase = shaped(turns * frequency * time, axis)
        else:
            phase = shaped(turns * frequency, axis) * shaped(time, given.phase_axis)
        factor = factor * torch.exp(phase).to(torch.complex64)
    return torch.fft.fftn(signal, norm="ortho").mul_(factor)


def shaped(values: np.ndarray, axis: int) -> torch.Tensor:
    """Values along one of three axes, to be broadcast."""
    return torch.from_numpy(values).reshape(np.roll([-1, 1, 1], axis).tolist())


def stored(magnitude: torch.Tensor, gain: float) -> np.ndarray:
    """Whole numbers as a scanner stores them, int16."""
    return np.clip(np.round(magnitude.numpy() * gain), 0, 32767).astype(np.int16)


def affine(given: Protocol, rng: np.random.Generator) -> np.ndarray:
    """Voxel to scanner millimetres for axes (right, front, up).

    The field of view lies about the magnet's middle, independent of the head: the header does not reveal a cut.
    """
    turn = Rotation.from_euler("x", given.tilt, degrees=True).as_matrix()
    result = np.eye(4)
    result[:3, :3] = turn * np.array(given.voxel)
    middle = (np.array(given.matrix) - 1) / 2
    result[:3, 3] = rng.normal(0, (2, 4, 6)) - result[:3, :3] @ middle
    return result


def reorder(array: np.ndarray, matrix: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """An array with axes (right, front, up) and its affine as a file with other axis codes holds them."""
    change = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes))
    moved = nib.orientations.apply_orientation(array, change)
    return np.ascontiguousarray(moved), matrix @ nib.orientations.inv_ornt_aff(change, array.shape)
