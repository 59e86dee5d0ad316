"""One subject: the atlas under a pose, a size and a smooth warp, as shares of tissues on the grid of an acquisition."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from xiqa.synthetic.head import atlas
from xiqa.synthetic.head.grids import Grid, Stretched, smooth_noise, stretch

TISSUES = ("grey", "white", "csf", "lesion", "bone", "fat", "soft")
WARP, FOLDS, GRAIN = 32.0, 8.0, 7.0  # mm between independent displacements, votes for a tissue, and textures
LATTICE = 10.0  # mm, spacing of the lattice that carries the mapping
VERTEX, OCCIPUT = 79.0, 105.0  # mm, how far the atlas's brain reaches up and back
HEAD, TOP, FLOOR = (110.0, 136.0), 107.0, -75.0  # mm: an ellipse and a plane that hold any head, and below any brain
SLAB = 100_000  # voxels that are worked on at a time, so that they stay in the processor's cache
VENTRICLES = np.array([[-15.0, -14.0, 16.0], [15.0, -14.0, 16.0]])


@dataclass(frozen=True)
class Subject:
    """Shares of ``TISSUES`` (7, X, Y, Z) float32, the rest is air; head and brain as bool (X, Y, Z)."""

    shares: torch.Tensor
    head: torch.Tensor
    brain: torch.Tensor


@dataclass(frozen=True)
class Person:
    """Properties of a subject; lengths in mm.

    Attributes
    ----------
    turn : rotation from the scanner to the head; size : of the head relative to the atlas, three axes.
    shift : the atlas's point in the middle of the grid.
    atrophy : addition to the log-odds of cerebrospinal fluid; ventricles : growth of the lateral ventricles.
    fluid, skull, scalp, skin : thickness of the layers around the brain.
    lesions : number of white-matter lesions.
    """

    turn: Rotation
    size: np.ndarray
    shift: np.ndarray
    atrophy: float
    ventricles: float
    fluid: float
    skull: float
    scalp: float
    lesions: int


def person(field: np.ndarray, rng: np.random.Generator) -> Person:
    """Draw a subject and the position in a field of view (mm): the vertex below its upper edge, the occiput inside."""
    old = rng.beta(2, 2.5)
    size = float(np.clip(rng.normal(0.955, 0.025), 0.9, 1.01)) * rng.normal(1, (0.02, 0.02, 0.015))
    fluid = float(np.clip(0.8 + 2.2 * old + rng.normal(0, 0.3), 0.8, 4.0))
    skull, scalp = rng.uniform(4.5, 7.5), float(np.clip(rng.normal(6.5, 1.3), 4.0, 10.0))
    around = fluid + skull + scalp
    front = -OCCIPUT + (field[1] / 2 - around - rng.uniform(5, 22)) / size[1]
    up = VERTEX + (around + rng.uniform(7, 22) - field[2] / 2) / size[2]
    return Person(
        turn=Rotation.from_euler("xyz", rng.normal(0, (5.0, 3.0, 4.0)), degrees=True),
        size=size,
        shift=np.array([rng.normal(0, 2.5), front, up]),
        atrophy=-0.4 + 1.1 * old + rng.normal(0, 0.15),
        ventricles=float(np.clip(-0.25 + 0.6 * old + rng.normal(0, 0.1), -0.3, 0.5)),
        fluid=fluid,
        skull=skull,
        scalp=scalp,
        lesions=int(rng.poisson(8 * old)) if rng.random() < 0.6 else 0,
    )


def subject(grid: Grid, field: np.ndarray, rng: np.random.Generator) -> Subject:
    """Draw a subject on a grid.

    Parameters
    ----------
    grid : where the shares of tissues are wanted.
    field : the field of view in the middle of the grid, in mm.
    rng : the subject's own stream.
    """
    who = person(field, rng)
    points, votes, grain = mapping(grid, who, rng), folds(grid, who.atrophy, rng), textures(grid, rng)
    result = Subject(torch.zeros(len(TISSUES), *grid.size), *torch.zeros(2, *grid.size, dtype=torch.bool))
    thick = max(1, SLAB // (grid.size[1] * grid.size[2]))
    for first in range(0, grid.size[0], thick):
        rows = slice(first, first + thick)
        fill(result, rows, points.rows(rows), votes.rows(rows), grain.rows(rows)[0], who, grid)
    add_lesions(result.shares, grid, who.lesions, rng)
    return result


def fill(result: Subject, rows: slice, points, votes, grain, who: Person, grid: Grid) -> None:
    """Work out a slab of a subject, in place: the shares of tissues, the head and the brain."""
    block = around_head(points)
    if block is None:
        return
    points, votes, grain = points[:, *block], votes[:, *block], grain[block]
    shape = dict(zip(atlas.CHANNELS, atlas.shapes().sample(points), strict=True))
    for name, far in atlas.OUTSIDE.items():
        shape[name] = shape[name] + far
    # Below the brain there is only fluid inside the skull.
    above = int((points[2] < FLOOR).all(dim=0).all(dim=0).sum())
    inside = torch.zeros(3, *grain.shape)
    inside[2] = 1
    inside[..., above:] = label(tissue_maps(grid).sample(points[..., above:]), votes[..., above:], grid)
    parts, outline = layers(*inside, shape, who, grid)
    texture(parts, grain)
    place = (slice(rows.start, rows.start + len(grain)), *block[1:])
    result.shares[:, *place], result.head[place] = parts, outline
    result.brain[place] = (parts[0] + parts[1] > 0.3) & (shape["cord"] < 0.1)


def around_head(points: torch.Tensor) -> tuple[slice, slice, slice] | None:
    """Block of a slab of points (3, X, Y, Z) outside of which there is only air; None if the slab is air."""
    inside = (points[0] / HEAD[0]).square() + (points[1] / HEAD[1]).square() < 1
    inside &= points[2] < TOP
    if not inside.any():
        return None
    block = [slice(None)]
    for other in (2, 1):
        hit = inside.any(dim=0).any(dim=other - 1).nonzero()
        block.append(slice(int(hit.min()), int(hit.max()) + 1))
    return tuple(block)


def tissue_maps(grid: Grid) -> atlas.Maps:
    """The brain's maps at a resolution that suits the voxels: no finer, or structures would be missed, not averaged."""
    spacing = 1 if min(grid.voxel) < 1.6 else 2
    width = np.sqrt(np.maximum((0.4 * np.array(grid.voxel)) ** 2 - (0.4 * spacing) ** 2, 0))
    return atlas.brain(spacing, tuple(float(value) for value in np.round(width)))


