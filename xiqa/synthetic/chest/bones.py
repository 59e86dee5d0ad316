"""The skeleton of the thorax: ribs as bent flat tubes, spine, clavicles, scapulae, humeri. Paths through bone in mm."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from xiqa.synthetic.chest.anatomy import Subject, cage, shoulder_point
from xiqa.synthetic.chest.geometry import View, add_body, even, profile, smooth_path, splat, tube

# Reach of each rib's arc against the wall of the cage, where it ends (degrees from the spine), how far it falls (mm).
RIB_WIDTH = (0.8, 0.95, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.92, 0.8)
RIB_END = (128, 136, 142, 146, 148, 146, 142, 136, 126, 112, 78, 56)
RIB_FALL = (34, 46, 58, 68, 76, 84, 90, 96, 100, 102, 88, 70)


def skeleton(view: View, person: Subject, rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """All bone on the rays, float32 (side, side); ``texture`` (mean 0, spread 1) grains the trabecular part."""
    parts = [ribs(view, person, rng)]
    for side in (-1, 1):
        parts += girdle(view, person, side, rng)
    # The cortex is thin: a long path through a rib seen edge-on is mostly marrow.
    bone = 20 * (1 - np.exp(splat(view, parts) / -20))
    for side in (-1, 1):
        at, shaft = humerus(view, person, side, rng)
        bone[at] += shaft
    bone += blades(view, person)
    bone += spine(view, person, rng) + sternum(view, person)
    return bone * (1 + 0.11 * texture) * np.float32(person.bone)


def vertebra(number: float | np.ndarray, person: Subject) -> np.ndarray:
    """Height (y, mm) of the middle of a thoracic vertebra, counted from 0; below 0 cervical, above 11 lumbar."""
    number = np.asarray(number, float)
    spacing = np.where(number < 0, 17.5, 19.0 + 0.42 * np.clip(number, 0, 14))
    return (8 + number * spacing) * person.tall


def ribs(view: View, person: Subject, rng: np.random.Generator) -> tuple:
    """All ribs: each lies in a plane that falls towards the front, its front end flatter and fainter."""
    paths, heights, fades = [], [], []
    for number in range(12):
        top = vertebra(number, person) - 4
        fall = RIB_FALL[number] * person.tall * rng.normal(1, 0.05)
        depth = person.deep * 98 * (0.55 + 0.45 * min(number / 4, 1))
        for side in (-1, 1):
            theta = np.linspace(0.025, np.deg2rad(RIB_END[number] + rng.normal(0, 3)), 90)
            # The neck of a rib runs upwards before the angle turns it forwards.
            y = top + fall * ((1 - np.cos(theta)) / 2) ** 1.08 - 5 * np.exp(-((theta - 0.45) ** 2) / 0.06)
            y += rng.normal(0, 1.2) * np.sin(theta * rng.uniform(1.5, 3))
            width = (person.width * wall(person, y) + 3) * RIB_WIDTH[number] * rng.normal(1, 0.006)
            x = side * (16 + (width - 16) * np.sin(theta) ** 0.82)
            path = even(np.stack([x, y, -depth * np.cos(theta)], axis=1), 0.9 * view.pixel / max(view.dense, 1))
            share = np.linspace(0, 1, len(path))
            paths.append(path)
            heights.append(6.3 * np.interp(share, (0, 0.1, 0.6, 1), (0.8, 1, 0.92, 1.15)))
            fades.append(np.interp(share, (0, 0.08, 0.55, 0.88, 1), (0.7, 1, 1, 0.7, 0.15)))
    points, volume = tube(view, paths, np.concatenate(heights), 3.1, core=0.15)
    fade = np.concatenate(fades).astype(np.float32)
    return points, volume * np.repeat(fade, len(volume) // len(fade))


def wall(person: Subject, y: np.ndarray) -> np.ndarray:
    """Half width of the cage against its widest at a height y."""
    return cage((y - 2 * person.tall) / (person.dome + person.sharp - 2 * person.tall))


def girdle(view: View, person: Subject, side: int, rng: np.random.Generator) -> list:
    """Clavicle, processes and borders of the scapula."""
    step, tall = 0.9 * view.pixel / max(view.dense, 1), person.tall
    joint = shoulder_point(person, side)
    lift = person.shoulders + rng.normal(0, 3)
    inner = (side * 14, 34 * tall, 60)
    outer = (joint[0] - side * 6, joint[1] - 30 - 0.3 * lift, -10)
    clavicle = smooth_path(
        [inner, (side * 50, 30 * tall - lift * 0.3, 55), (side * 95, 12 * tall - lift * 0.6, 25), outer], step
    )
    share = np.linspace(0, 1, len(clavicle))
    parts = [tube(view, [clavicle], profile([(0, 8.5), (0.15, 6), (0.6, 5.2), (1, 7)], share), 5, core=0.3)]
    neck, tip, shelf = scapula(person, side)
    borders = [
        ([*neck, -55], [*(0.5 * (neck + tip) + (side * 2, 0)), -62], [*tip, -70]),
        ([*shelf, -75], [*(0.5 * (shelf + joint) + (0, -16)), -70], [joint[0] + side * 4, joint[1] - 30, -40]),
        ([*neck, -50], [*(neck - (side * 4, -10)), -30], [*(neck - (-side * 8, -14)), -20]),
    ]
    for border, height in zip(borders, (3.2, 4.2, 4.5), strict=True):
        parts.append(tube(view, [smooth_path([tuple(point) for point in border], step)], height, 3, core=0.4))
    return parts


def scapula(person: Subject, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neck, lower angle and inner end of the spine of a scapula: x, y."""
    joint, out = shoulder_point(person, side), person.scapulae
    neck = joint - (side * 26, -4)
    tip = np.array([side * (person.width - 12 + out), joint[1] + 118 * person.tall])
    shelf = np.array([side * (person.width - 44 + out), joint[1] + 22])
    return neck, tip, shelf


