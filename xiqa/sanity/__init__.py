"""Randomisation of trained networks, and similarity of saliency maps."""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.sanity.randomise import blocks, cascade, compare, independent, randomised, signed_maps

__getattr__ = lazy(__name__, __file__)
