"""Surroundings of the heart in body coordinates: chest wall, lungs and vessels, mediastinum, spine, liver."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xiqa.synthetic.heart.anatomy import Heart
from xiqa.synthetic.heart.geometry import Points, ellipsoid, rod

INF = np.inf


@dataclass(frozen=True)
class Torso:
    """Sizes in mm and the random parts (lung vessels, ribs) of one patient's chest."""

    middle: float  # of the chest, front to back
    half: tuple[float, float]  # of the skin, side to side and front to back
    fat: float
    muscle: float
    liver: float  # height of the dome
    left_dome: float
    vessels: np.ndarray  # (N, 8): start, end, radii at both
    ribs: np.ndarray  # angles
    thymus: float  # half width of the fat behind the breastbone
    wave: tuple[float, float]  # height and angle of the wall's departure from an ellipse

    def bulge(self, points: Points) -> np.ndarray:
        """Flattening of the chest at one oblique direction and its opposite."""
        angle = np.arctan2(points[0], points[1] - np.float32(self.middle))
        return np.float32(self.wave[0]) * np.cos(3 * angle + np.float32(self.wave[1]))


def torso(rng: np.random.Generator) -> Torso:
    """The chest of one patient."""
    size = 1 + 0.05 * rng.normal()
    half = (float(np.clip(170 + 9 * rng.normal(), 155, 190)) * size, float(118 + 5 * rng.normal()) * size)
    fat, muscle = float(np.clip(rng.gamma(5, 2.6), 5, 30)), float(np.clip(11 + 2 * rng.normal(), 8, 15))
    return Torso(
        middle=68.0 - half[1] + float(rng.normal()) * 2,
        half=(half[0] + 0.5 * fat, half[1] + 0.5 * fat),
        fat=fat,
        muscle=muscle,
        # Breath is held anywhere between in and out; otherwise the liver's size would predict the tilt.
        liver=float(rng.uniform(-95, 50)),
        left_dome=float(rng.uniform(-85, -35)),
        vessels=vessels(rng),
        thymus=float(rng.uniform(8, 34)),
        wave=(float(rng.uniform(0, 4)), float(rng.uniform(0, 2 * np.pi))),
        ribs=np.sort(rng.uniform(0, 2 * np.pi, 16)),
    )


def vessels(rng: np.random.Generator) -> np.ndarray:
    """Tapering vessels that leave both hila and branch once."""
    rows = []
    for side in (-1, 1):
        for _ in range(13):
            start = np.array([side * 48 + 8 * side, -30, 12]) + 10 * rng.normal(size=3)
            away = np.array([side, -0.4, 0.0]) + rng.normal(size=3) * [0.5, 0.8, 0.55]
            end = start + away / np.linalg.norm(away) * rng.uniform(35, 65)
            radius = rng.uniform(2.2, 4.2)
            rows.append([*start, *end, radius, 0.55 * radius])
            bent = away / np.linalg.norm(away) + 0.6 * rng.normal(size=3)
            tip = end + bent / np.linalg.norm(bent) * rng.uniform(20, 40)
            rows.append([*end, *tip, 0.5 * radius, 0.25 * radius])
    return np.array(rows)


def layers(body: Torso, heart: Heart, points: Points, coarse: np.ndarray) -> Iterator[tuple]:
    """(tissue, distance in mm) in painting order, from the skin inwards; uncovered points are air."""
    skin = ellipsoid(points, (0, body.middle, 0), (*body.half, INF)) + body.bulge(points)
    inner = skin + body.fat + body.muscle
    yield "fat", skin
    yield "muscle", skin + body.fat
    yield "fat", np.maximum(np.abs(skin + body.fat + 0.55 * body.muscle) - 1.0, 0.8 * coarse)
    yield from ribs(body, points)
    yield "lung", inner
    for row in body.vessels:
        yield "venous", np.maximum(rod(points, row[:3], row[3:6], row[6], row[7]), inner)
    yield from abdomen(body, heart, points, inner, coarse)
    yield from mediastinum(body, heart, points, coarse)


