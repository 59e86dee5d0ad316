"""Places of all objects of a subject, independent of the label.

Each designated object gets two places, one over the lungs and one outside them, and no other object lies at either. The
label alone selects one of the two afterwards. So the objects, and the places of all others, are the same for either
label.
"""

from dataclasses import dataclass

import numpy as np

from xiqa.synthetic.chest.objects import Thing, small
from xiqa.synthetic.chest.placement import Ground, Placed

SPARES = 20  # small things tried when none of those worn can be seen over the lungs


@dataclass
class Laid:
    """An object's place clear of the lungs and, if it is designated, the one over them."""

    clear: Placed
    lung: Placed | None = None

    @property
    def designated(self) -> bool:
        """Whether its place depends on the label."""
        return self.lung is not None

    def at(self, label: int) -> Placed:
        """Place on a film of a label."""
        return self.lung if label and self.lung is not None else self.clear


def lay(worn: list[Thing], wanted: int, ground: Ground, rng: np.random.Generator, scanner: str = "usual") -> list[Laid]:
    """Designate ``wanted`` of the worn things and find places for all; things that fit nowhere are left out."""
    order, laid, rest = rng.permutation(len(worn)), [], []
    for number in order:
        found = both(worn[number], ground, rng) if len(laid) < wanted else None
        if found is None:
            rest.append(worn[number])
        else:
            laid.append(found)
    if not laid:
        laid.append(spare(ground, rng, scanner))
        rest.pop()
    for thing in rest:
        placed = ground.place(thing, "clear", rng)
        if placed is not None:
            ground.occupy(placed)
            laid.append(Laid(placed))
    return laid


def both(thing: Thing, ground: Ground, rng: np.random.Generator) -> Laid | None:
    """A visible place over the lungs and one clear of them; None if either is missing."""
    lung = ground.place(thing, "deep", rng)
    if lung is None or not lung.visible():
        return None
    clear = ground.place(thing, "clear", rng)
    if clear is None:
        return None
    ground.occupy(lung)
    ground.occupy(clear)
    return Laid(clear, lung)


def spare(ground: Ground, rng: np.random.Generator, scanner: str) -> Laid:
    """A small thing that can be seen over the lungs, in place of one that cannot."""
    best = None
    for _ in range(SPARES):
        thing = small(rng, scanner)
        lung = ground.place(thing, "deep", rng) or ground.place(thing, "lungs", rng) or ground.force(thing, "lungs")
        clear = ground.place(thing, "clear", rng) or ground.force(thing, "clear")
        if best is None or lung.dprime > best.lung.dprime:
            best = Laid(clear, lung)
        if lung.visible():
            break
    ground.occupy(best.lung)
    ground.occupy(best.clear)
    return best
