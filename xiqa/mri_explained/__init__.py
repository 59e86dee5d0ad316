"""Explained MRI artifacts in three dimensions, scored: does the map's peak lie where the simulator changed the scan?

Only scans with a mask are explained, which local artifacts have and others, such as motion, do not. Everything is
measured in voxels of the network's input, on the part of it that the scan fills: the padding behind it is no place.
Beside the maps stand rivals that see no network, chance, and maps under Monte Carlo dropout: does a peak that moves
from sample to sample tell of a miss?

What is measured stands here. :mod:`~xiqa.mri_explained.tables`, :mod:`~xiqa.mri_explained.predicted` (what spread tells
of) and :mod:`~xiqa.mri_explained.study` (what a notebook asks for) are imported by their own names, so that a change of
them measures nothing anew.
"""

from xiqa.mri_explained.dropout import SAMPLED, Peaks, dropout_peaks, spread, wander
from xiqa.mri_explained.observed import METHODS, NO_NETWORK, PRIMARY, RIVALS, TRAINED, UNTRAINED, observe, rivals
from xiqa.mri_explained.truth import distances, masks, score

__all__ = [
    "METHODS",
    "NO_NETWORK",
    "PRIMARY",
    "RIVALS",
    "SAMPLED",
    "TRAINED",
    "UNTRAINED",
    "Peaks",
    "distances",
    "dropout_peaks",
    "masks",
    "observe",
    "rivals",
    "score",
    "spread",
    "wander",
]
