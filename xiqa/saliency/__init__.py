"""Saliency maps: where a network looks, by every method of the explainability papers, in two shared passes.

``explain`` is the whole of it. ``ALL`` names the papers' methods, ``METHODS`` holds these and every other one that is
registered, and ``register`` adds one (see `xiqa.saliency.methods`).
"""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.saliency.core import explain_classes
    from xiqa.saliency.defects import DEFECTS, MODES
    from xiqa.saliency.engine import SILU_RULES, Captured
    from xiqa.saliency.methods import ALL, METHODS, absolute, combine, degenerate, register, resize
    from xiqa.saliency.modes import explain, explain_with_notes

__getattr__ = lazy(__name__, __file__)
