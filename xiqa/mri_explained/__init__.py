"""Explained MRI artifacts in three dimensions, scored: does the map's peak lie where the simulator changed the scan?

Only scans with a mask are explained, which local artifacts have and others, such as motion, do not. Everything is
measured in voxels of the network's input, on the part of it that the scan fills: the padding behind it is no place.
Beside the maps stand rivals that see no network, chance, and maps under Monte Carlo dropout: does a peak that moves
from sample to sample tell of a miss?
"""

from xiqa.mri_explained.dropout import SAMPLED, Peaks, dropout_peaks, predicts, spread
from xiqa.mri_explained.observed import ALL, METHODS, RIVALS, observe, rivals, table
from xiqa.mri_explained.truth import distances, masks, score

__all__ = [
    "ALL",
    "METHODS",
    "RIVALS",
    "SAMPLED",
    "Peaks",
    "distances",
    "dropout_peaks",
    "masks",
    "observe",
    "predicts",
    "rivals",
    "score",
    "spread",
    "table",
]
