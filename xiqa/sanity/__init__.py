"""Randomisation of trained networks, and similarity of saliency maps."""

from xiqa.sanity.randomise import COLUMNS, SIGNED, Explained, alike, blocks, cascade, explained, independent, randomised

__all__ = ["COLUMNS", "SIGNED", "Explained", "alike", "blocks", "cascade", "explained", "independent", "randomised"]
