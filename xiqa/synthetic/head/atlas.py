"""The head that every subject is warped from: MNI152 tissue maps with a skull, a scalp, a face and a neck around them.

The brain is the MNI152 grey- and white-matter map that nilearn brings along (ICBM 152 nonlinear 2009a; copyright
1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University). It ends
flat at z = -72 mm and has no skull. Everything around it is geometry: shells by distance from the brain,
and simple bodies for face, neck, air cavities, bone, eyes and spinal canal.

Coordinates are MNI152 millimetres: x to the right, y to the front, z up.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage

# Room around nilearn's maps (mm, multiples of the spacing): the neck is long enough for a scan cut at the vertex.
BELOW, ABOVE = np.array([12, 18, 141]), np.array([12, 36, 6])
COARSE = 3  # mm, spacing of everything that is not brain
CHANNELS = ("brain", "body", "cavity", "bone", "eyes", "fat", "canal", "cord")
OUTSIDE = {"brain": 60.0, "body": 60.0}  # distance in mm beyond the box


@dataclass(frozen=True)
class Maps:
    """Maps (1, C, X, Y, Z) float32 on a regular grid: the first voxel's centre (mm) and the spacing (mm)."""

    values: torch.Tensor
    origin: np.ndarray
    spacing: float

    def sample(self, points: torch.Tensor) -> torch.Tensor:
        """Values (C, X, Y, Z) at points (3, X, Y, Z) in MNI millimetres, trilinear; beyond the edge 0."""
        scale = 2 / (self.spacing * (np.array(self.values.shape[2:]) - 1))
        shift = -self.origin * scale - 1
        places = torch.stack([points[axis] * float(scale[axis]) + float(shift[axis]) for axis in (2, 1, 0)], dim=-1)
        return torch.nn.functional.grid_sample(self.values, places[None], align_corners=True)[0]


@lru_cache(maxsize=6)
def template(name: str, spacing: int) -> tuple[np.ndarray, np.ndarray]:
    """One of nilearn's bundled maps, "gm" or "wm", and the origin of its grid; not to be changed in place."""
    from nilearn import datasets

    image = {"gm": datasets.load_mni152_gm_template, "wm": datasets.load_mni152_wm_template}[name](resolution=spacing)
    values = np.array(image.dataobj, dtype=np.float32)
    values[values < 0.01] = 0  # resampling leaves ripples around the brain
    return np.clip(values, 0, 1), np.asarray(image.affine)[:3, 3]


@lru_cache(maxsize=8)
def brain(spacing: int, blur: tuple[float, float, float]) -> Maps:
    """Probability of grey and white matter, smoothed with standard deviations in mm as a thick voxel averages them."""
    maps = []
    for name in ("gm", "wm"):
        values, origin = template(name, spacing)
        maps.append(ndimage.gaussian_filter(values, np.array(blur) / spacing) if any(blur) else values)
    return Maps(torch.from_numpy(np.stack(maps))[None], origin, spacing)


@lru_cache(maxsize=1)
def shapes() -> Maps:
    """All but the brain's tissues: ``CHANNELS``, two distances in mm (negative inside) and six shares in [0, 1]."""
    distance, origin = brain_distance()
    sizes = distance.shape
    x, y, z = (
        (origin[axis] + COARSE * np.arange(sizes[axis], dtype=np.float32)).reshape(np.roll([-1, 1, 1], axis))
        for axis in range(3)
    )
    maps = {"brain": distance, "body": body(x, y, z), "cavity": cavity(x, y, z), "bone": bone(x, y, z),
            "eyes": solid(eyes(x, y, z)), "fat": fat(x, y, z), "canal": solid(spine(x, y, z, 9.0)),
            "cord": solid(spine(x, y, z, 5.5))}  # fmt: skip
    values = np.stack([np.broadcast_to(maps[name], sizes) for name in CHANNELS]).astype(np.float32)
    for name, far in OUTSIDE.items():
        # Sampling gives 0 beyond the edge, so distances are stored as differences from "far".
        values[CHANNELS.index(name)] -= far
    return Maps(torch.from_numpy(values)[None], origin, COARSE)


