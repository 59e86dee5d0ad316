"""The heart of a patient at end diastole, in mm, in a frame of its own.

Heart coordinates are (across, along, up): the origin is the centre of the mitral valve, ``along`` points to the apex,
``across`` to the tricuspid valve within the true four-chamber plane, ``up`` is the plane's normal, towards the head.
So the true plane is up = 0. Body coordinates are LPS (left, posterior, head), with the origin in a vertebral body.
Sizes are those of adults (annuli, walls, chambers and aortic root as cardiac imaging reports them), spread by patient.
"""

from dataclasses import asdict, dataclass

import numpy as np

BASE = 0.87  # radius of the left ventricle's cavity at the mitral plane, as a share of its largest
ROLL = 16.0  # spread of the heart about its long axis, degrees


@dataclass(frozen=True)
class Heart:
    """Dimensions in mm at end diastole, fractions and angles where stated."""

    length: float  # mitral centre to epicardial apex
    cavity: float  # largest radius of the left ventricle's cavity
    wall: float  # of the left ventricle
    lean: tuple[float, float]  # of the ventricle's axis at its base, across and up: makes room for the outflow tract
    shortening: float  # systolic loss of cavity radius, a fraction
    descent: float  # of the mitral plane in systole
    mitral: float  # radius of the orifice
    right: tuple[float, float, float]  # radii of the right ventricle
    right_wall: float
    right_descent: float  # of the tricuspid plane in systole
    right_shortening: float  # a fraction
    tricuspid_step: float  # how much nearer to the apex the tricuspid valve lies
    left_atrium: tuple[float, float, float]
    right_atrium: tuple[float, float, float]
    annulus: float  # radius of the aortic annulus
    sinus: float  # radius of the aortic root
    clearance: float  # lower edge of the annulus above the true plane
    rise: float  # of the root's lower edge, mm for a mm
    tract: float  # across, of the annulus
    papillary: float  # radius of a papillary muscle
    # Random, so that structures in the plane do not reveal its height.
    around: float  # turn of the papillary muscles about the ventricle's axis, radians
    band: float  # height of the moderator band, mm
    fat: float  # under the pericardium; more in the grooves
    frame: tuple  # rows: across, along, up in body coordinates
    place: tuple[float, float, float]  # mitral centre in body coordinates

    @property
    def axes(self) -> np.ndarray:
        """Rotation (3, 3): body vector = heart vector @ axes."""
        return np.array(self.frame)

    @property
    def septum(self) -> float:
        """Right side of the septum at the base, across."""
        return self.lean[0] + BASE * self.cavity + self.wall

    @property
    def tricuspid(self) -> tuple[float, float]:
        """Centre of the tricuspid valve (across, along) and, implied, its orifice between septum and free wall."""
        return 0.5 * (self.septum + self.lateral), self.tricuspid_step

    @property
    def left(self) -> float:
        """Middle of the left atrium, across."""
        return -3.0

    @property
    def crux(self) -> float:
        """Septum between the atria, across: half way between where either would end without the other."""
        return 0.5 * (self.left + self.left_atrium[0] + self.tricuspid[0] - 2 - self.right_atrium[0])

    @property
    def lateral(self) -> float:
        """Free wall of the right ventricle at the tricuspid valve, across."""
        return self.septum + 0.8 * self.right[0]

    def to_body(self, points: np.ndarray) -> np.ndarray:
        """Heart coordinates (..., 3) to body coordinates."""
        return np.asarray(points) @ self.axes + np.array(self.place)

    def landmarks(self) -> dict[str, np.ndarray]:
        """Apex, mitral and tricuspid centre in body coordinates; the true four-chamber plane is theirs."""
        across, along = self.tricuspid
        points = {"apex": (0, self.length, 0), "mitral": (0, 0, 0), "tricuspid": (across, along, 0)}
        return {name: self.to_body(np.array(point, float)) for name, point in points.items()}

    def about(self) -> dict:
        """Plain values for a sidecar."""
        return asdict(self)


def heart(rng: np.random.Generator) -> Heart:
    """The heart of one patient."""

    def spread(mean: float, share: float) -> float:
        return float(mean * np.clip(1 + share * rng.normal(), 1 - 2.2 * share, 1 + 2.2 * share))

    size = spread(1.0, 0.06)
    right = spread(34, 0.10) * size, spread(62, 0.05) * size, spread(42, 0.07) * size
    frame, place = orientation(rng)
    annulus = spread(11, 0.07) * size
    return Heart(
        length=spread(94, 0.05) * size,
        cavity=spread(24, 0.10) * size,
        wall=spread(9, 0.16) * size,
        lean=(spread(4, 0.25), spread(4, 0.25)),
        shortening=spread(0.31, 0.17),
        descent=spread(13, 0.18),
        mitral=spread(14.5, 0.07) * size,
        right=right,
        right_wall=spread(3.6, 0.14),
        right_descent=spread(20, 0.15),
        right_shortening=spread(0.2, 0.2),
        tricuspid_step=spread(6, 0.25),
        left_atrium=(spread(23, 0.10) * size, spread(26, 0.14) * size, spread(29, 0.09) * size),
        right_atrium=(spread(24, 0.10) * size, spread(27, 0.12) * size, spread(32, 0.09) * size),
        annulus=annulus,
        sinus=annulus * spread(1.35, 0.06),
        clearance=1.2 + 0.5 * float(np.clip(rng.normal(), -2, 2)),
        rise=spread(0.22, 0.2),
        tract=spread(20, 0.08) * size,
        papillary=spread(5.2, 0.15),
        around=float(rng.uniform(-0.6, 0.6)),
        band=float(rng.uniform(-6, 16)),
        fat=float(np.clip(rng.gamma(6, 0.6), 1.5, 7)),
        frame=frame,
        place=place,
    )


def orientation(rng: np.random.Generator) -> tuple[tuple, tuple]:
    """Directions of the heart's axes in the body and place of the mitral valve.

    The apex points left, forward and down, the right ventricle lies in front and to the right of the left one.
    """
    azimuth, fall = np.deg2rad([45 + 7 * rng.normal(), 28 + 6 * rng.normal()])
    # A wide spread of the roll, so that the torso in a picture does not predict the plane's tilt.
    roll = np.deg2rad(np.clip(ROLL * rng.normal(), -2 * ROLL, 2 * ROLL))
    along = np.array([np.sin(azimuth) * np.cos(fall), -np.cos(azimuth) * np.cos(fall), -np.sin(fall)])
    across = np.array([-0.75, -0.55, -0.33])
    across -= (across @ along) * along
    across /= np.linalg.norm(across)
    up = np.cross(across, along)
    across, up = np.cos(roll) * across + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * across
    place = (24 + 4 * rng.normal(), -54 + 4 * rng.normal(), 0.0)
    return tuple(tuple(float(v) for v in axis) for axis in (across, along, up)), tuple(float(v) for v in place)
