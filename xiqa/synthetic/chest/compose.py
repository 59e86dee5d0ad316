"""One film: a subject, how they are exposed, what they wear, where it lies.

Everything random comes from streams of its own, keyed by seed, subject and purpose. Only the placement looks at the
label: every object first gets a place clear of the lungs, in both classes alike, and in a positive film some of them
are then moved over the lungs.
"""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from xiqa.synthetic.chest import anatomy, bones, lungs
from xiqa.synthetic.chest.devices import devices
from xiqa.synthetic.chest.film import Chain, exposure
from xiqa.synthetic.chest.geometry import View
from xiqa.synthetic.chest.objects import Stroke, Thing, things
from xiqa.synthetic.chest.placement import Ground, Placed, annotate, ink, silhouette

VERSION = 1
ANATOMY, TEXTURE, EXPOSURE, NOISE, PLACEMENT, ANNOTATION = 0, 1, 2, 3, 6, 7  # streams; objects 4, devices 5, files 8

# Attenuation in 1/mm at about 75 keV: soft tissue, and what bone (mixed) and calcification add to the path.
SOFT, BONE, CALCIUM = 0.0185, 0.047, 0.045


@dataclass
class Film:
    """A radiograph and what is known about it.

    Attributes
    ----------
    image : uint8 (size, size), dense parts bright.
    annotation : the annotated objects as Object-CXR writes them: ``TYPE x1 y1 x2 y2 ...`` joined by ``;``.
    silhouettes, distractors, lungs : bool (size, size); annotated objects, un-annotated metal and plastic (devices and
        side marker too), the lung field.
    objects : one dictionary an object: kind, material, annotated, dprime, visible, width_mm, height_mm, row, column.

    """

    image: np.ndarray
    annotation: str
    silhouettes: np.ndarray
    distractors: np.ndarray
    lungs: np.ndarray
    objects: list[dict] = field(default_factory=list)


@dataclass
class Body:
    """Line integrals of a subject (attenuation, float32) and where the lungs and what lies near them are (bool)."""

    attenuation: np.ndarray
    lungs: np.ndarray
    near: np.ndarray


def draw(seed: int, subject: int, label: int, size: int, objects: bool = True) -> Film:
    """Draw a film.

    Parameters
    ----------
    seed, subject : who; the same pair is the same person, exposed in the same way, wearing the same things.
    label : 1 puts some of the objects over the lungs, 0 none.
    size : side of the film in pixels.
    objects : False leaves the foreign objects off the film, everything else (support devices, noise, tone, annotation)
        being the same: the counterfactual film.

    """
    streams = {stream: np.random.default_rng([seed, subject, stream]) for stream in
               (ANATOMY, TEXTURE, EXPOSURE, NOISE, PLACEMENT, ANNOTATION)}  # fmt: skip
    fine = 2 if size < 400 else 1
    person = anatomy.subject(streams[ANATOMY])
    view = person.view(size * fine, 0.8 if fine > 1 else 1.7)
    body = attenuate(view, person, streams[ANATOMY], streams[TEXTURE])
    noise = streams[NOISE].standard_normal(body.attenuation.shape, dtype=np.float32)
    chain = Chain(exposure(streams[EXPOSURE]), body.attenuation, body.lungs, view, noise)
    ground = Ground(chain, body.lungs, body.near, fine)
    laid = lay(things(seed, subject), label, ground, streams[PLACEMENT])
    worn = [stroke for _, strokes in devices(seed, subject, person) for stroke in strokes]
    support = paint(view, worn, 2)
    metal = support.copy()
    for placed in laid if objects else []:
        placed.paint(metal, placed.tau)
    film = shrink(chain.film(body.attenuation + metal), fine)
    return finish(film, laid, shrink(support, fine) > 0.02, shrink(body.lungs, fine) > 0.5, fine, streams[ANNOTATION])