# --- where a voxel lies in the atlas ----------------------------------------------------------------------------------


def mapping(grid: Grid, who: Person, rng: np.random.Generator) -> Stretched:
    """Point of the atlas (3, X, Y, Z), mm, that every voxel shows: pose, size, smooth warp, ventricles.

    Computed on a lattice and interpolated linearly, which keeps the affine part exact.
    """
    counts = np.maximum(np.ceil(2 * grid.reach / LATTICE).astype(int) + 1, 4)
    ticks = [np.linspace(-reach, reach, count) for reach, count in zip(grid.reach, counts, strict=True)]
    scanner = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1)
    points = who.turn.apply(scanner.reshape(-1, 3)).reshape(scanner.shape) / who.size + who.shift
    points += 3.2 * smooth_noise(rng, 3, counts, 2 * grid.reach, WARP).transpose(1, 2, 3, 0)
    for centre in VENTRICLES:
        away = points - centre
        points -= who.ventricles * away * np.exp(-(away**2).sum(-1, keepdims=True) / (2 * 20.0**2))
    return stretch(points.transpose(3, 0, 1, 2), grid.size)


# --- tissues of a voxel -----------------------------------------------------------------------------------------------


def folds(grid: Grid, atrophy: float, rng: np.random.Generator) -> Stretched:
    """Factors (3, X, Y, Z) on the odds of grey matter, white matter and fluid: smooth random votes, one for fluid."""
    counts = np.ceil(2 * grid.reach / FOLDS).astype(int) + 1
    votes = 0.55 * smooth_noise(rng, 3, counts, 2 * grid.reach, FOLDS)
    votes[2] += atrophy
    return stretch(np.exp(power(grid) * votes), grid.size)


def power(grid: Grid) -> int:
    """Sharpness of tissue borders: a power of the odds, higher on finer grids."""
    return 4 if min(grid.voxel) < 1.6 else 2