def brain_distance() -> tuple[np.ndarray, np.ndarray]:
    """Signed distance (mm) from the brain with its sulci closed, the brain stem below z = -58 mm left out; origin."""
    grey, origin = template("gm", COARSE)
    tissue = grey + template("wm", COARSE)[0] > 0.3
    tissue[:, :, : round((-58 - origin[2]) / COARSE)] = False
    room = [(int(below) // COARSE, int(above) // COARSE) for below, above in zip(BELOW, ABOVE, strict=True)]
    tissue = np.pad(tissue, room)
    reach = 7.0
    wide = ndimage.distance_transform_edt(~tissue, sampling=COARSE) < reach
    closed = ndimage.distance_transform_edt(wide, sampling=COARSE) > reach
    distance = ndimage.distance_transform_edt(~closed, sampling=COARSE)
    distance -= ndimage.distance_transform_edt(closed, sampling=COARSE)
    return ndimage.gaussian_filter(distance, 0.8), origin - BELOW


# --- simple bodies; each takes coordinates that broadcast and returns a distance (mm) or a share ----------------------


def ellipsoid(x, y, z, centre, radii) -> np.ndarray:
    """About the signed distance from an ellipsoid: exact on its surface, to first order near it."""
    u, v, w = ((value - middle) / radius for value, middle, radius in zip((x, y, z), centre, radii, strict=True))
    level = np.sqrt(u**2 + v**2 + w**2)
    slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
    return level * (level - 1) / np.maximum(slope, 1e-6)


def both(x, y, z, centre, radii) -> np.ndarray:
    """An ellipsoid on either side."""
    return ellipsoid(np.abs(x), y, z, centre, radii)


def solid(distance: np.ndarray, edge: float = 1.0) -> np.ndarray:
    """Share of a voxel inside a surface, from the distance; ``edge`` in mm."""
    return 1 / (1 + np.exp(np.clip(distance / edge, -30, 30)))


def merge(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """Union of two bodies, the crease between them rounded over ``blend`` mm."""
    mix = np.clip(0.5 + 0.5 * (second - first) / blend, 0, 1)
    return second + (first - second) * mix - blend * mix * (1 - mix)


def body(x, y, z) -> np.ndarray:
    """Face, nose, ears and neck; the vault is added subject by subject, as thick as its scalp and skull."""
    flare = 1 + np.maximum(-150 - z, 0) / 55  # towards the shoulders
    lean = -18 + 0.12 * (z + 100)
    neck = (np.sqrt((x / (59 * flare)) ** 2 + ((y - lean) / (64 * np.sqrt(flare))) ** 2) - 1) * 58
    neck = np.maximum(neck, z + 55)
    total = merge(neck, ellipsoid(x, y, z, (0, 36, -66), (68, 56, 62)), 20)
    total = merge(total, ellipsoid(x, y, z, (0, 44, -98), (50, 47, 33)), 14)
    total = merge(total, ellipsoid(x, y, z, (0, 90, -54), (14, 22, 22)), 8)
    return merge(total, both(x, y, z, (80, -24, -36), (7, 17, 29)), 5)


def cavity(x, y, z) -> np.ndarray:
    """Air: nose, sinuses, ear, throat."""
    wide = np.minimum(ellipsoid(x, y, z, (0, 66, -58), (11, 30, 19)), both(x, y, z, (30, 58, -64), (13, 16, 15)))
    wide = np.minimum(wide, ellipsoid(x, y, z, (0, 58, -38), (12, 20, 7)))
    wide = np.minimum(wide, ellipsoid(x, y, z, (0, 24, -44), (12, 11, 8)))
    wide = np.minimum(wide, ellipsoid(x, y, z, (0, 74, -14), (17, 4, 10)))
    throat = np.maximum(np.hypot(x / 11, (y - 14 - 0.05 * (z + 100)) / 8) - 1, 0) * 9
    throat = np.where((z < -58), throat, 60.0)
    ear = np.where(np.abs(x) > 56, np.hypot(y + 20, z + 40) - 3.5, 60.0)
    mastoid = 0.6 * solid(both(x, y, z, (58, -34, -46), (9, 12, 14)))
    return np.maximum(solid(np.minimum(np.minimum(wide, throat), ear)), mastoid)


def bone(x, y, z) -> np.ndarray:
    """Jaws with teeth and vertebrae, without the skull around the brain."""
    arch = np.abs(np.hypot(x / 40, (y - 38) / 46) - 1) * 42 - 5
    jaw = np.maximum(np.maximum(arch, np.abs(z + 97) - 17), 32 - y)
    ramus = np.maximum(np.hypot((np.abs(x) - 46) / 5, (y - 24) / 14) - 1, 0) * 8 + np.maximum(np.abs(z + 80) - 24, 0)
    column = vertebra(x, y, z)
    return np.maximum(solid(np.minimum(jaw, ramus)), column)


def vertebra(x, y, z) -> np.ndarray:
    """Vertebral bodies with discs between them, and the arch behind the canal."""
    axis = -46 + 0.1 * (z + 100)
    front = (np.hypot(x / 13, (y - axis - 17) / 10) - 1) * 11
    disc = 0.5 + 0.5 * np.cos(2 * np.pi * (z + 80) / 19)
    arch = np.abs(np.hypot(x, y - axis) - 12.5) - 2.5
    spinous = np.maximum(np.hypot(x / 4, (y - axis + 24) / 11) - 1, 0) * 5 + 5 * disc
    return np.where(z < -68, np.maximum(solid(front) * (1 - 0.6 * disc**8), 0.8 * solid(np.minimum(arch, spinous))), 0)


def spine(x, y, z, radius: float) -> np.ndarray:
    """Tube around the axis of the spinal canal, from the brain stem down."""
    return np.maximum(np.hypot(x, y + 46 - 0.1 * (z + 100)) - radius, z + 56)


def eyes(x, y, z) -> np.ndarray:
    """The two eyeballs."""
    return both(x, y, z, (33, 68, -36), (12, 12, 12))


def fat(x, y, z) -> np.ndarray:
    """Fat inside face and neck: orbits, cheeks, nape, around the throat."""
    orbit = both(x, y, z, (29, 56, -37), (17, 22, 15))
    cheek = both(x, y, z, (48, 54, -84), (13, 18, 22))
    nape = np.maximum(np.abs(np.hypot(x / 40, (y + 30) / 44) - 1) * 40 - 3, z + 62)
    return np.maximum(solid(np.minimum(orbit, cheek)), 0.6 * solid(nape, 2.0))