def blades(view: View, person: Subject) -> np.ndarray:
    """The flat of both scapulae, thicker at its edge."""
    picture = Image.new("F", (view.side, view.side))
    for side in (-1, 1):
        neck, tip, shelf = scapula(person, side)
        corners = [neck - (0, 12), neck - (0, -10), (neck + tip) / 2 + (side * 3, 0), tip]
        corners += [(tip + shelf) / 2 - (side * 6, 0), shelf, shelf - (-side * 6, 34)]
        column, row = view.to_pixel(*np.array(corners).T, -65)
        spots = list(zip(column.tolist(), row.tolist(), strict=True))
        ImageDraw.Draw(picture).polygon(spots, fill=3.8, outline=9.0)
    return gaussian_filter(np.asarray(picture), 1.3 / view.pixel, truncate=3)


def humerus(view: View, person: Subject, side: int, rng: np.random.Generator) -> tuple[tuple[slice, slice], np.ndarray]:
    """A window of the canvas and the path there: a hollow solid of revolution, r(t)^2 - s^2 under the root."""
    joint, size = shoulder_point(person, side), rng.uniform(20, 24)
    reach = sorted((joint[0] - side * 45, joint[0] + side * (45 + 330 * np.sin(person.arms))))
    at = view.window(*reach, joint[1] - 40, joint[1] + 330)
    direction = np.array([side * np.sin(person.arms), np.cos(person.arms)], np.float32)
    dx, dy = view.x[at] - np.float32(joint[0]), view.y[at] - np.float32(joint[1])
    along, across = dx * direction[0] + dy * direction[1], dx * direction[1] - dy * direction[0]
    below = np.maximum(along - 0.3 * size, 0)
    # The head sits medially on the shaft.
    across = across + side * 5 * np.exp(-below / 12)
    square = np.where(below > 0, (11 + (0.954 * size - 11) * np.exp(-below / 17)) ** 2, size**2 - along**2)
    wall = 0.9 + 2.8 * np.minimum(below / 60, 1)
    outer = np.sqrt(np.maximum(square - across**2, 0))
    inner = np.sqrt(np.maximum(np.maximum(np.sqrt(np.maximum(square, 0)) - wall, 0) ** 2 - across**2, 0))
    return at, (2 * outer - 1.76 * inner).astype(np.float32)


def spine(view: View, person: Subject, rng: np.random.Generator) -> np.ndarray:
    """Vertebral bodies with end plates and pedicles, processes, discs between them."""
    rows, columns = view.window(-60, 60, -160, 420)
    curve = rng.normal(0, 2.5)
    x, y = view.x[rows, columns] - curve * np.sin(view.y[rows, columns] / 90), view.y[rows, columns]
    levels = vertebra(np.arange(-8, 17), person)
    number = np.interp(y, levels, np.arange(-8, 17)).astype(np.float32)
    local = number - np.round(number)
    level = np.clip(np.round(number), -8, 16)
    lumbar = np.clip(level / 12, 0, 1.2)
    half = (12.0 + 7.5 * lumbar) * (1 + 0.22 * (2 * local) ** 2)
    gap = 0.5 - np.abs(local)
    body = smoothstep(gap, 0.05, 0.11)
    plate = np.exp(-(((gap - 0.11) / 0.035) ** 2))
    across = np.sqrt(np.maximum(1 - (x / half) ** 2, 0))
    rim = np.exp(-(((np.abs(x) - half + 1.5) / 1.4) ** 2))
    size = 0.6 + 0.4 * np.clip((level + 6) / 10, 0, 1)
    total = ((0.35 + 0.65 * body) * (8 * across + 2.5 * rim) + 2.5 * plate * (across > 0.1)) * size
    pedicle = np.hypot((np.abs(x) - 0.66 * half) / 4.2, (local + 0.16) / 0.19)
    total += 4.5 * np.exp(-(((pedicle - 0.8) / 0.28) ** 2)) * size
    process = smoothstep(1 - np.hypot(x / (3.2 + 2 * np.maximum(local, 0)), (local - 0.18) / 0.4), 0.0, 0.35)
    total += 5.0 * process
    wing = smoothstep(1 - np.abs(local + 0.12 + 0.004 * (np.abs(x) - half)) / 0.17, 0, 0.5)
    total += 3.0 * wing * smoothstep(half + 9 - np.abs(x), 0, 4) * (np.abs(x) > half - 2)
    full = np.zeros_like(view.x)
    full[rows, columns] = gaussian_filter(total, 0.6 / view.pixel)
    return full


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, cubic between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def sternum(view: View, person: Subject) -> np.ndarray:
    """Manubrium and body of the sternum: thin, in front of the spine."""
    total, lean = np.zeros_like(view.x), view.turn * 90
    add_body(total, view, (lean, 46 * person.tall), (24, 22, 4))
    add_body(total, view, (lean, 118 * person.tall), (16, 62, 3.5))
    return total
