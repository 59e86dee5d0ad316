"""One film: a subject, the exposure, the objects and their places.

Random numbers come from separate streams, keyed by seed, subject and purpose. A scene does not depend on the label:
each designated object has a place over the lungs and one outside them, and the label of a film selects one of the
two. Without the designated objects, films of either label are the same.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageDraw

from xiqa.synthetic.chest import anatomy, bones, lungs
from xiqa.synthetic.chest.annotate import annotate, silhouette
from xiqa.synthetic.chest.devices import devices
from xiqa.synthetic.chest.film import Chain, enlarge, exposure
from xiqa.synthetic.chest.geometry import View
from xiqa.synthetic.chest.layout import Laid, lay
from xiqa.synthetic.chest.objects import designated, things
from xiqa.synthetic.chest.placement import Ground, Placed, ink
from xiqa.synthetic.chest.strokes import Stroke

VERSION = 2
ANATOMY, TEXTURE, EXPOSURE, NOISE, PLACEMENT, ANNOTATION = 0, 1, 2, 3, 6, 7  # streams; 4, 5, 8 to 11 elsewhere

# Attenuation in 1/mm at about 75 keV: soft tissue, and the additions of bone (mixed) and calcification.
SOFT, BONE, CALCIUM = 0.0185, 0.047, 0.045
LARGEST = 1000  # px, of the canvas that anatomy is drawn on; larger films enlarge it, without a visible effect
SCANNERS, OBJECTS = ("usual", "other"), ("all", "undesignated", "none")


@dataclass
class Film:
    """A radiograph with its record.

    Attributes
    ----------
    image : uint8 (size, size), dense parts bright.
    annotation : the annotated objects as Object-CXR writes them: ``TYPE x1 y1 x2 y2 ...`` joined by ``;``.
    silhouettes, distractors, lungs : bool (size, size); annotated objects, un-annotated metal and plastic (devices and
        side marker too), the lung field.
    objects : one dictionary an object: kind, material, designated, annotated, dprime, visible, width_mm,
        height_mm, row, column.
    """

    image: np.ndarray
    annotation: str
    silhouettes: np.ndarray
    distractors: np.ndarray
    lungs: np.ndarray
    objects: list[dict] = field(default_factory=list)


@dataclass
class Body:
    """Line integrals of a subject (attenuation, float32), masks of the lungs and of their surroundings (bool)."""

    attenuation: np.ndarray
    lungs: np.ndarray
    near: np.ndarray


@dataclass
class Scene:
    """A subject before the detector, with all they wear and where it may lie; films of either label come from it."""

    chain: Chain
    body: Body
    laid: list[Laid]
    support: np.ndarray
    fine: int
    key: tuple[int, int]

    def image(self, label: int, objects: str = "all") -> np.ndarray:
        """The picture alone, uint8 (size, size); parameters as of ``draw``."""
        metal = self.support.copy()
        for laid in self.laid:
            if objects == "all" or (objects == "undesignated" and not laid.designated):
                placed = laid.at(label)
                placed.paint(metal, placed.tau)
        image = shrink(self.chain.film(self.body.attenuation + metal), self.fine)
        return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)

    def film(self, label: int, objects: str = "all") -> Film:
        """The film of a label with its record; parameters as of ``draw``."""
        image, fine = self.image(label, objects), self.fine
        side = image.shape[0]
        silhouettes, distractors = np.zeros((side, side), bool), shrink(self.support, fine) > 0.02
        rng, shapes, listed = np.random.default_rng([*self.key, ANNOTATION]), [], []
        for laid in self.laid:
            placed = laid.at(label)
            mask = silhouette(placed, side, fine)
            if placed.lung:
                silhouettes |= mask
                shapes.append(annotate(mask, rng))
            else:
                distractors = distractors | mask
            listed.append(describe(placed, laid.designated, fine))
        field_ = shrink(self.body.lungs, fine) > 0.5
        return Film(image, ";".join(shapes), silhouettes, distractors, field_, listed)


def draw(seed: int, subject: int, label: int, size: int, objects: str = "all", scanner: str = "usual") -> Film:
    """Draw a film.

    Parameters
    ----------
    seed, subject : key of the person, the exposure and the objects.
    label : 1 puts the designated ones of the objects over the lungs, 0 puts them clear of the lungs as all others.
    size : side of the film in pixels.
    objects : ``all`` of them; ``undesignated`` leaves the designated ones off the film, everything else (other objects,
        support devices, noise, tone, annotation) being the same: the counterfactual; ``none`` leaves all off.
    scanner : ``usual``, or ``other`` for a shifted film: things of other kinds, more scatter and noise, another tone
        curve and collimation.
    """
    if objects not in OBJECTS:
        raise ValueError(f"objects is {objects!r}: choose one of {', '.join(OBJECTS)}.")
    return scene(seed, subject, size, scanner).film(label, objects)


def draw_pair(seed: int, subject: int, label: int, size: int, scanner: str = "usual") -> tuple[Film, Film]:
    """A film and its counterfactual without the designated objects, in little more than the time of one film."""
    shown = scene(seed, subject, size, scanner)
    film = shown.film(label)
    return film, replace(film, image=shown.image(label, "undesignated"))


def scene(seed: int, subject: int, size: int, scanner: str = "usual") -> Scene:
    """A subject with exposure and objects, without a label; parameters as of ``draw``."""
    if scanner not in SCANNERS:
        raise ValueError(f"scanner is {scanner!r}: choose one of {', '.join(SCANNERS)}.")
    streams = {stream: np.random.default_rng([seed, subject, stream]) for stream in
               (ANATOMY, TEXTURE, EXPOSURE, NOISE, PLACEMENT)}  # fmt: skip
    fine = 2 if size < 400 else 1
    person = anatomy.subject(streams[ANATOMY])
    view = person.view(size * fine)
    body = attenuate(person.view(min(view.side, LARGEST), 0.8 if fine > 1 else 1.7), person, streams)
    body = enlarged(body, view.side)
    noise = streams[NOISE].standard_normal((view.side, view.side), dtype=np.float32)
    chain = Chain(exposure(streams[EXPOSURE], scanner), body.attenuation, body.lungs, view, noise)
    lines = [stroke for _, strokes in devices(seed, subject, person) for stroke in strokes]
    support = paint(view, lines, 2 if size < LARGEST else 1)
    ground = Ground(chain, body.lungs, body.near, support, fine)
    laid = lay(things(seed, subject, scanner), designated(seed, subject), ground, streams[PLACEMENT], scanner)
    return Scene(chain, body, laid, support, fine, (seed, subject))


def enlarged(body: Body, side: int) -> Body:
    """A body on a canvas of ``side`` px."""
    if body.attenuation.shape[0] == side:
        return body
    masks = [enlarge(mask, side) > 0.5 for mask in (body.lungs, body.near)]
    return Body(enlarge(body.attenuation, side), *masks)


def attenuate(view: View, person: anatomy.Subject, streams: dict[int, np.random.Generator]) -> Body:
    """Sum of attenuation along every ray through the body."""
    shape, grain = streams[ANATOMY], streams[TEXTURE]
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


def describe(placed: Placed, designated_: bool, fine: int) -> dict:
    """Record of an object; its middle in pixels of the film."""
    wide, high = placed.thing.size()
    return {
        "kind": placed.thing.kind,
        "material": placed.thing.material,
        "designated": designated_,
        "annotated": placed.lung,
        "dprime": round(placed.dprime, 2),
        "visible": placed.visible(),
        "width_mm": round(wide, 1),
        "height_mm": round(high, 1),
        "row": round((placed.row + placed.tau.shape[0] / 2) / fine, 1),
        "column": round((placed.column + placed.tau.shape[1] / 2) / fine, 1),
    }
