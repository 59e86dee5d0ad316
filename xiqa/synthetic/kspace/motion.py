r"""Rigid motion of the head while k-space is read, line by line.

.. math:: X'(k) = e^{-2\pi i \sum_a k_a d_{ta} / N_a}\, F\{x \circ R_t^{-1}\}(k)

The pose (R_t, d_t) belongs to the time t at which the phase-encode line is read. A rotation in millimetres is a matrix
of determinant 1 in voxels, hence a product of four shears along one axis each, and a shear is a phase in k-space:
exact, invertible, and free of the low pass that linear interpolation is (Cox & Jesmanowicz 1999, Magn Reson Med 42).
"""

import itertools
import math

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from xiqa.synthetic.kspace import arguments, reference
from xiqa.synthetic.kspace.transform import along, frequencies, like

TRAJECTORIES = ("step", "drift", "nod", "periodic")
ORDERS = ("linear", "centric", "interleaved")

# Lines are read in so many shots where they are interleaved.
_SHOTS = 8
# Largest mean displacement in mm: beyond it, heads turn round.
_MOST = 20.0


def rigid_motion(
    x: Tensor,
    severity: float = 2.0,
    *,
    axis: int = 1,
    generator: torch.Generator | None = None,
    trajectory: str | None = None,
    order: str = "linear",
    poses: int = 4,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    translation: tuple[float, float, float] | None = None,
    rotation: tuple[float, float, float] | None = None,
) -> Tensor:
    """Move the head while its phase-encode lines are read.

    Poses are relative to the one at the centre of k-space, so the picture is not merely moved. Both 2D and 3D
    acquisitions read all slices (partitions) of a line within one repetition, so a pose belongs to a line of ``axis``.
    The canvas is periodic, as k-space is: leave some air, or neck, around the head.

    Parameters
    ----------
    x : (..., X, Y, Z), real or complex.
    severity : mm in [0, 20], root mean square displacement of the head's voxels, mean over lines.
    axis : phase-encode axis.
    generator : draws the trajectory, or its parts that are not given.
    trajectory : "step" (sudden), "drift", "nod" (and return), "periodic"; None draws one.
    order : in which lines are read: "linear", "centric" (from the middle outwards), "interleaved" (eight shots).
    poses : number of different poses at most, the one at the centre of k-space among them; cost grows with it.
    spacing : voxel sizes in mm.
    translation : direction (3,) of the shift; None draws one, zeros forbid it.
    rotation : axis of rotation (3,) through the head's centroid; None draws one (mostly left-right for "nod"), zeros
        forbid it: then there is no resampling, and no rounding to few poses either. Where both take part, the turn
        moves the head's voxels as far as the shift does (root mean square).

    Returns
    -------
    (..., X, Y, Z) : complex if ``x`` is, else the magnitude; ``x`` itself at severity 0.

    Raises
    ------
    ValueError : bad arguments; a volume without a head.
    """
    arguments.check(x, severity, _MOST)
    dim, sizes = arguments.dimension(axis), arguments.millimetres(spacing)
    arguments.whole("poses", poses, 2, 1000)
    if trajectory is not None:
        arguments.choice("trajectory", trajectory, TRAJECTORIES)
    arguments.choice("order", order, ORDERS)
    if x.shape[dim] < 2:
        raise ValueError("motion needs at least two phase-encode lines")
    if severity == 0:
        return x
    trajectory = trajectory or arguments.pick(generator, TRAJECTORIES)
    some, steps = reference.thinned(x)
    centre, covariance = reference.moments(reference.head(some), sizes * steps)
    centre = centre * steps
    shift, turn = _directions(generator, trajectory, translation, rotation, covariance)
    times = line_times(x.shape[dim], order)
    course = _course(generator, trajectory, times)
    if turn.any():
        course = _rounded(course, poses)
    rotations, shifts = scaled_poses(course, shift, turn, covariance, severity)
    return like(x, read_in_poses(x, rotations, shifts, dim, sizes, centre))