def attenuate(view: View, person: anatomy.Subject, shape: np.random.Generator, grain: np.random.Generator) -> Body:
    """Sum of attenuation along every ray through the body."""
    thickness = anatomy.torso(view, person, shape)
    organs = anatomy.mediastinum(view, person, shape)
    sides = [anatomy.lung(view, person, side, organs, shape) for side in (-1, 1)]
    air, field_ = sides[0][0] + sides[1][0], sides[0][1] | sides[1][1]
    gas = anatomy.airways(view, person, shape) + anatomy.belly_gas(view, person, shape)
    bone = bones.skeleton(view, person, shape, lungs.pattern(view, grain, (2.5, 6.0)))
    spongy = 1 + grain.uniform(0.015, 0.06) * lungs.pattern(view, grain, (2.5, 5.0, 11.0))
    blood = 1.4 * lungs.vessels(view, person, air, grain)
    empty = 1 - anatomy.LUNG_DENSITY
    soft = np.maximum(thickness - empty * (air * spongy - blood) - gas, 0) + anatomy.breasts(view, person, shape)
    total = SOFT * soft + BONE * bone + CALCIUM * lungs.granulomas(view, field_, grain)
    low = view.y < person.dome
    near = ((organs > 0) & low & (view.y > -15)) | ((air > 6) & ~field_)
    return Body(total.astype(np.float32), field_, near)


def lay(worn: list[Thing], label: int, ground: Ground, rng: np.random.Generator) -> list[Placed]:
    """Place the objects: all of them clear of the lungs, then, in a positive film, some over the lungs."""
    laid = [found for found in (ground.place(thing, False, rng) for thing in worn) if found is not None]
    wanted = max(min(int(rng.geometric(0.45)), 4, len(laid) - 1), 1)
    order = rng.permutation(len(laid))
    if not label:
        return laid
    hidden = []
    for number in order:
        if wanted == 0:
            break
        moved = ground.place(laid[number].thing, True, rng)
        if moved is not None and moved.visible():
            laid[number], wanted = moved, wanted - 1
        elif moved is not None:
            hidden.append((moved.dprime, number, moved))
    if hidden and not any(placed.lung for placed in laid):
        _, number, moved = max(hidden, key=lambda one: one[0])
        laid[number] = moved
    return laid


def paint(view: View, strokes: list[Stroke], fine: int) -> np.ndarray:
    """Attenuation of strokes given in body coordinates, on the whole canvas."""
    if not strokes:
        return np.zeros((view.side, view.side), np.float32)
    picture = Image.new("F", (view.side * fine, view.side * fine))
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        spots = np.stack(view.to_pixel(*stroke.points.T), axis=1) + 0.5
        ink(pen, stroke, spots * fine, fine / view.pixel)
    return np.asarray(picture.reduce(fine))


def shrink(image: np.ndarray, fine: int) -> np.ndarray:
    """Mean over blocks of ``fine`` x ``fine`` pixels."""
    return np.asarray(Image.fromarray(image.astype(np.float32)).reduce(fine))


def finish(film: np.ndarray, laid: list[Placed], support: np.ndarray, field_: np.ndarray, fine: int, rng) -> Film:
    """Quantise a film and annotate it."""
    side = film.shape[0]
    silhouettes, distractors = np.zeros((side, side), bool), support
    shapes, listed = [], []
    for placed in laid:
        mask = silhouette(placed, side, fine)
        if placed.lung:
            silhouettes |= mask
            shapes.append(annotate(mask, rng))
        else:
            distractors = distractors | mask
        listed.append(describe(placed, fine))
    image = np.round(np.clip(film, 0, 1) * 255).astype(np.uint8)
    return Film(image, ";".join(shapes), silhouettes, distractors, field_, listed)


def describe(placed: Placed, fine: int) -> dict:
    """What is known of an object; its middle in pixels of the film."""
    wide, high = placed.thing.size()
    return {
        "kind": placed.thing.kind,
        "material": placed.thing.material,
        "annotated": placed.lung,
        "dprime": round(placed.dprime, 2),
        "visible": placed.visible(),
        "width_mm": round(wide, 1),
        "height_mm": round(high, 1),
        "row": round((placed.row + placed.tau.shape[0] / 2) / fine, 1),
        "column": round((placed.column + placed.tau.shape[1] / 2) / fine, 1),
    }
