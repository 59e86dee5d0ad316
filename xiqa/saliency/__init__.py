"""Saliency maps: the image regions that a network uses, by every method of the explainability papers.

``ALL`` names the papers' methods, ``METHODS`` holds every registered one, ``register`` adds one.
"""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.saliency.defects import DEFECTS, MODES
    from xiqa.saliency.engine import SILU_RULES, Captured
    from xiqa.saliency.methods import ALL, METHODS, absolute, combine, degenerate, explain_classes, register, resize
    from xiqa.saliency.modes import explain

__getattr__ = lazy(__name__, __file__)