def line_times(lines: int, order: str) -> np.ndarray:
    """Rank (N,) in which the lines k = -floor(N/2) ... are read."""
    index = np.arange(lines)
    keys = {
        "linear": (index,),
        "centric": (index, abs(index - lines // 2)),
        "interleaved": (index, index % min(_SHOTS, lines)),
    }[order]
    ranks = np.empty(lines, int)
    ranks[np.lexsort(keys)] = index
    return ranks


def _directions(generator, trajectory, translation, rotation, covariance):
    """Shift in mm and rotation vector in rad that move the head's voxels by 1 mm (root mean square) each."""
    drawn = arguments.random(generator, (2, 3), normal=True).cpu().numpy()
    shift = drawn[0] if translation is None else arguments.vector("translation", translation)
    # people nod (about left-right) more than they shake (about the body's axis) or tilt their heads
    likely = drawn[1] * ([1.0, 0.2, 0.2] if trajectory == "nod" else [1.0, 0.5, 0.7])
    turn = likely if rotation is None else arguments.vector("rotation", rotation)
    if not shift.any() and not turn.any():
        raise ValueError("translation and rotation are both zero: nothing would move")
    if shift.any():
        shift = shift / np.linalg.norm(shift)
    if turn.any():
        turn = turn / math.sqrt(turn @ (np.trace(covariance) * np.eye(3) - covariance) @ turn)
    return shift, turn


def _course(generator, trajectory: str, ranks: np.ndarray) -> np.ndarray:
    """Share of the trajectory when each line is read, relative to the line at the centre of k-space."""
    time = ranks / (len(ranks) - 1)
    first, second = arguments.uniform(generator), arguments.uniform(generator)
    if trajectory == "step":
        way = (time >= 0.25 + 0.5 * first).astype(float)
    elif trajectory == "drift":
        way = time ** (0.7 + 0.8 * first)
    elif trajectory == "nod":
        distance = abs(time - (0.25 + 0.5 * first)) / (0.08 + 0.12 * second)
        way = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0)
    else:
        way = np.sin(2 * np.pi * ((4 + 8 * first) * time + second))
    return way - way[len(ranks) // 2]


def _rounded(course: np.ndarray, poses: int) -> np.ndarray:
    """The course in at most ``poses`` evenly spaced values, 0 among them."""
    step = np.ptp(course) / (poses - 1)
    return np.floor(course / step + 0.5) * step if step else course


def scaled_poses(course, shift, turn, covariance, severity):
    """Rotation vectors (N, 3) in rad and shifts (N, 3) in mm per line, so large that the severity is met."""
    scale = severity / max(abs(course).mean(), 1e-12)
    for _ in range(30):
        rotations, shifts = scale * course[:, None] * turn, scale * course[:, None] * shift
        reached = displacements(rotations, shifts, covariance).mean()
        if reached == 0:
            raise ValueError("the trajectory has no motion on so few lines: choose another one")
        scale *= severity / reached
        if abs(reached / severity - 1) < 1e-9:
            break
    return rotations, shifts


def displacements(rotations: np.ndarray, shifts: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Root mean square displacement (N,) in mm of the head's voxels under poses about the head's centroid."""
    turned = Rotation.from_rotvec(rotations).as_matrix() - np.eye(3)
    return np.sqrt(np.einsum("nij,jk,nik->n", turned, covariance, turned).clip(0) + (shifts**2).sum(1))


def read_in_poses(x: Tensor, rotations, shifts, dim: int, spacing: np.ndarray, centre: np.ndarray) -> Tensor:
    """The complex image whose phase-encode lines were read in the given poses.

    Parameters
    ----------
    x : (..., X, Y, Z).
    rotations, shifts : (N, 3) rotation vectors in rad and shifts in mm, one per line, k = -floor(N/2) first.
    dim : tensor dimension of the phase encoding (-3, -2 or -1).
    spacing : (3,) voxel sizes in mm.
    centre : (3,) point about which the head turns, in voxels.
    """
    rotations, shifts = np.asarray(rotations, float), np.asarray(shifts, float)
    if not rotations.any():
        return _read_shifted(x, shifts / spacing, dim)
    order = np.fft.ifftshift(np.arange(x.shape[dim]))
    table, labels = np.unique(np.hstack([rotations, shifts])[order], axis=0, return_inverse=True)
    result = torch.fft.fft(x, dim=dim)
    for label, pose in enumerate(table):
        if not pose.any():
            continue
        lines = torch.from_numpy(np.flatnonzero(labels.ravel() == label)).to(x.device)
        moved = torch.fft.fft(move(x, pose[:3], pose[3:], spacing, centre), dim=dim)
        result.index_copy_(dim, lines, moved.index_select(dim, lines))
    return torch.fft.ifft(result, dim=dim)


def _read_shifted(x: Tensor, shifts: np.ndarray, dim: int) -> Tensor:
    """Shifts only: a phase per line, without resampling. ``shifts`` (N, 3) in voxels."""
    shifts = torch.from_numpy(np.fft.ifftshift(shifts, axes=0)).to(x.device)
    kspace = torch.fft.fftn(x, dim=(-3, -2, -1))
    for other in (-3, -2, -1):
        if not shifts[:, other].any():
            continue
        cycles = frequencies(x, other) / x.shape[other]
        if other == dim:
            phase = along(cycles * shifts[:, other], dim)
        else:
            phase = along(cycles, other) * along(shifts[:, other], dim)
        kspace *= torch.exp(-2j * math.pi * phase).to(kspace.dtype)
    return torch.fft.ifftn(kspace, dim=(-3, -2, -1))


def move(x: Tensor, rotation, shift, spacing: np.ndarray, centre: np.ndarray) -> Tensor:
    """The complex volume turned about ``centre`` and then shifted, both in mm, by Fourier shears.

    Parameters
    ----------
    x : (..., X, Y, Z).
    rotation : (3,) rotation vector in rad. shift : (3,) in mm.
    spacing : (3,) voxel sizes in mm. centre : (3,) in voxels.
    """
    spacing = np.asarray(spacing, float)
    matrix = Rotation.from_rotvec(rotation).as_matrix() * spacing[None, :] / spacing[:, None]
    for axis, slopes, offset in shears(matrix, np.asarray(shift, float) / spacing):
        x = _sheared(x, axis, slopes, offset, centre)
    return x


def shears(matrix: np.ndarray, shift: np.ndarray) -> list[tuple[int, np.ndarray, float]]:
    """Four shears, in the order of application, that make r -> matrix r + shift.

    Each is (axis j, slopes v (3,) with v_j = 0, offset h) and stands for r_j -> r_j + v . r + h. With the axes j, k, l
    the matrix is S_j(a) S_k(b) S_l(c) S_j(d); of the six orders the one with the smallest slopes is taken.
    """
    best, smallest = None, math.inf
    for j, k, l in itertools.permutations(range(3)):  # noqa: E741
        factors = _factors(matrix, j, k, l)
        product = np.eye(3)
        for axis, slopes in factors:
            product = (np.eye(3) + np.outer(np.eye(3)[axis], slopes)) @ product
        largest = max(abs(slopes).max() for _, slopes in factors)
        if np.allclose(product, matrix, atol=1e-9) and largest < smallest - 1e-12:
            best, smallest = factors, largest
    if best is None:
        raise ValueError("this rotation is no product of four shears: it is a half turn, or nearly one")
    (j, _), (l, _), (k, b), (_, a) = best  # noqa: E741
    offsets = (0.0, shift[l], shift[k] - b[l] * shift[l], shift[j] - a[k] * shift[k] - a[l] * shift[l])
    return [(axis, slopes, float(offset)) for (axis, slopes), offset in zip(best, offsets, strict=True)]


def _factors(A: np.ndarray, j: int, k: int, l: int) -> list[tuple[int, np.ndarray]]:  # noqa: E741
    """Slopes of A = S_j(a) S_k(b) S_l(c) S_j(d), last factor first; the product is not zero where they exist."""
    a, b, c, d = np.zeros((4, 3))
    if abs(A[l, j]) > 1e-12:
        d[l] = (A[l, l] - 1) / A[l, j]
    a[[k, l]] = np.linalg.lstsq(A[[k, l]][:, [j, l]].T, [A[j, j] - 1, A[j, l] - d[l]], rcond=1e-10)[0]
    d[k] = A[j, k] - a[k] * A[k, k] - a[l] * A[l, k]
    inner = A - np.outer(A[:, j], d)
    c[[j, k]] = inner[l, [j, k]]
    b[l] = inner[k, l]
    b[j] = inner[k, j] - b[l] * c[j]
    return [(j, d), (l, c), (k, b), (j, a)]


def _sheared(x: Tensor, axis: int, slopes: np.ndarray, offset: float, centre: np.ndarray) -> Tensor:
    """Every line along ``axis`` shifted by slopes . (r - centre) + offset voxels."""
    if not slopes.any() and offset == 0:
        return x
    dim = axis - 3
    cycles = -2j * math.pi * frequencies(x, dim) / x.shape[dim]
    kspace = torch.fft.fft(x, dim=dim)
    for other in [other for other in range(3) if other != axis]:
        place = torch.arange(x.shape[other - 3], device=x.device, dtype=torch.float64) - float(centre[other])
        # the constant part goes with one of the two
        steps = float(slopes[other]) * place + (offset if other == (axis + 1) % 3 else 0.0)
        kspace *= torch.exp(along(cycles, dim) * along(steps, other - 3)).to(kspace.dtype)
    return torch.fft.ifft(kspace, dim=dim)