def label(brain: torch.Tensor, votes: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Shares (3, X, Y, Z) of grey matter, white matter and fluid inside the skull.

    The largest of log-probability plus a smooth random field wins, so that folds differ between subjects who are
    warped from one template. The maximum is softened to the width of a voxel.
    """
    odds = torch.stack([brain[0], brain[1], (1 - brain[0] - brain[1]).clamp_(min=1e-3)])
    for _ in range(power(grid) // 2):
        odds.square_()
    odds *= votes
    return odds.div_(odds.sum(0))


def layers(grey, white, csf, shape: dict, who: Person, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Put fluid, skull, scalp, face and neck around the brain."""
    far = shape["brain"]
    edge = blur(far, grid)

    def within(distance: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(-distance / edge)

    outer = smooth_union(far - (who.fluid + who.skull + who.scalp), shape["body"], 12.0)
    head = within(outer)
    inner = within(far - who.fluid)
    vault = (within(far - who.fluid - who.skull) - inner).clamp(min=0) * (1 - shape["canal"])
    rest = (1 - inner - vault) * head * (1 - shape["cavity"])
    vault = vault * (1 - shape["cavity"]) * head
    marrow = vault * torch.exp(-(((far - who.fluid - 0.55 * who.skull) / (0.22 * who.skull)) ** 2))
    canal, cord = rest * shape["canal"], shape["cord"]
    rest = rest - canal
    bone = rest * shape["bone"]
    rest = rest - bone
    eyes = rest * shape["eyes"]
    rest = rest - eyes
    skin = within(-1.5 - outer)
    under = skin * torch.sigmoid((outer + who.scalp) / (1.5 * edge))
    fat = rest * torch.maximum(under, shape["fat"] * (1 - 0.8 * under))
    soft = rest - fat
    shares = torch.stack([
        grey * inner, white * inner + canal * cord, csf * inner + canal * (1 - cord) + eyes, torch.zeros_like(grey),
        vault - 0.6 * marrow + 0.6 * bone, fat + 0.6 * marrow + 0.4 * bone, soft,
    ])  # fmt: skip
    return shares, head > 0.5


def blur(distance: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Width in mm of a voxel's average across surfaces of equal distance: largest for those along a thick slice."""
    if distance.shape[2] < 2:
        return torch.full_like(distance, 0.3 * grid.voxel[2])
    upwards = (torch.gradient(distance, dim=2)[0] / grid.voxel[2]).clamp_(-1, 1).square_()
    plane = grid.voxel[0] * grid.voxel[1]
    return (upwards.mul_(grid.voxel[2] ** 2 - plane).add_(plane)).sqrt_().mul_(0.3)


def smooth_union(first: torch.Tensor, second: torch.Tensor, blend: float) -> torch.Tensor:
    """Smaller of two distances, rounded over ``blend`` mm."""
    mix = (0.5 + 0.5 * (second - first) / blend).clamp(0, 1)
    return torch.lerp(second, first, mix) - blend * mix * (1 - mix)


def textures(grid: Grid, rng: np.random.Generator) -> Stretched:
    """Noise (1, X, Y, Z) for ``texture``."""
    counts = np.ceil(2 * grid.reach / GRAIN).astype(int) + 1
    return stretch(smooth_noise(rng, 1, counts, 2 * grid.reach, GRAIN), grid.size)


def texture(shares: torch.Tensor, noise: torch.Tensor) -> None:
    """Mix fat and muscle, and vary grey and white matter by 2 %, in place."""
    planes = torch.exp(-((noise / 0.35) ** 2))  # fat between muscles lies in thin sheets
    fat, soft = shares[TISSUES.index("fat")], shares[TISSUES.index("soft")]
    moved = 0.35 * soft * planes - 0.15 * fat * (1 - planes)
    fat += moved
    soft -= moved
    shares[:2] *= 1 + 0.02 * noise


def add_lesions(shares: torch.Tensor, grid: Grid, count: int, rng: np.random.Generator) -> None:
    """Turn spots of white matter into lesions, in place; radii of 2 to 7 mm."""
    if not count:
        return
    white, lesion = shares[TISSUES.index("white")], shares[TISSUES.index("lesion")]
    half = white.shape[2] // 2  # the hemispheres lie above
    places = np.argwhere(white[:, :, half:].numpy() > 0.9) + np.array([0, 0, half])
    if not len(places):
        return
    voxel = np.array(grid.voxel)
    for centre in places[rng.integers(len(places), size=count)]:
        radius = 2 + rng.gamma(1.5, 1.0, 3).clip(0, 5)
        low = np.maximum(np.floor(centre - 1.5 * radius / voxel).astype(int), 0)
        high = np.minimum(np.ceil(centre + 1.5 * radius / voxel).astype(int) + 1, grid.size)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        away = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), -1)
        level = np.sqrt((((away - centre) * voxel / radius) ** 2).sum(-1))
        spot = torch.sigmoid(torch.from_numpy((1 - level) * 4).float())
        change = white[box] * spot
        lesion[box] += change
        white[box] -= change