def ribs(body: Torso, points: Points) -> Iterator[tuple]:
    """Ribs as short rods of marrow with a dark cortex within the wall; the breastbone in front."""
    depth = body.fat + body.muscle - 4.5
    wide, deep = body.half[0] - depth, body.half[1] - depth
    for angle in body.ribs:
        there = [(wide * np.sin(angle + d), body.middle + deep * np.cos(angle + d), 14 * d) for d in (-0.09, 0.09)]
        sheath = rod(points, *there, 5.2, 5.2)
        yield "bone", sheath
        yield "marrow", sheath + 1.8
    front = (0, body.middle - deep - 1, 0)
    yield "bone", ellipsoid(points, front, (19, 7, INF))
    yield "marrow", ellipsoid(points, front, (17, 5, INF))


def abdomen(body: Torso, heart: Heart, points: Points, inner: np.ndarray, coarse: np.ndarray) -> Iterator[tuple]:
    """Liver dome on the right, fat, stomach and spleen under the left half of the diaphragm."""
    height = heart.place[2]
    liver = ellipsoid(points, (-74, -58, height + body.liver - 90), (100, 98, 90)) + 2 * coarse
    yield "muscle", np.maximum(liver, inner)
    yield "liver", np.maximum(liver, inner) + 1.6
    for row in body.vessels[:10]:
        below = row[:6] + np.tile([-35 - heart.place[0], -30, height + body.liver - 38], 2)
        yield "venous", np.maximum(rod(points, below[:3], below[3:], row[6], row[7]), np.maximum(liver, inner) + 8)
    left = ellipsoid(points, (78, -40, height + body.left_dome - 85), (80, 85, 85))
    yield "muscle", np.maximum(left, inner)
    yield "fat", np.maximum(left, inner) + 1.8
    yield "spleen", np.maximum(ellipsoid(points, (105, 5, height + body.left_dome - 62), (38, 46, 52)), inner + 3)
    yield "muscle", np.maximum(ellipsoid(points, (62, -62, height + body.left_dome - 58), (42, 44, 45)), inner + 3)


def mediastinum(body: Torso, heart: Heart, points: Points, coarse: np.ndarray) -> Iterator[tuple]:
    """Fat, oesophagus, descending aorta, azygos and pulmonary veins, then the spine with its muscles."""
    yield "fat", ellipsoid(points, (4, -24, 0), (30, 32, INF)) + 1.5 * coarse
    front = body.middle - body.half[1] + body.fat + body.muscle
    yield "fat", ellipsoid(points, (6, front + 2, 0), (body.thymus, 8, INF)) + 3 * coarse
    yield "muscle", ellipsoid(points, (10, -27, 0), (8, 6, INF)) + 0.5 * coarse
    for centre, radius, wall in (((25, -10), 11.5, 1.6), ((-11, -19), 4.2, 0.8)):
        cylinder = np.hypot(points[0] - np.float32(centre[0]), points[1] - np.float32(centre[1])) - np.float32(radius)
        yield "muscle", cylinder - wall
        yield "blood", cylinder
    yield from veins(heart, points)
    for side in (-1, 1):
        yield "muscle", ellipsoid(points, (side * 27, 34, 0), (20, 17, INF)) + coarse
    body_of = ellipsoid(points, (0, 0, 0), (19, 15, INF)) + 0.5 * coarse
    yield "bone", body_of - 1
    yield "marrow", body_of + 0.6
    disc = np.abs((points[2] + 14) % np.float32(31) - 15) - 3.5
    yield "muscle", np.maximum(body_of, disc)
    yield "bone", ellipsoid(points, (0, 25, 0), (13, 12, INF))
    yield "csf", ellipsoid(points, (0, 24, 0), (9, 8, INF))
    yield "muscle", ellipsoid(points, (0, 24, 0), (5.5, 4.5, INF))
    yield "marrow", ellipsoid(points, (0, 45, 0), (3.5, 13, INF))


def veins(heart: Heart, points: Points) -> Iterator[tuple]:
    """Pulmonary veins from the back of the left atrium to the hila."""
    back = -1.35 * heart.left_atrium[1]
    left = heart.to_body(np.array([-16.0, back, 2.0]))
    right = heart.to_body(np.array([10.0, back - 6, 2.0]))
    for start, side, height in ((left, 1, 14), (left, 1, -16), (right, -1, 14), (right, -1, -16)):
        end = start + np.array([side * 42.0, 12.0, height])
        yield "blood", rod(points, start, end, 6.0, 4.5)
